"""Tidy: what withdrawals and time undo. Run by the worker every few seconds, and right after anybody withdraws.

Each visit is held and read again before it is changed; one that somebody else is at work on waits for the next time.
"""

from datetime import datetime, timedelta

from sqlalchemy import Text, and_, cast, exists, literal, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import WAITING, OutgoingMessage
from homevisits.people.models import Caregiver, Certification, OptIn
from homevisits.people.queries import has_left
from homevisits.policies.rules import Policy
from homevisits.practices.voluntary import earliest_start
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end
from homevisits.visits.actions.mark_not_held import is_reported
from homevisits.visits.actions.replace_partner import OUT, step_out
from homevisits.visits.models import LIVE, Visit, VisitMember, VisitState
from homevisits.visits.queries import booking_facts, locks

LAST_MOMENT = timedelta(hours=1)
"""A family that waits at home is told so long before, not at the door."""


def tidy(session: Session, policy: Policy, now: datetime) -> int:
    """End visits whose family withdrew, free educators who opted out, close what never came about. How many changed."""
    return (
        _families_withdrew(session, policy, now)
        + _families_left(session, policy, now)
        + _educators_left(session, policy, now)
        + _certificates_ended(session, policy, now)
        + _both_out(session, policy, now)
        + _never_came_about(session, policy, now)
        + _heard_elsewhere(session, policy, now)
    )


def _families_withdrew(session: Session, policy: Policy, now: datetime) -> int:
    later = aliased(ConsentEntry)
    found = select(Visit).where(
        Visit.state.in_(LIVE),
        Visit.starts_at > now,
        exists().where(
            later.family_id == Visit.family_id,
            later.id > Visit.consent_id,
            later.answer.in_(("not_now", "withdrawn")),
        ),
    )
    visits = [visit for visit in session.scalars(found).all() if _held(session, visit, now)]
    for visit in visits:
        end(session, visit, VisitState.CANCELLED_BY_FAMILY, now)
        effects.note(session, visit, "family_withdrawn", None, now)
        effects.plan_texts(session, visit, policy, now)
    return len(visits)


