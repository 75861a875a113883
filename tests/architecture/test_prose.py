import pytest

from tests.architecture import prose


@pytest.mark.parametrize("folders", [("homevisits", "migrations", ".ci"), ("tests",)], ids=["product", "tests"])
def test_comments_and_docstrings_use_plain_words(folders: tuple[str, ...]) -> None:
    rates = prose.rates(prose.sources(folders))
    assert {"/".join(group): round(rate, 1) for group, rate in rates.items() if rate > prose.LIMITS[group]} == {}
