"""The coverage gate reports gaps of pure modules and actions, and a lower percentage elsewhere."""

from typing import Any

import pytest

from tests.architecture import coverage_gate


def report(
    missing_lines: list[int], missing_branches: list[list[int]] | None = None, covered: int = 10
) -> dict[str, Any]:
    """Return coverage's report of a module with `covered` executed lines and the given gaps."""
    branches = missing_branches or []
    return {
        "missing_lines": missing_lines,
        "missing_branches": branches,
        "summary": {
            "covered_lines": covered,
            "num_statements": covered + len(missing_lines),
            "covered_branches": 0,
            "num_branches": len(branches),
        },
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("homevisits/pay/rules.py", True),
        ("homevisits/messages/senders/rate_limit.py", True),
        ("homevisits/visits/actions/cancel.py", True),
        ("homevisits/pay/actions.py", True),
        ("homevisits/pay/web.py", False),
        ("homevisits/visits/queries/families.py", False),
    ],
)
def test_pure_modules_and_actions_must_be_complete(path: str, expected: bool) -> None:
    assert coverage_gate.must_be_complete(path) is expected


def test_gate_names_uncovered_lines_and_branches() -> None:
    problems = coverage_gate.check(
        {"homevisits/pay/rules.py": report([7]), "homevisits/pay/actions.py": report([], [[3, 5]])}
    )
    assert [problem.split(":")[0] for problem in problems] == ["homevisits/pay/actions.py", "homevisits/pay/rules.py"]
    assert "[7]" in problems[1]
    assert "[[3, 5]]" in problems[0]


def test_gate_refuses_a_lower_percentage_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_gate, "MIN_PERCENT_ELSEWHERE", 90.0)
    assert not coverage_gate.check({"homevisits/pay/web.py": report([1], covered=9)})
    assert coverage_gate.check({"homevisits/pay/web.py": report([1, 2], covered=9)})
