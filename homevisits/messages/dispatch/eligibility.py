"""Whether a text may leave now: everything asked once more at the last moment, in the transaction that claims it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from homevisits.messages import message_types
from homevisits.messages.dispatch import quiet_hours
from homevisits.messages.dispatch.eligibility_data import DAY, WEEK, Facts
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.recipients.opt_outs import ANSWERS
from homevisits.messages.templates import catalog
from homevisits.messages.templates.segments import GSM7, segments

ASK_AGAIN = {"language": timedelta(minutes=15), "template": timedelta(minutes=5)}
"""How often to look whether somebody approved the words, or let the text go on."""
APART = timedelta(hours=1)
"""Texts with the same words about one thing that were planned so far apart were meant to be two."""
ONE_PART = 160

Check = Callable[[Session, OutgoingMessage, datetime], str | None]
"""Why a text must not leave any more (a code), or None. Asked by what the text is about."""


@dataclass(frozen=True)
class SendPolicy:
    """What delivery goes by. ``zone`` is the installation's; ``trial``: only guests are texted; ``silent``: nobody is.

    ``checks`` is keyed by the word before the colon in a text's ``subject``; ``threads``: how many texts at a time.
    """

    limits: Limits
    zone: str
    trial: bool = False
    silent: bool = False
    checks: Mapping[str, Check] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True)
class Hold:
    """The text does not leave now: the state it goes to and why; ``until``: when to judge it again."""

    state: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Send:
    """The text may leave: these words, in so many segments, good for so many seconds."""

    body: str
    segments: int
    valid_for: int


def judge(session: Session, row: OutgoingMessage, facts: Facts, rules: SendPolicy, now: datetime) -> Send | Hold | None:
    """Whether this text may leave now. None: another text to this phone is on its way, so not yet.

    The row and its phone are held by this transaction, and `facts` were gathered in it.
    """
    phone = facts.phones[row.phone]
    if phone.busy:
        return None
    aside = _must_not(session, row, phone, rules, now) or _words_missing(row, facts, now)
    if aside is not None:
        return aside
    body = words(row)
    end = None
    if row.category not in message_types.EXEMPT or (
        row.category == "urgent" and not (row.urgent_by and row.urgent_reason)
    ):
        held = _out_of_hours(row, facts, row.zone or rules.zone, rules.limits, now)
        if isinstance(held, Hold):
            return held
        end = held
    aside = _too_often(row, facts.sent.get(row.phone, ()), body, rules.limits, now)
    return aside or Send(body, count(body), quiet_hours.valid_for(now, end, row.expires_at))


def _must_not(session: Session, row: OutgoingMessage, phone: Row[Any], rules: SendPolicy, now: datetime) -> Hold | None:
    """What ends a text for good."""
    if row.cancel_requested:
        return Hold("cancelled", "withdrawn")
    if row.expires_at <= now:
        return Hold("expired", "expired")
    if phone.entry == "stop" and row.template not in ANSWERS:
        return Hold("suppressed", "stopped")
    if phone.state == "wrong_number" and row.template not in ANSWERS:
        return Hold("suppressed", "wrong_number")
    if phone.state in ("bad", "landline"):
        return Hold("rejected", "landline" if phone.state == "landline" else "bad_number")
    check = rules.checks.get(row.subject.partition(":")[0])
    why = check(session, row, now) if check is not None else None
    if why is not None:
        return Hold("cancelled", why)
    if rules.silent:
        return Hold("suppressed", "no_carrier")
    return Hold("suppressed", "trial") if rules.trial and not phone.guest else None


def _words_missing(row: OutgoingMessage, facts: Facts, now: datetime) -> Hold | None:
    if row.template == message_types.WRITTEN:
        return None
    if not catalog.has(row.language, row.template):
        return Hold("held", "language", now + ASK_AGAIN["language"])
    return Hold("held", "template", now + ASK_AGAIN["template"]) if row.template in facts.paused else None


def words(row: OutgoingMessage) -> str:
    """What the text says now: its template filled again, for words may have been approved anew since it was planned."""
    if row.template == message_types.WRITTEN:
        return row.body
    try:
        return catalog.render(row.language, row.template, json.loads(row.params))
    except KeyError:  # planned by a version that kept no parameters: as it was written then
        return row.body


def count(body: str) -> int:
    """The segments of a text; quick for the many that are short and plain."""
    return 1 if len(body) <= ONE_PART and GSM7.issuperset(body) else segments(body).segments


def digest(body: str) -> str:
    """What tells one body from another without keeping it."""
    return hashlib.sha256(body.encode()).hexdigest()


def _out_of_hours(row: OutgoingMessage, facts: Facts, zone: str, limits: Limits, now: datetime) -> Hold | datetime:
    """The end of the window the text may leave in, or when the next one begins."""
    days = facts.quiet_days(row.school_id) if row.category in message_types.KEEPS_QUIET_DAYS else frozenset()
    end = quiet_hours.closes(now, zone, limits, days)
    if end - now >= quiet_hours.MARGIN + timedelta(seconds=quiet_hours.SHORTEST):
        return end
    # In the last moments of a window a text would arrive after it: it waits for the next one.
    opening = quiet_hours.opens(end, zone, limits, days) or end
    return Hold("expired", "quiet") if opening >= row.expires_at else Hold("held", "quiet", opening)


def _too_often(
    row: OutgoingMessage, sent_to_phone: Sequence[Row[Any]], body: str, limits: Limits, now: datetime
) -> Hold | None:
    if row.category not in message_types.ONCE:
        return None
    recent = [one for one in sent_to_phone if one.message_id != row.id]
    same = _said_before(recent, row, digest(body), now)
    if same is not None:
        # Two reminders of one visit say the same on purpose; both at once, after an outage, say nothing new.
        planned_apart = same.subject == row.subject and abs(same.not_before - row.not_before) >= APART
        if not planned_apart:
            return Hold("dead", "repeated")
        if now - same.started_at < APART:
            return Hold("cancelled", "repeated")
    if row.category not in message_types.CAPPED:
        return None
    newest_first: dict[int, datetime] = {}
    for one in recent:
        if one.category in message_types.CAPPED:
            newest_first.setdefault(one.message_id, one.started_at)
    sent = list(newest_first.values())
    free = [
        sent[most - 1] + span
        for most, span in ((limits.per_day, DAY), (limits.per_week, WEEK))
        if len(sent) >= most and sent[most - 1] + span > now
    ]
    if not free:
        return None
    # What cannot wait so long reaches nobody in time by text: a person sees it and calls.
    return Hold("dead", "cap") if max(free) >= row.expires_at else Hold("held", "cap", max(free))


def _said_before(recent: Sequence[Any], row: OutgoingMessage, mark: str, now: datetime) -> Any:
    """The text with the same words within a day, if nothing else was said about it since: away and back is news."""
    for one in recent:
        if one.started_at <= now - DAY:
            return None
        if one.body_sha256 == mark:
            return one
        if one.subject == row.subject:
            return None
    return None
