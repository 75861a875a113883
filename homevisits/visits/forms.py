"""Forms about visits: entered values, and their conversion into action parameters or problems."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from homevisits.core import local_time
from homevisits.core.problems import Problem
from homevisits.visits.actions import BookingRequest, Report

PRESENT_ROLES = ("caregiver", "child", "sibling", "other")


@dataclass(frozen=True)
class BookingForm:
    """The booking form as entered."""

    partner: str = ""
    start: str = ""
    place_type: str = "home"
    key: str = ""


@dataclass(frozen=True)
class ReportForm:
    """The report form as entered."""

    outcome: str = "met"
    both_went: str = "yes"
    times: str = "planned"
    started: str = ""
    ended: str = ""
    place_type: str = "home"
    who: tuple[str, ...] = ("caregiver", "child")


@dataclass(frozen=True)
class ReflectionForm:
    """The reflection form as entered."""

    learned: str = ""
    strengths: str = ""
    will_do: str = ""


def read_booking_form(form: Mapping[str, str]) -> BookingForm:
    """Read the booking form. A new form gets an idempotency key, so that sending it twice books one visit."""
    return BookingForm(
        partner=form.get("partner", ""),
        start=form.get("start", ""),
        place_type=form.get("place_type", "home"),
        key=form.get("key") or secrets.token_hex(16),
    )


def to_booking_request(form: BookingForm, family_id: int) -> tuple[BookingRequest | None, list[Problem]]:
    """Convert the form into a booking request, or return the problems."""
    starts_at = parse_moment(form.start)
    problems = []
    if not form.partner.isdecimal():
        problems.append(Problem("never_alone", "partner"))
    if starts_at is None:
        problems.append(Problem("not_a_time", "start"))
    if problems or starts_at is None:
        return None, problems
    partner_id = int(form.partner[:18])
    return BookingRequest(family_id, partner_id, starts_at, form.place_type, key=form.key[:64]), []


def parse_moment(typed: str) -> datetime | None:
    """Parse an ISO 8601 date and time with offset, or return None."""
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 2000 < moment.year < 2200 else None


def parse_day(typed: str) -> date | None:
    """Parse an ISO 8601 date, or return None."""
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def read_report_form(form: Mapping[str, str], present: list[str]) -> ReportForm:
    """Read the report form. ``present``: the checked roles."""
    return ReportForm(
        outcome=form.get("outcome", ""),
        both_went=form.get("both_went", "yes"),
        times=form.get("times", "planned"),
        started=form.get("started", ""),
        ended=form.get("ended", ""),
        place_type=form.get("place_type", ""),
        who=tuple(role for role in PRESENT_ROLES if role in present),
    )


def to_report(
    form: ReportForm, day: date, zone: str, planned: tuple[datetime, datetime], now: datetime
) -> tuple[Report | None, list[Problem]]:
    """Convert the form into a report, or return the problems.

    "As planned" ends at `now` if the planned end is later.
    """
    problems = []
    if form.outcome not in ("met", "family_away"):
        problems.append(Problem("outcome_missing", "outcome"))
    started: datetime | None = planned[0]
    ended: datetime | None = min(planned[1], max(now, planned[0]))
    if form.times == "other":
        local_times = _parse_time(form.started), _parse_time(form.ended)
        problems += [
            Problem("missing", name) for name, at in zip(("started", "ended"), local_times, strict=True) if at is None
        ]
        started, ended = (local_time.to_utc(day, at, zone) if at else None for at in local_times)
    if problems:
        return None, problems
    report = Report(
        outcome=form.outcome,
        both_went=form.both_went == "yes",
        started_at=started,
        ended_at=ended,
        place_type=form.place_type,
        who_was_there=form.who if form.outcome == "met" else (),
    )
    return report, []


def _parse_time(typed: str) -> time | None:
    try:
        return time.fromisoformat(typed.strip()).replace(tzinfo=None)
    except ValueError:
        return None


def read_reflection_form(form: Mapping[str, str]) -> ReflectionForm:
    """Read the reflection form, with CRLF line ends as LF so that they count as one character."""
    names = ("learned", "strengths", "will_do")
    return ReflectionForm(**{name: form.get(name, "").replace("\r\n", "\n") for name in names})
