from tests.architecture import package_map


def test_readme_lists_every_module() -> None:
    assert package_map.read() == package_map.render(), "run: make map"
