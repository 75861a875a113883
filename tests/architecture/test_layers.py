from pathlib import Path, PurePath

import pytest

from tests.architecture.layers import find_violations, layer_of

PACKAGE = Path(__file__).resolve().parent.parent.parent / "homevisits"


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("visits/actions/cancel.py", "actions"),
        ("visits/queries/detail.py", "queries"),
        ("visits/web/office.py", "web"),
        ("visits/rules.py", "pure"),
        ("practices/voluntary.py", "pure"),
        ("operations/senders_web.py", "web"),
        ("inbox/conversations/actions.py", "actions"),
        ("inbox/webhooks/forms.py", "forms"),
        ("messages/providers/twilio.py", "providers"),
        ("messages/models.py", "models"),
        ("messages/outbox.py", "service"),
        ("messages/dispatch/claim.py", "service"),
    ],
)
def test_layer_is_the_last_layer_named_in_the_path(path: str, layer: str) -> None:
    assert layer_of(PurePath(path)) == layer


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("visits/actions/cancel.py", "def f():\n    return clock.now()"),
        ("visits/queries/detail.py", "def f(session):\n    session.add(1)"),
        ("pay/queries.py", "def f(session):\n    session.execute(update(PayLine))"),
        ("draws/actions.py", "from flask import request"),
        ("messages/dispatch/claim.py", "from datetime import datetime\nx = datetime.now()"),
        ("reports/web.py", "from sqlalchemy import select"),
        ("inbox/today/web.py", "def f(session):\n    session.scalar(1)"),
        ("draws/forms.py", "def f(session):\n    session.scalar(1)"),
        ("pay/rules.py", "import math"),
    ],
)
def test_misplaced_code_is_found(path: str, source: str) -> None:
    assert find_violations(PurePath(path), source)


def test_modules_keep_to_their_layer() -> None:
    violations = [
        f"{path.relative_to(PACKAGE)}:{violation.line}: {violation.reason}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for violation in find_violations(path.relative_to(PACKAGE), path.read_text(encoding="utf-8"))
    ]
    assert not violations
