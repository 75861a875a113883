"""homevisits/README.md lists the modules that exist."""

from tests.architecture import package_map


def test_readme_lists_every_module() -> None:
    assert package_map.current() == package_map.rendered(), "run: make map"