def _families_left(session: Session, policy: Policy, now: datetime) -> int:
    """A family whose last child has left the district is not visited: it is told so kindly, and both have their time.

    Until the text has gone a person may still call; nothing is said of another time.
    """
    found = select(Visit).where(Visit.state.in_(LIVE), Visit.starts_at > now, has_left(Visit.family_id, now.date()))
    visits = [visit for visit in session.scalars(found).all() if _held(session, visit, now)]
    for visit in visits:
        end(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.note(session, visit, "family_left", None, now)
        effects.plan_texts(session, visit, policy, now)
    return len(visits)


def _heard_elsewhere(session: Session, policy: Policy, now: datetime) -> int:
    """Texts that wait for a phone of the family that is no longer to be texted go to another caregiver, or nowhere."""
    hears = exists().where(
        Caregiver.family_id == Visit.family_id,
        Caregiver.phone == OutgoingMessage.phone,
        Caregiver.restricted.is_(False),
        or_(Caregiver.left_on.is_(None), Caregiver.left_on > now.date()),
    )
    astray = exists().where(
        OutgoingMessage.subject == literal("visit:").concat(cast(Visit.id, Text)),
        OutgoingMessage.state.in_(WAITING),
        OutgoingMessage.category != "staff",
        ~hears,
    )
    states = (*LIVE, VisitState.CANCELLED_BY_EDUCATOR)
    found = select(Visit).where(Visit.state.in_(states), Visit.starts_at > now, astray)
    visits = [each for each in session.scalars(found).all() if locks.hold_if_free(session, each)]
    for visit in visits:
        effects.plan_texts(session, visit, policy, now)
    return len(visits)


def _held(session: Session, visit: Visit, now: datetime) -> bool:
    """Whether the visit could be held and, read again, still lies ahead."""
    return locks.hold_if_free(session, visit) and visit.state in LIVE and visit.starts_at > now


def _still_in(session: Session, visit: Visit, member: VisitMember, now: datetime) -> bool:
    """The same for one place of it."""
    if not _held(session, visit, now):
        return False
    session.refresh(member)
    return member.state not in OUT


def _educators_left(session: Session, policy: Policy, now: datetime) -> int:
    """An educator who opted out is out of every team at once; the other finds a stand-in, or calls it off."""
    later = aliased(OptIn)
    found = (
        select(Visit, VisitMember)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .where(
            Visit.state.in_(LIVE),
            Visit.starts_at > now,
            VisitMember.state.in_(("asked", "coming")),
            exists().where(
                later.educator_id == VisitMember.educator_id, later.id > VisitMember.opt_in_id, later.answer == "out"
            ),
        )
    )
    rows = [row for row in session.execute(found).all() if _still_in(session, row[0], row[1], now)]
    for visit, member in rows:
        step_out(session, visit, member, "withdrawn", now)
        effects.note(session, visit, "withdrew", None, now, detail=str(member.educator_id))
        effects.plan_texts(session, visit, policy, now)
    return len(rows)


def _certificates_ended(session: Session, policy: Policy, now: datetime) -> int:
    """A certificate withdrawn before the day of the visit leaves a place empty, unless enough others are certified."""
    counts = and_(
        Certification.id == VisitMember.certification_id,
        or_(Certification.revoked_on.is_(None), Certification.revoked_on > Visit.local_date),
    )
    found = (
        select(Visit, VisitMember, Certification.id)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .outerjoin(Certification, counts)
        .where(
            Visit.state.in_(LIVE),
            Visit.starts_at > now,
            VisitMember.state.in_(("asked", "coming")),
            VisitMember.certification_id.is_not(None),
            Certification.id.is_(None),
        )
    )
    rows = [row for row in session.execute(found).all() if _still_in(session, row[0], row[1], now)]
    out = 0
    for visit, member, _none in rows:
        if visit.min_trained > 1 or _certified(session, visit, besides=member.educator_id) < visit.min_trained:
            step_out(session, visit, member, "withdrawn", now)
            effects.note(session, visit, "certificate_ended", None, now, detail=str(member.educator_id))
            effects.plan_texts(session, visit, policy, now)
            out += 1
    return out


def _certified(session: Session, visit: Visit, *, besides: int) -> int:
    members = booking_facts.members_of(session, visit.id)
    others = {visit.lead_id, visit.partner_id} - {besides}
    return sum(members[each].certification_id is not None and members[each].state not in OUT for each in others)


def _both_out(session: Session, policy: Policy, now: datetime) -> int:
    """Where neither of the two comes any more there is nobody left to look for a stand-in."""
    going = exists().where(
        VisitMember.visit_id == Visit.id,
        VisitMember.educator_id.in_([Visit.lead_id, Visit.partner_id]),
        VisitMember.state.in_(("asked", "coming")),
    )
    found = select(Visit).where(Visit.state == VisitState.PROPOSED, ~going)
    again = found.with_only_columns(Visit.id)
    visits = [
        each
        for each in session.scalars(found).all()
        if locks.hold_if_free(session, each) and session.scalar(again.where(Visit.id == each.id)) is not None
    ]
    for visit in visits:
        end(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.note(session, visit, "nobody_left", None, now)
        effects.plan_texts(session, visit, policy, now)
    return len(visits)


def _never_came_about(session: Session, policy: Policy, now: datetime) -> int:
    """What no two people said yes to in time is off, its family told if it knew; what nobody wrote up is closed.

    In time: while the family can still get its notice, or, if it knows of the time, until an hour before.
    """
    unanswered = select(Visit).where(
        Visit.state == VisitState.PROPOSED, Visit.starts_at < earliest_start(now, policy.minimum_notice_hours)
    )
    too_late = now - timedelta(days=policy.latest_log_days)
    unwritten = select(Visit).where(Visit.state.in_(("scheduled", "confirmed")), Visit.starts_at < too_late)
    found = [*session.scalars(unanswered), *session.scalars(unwritten)]
    visits = [
        each for each in found if locks.hold_if_free(session, each) and _is_over(session, each, policy, now, too_late)
    ]
    for visit in visits:
        end(session, visit, _closed_as(session, visit), now)
        effects.note(session, visit, "never_came_about", None, now)
        effects.plan_texts(session, visit, policy, now)  # from the start on it plans none, and withdraws what waits
    return len(visits)


def _closed_as(session: Session, visit: Visit) -> VisitState:
    """A visit both were to make and nobody reported on was not held; any other one is called off."""
    if visit.state == VisitState.PROPOSED or is_reported(session, visit.id):
        return VisitState.CANCELLED_BY_EDUCATOR
    return VisitState.NOT_HELD


def _is_over(session: Session, visit: Visit, policy: Policy, now: datetime, too_late: datetime) -> bool:
    if visit.state == VisitState.PROPOSED:
        if effects.knows_the_time(session, visit):
            return visit.starts_at <= now + LAST_MOMENT
        return visit.starts_at < earliest_start(now, policy.minimum_notice_hours)
    return visit.state in LIVE and visit.starts_at < too_late
