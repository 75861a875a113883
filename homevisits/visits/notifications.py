"""The texts of a visit, purely: what the family and the pair are to hear, and when, as the visit now stands.

Every verb makes the plan anew; the outbox withdraws what is no longer in it. Keys carry the visit's version: a changed
visit says its new time, what was already said stays said. They carry a mark of the phone, too: who hears in somebody
else's place hears all of it. "Hours before" are hours that pass, also when the clocks change in between.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import babel.dates

from homevisits.core import local_time
from homevisits.messages.templates.rendering import PlannedMessage

PURE = True

LOCALES = {"en": "en_US", "es": "es_US", "ar": "ar", "so": "so", "vi": "vi"}
"""How a language writes days and hours. One that is not here gets digits, never English words."""
DAY_PATTERNS = {"en": "EEE, MMM d", "es": "EEEE d 'de' MMMM"}
"""CLDR patterns for days. In Spanish the words in full keep a sentence readable without accents."""
SOON = timedelta(hours=1)
"""A reminder that would follow what was just said so closely says nothing new."""
TELLS_TIME = "visit_now_at"
"""The answer to a word on a time that is no longer: it says the one that stands, and asks in the question's place."""
THANKS_WITHIN = timedelta(days=3)
"""A thank-you for a visit that was written up weeks later is none."""


@dataclass(frozen=True)
class Member:
    """One of the pair as far as texts go: ``partner`` is the other's first name; ``phone`` is missing for most."""

    educator_id: int
    state: str
    phone: str | None
    language: str
    partner: str


@dataclass(frozen=True)
class Visit:
    """A visit as far as its texts go. ``told`` says whether the family ever heard of it; ``phone`` may be missing.

    ``last`` is the last thing that was done to it (see `VisitEvent`), ``by`` the educator who did it.
    """

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
    zone: str | None = None
    school_id: int | None = None
    pair: tuple[Member, ...] = ()
    last: str = ""
    by: int | None = None


def plan(
    visit: Visit,
    reminder_hours: Sequence[int],
    now: datetime,
    *,
    moved: bool = False,
    acknowledge: str | None = None,
    morning: time = time(9),
) -> list[PlannedMessage]:
    """Every text still to be sent about this visit; `acknowledge` names the answer to what the family just said."""
    return [
        *_to_family(visit, reminder_hours, now, moved=moved, acknowledge=acknowledge, morning=morning),
        *_to_pair(visit, reminder_hours, now),
    ]


def _to_family(
    visit: Visit, reminder_hours: Sequence[int], now: datetime, *, moved: bool, acknowledge: str | None, morning: time
) -> list[PlannedMessage]:
    if visit.phone is None:
        return []
    texts = []
    if acknowledge is not None:
        question = f"visit:{visit.id}" if acknowledge == TELLS_TIME else None
        texts.append(_text(visit, acknowledge, acknowledge, now, now + timedelta(days=1), question))
    if visit.state in ("scheduled", "confirmed"):
        texts += _arranged(visit, reminder_hours, now, moved=moved, asked=acknowledge == TELLS_TIME)
    elif visit.told and visit.state == "cancelled_by_educator":
        # A family that has left the district is not told of a new time.
        template = "visit_off" if visit.last == "family_left" else "visit_cancelled"
        # It expires at the start: from then on a person has to tell the family (`inbox.queries.need_telling`).
        if now < visit.starts_at:
            texts.append(_text(visit, "cancelled", template, now, visit.starts_at))
    elif visit.told and visit.state == "completed" and now - visit.starts_at <= THANKS_WITHIN:
        at = _next_morning(visit, now, morning)
        texts.append(_text(visit, "thanks", "visit_thanks", at, at + timedelta(days=2)))
    return texts


def _arranged(
    visit: Visit, reminder_hours: Sequence[int], now: datetime, *, moved: bool, asked: bool
) -> list[PlannedMessage]:
    texts = []
    question = f"visit:{visit.id}"
    if visit.state == "scheduled" and not asked:
        template = "visit_moved" if moved else "visit_confirm"
        texts.append(_text(visit, "confirm", template, now, visit.starts_at, question))
    for hours in sorted(set(reminder_hours), reverse=True):
        at = visit.starts_at - timedelta(hours=hours)
        if at > now + SOON:
            # A family that has confirmed is not asked to confirm again.
            key, template = (
                ("see-you", "visit_see_you") if visit.state == "confirmed" else ("reminder", "visit_reminder")
            )
            texts.append(_text(visit, f"{key}-{hours}", template, at, visit.starts_at, question))
    return texts


