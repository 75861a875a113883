"""What was typed on the draw page."""

import pytest

from homevisits.draws import forms


@pytest.mark.parametrize("scope", ["school:", "grade:3", "grade:KG", "class:7"])
def test_valid_scope_is_parsed(scope: str) -> None:
    wanted, problems = forms.parse_form(forms.read_form({"school": "1", "scope": scope, "wanted": "5"}, ""))
    assert not problems
    assert wanted is not None
    assert f"{wanted.scope}:{wanted.scope_value}" == scope


@pytest.mark.parametrize(
    "scope", ["school:again", "class:07", "class:²", "class:" + "9" * 25, "class:", "grade:", "x:"]
)
def test_other_spellings_of_a_scope_are_refused(scope: str) -> None:
    _, problems = forms.parse_form(forms.read_form({"school": "1", "scope": scope, "wanted": "5"}, ""))
    assert [(each.code, each.field) for each in problems] == [("not_a_choice", "scope")]


def test_impossible_school_id_is_refused() -> None:
    _, problems = forms.parse_form(forms.read_form({"school": "9" * 25, "scope": "school:", "wanted": "5"}, ""))
    assert [each.field for each in problems] == ["school"]
