"""Walk through the demo from an invitation to the end of a visit."""

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Text, func, select, text
from sqlalchemy import cast as sql_cast

from homevisits.app import create_app
from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.demo import accounts, settings
from homevisits.demo.settings import DemoFolder
from homevisits.draws import actions as draws
from homevisits.draws.models import Draw
from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import OutgoingMessage
from homevisits.pay.models import PayLine
from homevisits.people.models import Account, Family, Teaching
from homevisits.visits.models import Reflection, Visit
from tests.demo.conftest import MADE

pytestmark = pytest.mark.slow


@pytest.fixture
def database(folder: DemoFolder) -> Iterator[Database]:
    database_of_demo = Database(settings.load_demo_settings(folder, 8077).database_url)
    yield database_of_demo
    database_of_demo.dispose()


@pytest.fixture
def client(folder: DemoFolder, database: Database, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(clock, "_system_time", lambda: MADE)
    clock.follow_offset_file(folder.clock)
    app = create_app(settings.load_demo_settings(folder, 8077), database)
    app.config.update(WTF_CSRF_ENABLED=False)
    return app.test_client()


def open_page_as(client: FlaskClient, part: str, path: str) -> str:
    response = client.post("/demo/be", data={"part": part, "next": path}, follow_redirects=True)
    assert response.status_code == 200
    return response.text


def test_history_keeps_the_practices(database: Database) -> None:
    with database.reading() as session:
        states = dict(session.execute(select(Visit.state, func.count()).group_by(Visit.state)).all())
        assert states["completed"] > 15
        assert session.scalar(select(func.count()).select_from(Reflection)) > 20
        lines = session.scalar(select(func.count()).select_from(PayLine))
        assert lines == 2 * states["completed"]
        paid = dict(session.execute(select(PayLine.state, func.count()).group_by(PayLine.state)).all())
        assert {"earned", "approved", "exported"} <= paid.keys()
        alone = select(func.count()).select_from(Visit).where(Visit.lead_id == Visit.partner_id)
        assert session.scalar(alone) == 0
        # No text is overdue.
        assert (
            session.scalar(
                select(func.count()).where(
                    OutgoingMessage.state.in_(("undelivered", "rejected", "dead", "unknown", "sending"))
                )
            )
            == 0
        )
        assert session.scalar(select(func.max(ConsentEntry.at))) < MADE
        assert session.execute(text("PRAGMA foreign_key_check")).all() == []
        for draw in session.scalars(select(Draw.id)):
            assert draws.verify_draw(session, draw).same


def test_each_role_starts_on_its_own_page(client: FlaskClient) -> None:
    front = client.get("/", follow_redirects=True).text
    assert "Who do you want to be?" in front
    assert "%(" not in front
    for part in accounts.PARTS:
        response = client.post("/demo/be", data={"part": part})
        assert response.status_code == 303
        page = client.get(response.location)
        assert page.status_code == 200
        assert "demo-bar" in page.text
    assert client.post("/demo/be", data={"part": "stranger"}).status_code == 404
    away = client.post("/demo/be", data={"part": "lead", "next": "https://elsewhere.example"})
    assert away.location.startswith("/")


def test_demo_accounts_have_no_password(database: Database) -> None:
    with database.reading() as session:
        assert session.scalar(select(func.count()).where(Account.password_hash.is_not(None))) == 0


def test_family_is_invited_and_visited_within_a_few_clicks(client: FlaskClient, database: Database) -> None:
    ask = f"/asking/{draw_of(database, accounts.TEACHER)}/ask"
    assert f'value="/asking#draw-{draw_of(database, accounts.TEACHER)}"' in client.get("/demo/").text
    page = open_page_as(client, "coordinator", "/asking")
    card = page.split(f'id="draw-{draw_of(database, accounts.TEACHER)}"')[1].split("</section>")[0]
    assert "This text goes to" in card  # the next family of the guide gets texts
    family = re.search(rf'action="{ask}".*?name="family" value="(\d+)"', page, re.DOTALL).group(1)  # type: ignore[union-attr]
    assert client.post(ask, data={"family": family}).status_code == 303
    # Moving the clock runs the due jobs, which send the text.
    client.post("/demo/clock", data={"to": "morning"})
    assert "visit" in client.get(f"/demo/phone/{family}").text
    client.post(f"/demo/phone/{family}", data={"chip": "1"})
    assert newest_answer(database, family) == "yes"

    open_page_as(client, "teacher", "/families")
    with database.reading() as session:
        partner = session.scalar(select(Account.educator_id).where(Account.email == accounts.address(accounts.PARTNER)))
    times = client.get(f"/families/{family}/time?partner={partner}").text
    link = re.search(r'href="(/families/\d+/book\?[^"]+)"', times).group(1).replace("&amp;", "&")  # type: ignore[union-attr]
    check = client.get(link).text
    form = dict(re.findall(r'name="([a-z_]+)"[^>]*value="([^"]*)"', check.split("/book")[-1]))
    booked = client.post(f"/families/{family}/book", data={**form, "place_type": "home"})
    assert booked.status_code == 303, booked.text
    visit = int(booked.location.rsplit("/", 1)[1])
    open_page_as(client, "partner", "/my-day")
    assert client.post(f"/visits/{visit}/accept").status_code == 303
    client.post("/demo/clock", data={"to": "event"})
    client.post(f"/demo/phone/{family}", data={"chip": "1"})
    assert state_of(database, visit) == "confirmed"

    ends = start_of(database, visit)
    for _jump in range(8):
        if clock.now() >= ends:
            break
        client.post("/demo/clock", data={"to": "event"})
    assert clock.now() >= ends
    assert "We met" in open_page_as(client, "teacher", "/my-day")
    with database.reading() as session:
        reminded = select(func.count()).where(
            OutgoingMessage.subject == f"visit:{visit}",
            OutgoingMessage.template.in_(("visit_reminder", "visit_see_you")),
            OutgoingMessage.sent_at.is_not(None),
        )
        assert session.scalar(reminded) >= 1


def test_phone_page_shows_texts_and_accepts_stop(client: FlaskClient, database: Database) -> None:
    with database.reading() as session:
        family = session.scalar(select(Family.id).where(Family.language == "es").order_by(Family.id.desc()).limit(1))
    page = client.get(f"/demo/phone/{family}")
    assert page.status_code == 200
    client.post(f"/demo/phone/{family}", data={"body": "STOP"})
    assert "STOP" in client.get(f"/demo/phone/{family}").text
    assert client.get("/demo/phone/999999").status_code == 404
    assert client.post(f"/demo/phone/{family}", data={"body": ""}).status_code == 303
    assert client.get("/demo/phone?q=no+such+family").status_code == 200


def test_clock_only_moves_forward(client: FlaskClient) -> None:
    before = clock.now()
    client.post("/demo/clock", data={"to": "morning", "next": "//elsewhere.example"})
    assert clock.now() > before


def draw_of(database: Database, part: str) -> int | None:
    """Return the draw for the class of a person of the guide."""
    with database.reading() as session:
        class_ids = (
            select(sql_cast(Teaching.class_id, Text))
            .join(Account, Account.educator_id == Teaching.educator_id)
            .where(Account.email == accounts.address(part))
        )
        return session.scalar(select(Draw.id).where(Draw.scope == "class", Draw.scope_value.in_(class_ids)))


def newest_answer(database: Database, family: str) -> str | None:
    with database.reading() as session:
        query = select(ConsentEntry.answer).where(ConsentEntry.family_id == int(family))
        return session.scalar(query.order_by(ConsentEntry.id.desc()).limit(1))


def state_of(database: Database, visit: int) -> str | None:
    with database.reading() as session:
        return session.scalar(select(Visit.state).where(Visit.id == visit))


def start_of(database: Database, visit: int) -> datetime:
    with database.reading() as session:
        return session.get_one(Visit, visit).ends_at
