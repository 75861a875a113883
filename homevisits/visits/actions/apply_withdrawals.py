"""Apply withdrawals and deadlines to visits. Run by the worker every few seconds, and right after an opt-out.

Each visit is locked and read again before it is changed. If another transaction holds it, it waits for the next run.
"""

from datetime import datetime, timedelta

from sqlalchemy import Text, and_, cast, exists, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import WAITING_STATES, OutgoingMessage
from homevisits.people.models import Caregiver, Certification, OptIn
from homevisits.people.queries import has_left
from homevisits.policies.rules import Policy
from homevisits.practices.voluntary import earliest_start
from homevisits.visits.actions import effects
from homevisits.visits.actions.family_response import end_visit
from homevisits.visits.actions.mark_not_held import is_reported
from homevisits.visits.actions.replace_partner import remove_from_team
from homevisits.visits.models import LIVE, Visit, VisitMember, VisitState
from homevisits.visits.queries import locks
from homevisits.visits.states import OUT_STATES

MIN_CANCELLATION_NOTICE = timedelta(hours=1)  # the family gets the cancellation at least this long before the start
# Joins a team member to the recorded certificate, unless it is revoked on the day of the visit.
_HAS_CERTIFICATE = and_(
    Certification.id == VisitMember.certification_id,
    or_(Certification.revoked_on.is_(None), Certification.revoked_on > Visit.local_date),
)


def apply_withdrawals(session: Session, policy: Policy, now: datetime) -> int:
    """Apply every withdrawal, departure and deadline. Return the number of changed visits."""
    return (
        _end_visits_of_withdrawn_families(session, policy, now)
        + _end_visits_of_departed_families(session, policy, now)
        + _remove_opted_out_educators(session, policy, now)
        + _remove_uncertified_educators(session, policy, now)
        + _close_visits_without_pair(session, policy, now)
        + _close_overdue_visits(session, policy, now)
        + _replan_for_changed_phones(session, policy, now)
    )


def _end_visits_of_withdrawn_families(session: Session, policy: Policy, now: datetime) -> int:
    later = aliased(ConsentEntry)
    query = select(Visit).where(
        Visit.state.in_(LIVE),
        Visit.starts_at > now,
        exists().where(
            later.family_id == Visit.family_id,
            later.id > Visit.consent_id,
            later.answer.in_(("not_now", "withdrawn")),
        ),
    )
    visits = [visit for visit in session.scalars(query).all() if _lock_upcoming_visit(session, visit, now)]
    for visit in visits:
        end_visit(session, visit, VisitState.CANCELLED_BY_FAMILY, now)
        effects.record_event(session, visit, "family_withdrawn", None, now)
        effects.plan_messages(session, visit, policy, now)
    return len(visits)


