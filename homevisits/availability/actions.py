"""Set the hours in which an educator can be booked. What is booked already stays as it is."""

from collections.abc import Sequence
from datetime import time
from itertools import pairwise

from sqlalchemy import delete
from sqlalchemy.orm import Session

from homevisits.availability.models import WeeklyHours
from homevisits.availability.rules import STRETCHES, Hours, names
from homevisits.core.access import Actor
from homevisits.core.problems import PermissionDenied, Problem, refuse_if_any
from homevisits.policies.rules import Policy


def set_hours(session: Session, actor: Actor, hours: Sequence[Hours], policy: Policy) -> None:
    """Make `hours` the actor's week."""
    if actor.educator_id is None:
        raise PermissionDenied
    refuse_if_any([*_too_short(hours, policy.visit_minutes), *_overlap(hours)])
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


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _too_short(hours: Sequence[Hours], least: int) -> list[Problem]:
    return [
        Problem("hours_short", names(each.weekday, STRETCHES[0])[1], {"minutes": least})
        for each in hours
        if _minutes(each.ends) - _minutes(each.starts) < least
    ]


def _overlap(hours: Sequence[Hours]) -> list[Problem]:
    ordered = sorted(hours, key=lambda each: (each.weekday, each.starts))
    return [
        Problem("hours_overlap", names(later.weekday, STRETCHES[-1])[0])
        for earlier, later in pairwise(ordered)
        if earlier.weekday == later.weekday and later.starts < earlier.ends
    ]
