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
from tests.browser.conftest import OpenBrowser
from tests.browser.page_checks import check_page, check_page_quickly, find_width_problems
from tests.demo.conftest import MADE, demo_folder

pytestmark = pytest.mark.browser

NOT_PAGES = (".ics", ".csv", ".svg", "/healthz", "/readyz", "/metrics")
NEEDS_STATE = "/kept-form/"  # checked in test_session_ended
WEBHOOK_PATHS = ("/kannel/", "/twilio/")
NOBODY = "nobody"
__all__ = ["demo_folder"]


@pytest.fixture
def demo(demo_folder: DemoFolder, tmp_path: Path) -> Iterator[RunningApplication]:
    """A running copy of the small demo."""
    database_path = tmp_path / demo_folder.database.name
    shutil.copyfile(demo_folder.database, database_path)
    database = Database(f"sqlite:///{database_path}")
    with run_application(database, MADE, demo=True) as application:
        with database.transaction() as session:
            refresh_report(session, MADE)
        yield application
    database.dispose()


def _page_paths(application: RunningApplication, actor: Actor | None) -> list[str]:
    """Return the address of every page that `actor` may open, with ids of their own data."""
    paths: list[str] = []
    for rule in sorted(application.app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = application.app.view_functions[rule.endpoint]
        if "GET" not in (rule.methods or ()) or "static" in rule.endpoint or rule.rule.endswith(NOT_PAGES):
            continue
        if rule.rule.startswith((*WEBHOOK_PATHS, NEEDS_STATE)):
            continue
        permissions = permissions_of(view)
        if (not permissions and actor is None) or (
            permissions and actor is not None and any(actor.may(permission) for permission in permissions)
        ):
            paths += _fill_arguments(application, rule, actor)
    return paths


def _fill_arguments(application: RunningApplication, rule: Rule, actor: Actor | None) -> list[str]:
    if not rule.arguments:
        return [rule.rule]
    (name,) = rule.arguments
    return [rule.rule.replace(f"<int:{name}>", str(value)) for value in _sample_ids(application, name, actor)]


def _sample_ids(application: RunningApplication, name: str, actor: Actor | None) -> list[int]:
    """Return ids for a URL argument: for visits, an example of each state. Unknown arguments fail."""
    with application.database.reading() as session:
        if name == "visit_id":
            own_visits: ColumnElement[bool] = Visit.id.is_not(None)
            if actor is not None and actor.educator_id is not None:
                own_visits = (Visit.lead_id == actor.educator_id) | (Visit.partner_id == actor.educator_id)
            elif actor is not None:
                own_visits = Visit.school_id.in_([grant.school_id for grant in actor.grants])
            states = session.execute(
                select(func.max(Visit.id)).where(own_visits).group_by(Visit.state).order_by(Visit.state)
            )
            return [visit_id for (visit_id,) in states]
        schools = [grant.school_id for grant in actor.grants] if actor else []
        newest = {
            "family_id": select(Visit.family_id).where(Visit.lead_id == actor.educator_id if actor else Visit.id > 0),
            "draw_id": select(Draw.id).where(Draw.school_id.in_(schools)),
            "invitation_id": select(Invitation.id).where(Invitation.school_id.in_(schools)),
            "line_id": select(PayLine.id),
            "sender_id": select(Sender.id),
            "conversation_id": select(Conversation.id).where(
                or_(office_conversations(actor), pair_conversations(actor, MADE)) if actor else false()
            ),
        }
        return list(session.scalars(newest[name].limit(1)))


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    "account_name", [NOBODY, accounts.TEACHER, accounts.COORDINATOR, accounts.UNION, accounts.LEAD]
)
def test_every_page_passes_axe(
    demo: RunningApplication, open_browser: OpenBrowser, account_name: str, language: str
) -> None:
    email = accounts.address(account_name)
    actor = None
    if account_name != NOBODY:
        with demo.database.transaction() as session:
            session.execute(update(Account).where(Account.email == email).values(language=language))
            actor = accounts.actor_named(session, email)
    window = open_browser(demo, email, signed_in=actor is not None, locale={"en": "en-US", "es": "es-US"}[language])
    problems = []
    for address in [*_page_paths(demo, actor), "/no-such-page"]:
        response = window.page.goto(demo.url + address)
        assert response is not None
        if response.status != (404 if address == "/no-such-page" else 200):
            problems.append(f"{address} answered {response.status}")
        assert window.page.locator("html").get_attribute("lang") == language
        page_problems = check_page(window.page) if language == "en" else check_page_quickly(window.page)
        problems += [f"{address} {problem}" for problem in page_problems]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "account_name", [NOBODY, accounts.TEACHER, accounts.COORDINATOR, accounts.UNION, accounts.LEAD]
)
def test_headings_and_pages_fit_every_screen_width_in_both_languages(
    demo: RunningApplication, open_browser: OpenBrowser, account_name: str
) -> None:
    email, actor = accounts.address(account_name), None
    if account_name != NOBODY:
        with demo.database.reading() as session:
            actor = accounts.actor_named(session, email)
    problems = []
    for language, locale in (("en", "en-US"), ("es", "es-US")):
        if actor is not None:
            with demo.database.transaction() as session:
                session.execute(update(Account).where(Account.email == email).values(language=language))
        page = open_browser(demo, email, signed_in=actor is not None, locale=locale).page
        for address in _page_paths(demo, actor):
            page.goto(demo.url + address)
            assert page.locator("html").get_attribute("lang") == language
            problems += [f"{language} {address} {problem}" for problem in find_width_problems(page)]
    assert not problems, "\n".join(problems)
