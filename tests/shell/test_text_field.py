"""The macro of a labelled text field."""

import re

import pytest
from flask import Flask, render_template_string

from homevisits.core.db import Database
from homevisits.core.problems import Problem
from tests.shell.clients import create_test_app

FIELD = """{% import "macros.html" as ui with context %}
{{ ui.text_field("phone", "Mobile number", "303 555", problems, hint) }}"""


@pytest.fixture
def app(sqlite_database: Database) -> Flask:
    return create_test_app(sqlite_database)


@pytest.mark.parametrize(
    ("hint", "problems", "described_by"),
    [
        (None, [], None),
        ("Ten digits.", [], "phone-hint"),
        (None, [Problem("not_a_phone", "phone")], "phone-problem"),
        ("Ten digits.", [Problem("not_a_phone", "phone")], "phone-hint phone-problem"),
        ("Ten digits.", [Problem("missing", "name")], "phone-hint"),
    ],
)
def test_field_is_described_by_its_hint_and_its_problem(
    app: Flask, hint: str | None, problems: list[Problem], described_by: str | None
) -> None:
    with app.test_request_context("/"):
        html = render_template_string(FIELD, hint=hint, problems=problems)
    found = re.search(r'aria-describedby="([^"]*)"', html)
    assert (found[1] if found else None) == described_by
    assert all(f'id="{name}"' in html for name in (described_by or "phone").split())
    assert ('aria-invalid="true"' in html) == ("problem" in (described_by or ""))
