"""Plan the messages to a visit's family and pair, from the visit's current state.

Every action on a visit plans all messages again; the outbox cancels those that are no longer planned. The deduplication
key holds the visit's version, so that a changed visit is announced again and an unchanged visit is not. It also holds a
hash of the phone number, so that a new phone receives all messages. Reminder hours are elapsed hours, also across a
change to or from daylight saving time.
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

# CLDR locale for the days and times of each language. A language that is not listed gets digits, not English names.
LOCALES = {"en": "en_US", "es": "es_US", "ar": "ar", "so": "so", "vi": "vi"}
# CLDR patterns of days. Spanish names are written in full, because they are clear even without accents.
DAY_PATTERNS = {"en": "EEE, MMM d", "es": "EEEE d 'de' MMMM"}
MIN_GAP_BEFORE_REMINDER = timedelta(hours=1)  # skip a reminder shortly after another message
CURRENT_TIME = "visit_now_at"  # answers a reply to an outdated time; it replaces the confirmation request
SEND_THANKS_WITHIN = timedelta(days=3)  # after the visit; no thank-you when a visit is reported later


@dataclass(frozen=True)
class Recipient:
    """An educator of the pair. ``partner`` is the other educator's given name; most have no ``phone`` for messages."""

    educator_id: int
    state: str
    phone: str | None
    language: str
    partner: str


@dataclass(frozen=True)
class VisitFacts:
    """The properties of a visit that its messages depend on.

    people: full names of the pair.
    phone: the family's phone, if it has a phone for messages.
    is_known_to_family: the visit's time was announced to the family at least once.
    last_event: the newest event of its history (`VisitEvent.what`).
    last_event_by: id of the educator of the pair who caused it.
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
    is_known_to_family: bool
    zone: str | None = None
    school_id: int | None = None
    pair: tuple[Recipient, ...] = ()
    last_event: str = ""
    last_event_by: int | None = None


def plan(
    visit: VisitFacts,
    reminder_hours: Sequence[int],
    now: datetime,
    *,
    moved: bool = False,
    acknowledge: str | None = None,
    morning: time = time(9),
) -> list[PlannedMessage]:
    """Return all messages still to be sent about a visit.

    moved: the family knows an earlier time.
    acknowledge: template of the reply to the answer that the family just gave.
    morning: local time at which a thank-you is sent.
    """
    return [
        *_to_family(visit, reminder_hours, now, moved=moved, acknowledge=acknowledge, morning=morning),
        *_to_pair(visit, reminder_hours, now),
    ]


def _to_family(
    visit: VisitFacts,
    reminder_hours: Sequence[int],
    now: datetime,
    *,
    moved: bool,
    acknowledge: str | None,
    morning: time,
) -> list[PlannedMessage]:
    if visit.phone is None:
        return []
    texts = []
    if acknowledge is not None:
        question = f"visit:{visit.id}" if acknowledge == CURRENT_TIME else None
        texts.append(
            _to_family_message(visit, acknowledge, acknowledge, now, now + timedelta(days=1), question=question)
        )
    if visit.state in ("scheduled", "confirmed"):
        texts += _plan_arranged(visit, reminder_hours, now, moved=moved, is_asked=acknowledge == CURRENT_TIME)
    elif visit.is_known_to_family and visit.state == "cancelled_by_educator":
        # The cancellation for a family that has left the district does not promise a new time.
        template = "visit_off" if visit.last_event == "family_left" else "visit_cancelled"
        # It expires at the start of the visit; after that a coordinator has to call (`inbox.today.queries`).
        if now < visit.starts_at:
            texts.append(_to_family_message(visit, "cancelled", template, now, visit.starts_at))
    elif visit.is_known_to_family and visit.state == "completed" and now - visit.starts_at <= SEND_THANKS_WITHIN:
        at = _next_morning(visit, now, morning)
        texts.append(_to_family_message(visit, "thanks", "visit_thanks", at, at + timedelta(days=2)))
    return texts


def _plan_arranged(
    visit: VisitFacts, reminder_hours: Sequence[int], now: datetime, *, moved: bool, is_asked: bool
) -> list[PlannedMessage]:
    """Plan the confirmation request and the reminders. is_asked: the reply to the family already asks to confirm."""
    texts = []
    question = f"visit:{visit.id}"
    if visit.state == "scheduled" and not is_asked:
        template = "visit_moved" if moved else "visit_confirm"
        texts.append(_to_family_message(visit, "confirm", template, now, visit.starts_at, question=question))
    for hours in sorted(set(reminder_hours), reverse=True):
        at = visit.starts_at - timedelta(hours=hours)
        if at > now + MIN_GAP_BEFORE_REMINDER:
            # A family that has confirmed is not asked to confirm again.
            key, template = (
                ("see-you", "visit_see_you") if visit.state == "confirmed" else ("reminder", "visit_reminder")
            )
            texts.append(_to_family_message(visit, f"{key}-{hours}", template, at, visit.starts_at, question=question))
    return texts


def _next_morning(visit: VisitFacts, now: datetime, morning: time) -> datetime:
    """Return `morning` of the day after `now` in the visit's time zone."""
    zone = visit.zone or "UTC"
    return local_time.to_utc(
        local_time.to_local(now, zone).date() + timedelta(days=1), morning, zone
    ) or now + timedelta(hours=12)