def _next_morning(visit: Visit, now: datetime, morning: time) -> datetime:
    """The morning after `now` where the family lives."""
    zone = visit.zone or "UTC"
    return local_time.to_utc(
        local_time.to_local(now, zone).date() + timedelta(days=1), morning, zone
    ) or now + timedelta(hours=12)


def _text(
    visit: Visit, key: str, template: str, not_before: datetime, expires_at: datetime, question: str | None = None
) -> PlannedMessage:
    return PlannedMessage(
        key=f"v{visit.version}:{key}:{_mark(visit.phone or '')}",
        to=visit.phone or "",
        language=visit.language,
        template=template,
        params={
            "school": visit.school,
            "people": _both(*visit.people, visit.language),
            "day": format_day(visit.day, visit.language),
            "time": format_time(visit.start, visit.language),
        },
        not_before=not_before,
        expires_at=expires_at,
        question=question,
        zone=visit.zone,
        school_id=visit.school_id,
    )


def _to_pair(visit: Visit, reminder_hours: Sequence[int], now: datetime) -> list[PlannedMessage]:
    """What each of the pair who gave a number for it hears: never a family's name, never an address."""
    if visit.starts_at <= now:
        return []
    texts = []
    for member in visit.pair:
        said = _said(visit, member)
        if said == "staff_reminder":
            # Once, as early as it still can be: the pair has its calendar, too.
            ahead = [visit.starts_at - timedelta(hours=hours) for hours in reminder_hours]
            if at := [each for each in ahead if each > now + SOON]:
                texts.append(_staff_text(visit, member, said, min(at)))
        elif said is not None:
            texts.append(_staff_text(visit, member, said, now))
    return [text for text in texts if text.to]


def _said(visit: Visit, member: Member) -> str | None:
    """What there is to say to this one of the pair, as the visit now stands."""
    if visit.state in ("cancelled_by_educator", "cancelled_by_family"):
        told = member.state in ("asked", "coming") and member.educator_id != visit.by
        return "staff_cancelled" if told else None
    if visit.state == "proposed" and member.state == "asked":
        return "staff_moved" if visit.last == "moved" else "staff_asked"
    if visit.state == "proposed" and member.state == "coming":
        alone = all(one.state not in ("asked", "coming") for one in visit.pair if one is not member)
        return "staff_stand_in" if alone and len(visit.pair) > 1 and member.educator_id != visit.by else None
    return "staff_reminder" if visit.state in ("scheduled", "confirmed") and member.state == "coming" else None


def _staff_text(visit: Visit, member: Member, template: str, not_before: datetime) -> PlannedMessage:
    key = template.removeprefix("staff_").replace("_", "-")
    return PlannedMessage(
        key=f"v{visit.version}:staff-{key}:e{member.educator_id}:{_mark(member.phone or '')}",
        to=member.phone or "",
        language=member.language,
        template=template,
        params={
            "school": visit.school,
            "partner": member.partner,
            "day": format_day(visit.day, member.language),
            "time": format_time(visit.start, member.language),
            "visit": visit.id,
        },
        not_before=not_before,
        expires_at=visit.starts_at,
        zone=visit.zone,
        school_id=visit.school_id,
        category="staff",
    )


def _mark(phone: str) -> str:
    return hashlib.sha256(phone.encode()).hexdigest()[:8]


def _both(one: str, other: str, language: str) -> str:
    if language == "en":
        return f"{one} and {other}"
    if language != "es":
        return f"{one} & {other}"
    # Spanish says "e" before the sound of i: Ana e Inés, Ana e Hilda; but Ana y Hielo, Ana y Ian.
    return f"{one} {'e' if _SOUNDS_LIKE_I.match(other) else 'y'} {other}"


_SOUNDS_LIKE_I = re.compile(r"h?[ií](?![aeouáéóú])", re.IGNORECASE)


def format_day(day: date, language: str) -> str:
    """Format a day in the family's language: "Tue, Oct 13", "martes 13 de octubre"."""
    if language not in LOCALES:
        return f"{day.month}/{day.day}"
    return babel.dates.format_date(day, DAY_PATTERNS.get(language, "EEE d MMM"), locale=LOCALES[language])


def format_time(at: time, language: str) -> str:
    """A time of day as the family reads it: "6:15 pm", in letters every phone shows in one part."""
    text = babel.dates.format_time(at, "h:mm a", locale=LOCALES.get(language, "en_US"))
    # Without full stops: "4:30 p.m." before the end of a sentence would have two.
    text = re.sub(r"([ap])\.\s?m\.", r"\1m", text)
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("AM", "am").replace("PM", "pm")
