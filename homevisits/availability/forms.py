"""Parse the weekly hours form, which has two intervals a day."""

from collections.abc import Mapping
from datetime import datetime, time

from homevisits.availability.rules import INTERVALS_PER_DAY, WeeklyInterval, field_names
from homevisits.core.problems import Problem

WeekForm = dict[str, str]


def read_form(form: Mapping[str, str]) -> WeekForm:
    """Read all field values."""
    fields = [name for weekday in range(7) for position in INTERVALS_PER_DAY for name in field_names(weekday, position)]
    return {name: form.get(name, "").strip() for name in fields}


def fill_form(hours: list[WeeklyInterval]) -> WeekForm:
    """Fill the form with stored hours."""
    week = read_form({})
    for weekday in range(7):
        of_day = [interval for interval in hours if interval.weekday == weekday]
        for position, interval in zip(INTERVALS_PER_DAY, of_day, strict=False):
            starts, until = field_names(weekday, position)
            week[starts], week[until] = interval.starts.strftime("%H:%M"), interval.ends.strftime("%H:%M")
    return week


def parse_form(week: WeekForm) -> tuple[list[WeeklyInterval], list[Problem]]:
    """Return the parsed hours and the problems of the form."""
    intervals: list[WeeklyInterval] = []
    problems: list[Problem] = []
    for weekday in range(7):
        for position in INTERVALS_PER_DAY:
            starts_name, until_name = field_names(weekday, position)
            starts, until = _parse_time(week[starts_name]), _parse_time(week[until_name])
            if not week[starts_name] and not week[until_name]:
                continue
            if starts is None or until is None:
                problems.append(Problem("hours_incomplete", starts_name if starts is None else until_name))
            elif starts >= until:
                problems.append(Problem("hours_backwards", until_name))
            else:
                intervals.append(WeeklyInterval(weekday, starts, until))
    return intervals, problems


def _parse_time(text: str) -> time | None:
    try:
        return datetime.strptime(text[:5], "%H:%M").time()  # noqa: DTZ007 - a weekly time has no date or time zone
    except ValueError:
        return None
