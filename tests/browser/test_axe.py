"""Check every page of the demo with axe: each role, both languages, phone and desktop, both themes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, false, func, or_, select, update
from werkzeug.routing import Rule

from homevisits.attendance.actions.refresh_report import refresh_report
from homevisits.core.access import Actor
from homevisits.core.db import Database
from homevisits.demo import accounts
from homevisits.demo.settings import DemoFolder
from homevisits.draws.models import Draw
from homevisits.inbox.conversations.queries.access import office_conversations, pair_conversations
from homevisits.inbox.models import Conversation
from homevisits.invitations.models import Invitation
from homevisits.messages.models import Sender
from homevisits.pay.models import PayLine
from homevisits.people.models import Account
from homevisits.visits.models import Visit
from homevisits.web.security import permissions_of
from tests.browser.application import RunningApplication, run_application
from tests.browser.conftest import Opened
from tests.browser.page_checks import check_page, check_page_quickly, find_misfits
from tests.demo.conftest import MADE, made

pytestmark = pytest.mark.browser

NOT_PAGES = (".ics", ".csv", ".svg", "/healthz", "/readyz", "/metrics")
NEEDS_STATE = "/kept-form/"  # checked in test_session_ended
MACHINES = ("/kannel/", "/twilio/")
NOBODY = "nobody"
__all__ = ["made"]


@pytest.fixture
def demo(made: DemoFolder, tmp_path: Path) -> Iterator[RunningApplication]:
    """A running copy of the small demo."""
    own = tmp_path / made.database.name
    shutil.copyfile(made.database, own)
    database = Database(f"sqlite:///{own}")
    with run_application(database, MADE, demo=True) as house:
        with database.transaction() as session:
            refresh_report(session, MADE)
        yield house
    database.dispose()


def _addresses(house: RunningApplication, who: Actor | None) -> list[str]:
    """Return the address of every page that `who` may open, with ids of their own data."""
    found: list[str] = []
    for rule in sorted(house.app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = house.app.view_functions[rule.endpoint]
        if "GET" not in (rule.methods or ()) or "static" in rule.endpoint or rule.rule.endswith(NOT_PAGES):
            continue
        if rule.rule.startswith((*MACHINES, NEEDS_STATE)):
            continue
        asks = permissions_of(view)
        if (not asks and who is None) or (asks and who is not None and any(who.may(each) for each in asks)):
            found += _filled(house, rule, who)
    return found


def _filled(house: RunningApplication, rule: Rule, who: Actor | None) -> list[str]:
    if not rule.arguments:
        return [rule.rule]
    (name,) = rule.arguments
    return [rule.rule.replace(f"<int:{name}>", str(value)) for value in _samples(house, name, who)]


def _samples(house: RunningApplication, name: str, who: Actor | None) -> list[int]:
    """Return ids for a URL argument: for visits, an example of each state. Unknown arguments fail."""
    with house.database.reading() as session:
        if name == "visit_id":
            of_mine: ColumnElement[bool] = Visit.id.is_not(None)
            if who is not None and who.educator_id is not None:
                of_mine = (Visit.lead_id == who.educator_id) | (Visit.partner_id == who.educator_id)
            elif who is not None:
                of_mine = Visit.school_id.in_([grant.school_id for grant in who.grants])
            states = session.execute(
                select(func.max(Visit.id)).where(of_mine).group_by(Visit.state).order_by(Visit.state)
            )
            return [found for (found,) in states]
        schools = [grant.school_id for grant in who.grants] if who else []
        newest = {
            "family_id": select(Visit.family_id).where(Visit.lead_id == who.educator_id if who else Visit.id > 0),
            "draw_id": select(Draw.id).where(Draw.school_id.in_(schools)),
            "invitation_id": select(Invitation.id).where(Invitation.school_id.in_(schools)),
            "line_id": select(PayLine.id),
            "sender_id": select(Sender.id),
            "conversation_id": select(Conversation.id).where(
                or_(office_conversations(who), pair_conversations(who, MADE)) if who else false()
            ),
        }
        return list(session.scalars(newest[name].limit(1)))


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("part", [NOBODY, accounts.TEACHER, accounts.COORDINATOR, accounts.UNION, accounts.LEAD])
def test_every_page_passes_axe(demo: RunningApplication, visitor: Opened, part: str, language: str) -> None:
    email = accounts.address(part)
    who = None
    if part != NOBODY:
        with demo.database.transaction() as session:
            session.execute(update(Account).where(Account.email == email).values(language=language))
            who = accounts.actor_named(session, email)
    window = visitor(demo, email, signed_in=who is not None, locale={"en": "en-US", "es": "es-US"}[language])
    complaints = []
    for address in [*_addresses(demo, who), "/no-such-page"]:
        answer = window.page.goto(demo.url + address)
        assert answer is not None
        if answer.status != (404 if address == "/no-such-page" else 200):
            complaints.append(f"{address} answered {answer.status}")
        assert window.page.locator("html").get_attribute("lang") == language
        looked = check_page(window.page) if language == "en" else check_page_quickly(window.page)
        complaints += [f"{address} {complaint}" for complaint in looked]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("part", [NOBODY, accounts.TEACHER, accounts.COORDINATOR, accounts.UNION, accounts.LEAD])
def test_headings_and_pages_fit_every_screen_width_in_both_languages(
    demo: RunningApplication, visitor: Opened, part: str
) -> None:
    email, who = accounts.address(part), None
    if part != NOBODY:
        with demo.database.reading() as session:
            who = accounts.actor_named(session, email)
    problems = []
    for language, locale in (("en", "en-US"), ("es", "es-US")):
        if who is not None:
            with demo.database.transaction() as session:
                session.execute(update(Account).where(Account.email == email).values(language=language))
        page = visitor(demo, email, signed_in=who is not None, locale=locale).page
        for address in _addresses(demo, who):
            page.goto(demo.url + address)
            assert page.locator("html").get_attribute("lang") == language
            problems += [f"{language} {address} {problem}" for problem in find_misfits(page)]
    assert not problems, "\n".join(problems)