def _to_family_message(
    visit: VisitFacts,
    key: str,
    template: str,
    not_before: datetime,
    expires_at: datetime,
    *,
    question: str | None = None,
) -> PlannedMessage:
    return PlannedMessage(
        key=f"v{visit.version}:{key}:{_hash_phone(visit.phone or '')}",
        to=visit.phone or "",
        language=visit.language,
        template=template,
        params={
            "school": visit.school,
            "people": _join_names(*visit.people, visit.language),
            "day": format_day(visit.day, visit.language),
            "time": format_time(visit.start, visit.language),
        },
        not_before=not_before,
        expires_at=expires_at,
        question=question,
        zone=visit.zone,
        school_id=visit.school_id,
    )


def _to_pair(visit: VisitFacts, reminder_hours: Sequence[int], now: datetime) -> list[PlannedMessage]:
    """Plan the messages to the educators who entered a phone. They contain no family name and no address."""
    if visit.starts_at <= now:
        return []
    texts = []
    for recipient in visit.pair:
        template = _choose_staff_template(visit, recipient)
        if template == "staff_reminder":
            # A single reminder, at the earliest time: the pair also has its calendar.
            times = [visit.starts_at - timedelta(hours=hours) for hours in reminder_hours]
            if remaining := [at for at in times if at > now + MIN_GAP_BEFORE_REMINDER]:
                texts.append(_to_staff_message(visit, recipient, template, min(remaining)))
        elif template is not None:
            texts.append(_to_staff_message(visit, recipient, template, now))
    return [text for text in texts if text.to]


def _choose_staff_template(visit: VisitFacts, recipient: Recipient) -> str | None:
    """Return the template of the message that an educator of the pair needs in the visit's current state."""
    caused_it = recipient.educator_id == visit.last_event_by
    if visit.state in ("cancelled_by_educator", "cancelled_by_family"):
        return "staff_cancelled" if recipient.state in ("asked", "coming") and not caused_it else None
    if visit.state == "proposed" and recipient.state == "asked":
        return "staff_moved" if visit.last_event == "moved" else "staff_asked"
    if visit.state == "proposed" and recipient.state == "coming":
        others = [other for other in visit.pair if other is not recipient]
        is_alone = bool(others) and all(other.state not in ("asked", "coming") for other in others)
        return "staff_stand_in" if is_alone and not caused_it else None
    return "staff_reminder" if visit.state in ("scheduled", "confirmed") and recipient.state == "coming" else None


def _to_staff_message(visit: VisitFacts, recipient: Recipient, template: str, not_before: datetime) -> PlannedMessage:
    key = template.removeprefix("staff_").replace("_", "-")
    return PlannedMessage(
        key=f"v{visit.version}:staff-{key}:e{recipient.educator_id}:{_hash_phone(recipient.phone or '')}",
        to=recipient.phone or "",
        language=recipient.language,
        template=template,
        params={
            "school": visit.school,
            "partner": recipient.partner,
            "day": format_day(visit.day, recipient.language),
            "time": format_time(visit.start, recipient.language),
            "visit": visit.id,
        },
        not_before=not_before,
        expires_at=visit.starts_at,
        zone=visit.zone,
        school_id=visit.school_id,
        category="staff",
    )


def _hash_phone(phone: str) -> str:
    return hashlib.sha256(phone.encode()).hexdigest()[:8]


def _join_names(first: str, second: str, language: str) -> str:
    if language == "en":
        return f"{first} and {second}"
    if language != "es":
        return f"{first} & {second}"
    # In Spanish "y" becomes "e" before the vowel i: Ana e Inés, Ana e Hilda; but Ana y Hielo, Ana y Ian.
    return f"{first} {'e' if _BEGINS_WITH_I.match(second) else 'y'} {second}"


_BEGINS_WITH_I = re.compile(r"h?[ií](?![aeouáéóú])", re.IGNORECASE)


def format_day(day: date, language: str) -> str:
    """Format a day in the family's language: "Tue, Oct 13", "martes 13 de octubre"."""
    if language not in LOCALES:
        return f"{day.month}/{day.day}"
    return babel.dates.format_date(day, DAY_PATTERNS.get(language, "EEE d MMM"), locale=LOCALES[language])


def format_time(at: time, language: str) -> str:
    """Format a time of day in the family's language: "6:15 pm", with plain spaces that belong to the GSM alphabet."""
    text = babel.dates.format_time(at, "h:mm a", locale=LOCALES.get(language, "en_US"))
    # No periods: "4:30 p.m." at the end of a sentence would have two.
    text = re.sub(r"([ap])\.\s?m\.", r"\1m", text)
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("AM", "am").replace("PM", "pm")
