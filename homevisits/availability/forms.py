"""The week as typed: two stretches a day, turned into hours and the problems of reading them."""

from collections.abc import Mapping
from datetime import datetime, time

from homevisits.availability.rules import STRETCHES, Hours, names
from homevisits.core.problems import Problem

Week = dict[str, str]


def typed(form: Mapping[str, str]) -> Week:
    """Every field of the week as typed."""
    fields = [name for weekday in range(7) for stretch in STRETCHES for name in names(weekday, stretch)]
    return {name: form.get(name, "").strip() for name in fields}


def as_typed(hours: list[Hours]) -> Week:
    """Hours as the form shows them."""
    week = typed({})
    for weekday in range(7):
        of_day = [each for each in hours if each.weekday == weekday]
        for stretch, each in zip(STRETCHES, of_day, strict=False):
            starts, until = names(weekday, stretch)
            week[starts], week[until] = each.starts.strftime("%H:%M"), each.ends.strftime("%H:%M")
    return week


def hours(week: Week) -> tuple[list[Hours], list[Problem]]:
    """The hours that were meant, and every stretch that cannot be read."""
    found: list[Hours] = []
    problems: list[Problem] = []
    for weekday in range(7):
        for stretch in STRETCHES:
            starts_name, until_name = names(weekday, stretch)
            starts, until = _hour(week[starts_name]), _hour(week[until_name])
            if not week[starts_name] and not week[until_name]:
                continue
            if starts is None or until is None:
                problems.append(Problem("hours_half", starts_name if starts is None else until_name))
            elif starts >= until:
                problems.append(Problem("hours_backwards", until_name))
            else:
                found.append(Hours(weekday, starts, until))
    return found, problems


def _hour(text: str) -> time | None:
    try:
        return datetime.strptime(text[:5], "%H:%M").time()  # noqa: DTZ007 - wall time of a week, of no day
    except ValueError:
        return None
