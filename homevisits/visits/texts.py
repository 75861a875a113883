"""The texts of a visit, purely: what the family is to hear, and when, as a function of the visit as it stands.

Booking, moving, accepting and cancelling all make the plan anew; the outbox withdraws what is no longer in it. Keys
carry the visit's version: a changed visit says its new time, what was already said stays said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import babel.dates

from homevisits.messages.texts import PlannedText

LOCALES = {"en": "en_US", "es": "es_US", "ar": "ar", "so": "so", "vi": "vi"}
"""How a language writes days and hours. One that is not here gets digits, never English words."""


@dataclass(frozen=True)
class Visit:
    """A visit as far as its texts go. ``told`` says whether the family ever heard of it; ``phone`` may be missing."""

    id: int
    version: int
    state: str
    school: str
    people: tuple[str, str]
    day: date
    start: time
    starts_at: datetime
    phone: str | None
    language: str
    told: bool


def plan(
    visit: Visit, reminder_hours: Sequence[int], now: datetime, *, moved: bool = False, acknowledge: str | None = None
) -> list[PlannedText]:
    """Every text the family should still get about this visit; `acknowledge` names the answer to what it just said."""
    if visit.phone is None:
        return []
    texts = []
    if acknowledge is not None:
        texts.append(_text(visit, acknowledge, acknowledge, now, now + timedelta(days=1)))
    if visit.state in ("scheduled", "confirmed"):
        texts += _arranged(visit, reminder_hours, now, moved=moved)
    elif visit.told and visit.state == "cancelled_by_educator":
        texts.append(_text(visit, "cancelled", "visit_cancelled", now, now + timedelta(days=2)))
    return texts


def _arranged(visit: Visit, reminder_hours: Sequence[int], now: datetime, *, moved: bool) -> list[PlannedText]:
    texts = []
    asks = f"visit:{visit.id}"
    if visit.state == "scheduled":
        template = "visit_moved" if moved else "visit_confirm"
        texts.append(_text(visit, "confirm", template, now, visit.starts_at, asks))
    for hours in sorted(set(reminder_hours), reverse=True):
        at = visit.starts_at - timedelta(hours=hours)
        # A reminder that would follow the question at once says nothing new.
        if at > now + timedelta(hours=1):
            texts.append(_text(visit, f"reminder-{hours}", "visit_reminder", at, visit.starts_at, asks))
    return texts


def _text(
    visit: Visit, key: str, template: str, not_before: datetime, expires_at: datetime, asks: str | None = None
) -> PlannedText:
    return PlannedText(
        key=f"v{visit.version}:{key}",
        to=visit.phone or "",
        language=visit.language,
        template=template,
        params={
            "school": visit.school,
            "people": _both(*visit.people, visit.language),
            "day": local_day(visit.day, visit.language),
            "time": local_time(visit.start, visit.language),
        },
        not_before=not_before,
        expires_at=expires_at,
        asks=asks,
    )


def _both(one: str, other: str, language: str) -> str:
    if language == "en":
        return f"{one} and {other}"
    if language != "es":
        return f"{one} & {other}"
    # Spanish says "e" before the sound of i: Ana e Inés, Ana e Hilda; but Ana y Hielo, Ana y Ian.
    return f"{one} {'e' if _SOUNDS_LIKE_I.match(other) else 'y'} {other}"


_SOUNDS_LIKE_I = re.compile(r"h?[ií](?![aeouáéóú])", re.IGNORECASE)


def local_day(day: date, language: str) -> str:
    """A day as the family reads it: "Tue 13 Oct", "mar 13 oct"."""
    if language not in LOCALES:
        return f"{day.month}/{day.day}"
    return babel.dates.format_date(day, "EEE d MMM", locale=LOCALES[language])


def local_time(at: time, language: str) -> str:
    """A time of day as the family reads it: "6:15 pm", in letters every phone shows in one part."""
    text = babel.dates.format_time(at, "h:mm a", locale=LOCALES.get(language, "en_US"))
    # Without full stops: "4:30 p.m." before the end of a sentence would have two.
    text = re.sub(r"([ap])\.\s?m\.", r"\1m", text)
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("AM", "am").replace("PM", "pm")
