"""Set an educator's weekly hours. Booked visits are not changed."""

from collections.abc import Sequence
from datetime import time
from itertools import pairwise

from sqlalchemy import delete
from sqlalchemy.orm import Session

from homevisits.availability.models import WeeklyHours
from homevisits.availability.rules import INTERVALS_PER_DAY, WeeklyInterval, field_names
from homevisits.core.access import Actor
from homevisits.core.problems import PermissionDenied, Problem, refuse_if_any
from homevisits.policies.rules import Policy


def set_hours(session: Session, actor: Actor, hours: Sequence[WeeklyInterval], policy: Policy) -> None:
    """Replace the actor's weekly hours with `hours`."""
    if actor.educator_id is None:
        raise PermissionDenied
    refuse_if_any([*_find_short_hours(hours, policy.visit_minutes), *_find_overlaps(hours)])
    session.execute(delete(WeeklyHours).where(WeeklyHours.educator_id == actor.educator_id))
    for each in hours:
        session.add(
            WeeklyHours(
                educator_id=actor.educator_id,
                weekday=each.weekday,
                starts=each.starts.strftime("%H:%M"),
                ends=each.ends.strftime("%H:%M"),
            )
        )
    session.flush()


def _minutes_of_day(at: time) -> int:
    return at.hour * 60 + at.minute


def _find_short_hours(hours: Sequence[WeeklyInterval], least: int) -> list[Problem]:
    return [
        Problem("hours_short", field_names(each.weekday, INTERVALS_PER_DAY[0])[1], {"minutes": least})
        for each in hours
        if _minutes_of_day(each.ends) - _minutes_of_day(each.starts) < least
    ]


def _find_overlaps(hours: Sequence[WeeklyInterval]) -> list[Problem]:
    ordered = sorted(hours, key=lambda each: (each.weekday, each.starts))
    return [
        Problem("hours_overlap", field_names(later.weekday, INTERVALS_PER_DAY[-1])[0])
        for earlier, later in pairwise(ordered)
        if earlier.weekday == later.weekday and later.starts < earlier.ends
    ]
