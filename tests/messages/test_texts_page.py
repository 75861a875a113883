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
def lead_actor(database: Database) -> Actor:
    return create_account(database, "lead", Grant(Role.DISTRICT_LEAD, None))


@pytest.fixture
def lead(app: Flask, lead_actor: Actor) -> FlaskClient:
    clock.set_source(lambda: NOW)
    return create_client(app, lead_actor)


def read_page(client: FlaskClient, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def visible_text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_coordinator_and_lead_may_read_the_page_but_not_the_union(database: Database, lead: FlaskClient) -> None:
    coordinator = create_account(database, "coordinator", Grant(Role.SITE_COORDINATOR, None))
    union_coordinator = create_account(database, "union", Grant(Role.UNION_COORDINATOR, None))
    assert lead.get("/texts").status_code == 200
    assert create_client(lead.application, coordinator).get("/texts").status_code == 200
    assert create_client(lead.application, union_coordinator).get("/texts").status_code == 403


def test_each_language_shows_whether_it_is_in_use(lead: FlaskClient) -> None:
    text = visible_text(read_page(lead, "/texts"))
    for in_use in ("English , English: in use", "Español , Spanish: in use"):
        assert in_use in text
    for not_in_use in (
        "Soomaali , Somali: not in use",
        "Hmoob , Hmong: not in use",
        "Tiếng Việt , Vietnamese: not in use",
    ):
        assert not_in_use in text


def test_text_shows_approval_body_parts_and_price(lead: FlaskClient) -> None:
    text = visible_text(read_page(lead, "/texts?language=es"))
    required = sum(template.is_required for template in catalog.load_pack("es").templates)
    assert f"{required} of {required} texts are approved" in text
    assert "Responda 1 si le parece bien" in text
    assert re.search(r"Approved by Homevisits on \w+, Nov 28", text)
    assert "2 parts , $0.0400" in text
    assert "One part costs about $0.0200" in text


def test_draft_is_marked_and_shown_right_to_left(lead: FlaskClient) -> None:
    html = read_page(lead, "/texts?language=ar")
    assert html.count('<p class="text mb-2" lang="ar" dir="rtl">') == len(catalog.list_templates("ar"))
    text = visible_text(html)
    assert re.search(r"0 of \d+ texts are approved", text)
    assert "These are drafts" in text
    assert "Approved by" not in text
    assert "UCS-2" in text


def test_unapproved_text_shows_the_price_without_special_letters(lead: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "pack.toml").write_text('letters = "accents"', encoding="utf-8")
    (tmp_path / "es" / "canned_thanks.txt").write_text("Hasta el próximo día. " * 5, encoding="utf-8")
    catalog.configure(tmp_path)
    try:
        text = visible_text(read_page(lead, "/texts?language=es"))
    finally:
        catalog.configure()
    assert "Waiting for approval" in text or "Changed since it was approved" in text
    assert "2 parts , $0.0400" in text
    assert "Without special letters: 1 part, $0.0200" in text


def test_text_of_the_district_is_marked(lead: FlaskClient, tmp_path: Path) -> None:
    assert "your district’s own" not in visible_text(read_page(lead, "/texts?language=es"))
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "help.txt").write_text("Mensajes de Cedar. STOP o ALTO", encoding="utf-8")
    catalog.configure(tmp_path)
    try:
        text = visible_text(read_page(lead, "/texts?language=es"))
    finally:
        catalog.configure()
    assert "They asked for help the district’s own" in text
    assert "Upgrades do not change them" in text


def test_texts_are_grouped_by_recipient_and_use(lead: FlaskClient) -> None:
    html = read_page(lead, "/texts?language=en")
    titles = ["To families", "To families, in the discreet wording", "Quick replies", "To the two people on a visit"]
    assert re.findall(r'<h2 class="mt-4 mb-2">([^<]+)</h2>', html) == titles
    assert "home visit" not in html[html.index(titles[1]) : html.index(titles[2])].lower()


def test_unknown_language_is_not_found(lead: FlaskClient) -> None:
    assert lead.get("/texts?language=xx").status_code == 404
    assert lead.get("/texts?language=../en").status_code == 404


@pytest.mark.parametrize("price", ["much", "-1", "NaN", "Infinity", ""])
def test_invalid_price_is_refused(price: str) -> None:
    with pytest.raises(InvalidSettings, match="text_segment_dollars"):
        load_settings(
            {},
            database_url="sqlite:///x",
            secret_key="k" * 40,
            public_url="http://127.0.0.1",
            text_segment_dollars=price,
        )
