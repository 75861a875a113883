"""What every verb records: a line of history, the plan of texts; and what the database's own refusals mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from homevisits.access import Actor
from homevisits.messages import outbox, packs
from homevisits.people.models import Family, Person, School
from homevisits.policies.rules import Policy
from homevisits.problems import Problem, RulesBroken
from homevisits.visits import texts
from homevisits.visits.models import Visit, VisitEvent
from homevisits.visits.queries import gathering

MEANS = {
    "homevisits: commitment overlap": Problem("just_taken", "start"),
    'exclusion constraint "overlap"': Problem("just_taken", "start"),
    "uq_visit_live_family": Problem("family_has_a_visit", "family"),
    "visit.family_id": Problem("family_has_a_visit", "family"),
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
    """Make the family's texts those of the visit as it now stands; `acknowledge` answers what the family just said."""
    session.flush()
    asked = f"visit:{visit.id}"
    family, school = session.get_one(Family, visit.family_id), session.get_one(School, visit.school_id)
    events = set(session.scalars(select(VisitEvent.what).where(VisitEvent.visit_id == visit.id)))
    phone = gathering.phone_of(session, visit.family_id, visit.consent_id, now.date())
    if not packs.has(family.language, "visit_confirm"):
        phone = None  # no silent English: a person calls
    names = _names(session, visit)
    as_told = texts.Visit(
        id=visit.id,
        version=visit.version,
        state=visit.state,
        school=school.name,
        people=(names[visit.lead_id], names[visit.partner_id]),
        day=visit.local_date,
        start=time.fromisoformat(visit.local_start),
        starts_at=visit.starts_at,
        phone=phone,
        language=family.language,
        told="arranged" in events,
    )
    moved = "moved" in events and "arranged" in events
    outbox.replace(
        session, asked, texts.plan(as_told, policy.reminder_hours, now, moved=moved, acknowledge=acknowledge), now
    )


def _names(session: Session, visit: Visit) -> dict[int, str]:
    rows = session.execute(
        select(Person.id, Person.given_name, Person.family_name).where(Person.id.in_([visit.lead_id, visit.partner_id]))
    )
    return {row.id: f"{row.given_name} {row.family_name}" for row in rows}
