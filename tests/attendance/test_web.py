import json
import re
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import delete, update

from homevisits.app import create_app
from homevisits.attendance.models import AssociationSnapshot
from homevisits.attendance.report import build_document
from homevisits.core import settings
from homevisits.core.access import Role
from homevisits.core.db import Database
from homevisits.people import account_web
from homevisits.people.models import Account, AccountGrant
from homevisits.people.sign_in import sessions
from homevisits.web import context, security
from tests.attendance.district import IMPORTED_AT
from tests.attendance.groups import create_group

FIRST, LAST = date(2025, 8, 20), date(2026, 6, 4)
VISITED, OTHERS = create_group(97, 21, 0.94), create_group(903, 228, 0.929)
CAVEAT = "This comparison cannot show what visits do."
SELECTION = "Families who say yes to a visit differ from other families"


@pytest.fixture
def app(sqlite_database: Database) -> Flask:
    test_settings = settings.load_settings(
        {}, mode="development", secret_key="k" * 40, public_url="http://127.0.0.1:8000",
        database_url=sqlite_database.url,
    )  # fmt: skip
    app = create_app(test_settings, sqlite_database)

    def sign_in(account_id: int) -> str:
        with context.transaction() as session:
            token = sessions.begin_session(session, account_id, context.now())
        account_web.start_session(token)
        return "in"

    app.add_url_rule("/enter/<int:account_id>", view_func=security.public(sign_in))
    return app


ReadReport = Callable[..., str]


@pytest.fixture
def read_report(app: Flask, sqlite_database: Database) -> ReadReport:
    """Return a function that stores a report (None: no report) and returns the district lead's attendance page."""
    with sqlite_database.transaction() as session:
        account = Account(email="lead@example.org", name="Lead")
        session.add(account)
        session.flush()
        session.add(AccountGrant(account_id=account.id, role=Role.DISTRICT_LEAD))
        account_id = account.id

    def read_page(document: dict[str, object] | None, language: str = "en") -> str:
        with sqlite_database.transaction() as session:
            session.execute(update(Account).values(language=language))
            session.execute(delete(AssociationSnapshot))
            if document is not None:
                session.add(
                    AssociationSnapshot(
                        made_at=IMPORTED_AT, period_from=FIRST, period_to=LAST, document=json.dumps(document)
                    )
                )
        client = app.test_client()
        client.get(f"/enter/{account_id}")
        response = client.get("/attendance")
        assert response.status_code == 200
        assert f'<html lang="{language}">' in response.text
        return " ".join(response.text.split())

    return read_page


def read_sentences(html: str) -> str:
    """Return the text of the page without numbers and plot labels, but with plot titles."""
    main = re.sub(r"<text .*?</text>", "", html.split('id="main"', 1)[1])
    return " ".join(re.sub(r"[−+]?\d[\d.,]*", "#", re.sub(r"<[^>]+>", " ", main)).split())


def test_figures_caveat_and_benchmarks_are_shown(read_report: ReadReport) -> None:
    text = read_report(build_document(VISITED, OTHERS, FIRST, LAST))
    assert CAVEAT in text
    assert SELECTION in text
    for benchmark in ("+0.35 percentage points", "21 % less likely", "24 % fewer absences"):
        assert benchmark in text
    for number in ("94.0 %", "92.9 %", "21.6 %", "25.2 %", "21 of 97", "228 of 903"):
        assert number in text
    assert text.count("<svg") == 2
    assert "style=" not in text


def test_each_plot_has_a_title_with_its_figures_and_a_visible_table(read_report: ReadReport) -> None:
    text = read_report(build_document(VISITED, OTHERS, FIRST, LAST))
    for title in ("School days attended", "Chronic absence"):
        assert re.search(
            rf"<title[^>]*>\s*{title}\.\s+Visited: \d+\.\d %, from \d+\.\d % to \d+\.\d %\.\s+Not visited: ", text
        )
        assert f'<caption class="visually-hidden">{title}</caption>' in text
    before_tables = text.split('<table class="table table-cards"> <caption', 1)[0].split('id="main"', 1)[1]
    assert before_tables.count("<details") == before_tables.count("</details>")


@pytest.mark.parametrize(
    ("language", "caveat", "context", "claims"),
    [
        (
            "en", CAVEAT, "What other studies found",
            "more|less|fewer|higher|lower|better|worse|increased?|reduced?|improved?|difference|effects?|proves?",
        ),
        (
            "es", "Esta comparación no puede mostrar qué logran las visitas.", "Lo que hallaron otros estudios",
            "más|menos|mayor|menor|mejor|peor|aument\\w+|redu\\w+|mejor\\w+|diferencia|efectos?|prueban?",
        ),
    ],
    ids=["en", "es"],
)  # fmt: skip
def test_any_difference_between_the_groups_gives_the_same_sentences(
    read_report: ReadReport, language: str, caveat: str, context: str, claims: str
) -> None:
    equal, better, worse = (
        read_sentences(
            read_report(
                build_document(create_group(400, chronic, rate), create_group(900, 225, 0.93), FIRST, LAST), language
            )
        )
        for chronic, rate in ((100, 0.93), (20, 0.99), (300, 0.60))
    )
    assert equal == better == worse
    assert caveat in equal
    own_sentences = equal.split(context, 1)[0]
    assert not re.findall(rf"\b(?:{claims})\b", own_sentences, re.IGNORECASE)


def test_hidden_counts_are_explained_and_absent(read_report: ReadReport) -> None:
    text = read_report(build_document(create_group(97, 9), OTHERS, FIRST, LAST))
    assert "Chronic absence is not shown" in text
    assert "228" not in text
    assert "903" in text


def test_fewer_than_ten_families_show_no_numbers(read_report: ReadReport) -> None:
    text = read_report(build_document(create_group(18, 12, siblings=2), OTHERS, FIRST, LAST))
    assert "Too few to show" in text
    assert "<svg" not in text
    assert "903" not in text


def test_page_without_attendance_explains_the_import(read_report: ReadReport) -> None:
    text = read_report(None)
    assert "No attendance yet" in text
    assert "homevisits import attendance" in text
    assert "21 % less likely" in text


def test_signed_out_user_is_sent_to_sign_in(app: Flask) -> None:
    assert app.test_client().get("/attendance").status_code == 303
