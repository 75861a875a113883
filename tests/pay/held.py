"""Completed visits for the tests of pay and reports, written straight on the tables of the school fixture."""

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

NUMBER = count(1)
FLAT = NewRule("flat_visit", "60.00", "0", "1", "HV-1", "Article 12.3: sixty dollars for each visit", date(2026, 8, 1))
HOURLY = NewRule(
    "hourly", "35.00", "60", "15", "HV-H", "Article 12.4: by the hour, one hour at least", date(2026, 8, 1)
)


def with_rule(school_fixture: SchoolFixture, new: NewRule = FLAT) -> PayRule:
    """Put a rule into the contract; it reaches back, for it is the first."""
    with school_fixture.session() as session:
        return actions.add_rule(session, None, new, NOW.date(), NOW)


def hold(
    school_fixture: SchoolFixture,
    day: date,
    *,
    minutes: int = 45,
    lead: str = "Grace",
    partner: str = "Luis",
    family: str = "Rivera",
    at: int = 15,
) -> int:
    """A visit that took place: booked, both came, both attested. Returns its id."""
    begins = local_time.moment(day, datetime(2026, 1, 1, at, 0).time(), ZONE)
    assert begins is not None
    ends = begins + timedelta(minutes=minutes)
    with school_fixture.session() as session:
        visit = _book(
            session,
            school_fixture,
            day,
            begins,
            ends,
            [school_fixture.educators[lead], school_fixture.educators[partner]],
            family,
        )
        said = _attested(session, visit, school_fixture.educators[lead], begins, ends, None)
        _attested(session, visit, school_fixture.educators[partner], begins, ends, said)
        visit.state = "scheduled"
        session.flush()
        visit.attestation_id, visit.state, visit.closed_at = said, "completed", ends
        return visit.id


def _book(
    session: Session,
    school_fixture: SchoolFixture,
    day: date,
    begins: datetime,
    ends: datetime,
    people: list[int],
    family: str,
) -> Visit:
    consent = select(ConsentEntry.id).where(
        ConsentEntry.family_id == school_fixture.families[family], ConsentEntry.answer == "yes"
    )
    visit = Visit(
        uid=f"uid-{next(NUMBER)}",
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
        local_date=day,
        local_start=begins.strftime("%H:%M"),
        timezone=ZONE,
        starts_at=begins,
        ends_at=ends,
        place_type="home",
        booked_at=NOW,
        updated_at=NOW,
    )
    session.add(visit)
    session.flush()
    for role, person in zip(("lead", "partner"), people, strict=True):
        taken = Commitment(person_id=person, starts_at=begins, ends_at=ends, subject=f"visit:{visit.id}")
        session.add(taken)
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
                commitment_id=taken.id,
                asked_at=NOW,
            )
        )
    session.flush()
    return visit


def _attested(session: Session, visit: Visit, who: int, begins: datetime, ends: datetime, agrees: int | None) -> int:
    row = Attestation(
        visit_id=visit.id,
        educator_id=who,
        outcome="met",
        both_went=True,
        started_at=begins,
        ended_at=ends,
        place_type="home",
        kind="first",
        agrees_with_id=agrees,
        at=ends,
    )
    session.add(row)
    session.flush()
    return row.id
