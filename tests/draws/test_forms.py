import pytest

from homevisits.draws import forms


@pytest.mark.parametrize("scope", ["school:", "grade:3", "grade:KG", "class:7"])
def test_valid_scope_is_parsed(scope: str) -> None:
    request, problems = forms.parse_form(forms.read_form({"school": "1", "scope": scope, "sample_size": "5"}, ""))
    assert not problems
    assert request is not None
    assert f"{request.scope}:{request.scope_value}" == scope


@pytest.mark.parametrize(
    "scope", ["school:again", "class:07", "class:²", "class:" + "9" * 25, "class:", "grade:", "x:"]
)
def test_invalid_scope_is_refused(scope: str) -> None:
    _, problems = forms.parse_form(forms.read_form({"school": "1", "scope": scope, "sample_size": "5"}, ""))
    assert [(problem.code, problem.field) for problem in problems] == [("not_a_choice", "scope")]


def test_impossible_school_id_is_refused() -> None:
    _, problems = forms.parse_form(forms.read_form({"school": "9" * 25, "scope": "school:", "sample_size": "5"}, ""))
    assert [problem.field for problem in problems] == ["school"]
