"""What every verb records: a line of history, the plan of texts; and what the database's own refusals mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time
from typing import Any

from sqlalchemy import Row, and_, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import Problem, RulesBroken
from homevisits.messages import outbox
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedText
from homevisits.people.models import Account, Educator, Family, School
from homevisits.policies.rules import Policy
from homevisits.visits import notifications
from homevisits.visits.models import Visit, VisitEvent, VisitMember
from homevisits.visits.queries import booking_facts

MEANS = {
    "homevisits: commitment overlap": Problem("just_taken", "start"),
    'exclusion constraint "overlap"': Problem("just_taken", "start"),
    "uq_visit_live_family": Problem("family_has_a_visit", "family"),
    "visit.family_id": Problem("family_has_a_visit", "family"),
    "homevisits: visit consent_giver": Problem("family_yes_lapsed", "family"),
    "homevisits: visit consent": Problem("family_has_not_said_yes", "family"),
}
"""Parts of what a database says, and what they mean to a person."""


@contextmanager
def refused_by_the_database(session: Session) -> Iterator[None]:
    """Write what was recorded, and turn the last guard's refusal into a problem in words.

    The rules ask first; this is for what changed between asking and writing. An unknown refusal stays a bug.
    """
    try:
        yield
        session.flush()
    except DBAPIError as refusal:
        said = str(refusal.orig)
        for part, problem in MEANS.items():
            if part in said:
                raise RulesBroken([problem]) from refusal
        if "homevisits: " in said:
            raise RulesBroken([Problem("changed_meanwhile", None)]) from refusal
        raise


def note(session: Session, visit: Visit, what: str, actor: Actor | None, now: datetime, detail: str = "") -> None:
    """Add a line to the visit's history."""
    by = actor.account_id if actor else None
    session.add(VisitEvent(visit_id=visit.id, what=what, at=now, by_account=by, detail=detail))


def changed(visit: Visit, now: datetime) -> None:
    """The visit is another than calendars and texts last said."""
    visit.version += 1
    visit.updated_at = now


def knows_the_time(session: Session, visit: Visit) -> bool:
    """Whether the family was told of the time the visit now has: then its notice was kept, whoever stands in."""
    session.flush()
    told = select(VisitEvent.what).where(VisitEvent.visit_id == visit.id, VisitEvent.what.in_(("arranged", "moved")))
    return session.scalar(told.order_by(VisitEvent.id.desc()).limit(1)) == "arranged"


def plan_texts(session: Session, visit: Visit, policy: Policy, now: datetime, acknowledge: str | None = None) -> None:
    """Make everyone's texts those of the visit as it now stands; `acknowledge` answers what the family just said.

    What no approved text says in the family's language is not said by text: a person calls. So it is with what the
    policy has switched off.
    """
    session.flush()
    as_told, moved = _as_told(session, visit, now)
    morning = time.fromisoformat(policy.text_from)
    planned = notifications.plan(
        as_told, policy.reminder_hours, now, moved=moved, acknowledge=acknowledge, morning=morning
    )
    kept = [
        text
        for text in map(_available, planned)
        if text.template not in policy.texts_off and catalog.has(text.language, text.template)
    ]
    outbox.replace(session, f"visit:{visit.id}", kept, now)


def _available(text: PlannedText) -> PlannedText:
    """Use the general reminder in a language that has no approved reminder for confirmed visits."""
    if text.template == "visit_see_you" and not catalog.has(text.language, "visit_see_you"):
        return replace(text, template="visit_reminder")
    return text


def _as_told(session: Session, visit: Visit, now: datetime) -> tuple[notifications.Visit, bool]:
    """The visit as far as its texts go, and whether the family knows another time of it."""
    family, school = session.get_one(Family, visit.family_id), session.get_one(School, visit.school_id)
    events = session.execute(_HISTORY, {"visit": visit.id}).all()
    happened = {event.what for event in events}
    rows = {row.id: row for row in _pair(session, visit)}
    lead, partner = rows[visit.lead_id], rows[visit.partner_id]
    last = events[-1] if events else None
    as_told = notifications.Visit(
        id=visit.id,
        version=visit.version,
        state=visit.state,
        school=school.name,
        people=(f"{lead.given_name} {lead.family_name}", f"{partner.given_name} {partner.family_name}"),
        day=visit.local_date,
        start=time.fromisoformat(visit.local_start),
        starts_at=visit.starts_at,
        phone=booking_facts.phone_of(session, visit.family_id, visit.consent_id, now.date()),
        language=family.language,
        told="arranged" in happened,
        zone=visit.timezone,
        school_id=visit.school_id,
        pair=(_member(lead, partner.given_name), _member(partner, lead.given_name)),
        last=last.what if last else "",
        by=_educator_of(lead, partner, last.by_account if last else None),
    )
    return as_told, "moved" in happened and "arranged" in happened


def _pair(session: Session, visit: Visit) -> Sequence[Row[*tuple[Any, ...]]]:
    """The two who visit: their names, their places, and the numbers they gave for reminders."""
    return session.execute(_PAIR, {"visit": visit.id, "lead": visit.lead_id, "partner": visit.partner_id}).all()


_HISTORY = (
    select(VisitEvent.what, VisitEvent.by_account)
    .where(VisitEvent.visit_id == bindparam("visit"))
    .order_by(VisitEvent.id)
)
_PAIR = (
    select(
        Educator.id,
        Educator.given_name,
        Educator.family_name,
        Educator.phone,
        Educator.left_on,
        VisitMember.state,
        Account.id.label("account"),
        Account.language,
    )
    .outerjoin(VisitMember, and_(VisitMember.educator_id == Educator.id, VisitMember.visit_id == bindparam("visit")))
    .outerjoin(Account, Account.educator_id == Educator.id)
    .where(Educator.id.in_((bindparam("lead"), bindparam("partner"))))
)


def _member(row: Row[*tuple[Any, ...]], partner: str) -> notifications.Member:
    phone = row.phone if row.left_on is None else None
    return notifications.Member(row.id, row.state or "", phone, row.language or "en", partner)


def _educator_of(lead: Row[*tuple[Any, ...]], partner: Row[*tuple[Any, ...]], account: int | None) -> int | None:
    """Which of the two an account belongs to."""
    return next((one.id for one in (lead, partner) if account is not None and one.account == account), None)
