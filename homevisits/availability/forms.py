"""The week as typed: two stretches a day, turned into hours and the problems of reading them."""

from collections.abc import Mapping
from datetime import datetime, time

from homevisits.availability.rules import INTERVALS_PER_DAY, WeeklyInterval, field_names
from homevisits.core.problems import Problem

WeekForm = dict[str, str]


def read_form(form: Mapping[str, str]) -> WeekForm:
    """Every field of the week as typed."""
    fields = [name for weekday in range(7) for stretch in INTERVALS_PER_DAY for name in field_names(weekday, stretch)]
    return {name: form.get(name, "").strip() for name in fields}


def fill_form(hours: list[WeeklyInterval]) -> WeekForm:
    """Hours as the form shows them."""
    week = read_form({})
    for weekday in range(7):
        of_day = [each for each in hours if each.weekday == weekday]
        for stretch, each in zip(INTERVALS_PER_DAY, of_day, strict=False):
            starts, until = field_names(weekday, stretch)
            week[starts], week[until] = each.starts.strftime("%H:%M"), each.ends.strftime("%H:%M")
    return week


def parse_form(week: WeekForm) -> tuple[list[WeeklyInterval], list[Problem]]:
    """The hours that were meant, and every stretch that cannot be read."""
    found: list[WeeklyInterval] = []
    problems: list[Problem] = []
    for weekday in range(7):
        for stretch in INTERVALS_PER_DAY:
            starts_name, until_name = field_names(weekday, stretch)
            starts, until = _parse_time(week[starts_name]), _parse_time(week[until_name])
            if not week[starts_name] and not week[until_name]:
                continue
            if starts is None or until is None:
                problems.append(Problem("hours_half", starts_name if starts is None else until_name))
            elif starts >= until:
                problems.append(Problem("hours_backwards", until_name))
            else:
                found.append(WeeklyInterval(weekday, starts, until))
    return found, problems


def _parse_time(text: str) -> time | None:
    try:
        return datetime.strptime(text[:5], "%H:%M").time()  # noqa: DTZ007 - wall time of a week, of no day
    except ValueError:
        return None
