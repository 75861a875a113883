"""Parse the draw form."""

from collections.abc import Mapping
from dataclasses import dataclass

from homevisits.core.problems import Problem
from homevisits.draws.actions import DrawRequest
from homevisits.draws.rules import Method


@dataclass(frozen=True)
class DrawForm:
    """Field values of the draw form, as typed."""

    school: str = ""
    scope: str = "school:"
    method: str = Method.STRATIFIED.value
    sample_size: str = ""
    seed: str = ""
    reason: str = ""


def read_form(form: Mapping[str, str], school: str) -> DrawForm:
    """Read the field values."""
    return DrawForm(
        school=form.get("school", school),
        scope=form.get("scope", "school:"),
        method=form.get("method", Method.STRATIFIED.value),
        sample_size=form.get("sample_size", "").strip(),
        seed=form.get("seed", "").strip(),
        reason=form.get("reason", "").strip(),
    )


def parse_form(form: DrawForm) -> tuple[DrawRequest | None, list[Problem]]:
    """Return the requested draw, or the problems of the form."""
    problems = []
    scope, _, value = form.scope.partition(":")
    # Each scope must have a single spelling, or the same families could be drawn twice without a reason.
    if scope not in ("school", "grade", "class") or not _is_canonical(scope, value):
        problems.append(Problem("not_a_choice", "scope"))
    if form.method not in set(Method):
        problems.append(Problem("not_a_choice", "method"))
    if not (form.school.isascii() and form.school.isdigit() and len(form.school) < 18):
        problems.append(Problem("not_a_choice", "school"))
    number = (
        int(form.sample_size)
        if form.sample_size.isascii() and form.sample_size.isdigit() and len(form.sample_size) < 7
        else None
    )
    if problems:
        return None, problems
    return (
        DrawRequest(
            school_id=int(form.school),
            scope=scope,
            scope_value=value,
            method=Method(form.method),
            sample_size=number,
            seed=form.seed,
            reason=form.reason,
        ),
        [],
    )


def _is_canonical(scope: str, value: str) -> bool:
    if scope == "class":
        return value.isascii() and value.isdigit() and len(value) < 18 and str(int(value)) == value
    return bool(value) is (scope == "grade")
