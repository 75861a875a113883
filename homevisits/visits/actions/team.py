"""Places in a team, each with its proofs and the stretch of time it takes."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.policies.rules import Policy
from homevisits.practices import facts
from homevisits.visits.models import Visit, VisitMember


def take(
    session: Session, visit: Visit, person: facts.Person, role: str, state: str, policy: Policy, now: datetime
) -> VisitMember:
    """Give `person` a place: their time is taken, and the place points at their opt-in and certificate."""
    commitment = Commitment(
        person_id=person.id,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at + timedelta(minutes=policy.travel_minutes),
        active=True,
        subject=f"visit:{visit.id}",
    )
    session.add(commitment)
    session.flush()
    certificate = person.certificate_on(visit.local_date)
    member = VisitMember(
        visit_id=visit.id,
        educator_id=person.id,
        role=role,
        state=state,
        opt_in_id=person.opt_in_id,
        certification_id=certificate.id if certificate else None,
        commitment_id=commitment.id,
        asked_at=now,
        answered_at=now if state == "coming" else None,
    )
    session.add(member)
    session.flush()
    return member


def take_both(session: Session, visit: Visit, pair: Sequence[facts.Person], policy: Policy, now: datetime) -> None:
    """Give the lead, who comes, and the partner, who is asked, their places: in id order, as everyone locks people."""
    places = sorted(zip(pair, ("lead", "partner"), ("coming", "asked"), strict=True), key=lambda place: place[0].id)
    for person, role, state in places:
        take(session, visit, person, role, state, policy, now)


def commitments_of(session: Session, members: Iterable[VisitMember]) -> dict[int, Commitment]:
    """The stretches of time of `members`, by person."""
    ids = [member.commitment_id for member in members]
    found = select(Commitment).where(Commitment.id.in_(ids)).order_by(Commitment.person_id)
    return {row.person_id: row for row in session.scalars(found)}


def leave(session: Session, member: VisitMember, state: str, now: datetime) -> None:
    """The person gives up the place; their time is their own again."""
    member.state, member.answered_at = state, now
    session.flush()
    session.get_one(Commitment, member.commitment_id).active = False
    session.flush()


def release_all(session: Session, visit: Visit) -> None:
    """Nobody's time is taken by the visit any more. The visit has ended before this is called."""
    session.flush()
    for commitment in session.scalars(select(Commitment).where(Commitment.subject == f"visit:{visit.id}")):
        commitment.active = False
    session.flush()
