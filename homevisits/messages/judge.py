"""Whether a text may leave now: everything asked once more at the last moment, in the transaction that claims it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, exists, or_, select, text
from sqlalchemy.orm import Session

from homevisits.messages import hours, kinds, packs
from homevisits.messages.hours import Limits
from homevisits.messages.models import Attempt, Guest, OutboxText, Phone, QuietDay, TextAlert, TextingEntry
from homevisits.messages.optout import ANSWERS
from homevisits.messages.segments import GSM7, segments

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
ASK_AGAIN = {"language": timedelta(minutes=15), "template": timedelta(minutes=5)}
"""How often to look whether somebody approved the words, or let the text go on."""
ONE_PART = 160

Check = Callable[[Session, OutboxText, datetime], str | None]
"""Why a text must not leave any more (a code), or None. Asked by what the text is about."""


@dataclass(frozen=True)
class Rules:
    """What delivery goes by. ``zone`` is the installation's; ``trial``: only guests are texted; ``silent``: nobody is.

    ``checks`` is keyed by the word before the colon in a text's ``about``; ``threads``: how many texts at a time.
    """

    limits: Limits
    zone: str
    trial: bool = False
    silent: bool = False
    checks: Mapping[str, Check] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True)
class Aside:
    """The text does not leave now: the state it goes to and why; ``until``: when to judge it again."""

    state: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Leave:
    """The text may leave: these words, in so many segments, good for so many seconds."""

    body: str
    segments: int
    valid_for: int


def _facts() -> Any:
    phone: Any = bindparam("phone")
    entry = (
        select(TextingEntry.entry).where(TextingEntry.phone == phone).order_by(TextingEntry.id.desc()).limit(1)
    ).scalar_subquery()
    paused = exists().where(
        TextAlert.kind == "template_paused", TextAlert.key == bindparam("template"), TextAlert.cleared_at.is_(None)
    )
    quiet = exists().where(
        QuietDay.day == bindparam("day"),
        or_(QuietDay.school_id.is_(None), QuietDay.school_id == bindparam("school")),
    )
    # The literal is what the partial index says: no parameter can be proven equal to it.
    busy = exists().where(OutboxText.phone == phone, text("outbox.state = 'sending'"))
    return select(
        Phone.state,
        entry.label("entry"),
        exists().where(Guest.phone == phone).label("guest"),
        paused.label("paused"),
        quiet.label("quiet"),
        busy.label("busy"),
    ).where(Phone.e164 == phone)


_FACTS = _facts()
_RECENT = (
    select(Attempt.outbox_id, Attempt.started_at, Attempt.body_sha256, OutboxText.pace, OutboxText.about)
    .join(OutboxText, OutboxText.id == Attempt.outbox_id)
    .where(
        Attempt.phone == bindparam("phone"),
        Attempt.started_at > bindparam("since"),
        Attempt.outbox_id != bindparam("this"),
        # What may have left counts as if it had.
        or_(Attempt.outcome.is_(None), Attempt.outcome.in_(("accepted", "unclear"))),
    )
    .order_by(Attempt.started_at.desc())
)


def judge(session: Session, row: OutboxText, rules: Rules, now: datetime) -> Leave | Aside | None:
    """Whether this text may leave now. None: another text to this phone is on its way, so not yet.

    The row and its phone are held by this transaction.
    """
    zone = row.zone or rules.zone
    asked = {
        "phone": row.phone,
        "template": row.template,
        "day": now.astimezone(ZoneInfo(zone)).date(),
        "school": row.school_id,
    }
    facts = session.execute(_FACTS, asked).one()
    if facts.busy:
        return None
    aside = _must_not(session, row, facts, rules, now) or _words_missing(row, facts, now)
    if aside is not None:
        return aside
    body = words(row)
    end = None
    if row.pace not in kinds.EXEMPT or (row.pace == "urgent" and not (row.urgent_by and row.urgent_reason)):
        held = _out_of_hours(session, row, facts, zone, rules.limits, now)
        if isinstance(held, Aside):
            return held
        end = held
    return _too_often(session, row, body, rules.limits, now) or Leave(
        body, count(body), hours.valid_for(now, end, row.expires_at)
    )


def _must_not(session: Session, row: OutboxText, facts: Row[Any], rules: Rules, now: datetime) -> Aside | None:
    """What ends a text for good."""
    if not row.wanted:
        return Aside("cancelled", "withdrawn")
    if row.expires_at <= now:
        return Aside("expired", "expired")
    if facts.entry == "stop" and row.template not in ANSWERS:
        return Aside("suppressed", "stopped")
    if facts.state == "wrong_number" and row.template not in ANSWERS:
        return Aside("suppressed", "wrong_number")
    if facts.state in ("bad", "landline"):
        return Aside("rejected", "landline" if facts.state == "landline" else "bad_number")
    check = rules.checks.get(row.about.partition(":")[0])
    why = check(session, row, now) if check is not None else None
    if why is not None:
        return Aside("cancelled", why)
    if rules.silent:
        return Aside("suppressed", "no_carrier")
    return Aside("suppressed", "trial") if rules.trial and not facts.guest else None


def _words_missing(row: OutboxText, facts: Row[Any], now: datetime) -> Aside | None:
    if row.template == kinds.WRITTEN:
        return None
    if not packs.has(row.language, row.template):
        return Aside("held", "language", now + ASK_AGAIN["language"])
    return Aside("held", "template", now + ASK_AGAIN["template"]) if facts.paused else None


def words(row: OutboxText) -> str:
    """What the text says now: its template filled again, for words may have been approved anew since it was planned."""
    if row.template == kinds.WRITTEN:
        return row.body
    try:
        return packs.render(row.language, row.template, json.loads(row.params))
    except KeyError:  # planned by a version that kept no parameters: as it was written then
        return row.body


def count(body: str) -> int:
    """The segments of a text; quick for the many that are short and plain."""
    return 1 if len(body) <= ONE_PART and GSM7.issuperset(body) else segments(body).segments


def digest(body: str) -> str:
    """What tells one body from another without keeping it."""
    return hashlib.sha256(body.encode()).hexdigest()


def _out_of_hours(
    session: Session, row: OutboxText, facts: Row[Any], zone: str, limits: Limits, now: datetime
) -> Aside | datetime:
    """The end of the window the text may leave in, or when the next one begins."""
    rests = facts.quiet and row.pace in kinds.KEEPS_QUIET_DAYS
    end = now if rests else hours.closes(now, zone, limits)
    if end - now >= hours.MARGIN + timedelta(seconds=hours.SHORTEST):
        return end
    days = quiet_days(session, row.school_id, now) if row.pace in kinds.KEEPS_QUIET_DAYS else ()
    # In the last moments of a window a text would arrive after it: it waits for the next one.
    opening = hours.opens(end, zone, limits, days) or end
    return Aside("expired", "quiet") if opening >= row.expires_at else Aside("held", "quiet", opening)


def quiet_days(session: Session, school_id: int | None, now: datetime) -> Sequence[Any]:
    """The days without automatic texts at a school, from yesterday on."""
    found = select(QuietDay.day).where(
        QuietDay.day >= now.date() - timedelta(days=1),
        or_(QuietDay.school_id.is_(None), QuietDay.school_id == school_id),
    )
    return session.scalars(found).all()


def _too_often(session: Session, row: OutboxText, body: str, limits: Limits, now: datetime) -> Aside | None:
    if row.pace not in kinds.ONCE:
        return None
    recent = session.execute(_RECENT, {"phone": row.phone, "since": now - WEEK, "this": row.id}).all()
    if _repeated(recent, row, digest(body), now):
        return Aside("dead", "repeated")
    if row.pace not in kinds.CAPPED:
        return None
    newest_first: dict[int, datetime] = {}
    for one in recent:
        if one.pace in kinds.CAPPED:
            newest_first.setdefault(one.outbox_id, one.started_at)
    sent = list(newest_first.values())
    free = [
        sent[most - 1] + span
        for most, span in ((limits.per_day, DAY), (limits.per_week, WEEK))
        if len(sent) >= most and sent[most - 1] + span > now
    ]
    if not free:
        return None
    # What cannot wait so long reaches nobody in time by text: a person sees it and calls.
    return Aside("dead", "cap") if max(free) >= row.expires_at else Aside("held", "cap", max(free))


def _repeated(recent: Sequence[Any], row: OutboxText, mark: str, now: datetime) -> bool:
    """The same words within a day, with nothing else said about it in between: moved away and back is news again."""
    for one in recent:
        if one.started_at <= now - DAY:
            return False
        if one.body_sha256 == mark:
            return True
        if one.about == row.about:
            return False
    return False
