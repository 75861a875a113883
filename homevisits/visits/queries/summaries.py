"""Visits for lists. Every query is bounded in time, so that its cost does not grow with the years."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, select, text, true
from sqlalchemy.orm import Session, aliased

from homevisits.availability.models import Commitment
from homevisits.core.access import Actor, Permission
from homevisits.people.models import Family, Person, School
from homevisits.visits.models import LIVE, Attestation, Reflection, Visit, VisitEvent, VisitMember
from homevisits.visits.states import OUT_STATES

# Literal values instead of bound parameters, so that both databases use the partial index of live visits.
IS_LIVE = text("visit.state IN ('proposed', 'scheduled', 'confirmed')")
LOOKBACK = timedelta(days=100)  # for visits without a report; `apply_withdrawals` closes them sooner


@dataclass(frozen=True)
class TeamMember:
    """A member of the pair, as the other member sees them."""

    id: int
    name: str
    state: str
    on_the_way_at: datetime | None
    languages: str

    @property
    def is_out(self) -> bool:
        """Whether the member no longer comes."""
        return self.state in OUT_STATES

    @property
    def first_name(self) -> str:
        """The name up to the first space."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True)
class VisitSummary:
    """A visit in a list."""

    id: int
    family_id: int
    family: str
    school: str
    school_id: int
    kind: str
    state: str
    starts_at: datetime
    ends_at: datetime
    timezone: str
    place_type: str
    lead: TeamMember
    partner: TeamMember
    report_count: int  # educators of the pair who have reported

    def own_member(self, educator_id: int | None) -> TeamMember:
        """Return the reader's own membership."""
        return self.lead if self.lead.id == educator_id else self.partner

    def other_member(self, educator_id: int | None) -> TeamMember:
        """Return the other member of the pair."""
        return self.partner if self.lead.id == educator_id else self.lead

    @property
    def member_out(self) -> TeamMember | None:
        """The member who no longer comes and has to be replaced, if any."""
        return next((member for member in (self.lead, self.partner) if member.is_out), None)


def select_summaries() -> Select[*tuple[Any, ...]]:
    """Select the columns of a summary; callers add the conditions."""
    lead, partner = aliased(VisitMember), aliased(VisitMember)
    lead_person, partner_person = aliased(Person, flat=True), aliased(Person, flat=True)
    report_count = (
        select(func.count(Attestation.educator_id.distinct()))
        .where(Attestation.visit_id == Visit.id)
        .correlate(Visit)
        .scalar_subquery()
    )
    return (
        select(
            Visit.id,
            Visit.family_id,
            Family.name,
            School.name,
            Visit.school_id,
            Visit.kind,
            Visit.state,
            Visit.starts_at,
            Visit.ends_at,
            Visit.timezone,
            Visit.place_type,
            *_member_columns(lead, lead_person),
            *_member_columns(partner, partner_person),
            report_count,
        )
        .select_from(Visit)
        .join(Family, Family.id == Visit.family_id)
        .join(School, School.id == Visit.school_id)
        .join(lead, and_(lead.visit_id == Visit.id, lead.educator_id == Visit.lead_id))
        .join(partner, and_(partner.visit_id == Visit.id, partner.educator_id == Visit.partner_id))
        .join(lead_person, lead_person.id == Visit.lead_id)
        .join(partner_person, partner_person.id == Visit.partner_id)
    )


def _member_columns(member: type[VisitMember], person: type[Person]) -> tuple[Any, ...]:
    return (
        member.educator_id,
        person.given_name + " " + person.family_name,
        member.state,
        member.on_the_way_at,
        person.languages,
    )


def load_summaries(session: Session, found: Select[*tuple[Any, ...]]) -> list[VisitSummary]:
    """Execute a query made from `select_summaries`."""
    return [_to_summary(tuple(row)) for row in session.execute(found)]


def _to_summary(row: tuple[Any, ...]) -> VisitSummary:
    values: list[Any] = [*row[:11], TeamMember(*row[11:16]), TeamMember(*row[16:21]), row[21]]
    return VisitSummary(*values)


def list_live_visits(session: Session, educator_id: int, now: datetime) -> list[VisitSummary]:
    """List an educator's visits that are ahead or need a report, soonest first."""
    query = select_summaries().where(Visit.id.in_(_select_committed_visits(educator_id, now - LOOKBACK)))
    return [card for card in load_summaries(session, query.order_by(Visit.starts_at, Visit.id)) if card.state in LIVE]


def _select_committed_visits(educator_id: int, after: datetime) -> Select[int]:
    return (
        select(VisitMember.visit_id)
        .join(Commitment, Commitment.id == VisitMember.commitment_id)
        .where(Commitment.person_id == educator_id, Commitment.active, Commitment.starts_at > after)
    )


def list_visits_without_reflection(
    session: Session, educator_id: int, now: datetime, days: int = 30
) -> list[VisitSummary]:
    """List an educator's completed visits of the last `days` days without their reflection."""
    own_visits = (
        select(VisitMember.visit_id)
        .join(Commitment, Commitment.id == VisitMember.commitment_id)
        .where(
            Commitment.person_id == educator_id,
            Commitment.starts_at > now - timedelta(days=days),
            VisitMember.state == "coming",
        )
    )
    query = (
        select_summaries()
        .outerjoin(Reflection, and_(Reflection.visit_id == Visit.id, Reflection.educator_id == educator_id))
        .where(Visit.id.in_(own_visits), Visit.state == "completed", Reflection.visit_id.is_(None))
    )
    return load_summaries(session, query.order_by(Visit.starts_at))


def load_reporters(session: Session, visit_ids: list[int]) -> dict[int, frozenset[int]]:
    """Return the ids of the educators who have reported, for each visit."""
    reporters: dict[int, frozenset[int]] = {}
    query = select(Attestation.visit_id, Attestation.educator_id).where(Attestation.visit_id.in_(visit_ids))
    for visit_id, educator_id in session.execute(query):
        reporters[visit_id] = reporters.get(visit_id, frozenset()) | {educator_id}
    return reporters


def find_moved(session: Session, visit_ids: list[int]) -> frozenset[int]:
    """Return the visits for which the pair was last asked because of a new time, not because of a new visit."""
    requests = (
        select(func.max(VisitEvent.id))
        .where(VisitEvent.visit_id.in_(visit_ids), VisitEvent.what.in_(("booked", "moved", "stand_in")))
        .group_by(VisitEvent.visit_id)
    )
    moved = select(VisitEvent.visit_id).where(VisitEvent.id.in_(requests), VisitEvent.what == "moved")
    return frozenset(session.scalars(moved))


def list_school_visits(
    session: Session, actor: Actor, after: datetime, before: datetime, states: tuple[str, ...], *, limit: int = 200
) -> list[VisitSummary]:
    """List the visits of the actor's schools that start in [after, before), soonest first."""
    schools = actor.schools(Permission.SEE_VISITS)
    scope = true() if schools is None else Visit.school_id.in_(schools)
    query = select_summaries().where(scope, Visit.starts_at >= after, Visit.starts_at < before, Visit.state.in_(states))
    return load_summaries(session, query.order_by(Visit.starts_at, Visit.id).limit(limit))
