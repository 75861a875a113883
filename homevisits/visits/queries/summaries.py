"""A visit as lists show it, and one educator's visits: bounded by time, so years of visits change nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, select, text, true
from sqlalchemy.orm import Session, aliased

from homevisits.availability.models import Commitment
from homevisits.core.access import Actor, Permission
from homevisits.people.models import Family, Person, School
from homevisits.visits.models import LIVE, Attestation, Reflection, Visit, VisitEvent, VisitMember

LIVE_NOW = text("visit.state IN ('proposed', 'scheduled', 'confirmed')")
"""Written out, not bound, so that either database can use its index of live visits."""
REACH = timedelta(days=100)
"""How far back a list looks for a visit nobody has written up; `actions.tidy` closes those sooner."""
OUT = ("declined", "unable", "withdrawn")


@dataclass(frozen=True)
class Seat:
    """One of the pair, as the other sees them."""

    id: int
    name: str
    state: str
    on_the_way_at: datetime | None
    languages: str

    @property
    def out(self) -> bool:
        """Whether the place is empty."""
        return self.state in OUT

    @property
    def first_name(self) -> str:
        """What colleagues say."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True)
class Card:
    """A visit in a list: who, when, where it stands."""

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
    lead: Seat
    partner: Seat
    accounts: int  # how many of the pair have said what happened

    def me(self, educator_id: int | None) -> Seat:
        """The reader's own seat."""
        return self.lead if self.lead.id == educator_id else self.partner

    def other(self, educator_id: int | None) -> Seat:
        """The seat beside the reader's."""
        return self.partner if self.lead.id == educator_id else self.lead

    @property
    def waits_for(self) -> Seat | None:
        """Whoever of the pair is out, so that a stand-in is needed."""
        return next((seat for seat in (self.lead, self.partner) if seat.out), None)


def cards() -> Select[*tuple[Any, ...]]:
    """The columns of a card; callers add which visits."""
    lead, partner = aliased(VisitMember), aliased(VisitMember)
    lead_person, partner_person = aliased(Person, flat=True), aliased(Person, flat=True)
    accounts = (
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
            *_seat(lead, lead_person),
            *_seat(partner, partner_person),
            accounts,
        )
        .select_from(Visit)
        .join(Family, Family.id == Visit.family_id)
        .join(School, School.id == Visit.school_id)
        .join(lead, and_(lead.visit_id == Visit.id, lead.educator_id == Visit.lead_id))
        .join(partner, and_(partner.visit_id == Visit.id, partner.educator_id == Visit.partner_id))
        .join(lead_person, lead_person.id == Visit.lead_id)
        .join(partner_person, partner_person.id == Visit.partner_id)
    )


def _seat(member: type[VisitMember], person: type[Person]) -> tuple[Any, ...]:
    return (
        member.educator_id,
        person.given_name + " " + person.family_name,
        member.state,
        member.on_the_way_at,
        person.languages,
    )


def read(session: Session, found: Select[*tuple[Any, ...]]) -> list[Card]:
    """The cards of a query made from `cards`."""
    return [_card(tuple(row)) for row in session.execute(found)]


def _card(row: tuple[Any, ...]) -> Card:
    facts: list[Any] = [*row[:11], Seat(*row[11:16]), Seat(*row[16:21]), row[21]]
    return Card(*facts)


def live_cards(session: Session, educator_id: int, now: datetime) -> list[Card]:
    """The visits an educator has ahead or has to write up, soonest first: those that hold their time."""
    found = cards().where(Visit.id.in_(_holding(educator_id, now - REACH)))
    return [card for card in read(session, found.order_by(Visit.starts_at, Visit.id)) if card.state in LIVE]


def _holding(educator_id: int, after: datetime) -> Select[int]:
    return (
        select(VisitMember.visit_id)
        .join(Commitment, Commitment.id == VisitMember.commitment_id)
        .where(Commitment.person_id == educator_id, Commitment.active, Commitment.starts_at > after)
    )


def to_reflect(session: Session, educator_id: int, now: datetime, days: int = 30) -> list[Card]:
    """Visits of the last weeks the educator made and has not written a reflection on."""
    mine = (
        select(VisitMember.visit_id)
        .join(Commitment, Commitment.id == VisitMember.commitment_id)
        .where(
            Commitment.person_id == educator_id,
            Commitment.starts_at > now - timedelta(days=days),
            VisitMember.state == "coming",
        )
    )
    found = (
        cards()
        .outerjoin(Reflection, and_(Reflection.visit_id == Visit.id, Reflection.educator_id == educator_id))
        .where(Visit.id.in_(mine), Visit.state == "completed", Reflection.visit_id.is_(None))
    )
    return read(session, found.order_by(Visit.starts_at))


def who_told(session: Session, visit_ids: list[int]) -> dict[int, frozenset[int]]:
    """For each visit, who of the pair has said how it went."""
    told: dict[int, frozenset[int]] = {}
    found = select(Attestation.visit_id, Attestation.educator_id).where(Attestation.visit_id.in_(visit_ids))
    for visit_id, educator_id in session.execute(found):
        told[visit_id] = told.get(visit_id, frozenset()) | {educator_id}
    return told


def moved(session: Session, visit_ids: list[int]) -> frozenset[int]:
    """Return the visits whose pair was last asked because the time changed, not because the visit is new."""
    asks = (
        select(func.max(VisitEvent.id))
        .where(VisitEvent.visit_id.in_(visit_ids), VisitEvent.what.in_(("booked", "moved", "stand_in")))
        .group_by(VisitEvent.visit_id)
    )
    found = select(VisitEvent.visit_id).where(VisitEvent.id.in_(asks), VisitEvent.what == "moved")
    return frozenset(session.scalars(found))


def of_schools(
    session: Session, actor: Actor, after: datetime, before: datetime, states: tuple[str, ...], most: int = 200
) -> list[Card]:
    """The visits of the actor's schools between two moments, soonest first."""
    schools = actor.schools(Permission.SEE_VISITS)
    scope = true() if schools is None else Visit.school_id.in_(schools)
    found = cards().where(scope, Visit.starts_at >= after, Visit.starts_at < before, Visit.state.in_(states))
    return read(session, found.order_by(Visit.starts_at, Visit.id).limit(most))
