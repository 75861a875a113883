"""Create pay rules and completed visits directly in the tables."""

from datetime import date, datetime, timedelta
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.core import local_time
from homevisits.invitations.models import ConsentEntry
from homevisits.pay import actions
from homevisits.pay.models import PayRule
from homevisits.pay.rules import NewRule
from homevisits.people.models import Certification, OptIn
from homevisits.visits.models import Attestation, Visit, VisitMember
from tests.factories.school import NOW, ZONE, SchoolFixture

VISIT_NUMBERS = count(1)
FLAT_RULE = NewRule(
    unit="flat_visit",
    rate="60.00",
    minimum_minutes="0",
    round_to_minutes="1",
    pay_code="HV-1",
    clause="Article 12.3: sixty dollars for each visit",
    effective_from=date(2026, 8, 1),
)
HOURLY_RULE = NewRule(
    unit="hourly",
    rate="35.00",
    minimum_minutes="60",
    round_to_minutes="15",
    pay_code="HV-H",
    clause="Article 12.4: by the hour, one hour at least",
    effective_from=date(2026, 8, 1),
)


def add_pay_rule(school_fixture: SchoolFixture, new: NewRule = FLAT_RULE) -> PayRule:
    """Add a pay rule. The first rule may start in the past."""
    with school_fixture.session() as session:
        return actions.add_rule(session, None, new, NOW.date(), NOW)


def create_completed_visit(
    school_fixture: SchoolFixture,
    day: date,
    *,
    minutes: int = 45,
    lead: str = "Grace",
    partner: str = "Luis",
    family: str = "Rivera",
    at: int = 15,
) -> int:
    """Create a completed visit that both educators attested, and return its id. `at`: local hour of the start."""
    starts_at = local_time.to_utc(day, datetime(2026, 1, 1, at, 0).time(), ZONE)
    assert starts_at is not None
    ends_at = starts_at + timedelta(minutes=minutes)
    people = [school_fixture.educators[lead], school_fixture.educators[partner]]
    with school_fixture.session() as session:
        visit = _create_visit(
            session, school_fixture, starts_at=starts_at, ends_at=ends_at, people=people, family=family
        )
        attestation_id = _create_attestation(session, visit, people[0])
        _create_attestation(session, visit, people[1], agrees_with=attestation_id)
        visit.state = "scheduled"
        session.flush()
        visit.attestation_id, visit.state, visit.closed_at = attestation_id, "completed", ends_at
        return visit.id


def _create_visit(
    session: Session,
    school_fixture: SchoolFixture,
    *,
    starts_at: datetime,
    ends_at: datetime,
    people: list[int],
    family: str,
) -> Visit:
    local_start = local_time.to_local(starts_at, ZONE)
    consent = select(ConsentEntry.id).where(
        ConsentEntry.family_id == school_fixture.families[family], ConsentEntry.answer == "yes"
    )
    visit = Visit(
        uid=f"uid-{next(VISIT_NUMBERS)}",
        family_id=school_fixture.families[family],
        school_id=school_fixture.school_id,
        kind="first",
        state="proposed",
        invitation_id=school_fixture.invitations[family],
        consent_id=session.scalars(consent).first(),
        lead_id=people[0],
        partner_id=people[1],
        min_trained=2,
        policy="test",
        local_date=local_start.date(),
        local_start=starts_at.strftime("%H:%M"),
        timezone=ZONE,
        starts_at=starts_at,
        ends_at=ends_at,
        place_type="home",
        booked_at=NOW,
        updated_at=NOW,
    )
    session.add(visit)
    session.flush()
    for role, person in zip(("lead", "partner"), people, strict=True):
        commitment = Commitment(person_id=person, starts_at=starts_at, ends_at=ends_at, subject=f"visit:{visit.id}")
        session.add(commitment)
        session.flush()
        session.add(
            VisitMember(
                visit_id=visit.id,
                educator_id=person,
                role=role,
                state="coming",
                opt_in_id=session.scalars(select(OptIn.id).where(OptIn.educator_id == person)).first(),
                certification_id=session.scalars(
                    select(Certification.id).where(Certification.educator_id == person)
                ).first(),
                commitment_id=commitment.id,
                asked_at=NOW,
            )
        )
    session.flush()
    return visit


def _create_attestation(session: Session, visit: Visit, educator_id: int, agrees_with: int | None = None) -> int:
    row = Attestation(
        visit_id=visit.id,
        educator_id=educator_id,
        outcome="met",
        both_went=True,
        started_at=visit.starts_at,
        ended_at=visit.ends_at,
        place_type="home",
        kind="first",
        agrees_with_id=agrees_with,
        at=visit.ends_at,
    )
    session.add(row)
    session.flush()
    return row.id
