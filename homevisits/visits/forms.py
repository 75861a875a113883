"""What was typed about a visit, turned into commands and the problems of reading it. Typed values are shown again."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from homevisits.core import local_time
from homevisits.core.problems import Problem
from homevisits.visits.actions import Said, Wanted

WHO = ("caregiver", "child", "sibling", "other")


@dataclass(frozen=True)
class Booking:
    """The booking form as typed."""

    partner: str = ""
    start: str = ""
    place_type: str = "home"
    key: str = ""


@dataclass(frozen=True)
class Telling:
    """The "we met" form as typed."""

    outcome: str = "met"
    both_went: str = "yes"
    times: str = "planned"
    started: str = ""
    ended: str = ""
    place_type: str = "home"
    who: tuple[str, ...] = ("caregiver", "child")


@dataclass(frozen=True)
class Reflecting:
    """The reflection as typed."""

    learned: str = ""
    strengths: str = ""
    will_do: str = ""


def booking(form: Mapping[str, str]) -> Booking:
    """The fields as typed; a new form gets a key of its own, so that a doubled tap is one booking."""
    return Booking(
        partner=form.get("partner", ""),
        start=form.get("start", ""),
        place_type=form.get("place_type", "home"),
        key=form.get("key") or secrets.token_hex(16),
    )


def wanted(given: Booking, family_id: int) -> tuple[Wanted | None, list[Problem]]:
    """The visit that was meant."""
    starts_at = moment(given.start)
    problems = []
    if not given.partner.isdecimal():
        problems.append(Problem("never_alone", "partner"))
    if starts_at is None:
        problems.append(Problem("not_a_time", "start"))
    if problems or starts_at is None:
        return None, problems
    return Wanted(family_id, int(given.partner[:18]), starts_at, given.place_type, key=given.key[:64]), []


def moment(typed: str) -> datetime | None:
    """A moment as pages write it into a form, "2026-10-07T22:30:00+00:00"."""
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return found if found.tzinfo is not None and 2000 < found.year < 2200 else None


def day(typed: str) -> date | None:
    """A day as pages write it into an address."""
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def telling(form: Mapping[str, str], who: list[str]) -> Telling:
    """The fields as typed."""
    return Telling(
        outcome=form.get("outcome", ""),
        both_went=form.get("both_went", "yes"),
        times=form.get("times", "planned"),
        started=form.get("started", ""),
        ended=form.get("ended", ""),
        place_type=form.get("place_type", ""),
        who=tuple(each for each in WHO if each in who),
    )


def said(
    given: Telling, on: date, zone: str, planned: tuple[datetime, datetime], now: datetime
) -> tuple[Said | None, list[Problem]]:
    """What was said to have happened. "As planned" ends now when now is before the planned end."""
    problems = []
    if given.outcome not in ("met", "family_away"):
        problems.append(Problem("say_what_happened", "outcome"))
    started: datetime | None = planned[0]
    ended: datetime | None = min(planned[1], max(now, planned[0]))
    if given.times == "other":
        wall = _hour(given.started), _hour(given.ended)
        problems += [
            Problem("missing", name) for name, at in zip(("started", "ended"), wall, strict=True) if at is None
        ]
        started, ended = (local_time.to_utc(on, at, zone) if at else None for at in wall)
    if problems:
        return None, problems
    who = given.who if given.outcome == "met" else ()
    return Said(given.outcome, given.both_went == "yes", started, ended, given.place_type, who), []


def _hour(typed: str) -> time | None:
    try:
        return time.fromisoformat(typed.strip()).replace(tzinfo=None)
    except ValueError:
        return None


def reflecting(form: Mapping[str, str]) -> Reflecting:
    """The fields as typed; browsers send line ends as two characters, which must not count twice."""
    names = ("learned", "strengths", "will_do")
    return Reflecting(**{name: form.get(name, "").replace("\r\n", "\n") for name in names})
