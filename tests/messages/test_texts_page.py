"""The page of the texts: what is approved, by whom, how it reads and what it costs; drafts are shown as drafts."""

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from homevisits.core import clock
from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings, load_settings
from homevisits.messages.templates import catalog
from tests.factories.school import NOW
from tests.shell.clients import create_account, create_client, create_test_app


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("texts") / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    return Database(f"sqlite:///{path}")


@pytest.fixture(scope="module")
def app(database: Database) -> Flask:
    return create_test_app(database, text_segment_dollars="0.0200")


@pytest.fixture(scope="module")
def person(database: Database) -> Actor:
    return create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None))


@pytest.fixture
def lead(app: Flask, person: Actor) -> FlaskClient:
    clock.set_source(lambda: NOW)
    return create_client(app, person)


def page(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_coordinator_and_the_district_lead_may_read_them(database: Database, lead: FlaskClient) -> None:
    coordinator = create_account(database, "coordinator", Grant(Role.SITE_COORDINATOR, None))
    union = create_account(database, "union", Grant(Role.UNION_COORDINATOR, None))
    assert lead.get("/texts").status_code == 200
    assert create_client(lead.application, coordinator).get("/texts").status_code == 200
    assert create_client(lead.application, union).get("/texts").status_code == 403


def test_each_language_says_whether_it_is_sent(lead: FlaskClient) -> None:
    said = words(page(lead, "/texts"))
    for sent in ("English , English: in use", "Español , Spanish: in use"):
        assert sent in said
    for waiting in (
        "Soomaali , Somali: not in use",
        "Hmoob , Hmong: not in use",
        "Tiếng Việt , Vietnamese: not in use",
    ):
        assert waiting in said


def test_a_text_shows_its_approval_its_words_its_parts_and_its_price(lead: FlaskClient) -> None:
    said = words(page(lead, "/texts?language=es"))
    needed = sum(text.is_required for text in catalog.load_pack("es").templates)
    assert f"{needed} of {needed} texts are approved" in said
    assert "Responda 1 si le parece bien" in said
    assert re.search(r"Approved by Homevisits on \w+, Nov 28", said)
    assert "2 parts , $0.0400" in said
    assert "One part costs about $0.0200" in said


def test_a_draft_is_shown_as_one_in_its_own_direction(lead: FlaskClient) -> None:
    html = page(lead, "/texts?language=ar")
    assert html.count('<p class="text mb-2" lang="ar" dir="rtl">') == len(catalog.list_templates("ar"))
    said = words(html)
    assert re.search(r"0 of \d+ texts are approved", said)
    assert "These are drafts" in said
    assert "Approved by" not in said
    assert "UCS-2" in said


def test_the_price_of_the_other_letters_stands_beside_each_text_before_anybody_approves(
    lead: FlaskClient, tmp_path: Path
) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "pack.toml").write_text('letters = "accents"', encoding="utf-8")
    (tmp_path / "es" / "canned_thanks.txt").write_text("Hasta el próximo día. " * 5, encoding="utf-8")
    catalog.configure(tmp_path)
    try:
        said = words(page(lead, "/texts?language=es"))
    finally:
        catalog.configure()
    assert "Waiting for approval" in said or "Changed since it was approved" in said
    assert "2 parts , $0.0400" in said
    assert "Without special letters: 1 part, $0.0200" in said


def test_a_district_s_own_words_are_marked(lead: FlaskClient, tmp_path: Path) -> None:
    assert "your district’s own" not in words(page(lead, "/texts?language=es"))
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "help.txt").write_text("Mensajes de Cedar. STOP o ALTO", encoding="utf-8")
    catalog.configure(tmp_path)
    try:
        said = words(page(lead, "/texts?language=es"))
    finally:
        catalog.configure()
    assert "They asked for help the district’s own" in said
    assert "Upgrades do not change them" in said


def test_texts_to_families_to_staff_and_ready_answers_stand_apart(lead: FlaskClient) -> None:
    html = page(lead, "/texts?language=en")
    titles = ["To families", "To families, in the discreet wording", "Quick replies", "To the two people on a visit"]
    assert re.findall(r'<h2 class="mt-4 mb-2">([^<]+)</h2>', html) == titles
    assert "home visit" not in html[html.index(titles[1]) : html.index(titles[2])].lower()


def test_unknown_language_is_not_found(lead: FlaskClient) -> None:
    assert lead.get("/texts?language=xx").status_code == 404
    assert lead.get("/texts?language=../en").status_code == 404


@pytest.mark.parametrize("price", ["much", "-1", "NaN", "Infinity", ""])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(InvalidSettings, match="text_segment_dollars"):
        load_settings(
            {},
            database_url="sqlite:///x",
            secret_key="k" * 40,
            public_url="http://127.0.0.1",
            text_segment_dollars=price,
        )
