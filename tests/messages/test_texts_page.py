"""The page of the texts: what is approved, by whom, how it reads and what it costs; drafts are shown as drafts."""

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from homevisits import clock
from homevisits.access import Actor, Grant, Role
from homevisits.db import Database
from homevisits.messages import packs, texts_web
from homevisits.settings import SettingsWrong, load
from tests.shell.doors import account, app_of, browser_of
from tests.world import NOW


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("texts") / "homevisits.sqlite"
    shutil.copyfile(sqlite_template, path)
    return Database(f"sqlite:///{path}")


@pytest.fixture(scope="module")
def app(database: Database) -> Flask:
    return app_of(database, text_segment_dollars="0.0200")


@pytest.fixture(scope="module")
def person(database: Database) -> Actor:
    return account(database, "lead", Grant(Role.DISTRICT_LEAD, None))


@pytest.fixture
def lead(app: Flask, person: Actor) -> FlaskClient:
    clock.use(lambda: NOW)
    return browser_of(app, person)


def page(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_coordinator_and_the_district_lead_may_read_them(database: Database, lead: FlaskClient) -> None:
    coordinator = account(database, "coordinator", Grant(Role.SITE_COORDINATOR, None))
    union = account(database, "union", Grant(Role.UNION_COORDINATOR, None))
    assert lead.get("/texts").status_code == 200
    assert browser_of(lead.application, coordinator).get("/texts").status_code == 200
    assert browser_of(lead.application, union).get("/texts").status_code == 403


def test_each_language_says_whether_it_is_sent(lead: FlaskClient) -> None:
    said = words(page(lead, "/texts"))
    for sent in ("English , English: sent", "Español , Spanish: sent"):
        assert sent in said
    for waiting in ("Soomaali , Somali: not sent", "Hmoob , Hmong: not sent", "Tiếng Việt , Vietnamese: not sent"):
        assert waiting in said


def test_a_text_shows_its_approval_its_words_its_parts_and_its_price(lead: FlaskClient) -> None:
    said = words(page(lead, "/texts?language=es"))
    assert "18 of 18 texts are approved" in said
    assert "Responda 1 para confirmar" in said
    assert re.search(r"Approved by Homevisits on \w+ 22 Nov", said)
    assert "2 parts , $0.0400" in said
    assert "With every accent: 5 parts, $0.1000" in said
    assert "One part costs about $0.0200" in said


def test_a_draft_is_shown_as_one_in_its_own_direction(lead: FlaskClient) -> None:
    html = page(lead, "/texts?language=ar")
    assert html.count('<p class="text mb-2" lang="ar" dir="rtl">') == 18
    said = words(html)
    assert "0 of 18 texts are approved" in said
    assert "These are drafts" in said
    assert "Approved by" not in said
    assert "UCS-2" in said


def test_every_text_has_a_name_and_a_language_nobody_has_is_not_found(lead: FlaskClient) -> None:
    assert set(texts_web.NAMES) == set(packs.templates("en"))
    assert lead.get("/texts?language=xx").status_code == 404
    assert lead.get("/texts?language=../en").status_code == 404


@pytest.mark.parametrize("price", ["much", "-1", "NaN", "Infinity", ""])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(SettingsWrong, match="text_segment_dollars"):
        load(
            {},
            database_url="sqlite:///x",
            secret_key="k" * 40,
            public_url="http://127.0.0.1",
            text_segment_dollars=price,
        )
