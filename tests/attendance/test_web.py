"""The page of attendance: what it says in each state, and that it always says what it is not."""

import json
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask

from homevisits.app import create_app
from homevisits.attendance.models import AssociationSnapshot
from homevisits.attendance.report import Group, document
from homevisits.core import settings
from homevisits.core.access import Role
from homevisits.core.db import Database
from homevisits.people import account_web
from homevisits.people.models import Account, AccountGrant
from homevisits.web import pages
from tests.attendance.district import AFTER

FIRST, LAST = date(2025, 8, 20), date(2026, 6, 4)
VISITED, OTHERS = Group(97, 21, 91.2, 86.2), Group(903, 228, 839.2, 785)
CAVEAT = "It does not prove that visits caused the difference."


@pytest.fixture
def app(sqlite_database: Database) -> Flask:
    given = settings.load(
        {}, mode="development", secret_key="k" * 40, public_url="http://127.0.0.1:8000",
        database_url=sqlite_database.url,
    )  # fmt: skip
    made = create_app(given, sqlite_database)

    def enter(account: int) -> str:
        account_web.begin_session(account, 0)
        return "in"

    made.add_url_rule("/enter/<int:account>", view_func=pages.public(enter))
    return made


@pytest.fixture
def read(app: Flask, sqlite_database: Database) -> Callable[[dict[str, object] | None], str]:
    """The page's words as the district lead reads them, with this document worked out (None: none yet)."""

    def page(found: dict[str, object] | None) -> str:
        with sqlite_database.transaction() as session:
            account = Account(email="lead@example.org", name="Lead")
            session.add(account)
            session.flush()
            session.add(AccountGrant(account_id=account.id, role=Role.DISTRICT_LEAD))
            if found is not None:
                session.add(
                    AssociationSnapshot(made_at=AFTER, period_from=FIRST, period_to=LAST, document=json.dumps(found))
                )
            number = account.id
        client = app.test_client()
        client.get(f"/enter/{number}")
        answer = client.get("/attendance")
        assert answer.status_code == 200
        return " ".join(answer.text.split())

    return page


Read = Callable[[dict[str, object] | None], str]


def test_the_finding_the_caveat_and_the_benchmarks_stand_together(read: Read) -> None:
    text = read(document(VISITED, OTHERS, FIRST, LAST))
    assert "Students of visited families came to school about as much as others." in text
    assert "This is an association." in text
    assert CAVEAT in text
    for benchmark in ("+0.35 percentage points", "21 % less likely", "24 % fewer absences"):
        assert benchmark in text
    for number in ("94.0 %", "92.9 %", "21.6 %", "25.2 %", "14.6 %", "30.8 %", "−11.2", "+6.0"):
        assert number in text
    assert "<svg" in text
    assert "style=" not in text


def test_a_clear_difference_is_said_with_the_same_caveat(read: Read) -> None:
    better = Group(400, 21, 400 * 0.97, 400 * 0.97**2 + 1)
    text = read(document(better, OTHERS, FIRST, LAST))
    assert "Students of visited families came to school more." in text
    assert CAVEAT in text
    assert "may well be chance" not in text


def test_hidden_counts_are_explained_and_not_there(read: Read) -> None:
    text = read(document(Group(97, 9, 91.2, 86.2), OTHERS, FIRST, LAST))
    assert "Chronic absence is not shown" in text
    assert "228" not in text
    assert "903" in text


def test_too_few_to_tell_shows_no_number_of_anybody(read: Read) -> None:
    text = read(document(Group(9, 2, 8.5, 8.0), OTHERS, FIRST, LAST))
    assert "Too few to tell" in text
    assert "<svg" not in text
    assert "903" not in text


def test_before_any_attendance_the_page_says_what_to_do(read: Read) -> None:
    text = read(None)
    assert "No attendance yet" in text
    assert "homevisits import attendance" in text
    assert "21 % less likely" in text


def test_a_stranger_signs_in_first(app: Flask) -> None:
    assert app.test_client().get("/attendance").status_code == 303