def _end_visits_of_departed_families(session: Session, policy: Policy, now: datetime) -> int:
    """Cancel visits to families that have no child in the district any more.

    Their message does not offer another time (template ``visit_off``).
    """
    query = select(Visit).where(Visit.state.in_(LIVE), Visit.starts_at > now, has_left(Visit.family_id, now.date()))
    visits = [visit for visit in session.scalars(query).all() if _lock_upcoming_visit(session, visit, now)]
    for visit in visits:
        end_visit(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.record_event(session, visit, "family_left", None, now)
        effects.plan_messages(session, visit, policy, now)
    return len(visits)


def _replan_for_changed_phones(session: Session, policy: Policy, now: datetime) -> int:
    """Plan messages again where one waits for a phone that must no longer get it; another caregiver may get it."""
    may_receive = exists().where(
        Caregiver.family_id == Visit.family_id,
        Caregiver.phone == OutgoingMessage.phone,
        Caregiver.restricted.is_(False),
        or_(Caregiver.left_on.is_(None), Caregiver.left_on > now.date()),
    )
    misdirected = exists().where(
        OutgoingMessage.subject == literal("visit:").concat(cast(Visit.id, Text)),
        OutgoingMessage.state.in_(WAITING_STATES),
        OutgoingMessage.category != "staff",
        ~may_receive,
    )
    states = (*LIVE, VisitState.CANCELLED_BY_EDUCATOR)
    query = select(Visit).where(Visit.state.in_(states), Visit.starts_at > now, misdirected)
    visits = [visit for visit in session.scalars(query).all() if locks.try_lock_visit(session, visit)]
    for visit in visits:
        effects.plan_messages(session, visit, policy, now)
    return len(visits)


def _lock_upcoming_visit(session: Session, visit: Visit, now: datetime) -> bool:
    """Lock the visit; return whether that succeeded and the visit is still live and ahead."""
    return locks.try_lock_visit(session, visit) and visit.state in LIVE and visit.starts_at > now


def _lock_active_member(session: Session, visit: Visit, member: VisitMember, now: datetime) -> bool:
    """Lock the visit; return whether that succeeded and `member` is still on its team."""
    if not _lock_upcoming_visit(session, visit, now):
        return False
    session.refresh(member)
    return member.state not in OUT_STATES


def _remove_opted_out_educators(session: Session, policy: Policy, now: datetime) -> int:
    """Remove educators who opted out from their teams; the other educator finds a stand-in or cancels."""
    later = aliased(OptIn)
    query = (
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
    rows = [row for row in session.execute(query).all() if _lock_active_member(session, row[0], row[1], now)]
    for visit, member in rows:
        remove_from_team(session, visit, member, "withdrawn", now)
        effects.record_event(session, visit, "withdrew", None, now, detail=str(member.educator_id))
        effects.plan_messages(session, visit, policy, now)
    return len(rows)


def _remove_uncertified_educators(session: Session, policy: Policy, now: datetime) -> int:
    """Remove educators with a revoked certificate, unless enough of the pair are still certified."""
    query = (
        select(Visit, VisitMember, Certification.id)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .outerjoin(Certification, _HAS_CERTIFICATE)
        .where(
            Visit.state.in_(LIVE),
            Visit.starts_at > now,
            VisitMember.state.in_(("asked", "coming")),
            VisitMember.certification_id.is_not(None),
            Certification.id.is_(None),
        )
    )
    rows = [row for row in session.execute(query).all() if _lock_active_member(session, row[0], row[1], now)]
    removed = 0
    for visit, member, _none in rows:
        if _count_certified(session, visit, excluding=member.educator_id) < visit.min_trained:
            remove_from_team(session, visit, member, "withdrawn", now)
            effects.record_event(session, visit, "certificate_ended", None, now, detail=str(member.educator_id))
            effects.plan_messages(session, visit, policy, now)
            removed += 1
    return removed


def _count_certified(session: Session, visit: Visit, *, excluding: int) -> int:
    """Count the other members of the team who have not left it and have a certificate that is not revoked."""
    query = (
        select(func.count())
        .select_from(Visit)
        .join(VisitMember, VisitMember.visit_id == Visit.id)
        .join(Certification, _HAS_CERTIFICATE)
        .where(Visit.id == visit.id, VisitMember.educator_id != excluding, VisitMember.state.in_(("asked", "coming")))
    )
    return session.scalar(query) or 0


def _close_visits_without_pair(session: Session, policy: Policy, now: datetime) -> int:
    """Cancel visits that neither of the pair attends any more."""
    going = exists().where(
        VisitMember.visit_id == Visit.id,
        VisitMember.educator_id.in_([Visit.lead_id, Visit.partner_id]),
        VisitMember.state.in_(("asked", "coming")),
    )
    query = select(Visit).where(Visit.state == VisitState.PROPOSED, ~going)
    again = query.with_only_columns(Visit.id)
    visits = [
        visit
        for visit in session.scalars(query).all()
        if locks.try_lock_visit(session, visit) and session.scalar(again.where(Visit.id == visit.id)) is not None
    ]
    for visit in visits:
        end_visit(session, visit, VisitState.CANCELLED_BY_EDUCATOR, now)
        effects.record_event(session, visit, "nobody_left", None, now)
        effects.plan_messages(session, visit, policy, now)
    return len(visits)


def _close_overdue_visits(session: Session, policy: Policy, now: datetime) -> int:
    """Close visits that were not accepted in time, and visits that were not reported on within the allowed days.

    A proposed visit may wait until the family's notice period begins or, if the family knows the time, until
    `MIN_CANCELLATION_NOTICE` before the start.
    """
    unanswered = select(Visit).where(
        Visit.state == VisitState.PROPOSED, Visit.starts_at < earliest_start(now, policy.minimum_notice_hours)
    )
    too_late = now - timedelta(days=policy.latest_log_days)
    unwritten = select(Visit).where(Visit.state.in_(("scheduled", "confirmed")), Visit.starts_at < too_late)
    overdue = [*session.scalars(unanswered), *session.scalars(unwritten)]
    visits = [
        visit
        for visit in overdue
        if locks.try_lock_visit(session, visit) and _is_overdue(session, visit, policy, now, too_late)
    ]
    for visit in visits:
        end_visit(session, visit, _closing_state(session, visit), now)
        effects.record_event(session, visit, "never_came_about", None, now)
        effects.plan_messages(session, visit, policy, now)  # after the start: only withdraws waiting messages
    return len(visits)


def _closing_state(session: Session, visit: Visit) -> VisitState:
    """Return NOT_HELD for an arranged visit without any report, otherwise CANCELLED_BY_EDUCATOR."""
    if visit.state == VisitState.PROPOSED or is_reported(session, visit.id):
        return VisitState.CANCELLED_BY_EDUCATOR
    return VisitState.NOT_HELD


def _is_overdue(session: Session, visit: Visit, policy: Policy, now: datetime, too_late: datetime) -> bool:
    if visit.state == VisitState.PROPOSED:
        if effects.family_knows_time(session, visit):
            return visit.starts_at <= now + MIN_CANCELLATION_NOTICE
        return visit.starts_at < earliest_start(now, policy.minimum_notice_hours)
    return visit.state in LIVE and visit.starts_at < too_late
