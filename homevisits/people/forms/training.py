"""Parse the training form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from homevisits.core.problems import Problem
from homevisits.people.actions.record_training import NewParent, Training

NEW_PARENT = "new"
MAX_TEXT_LENGTH = 120


@dataclass(frozen=True)
class TrainingForm:
    """Field values of the training form, as typed."""

    title: str = ""
    held_on: str = ""
    hours: str = ""
    educator_trainer: str = ""
    parent_trainer: str = ""
    parent_given: str = ""
    parent_family: str = ""
    participants: tuple[str, ...] = ()


EMPTY: Mapping[str, str] = MappingProxyType({})


def read_form(form: Mapping[str, str], participants: Sequence[str] = ()) -> TrainingForm:
    """Read the field values, stripped of whitespace."""
    names = ("title", "held_on", "hours", "educator_trainer", "parent_trainer", "parent_given", "parent_family")
    return TrainingForm(**{name: form.get(name, "").strip() for name in names}, participants=tuple(participants))


def parse_form(form: TrainingForm) -> tuple[Training | None, list[Problem]]:
    """Return the training, or the problems of the form."""
    problems: list[Problem] = []
    if not form.title:
        problems.append(Problem("missing", "title"))
    texts = ("title", "parent_given", "parent_family")
    problems += [
        Problem("too_long", name, {"most": MAX_TEXT_LENGTH})
        for name in texts
        if len(getattr(form, name)) > MAX_TEXT_LENGTH
    ]
    held_on = _parse_day(form.held_on, problems)
    minutes = _parse_minutes(form.hours, problems)
    parent = _parse_parent(form, problems)
    if not all(_is_id(who) for who in form.participants):
        problems.append(Problem("not_a_choice", "participants"))
    educator = int(form.educator_trainer) if _is_id(form.educator_trainer) else None
    if problems or held_on is None or minutes is None:
        return None, problems
    people = tuple(int(who) for who in form.participants)
    return Training(
        title=form.title,
        held_on=held_on,
        minutes=minutes,
        educator_trainer_id=educator,
        parent_trainer=parent,
        participants=people,
    ), []


def _is_id(typed: str) -> bool:
    return typed.isascii() and typed.isdigit() and len(typed) < 18


def _parse_day(text: str, problems: list[Problem]) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        problems.append(Problem("not_a_day" if text else "missing", "held_on"))
        return None


def _parse_minutes(text: str, problems: list[Problem]) -> int | None:
    try:
        hours = Decimal(text.replace(",", "."))
        if not hours.is_finite() or not 0 < hours < 100:
            raise InvalidOperation
        return int(hours * 60)
    except InvalidOperation:
        problems.append(Problem("not_a_number" if text else "missing", "hours"))
        return None


def _parse_parent(form: TrainingForm, problems: list[Problem]) -> int | NewParent | None:
    if _is_id(form.parent_trainer):
        return int(form.parent_trainer)
    if not (form.parent_given or form.parent_family):
        return None  # the action reports the missing trainer
    names = ("parent_given", "parent_family")
    problems.extend(Problem("missing", name) for name in names if not getattr(form, name))
    return NewParent(form.parent_given, form.parent_family)
