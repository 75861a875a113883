"""Practice 5: visits in pairs, no notes during the visit, reflection by both educators afterwards."""

from collections.abc import Collection, Sequence
from datetime import datetime

from homevisits.core.problems import Problem
from homevisits.practices.check_inputs import Attestation

PURE = True

MIN_TEAM_SIZE = 2  # a policy may require more, never fewer


def check_two_adults(people: Sequence[int], team_size: int = MIN_TEAM_SIZE) -> list[Problem]:
    """Require at least two different people, or `team_size` if that is more."""
    if len(set(people)) < len(people):
        return [Problem("same_person_twice", "partner")]
    if len(people) < max(team_size, MIN_TEAM_SIZE):
        return [Problem("never_alone", "partner")]
    return []


def check_nothing_written_during_visit(
    starts_at: datetime, checked_out_at: datetime | None, now: datetime
) -> list[Problem]:
    """Refuse notes between the planned start and the check-out, so that attention stays on the family."""
    if starts_at <= now and (checked_out_at is None or now < checked_out_at):
        return [Problem("visit_is_running", None)]
    return []


def check_report(attested: Attestation, team: Collection[int]) -> list[Problem]:
    """Require that the report is by a team member who went together with another member of the team."""
    problems = check_two_adults(sorted(attested.went))
    if attested.by not in attested.went or not attested.went <= set(team):
        problems.append(Problem("only_the_pair_attests", "went"))
    if attested.ended_at <= attested.started_at:
        problems.append(Problem("ends_before_it_starts", "ended"))
    return problems


def check_reports_agree(first: Attestation, second: Attestation) -> list[Problem]:
    """Require reports by two people that agree on who went, when, where and the kind of visit."""
    if first.by == second.by:
        return [Problem("attested_by_one", None)]
    same = (first.went, first.started_at, first.ended_at, first.place, first.kind) == (
        second.went,
        second.started_at,
        second.ended_at,
        second.place,
        second.kind,
    )
    return [] if same else [Problem("accounts_differ", None)]


def find_missing_reflections(went: Collection[int], reflected: Collection[int]) -> frozenset[int]:
    """Return the educators who went and have not yet written their reflection."""
    return frozenset(went) - frozenset(reflected)
