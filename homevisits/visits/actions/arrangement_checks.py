"""The list of checks for arranging a visit: who goes, when and where.

Every action that sets or confirms these calls `find_problems`, so that what a page offers is what a booking accepts. An
action leaves out a check only with an `Exemption`, which names the reason.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from homevisits.availability import queries as availability
from homevisits.availability import rules as times
from homevisits.core.problems import Problem
from homevisits.policies.rules import Policy
from homevisits.practices import check_inputs
from homevisits.practices.check_inputs import PlannedVisit, VisitKind
from homevisits.visits import rules
from homevisits.visits.models import Visit
from homevisits.visits.queries import booking_facts


class Exemption(Enum):
    """A check that an action leaves out, with the reason."""

    START = "The family already knows this time, or the time does not change."
    PLACE = "The place does not change."
    AVAILABILITY = "The commitments of these people already hold the time."
    LIVE_VISIT = "The visit itself is the family's live visit."


@dataclass(frozen=True)
class Arrangement:
    """A visit to check.

    people: the pair. must_be_free: ids of those whose hours and commitments are checked.
    duration: of the visit and the travel after it. ignored_subject: commitments with this subject do not count.
    """

    kind: VisitKind
    family: check_inputs.Family
    people: Sequence[check_inputs.Person]
    school_id: int
    zone: str
    starts_at: datetime
    duration: times.VisitDuration
    min_trained: int
    must_be_free: Sequence[int] = ()
    place_type: str = ""
    ignored_subject: str | None = None


def policy_duration(policy: Policy) -> times.VisitDuration:
    """Return the duration of a new visit."""
    return times.VisitDuration(timedelta(minutes=policy.visit_minutes), timedelta(minutes=policy.travel_minutes))


def visit_duration(visit: Visit, policy: Policy) -> times.VisitDuration:
    """Return the duration of an existing visit, which the policy's length may no longer equal."""
    return times.VisitDuration(visit.ends_at - visit.starts_at, timedelta(minutes=policy.travel_minutes))


def existing_arrangement(
    visit: Visit,
    family: booking_facts.FamilyFacts,
    people: Sequence[check_inputs.Person],
    policy: Policy,
    must_be_free: Sequence[int] = (),
) -> Arrangement:
    """Return an existing visit at its own time with `people`, to be checked again."""
    return Arrangement(
        kind=VisitKind(visit.kind),
        family=family.facts,
        people=people,
        school_id=visit.school_id,
        zone=visit.timezone,
        starts_at=visit.starts_at,
        duration=visit_duration(visit, policy),
        min_trained=visit.min_trained,
        must_be_free=must_be_free,
    )


def find_problems(
    session: Session,
    arrangement: Arrangement,
    policy: Policy,
    now: datetime,
    *,
    exempt: Collection[Exemption] = (),
) -> list[Problem]:
    """Return every reason against the arrangement, except for the checks in `exempt`."""
    day = arrangement.starts_at.astimezone(ZoneInfo(arrangement.zone)).date()
    meeting = PlannedVisit(arrangement.kind, arrangement.starts_at, day)
    problems = []
    if Exemption.START not in exempt:
        problems += rules.check_start(arrangement.starts_at, policy, now)
    problems += rules.check_team(meeting, arrangement.family, arrangement.people, arrangement.min_trained)
    if Exemption.PLACE not in exempt:
        problems += rules.check_place(arrangement.place_type, policy)
    if Exemption.AVAILABILITY not in exempt:
        problems += _check_availability(session, arrangement)
    closures = availability.find_closures(session, arrangement.school_id, day, day)
    problems += [times.closure_problem(closed_day, name) for closed_day, name in closures.items()]
    if Exemption.LIVE_VISIT not in exempt:
        problems += check_no_live_visit(session, arrangement.family.id)
    return problems


def check_no_live_visit(session: Session, family_id: int) -> list[Problem]:
    """Check that the family has no other live visit."""
    return [Problem("family_has_a_visit", "family")] if booking_facts.find_live_visit(session, family_id) else []


def _check_availability(session: Session, arrangement: Arrangement) -> list[Problem]:
    span = arrangement.duration.commitment(arrangement.starts_at)
    schedules = availability.load_schedules(
        session,
        list(arrangement.must_be_free),
        span.starts_at,
        span.ends_at,
        ignored_subject=arrangement.ignored_subject,
    )
    return [
        problem
        for person_id in arrangement.must_be_free
        for problem in times.check_available(
            schedules[person_id], arrangement.starts_at, arrangement.duration, arrangement.zone
        )
    ]
