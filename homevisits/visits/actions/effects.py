"""Shared effects of the actions: history, planned messages, and the meaning of database refusals."""

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
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Account, Educator, Family, School
from homevisits.policies.rules import Policy
from homevisits.visits import notifications
from homevisits.visits.models import Visit, VisitEvent, VisitMember
from homevisits.visits.queries import booking_facts

# Part of a database error message -> problem for the user.
DATABASE_REFUSALS = {
    "homevisits: commitment overlap": Problem("just_taken", "start"),
    'exclusion constraint "overlap"': Problem("just_taken", "start"),
    "uq_visit_live_family": Problem("family_has_a_visit", "family"),
    "visit.family_id": Problem("family_has_a_visit", "family"),
    "homevisits: visit consent_giver": Problem("family_yes_lapsed", "family"),
    "homevisits: visit consent": Problem("family_has_not_said_yes", "family"),
}


@contextmanager
def translate_database_refusals(session: Session) -> Iterator[None]:
    """Flush the changes, and turn constraint and trigger errors into `RulesBroken`.

    The rules are checked before; this covers changes made by other transactions since. Unknown errors are re-raised.
    """
    try:
        yield
        session.flush()
    except DBAPIError as refusal:
        error = str(refusal.orig)
        for part, problem in DATABASE_REFUSALS.items():
            if part in error:
                raise RulesBroken([problem]) from refusal
        if "homevisits: " in error:
            raise RulesBroken([Problem("changed_meanwhile", None)]) from refusal
        raise


def record_event(
    session: Session, visit: Visit, what: str, actor: Actor | None, now: datetime, *, detail: str = ""
) -> None:
    """Append an event to the visit's history."""
    by = actor.account_id if actor else None
    session.add(VisitEvent(visit_id=visit.id, what=what, at=now, by_account=by, detail=detail))


def mark_changed(visit: Visit, now: datetime) -> None:
    """Raise the version, so that calendars and messages are updated."""
    visit.version += 1
    visit.updated_at = now


def family_knows_time(session: Session, visit: Visit) -> bool:
    """Whether the family already knows the visit's current time, so that a stand-in needs no new notice period."""
    session.flush()
    newest = select(VisitEvent.what).where(VisitEvent.visit_id == visit.id, VisitEvent.what.in_(("arranged", "moved")))
    return session.scalar(newest.order_by(VisitEvent.id.desc()).limit(1)) == "arranged"


def plan_messages(
    session: Session, visit: Visit, policy: Policy, now: datetime, acknowledge: str | None = None
) -> None:
    """Replace the planned messages by those for the visit's current state.

    acknowledge: template of the reply to the family's answer. Messages without an approved text in the recipient's
    language, and those the policy switches off, are not planned: a person calls instead.
    """
    session.flush()
    facts, moved = _load_visit_facts(session, visit, now)
    morning = time.fromisoformat(policy.text_from)
    planned = notifications.plan(
        facts, policy.reminder_hours, now, moved=moved, acknowledge=acknowledge, morning=morning
    )
    kept = [
        text
        for text in map(_available, planned)
        if text.template not in policy.texts_off and catalog.is_approved(text.language, text.template)
    ]
    outbox.replace(session, f"visit:{visit.id}", kept, now)


def _available(text: PlannedMessage) -> PlannedMessage:
    """Use the general reminder in a language that has no approved reminder for confirmed visits."""
    if text.template == "visit_see_you" and not catalog.is_approved(text.language, "visit_see_you"):
        return replace(text, template="visit_reminder")
    return text


def _load_visit_facts(session: Session, visit: Visit, now: datetime) -> tuple[notifications.VisitFacts, bool]:
    """Return what the messages need of the visit, and whether the family knows an earlier time."""
    family, school = session.get_one(Family, visit.family_id), session.get_one(School, visit.school_id)
    events = session.execute(_HISTORY, {"visit": visit.id}).all()
    happened = {event.what for event in events}
    rows = {row.id: row for row in _load_pair(session, visit)}
    lead, partner = rows[visit.lead_id], rows[visit.partner_id]
    last = events[-1] if events else None
    facts = notifications.VisitFacts(
        id=visit.id,
        version=visit.version,
        state=visit.state,
        school=school.name,
        people=(f"{lead.given_name} {lead.family_name}", f"{partner.given_name} {partner.family_name}"),
        day=visit.local_date,
        start=time.fromisoformat(visit.local_start),
        starts_at=visit.starts_at,
        phone=booking_facts.find_family_phone(session, visit.family_id, visit.consent_id, now.date()),
        language=family.language,
        is_known_to_family="arranged" in happened,
        zone=visit.timezone,
        school_id=visit.school_id,
        pair=(_to_recipient(lead, partner.given_name), _to_recipient(partner, lead.given_name)),
        last_event=last.what if last else "",
        last_event_by=_educator_with_account(lead, partner, last.by_account if last else None),
    )
    return facts, "moved" in happened and "arranged" in happened


def _load_pair(session: Session, visit: Visit) -> Sequence[Row[*tuple[Any, ...]]]:
    """Read the pair's names, team states and reminder phones."""
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


def _to_recipient(row: Row[*tuple[Any, ...]], partner: str) -> notifications.Recipient:
    phone = row.phone if row.left_on is None else None
    return notifications.Recipient(row.id, row.state or "", phone, row.language or "en", partner)


def _educator_with_account(
    lead: Row[*tuple[Any, ...]], partner: Row[*tuple[Any, ...]], account: int | None
) -> int | None:
    """Return the id of the educator of the pair that an account belongs to."""
    return next((row.id for row in (lead, partner) if account is not None and row.account == account), None)
