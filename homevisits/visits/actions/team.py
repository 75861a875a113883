"""Places in a visiting team, each with its opt-in, certificate and commitment."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.policies.rules import Policy
from homevisits.practices.check_inputs import Person as PersonFacts
from homevisits.visits.models import Visit, VisitMember


def add_member(
    session: Session, visit: Visit, person: PersonFacts, *, role: str, state: str, policy: Policy, now: datetime
) -> VisitMember:
    """Add `person` to the team with a commitment for the visit and its travel time."""
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


def add_pair(session: Session, visit: Visit, pair: Sequence[PersonFacts], policy: Policy, now: datetime) -> None:
    """Add the lead (coming) and the partner (asked), in id order like all locks on people."""
    places = sorted(zip(pair, ("lead", "partner"), ("coming", "asked"), strict=True), key=lambda place: place[0].id)
    for person, role, state in places:
        add_member(session, visit, person, role=role, state=state, policy=policy, now=now)


def load_commitments(session: Session, members: Iterable[VisitMember]) -> dict[int, Commitment]:
    """Read the commitments of `members`, by person id."""
    ids = [member.commitment_id for member in members]
    query = select(Commitment).where(Commitment.id.in_(ids)).order_by(Commitment.person_id)
    return {row.person_id: row for row in session.scalars(query)}


def release_member(session: Session, member: VisitMember, state: str, now: datetime) -> None:
    """Set the member's final state and release the commitment."""
    member.state, member.answered_at = state, now
    session.flush()
    session.get_one(Commitment, member.commitment_id).active = False
    session.flush()


def release_commitments(session: Session, visit: Visit) -> None:
    """Release all commitments of an ended visit."""
    session.flush()
    for commitment in session.scalars(select(Commitment).where(Commitment.subject == f"visit:{visit.id}")):
        commitment.active = False
    session.flush()
