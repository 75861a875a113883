"""Readings of the outbox for the page that says whether texts arrive: counts only, no phone and no family.

A text counts on the day it was to leave (`not_before`), once, with what became of it since. Every reading is a range
of an index, so that a million old texts cost nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, select, text
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.db import is_sqlite
from homevisits.core.problems import NotFound
from homevisits.messages.models import LOST, STATES, OutgoingMessage, Sender
from homevisits.messages.senders.selection import ready

STUCK_AFTER = timedelta(minutes=5)
MONTHS = 3
ASIDE = ("cancelled", "expired", "suppressed")
UNDER_WAY = ("held", "queued", "sending")
SENT = ("delivered", "accepted", "failed", "unknown")
"""What became of a text that left or was to leave, in the order it is drawn."""


@dataclass(frozen=True)
class Asked:
    """Which texts the page is about. ``schools`` None: all of them, and texts of no school."""

    schools: frozenset[int] | None
    school: int | None
    template: str | None
    language: str | None
    first: date
    last: date
    zone: str

    @property
    def days(self) -> tuple[date, ...]:
        """Each day, the oldest first."""
        return tuple(self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


@dataclass(frozen=True)
class Held:
    """Texts that wait for one reason, and when the first of them may leave."""

    reason: str
    number: int
    until: datetime


@dataclass(frozen=True)
class Waiting:
    """All that is to leave, now: no range of days holds it back."""

    due: int
    oldest_due: datetime | None
    for_sender: bool  # what is due waits for a sender that may take it, not for the worker
    later: int
    held: tuple[Held, ...]
    unknown: int
    unknown_since: datetime | None

    def stuck(self, now: datetime) -> bool:
        """Whether a text that is due does not leave."""
        return self.oldest_due is not None and now - self.oldest_due > STUCK_AFTER


@dataclass(frozen=True)
class Became:
    """What became of the texts of the days asked for."""

    days: dict[date, Counter[str]]
    states: Counter[str]
    failures: tuple[tuple[str, int], ...]
    aside: tuple[tuple[str, str, int], ...]
    median: float | None
    slowest: float | None

    @property
    def total(self) -> Counter[str]:
        """All days together."""
        return sum(self.days.values(), Counter())

    @property
    def share(self) -> float | None:
        """Of those of which the last word is known, how many arrived; None: of none yet."""
        known = self.total["delivered"] + self.total["failed"]
        return self.total["delivered"] / known if known else None


@dataclass(frozen=True)
class Cost:
    """Parts that left in a month in a language."""

    month: date
    language: str
    texts: int
    segments: int


def scope(actor: Actor, school: int | None) -> frozenset[int] | None:
    """The schools whose texts `actor` may see, narrowed to `school`. Raises `NotFound` for one that is not theirs."""
    held = actor.schools(Permission.DELIVERY)
    if school is None:
        return held
    if held is not None and school not in held:
        raise NotFound
    return frozenset({school})


def outcome(state: str) -> str:
    """The few words of the page for the twelve states of a text."""
    if state in LOST:
        return "failed"
    return "waiting" if state in UNDER_WAY else "aside" if state in ASIDE else state


def midnight(day: date, zone: str) -> datetime:
    """The moment a day begins on clocks in `zone`."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def became(session: Session, asked: Asked) -> Became:
    """What became of the texts that were to leave on these days."""
    one = _by_day(asked)
    grouped = select(one.c.day, one.c.state, one.c.error, func.count()).group_by(one.c.day, one.c.state, one.c.error)
    days: dict[date, Counter[str]] = {day: Counter() for day in asked.days}
    states: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    aside: Counter[tuple[str, str]] = Counter()
    for day, state, error, number in session.execute(grouped):
        days[asked.days[day]][outcome(state)] += number
        states[state] += number
        if state in LOST:
            failures[error or ""] += number
        elif state in ASIDE:
            aside[state, error or ""] += number
    return Became(
        days,
        states,
        tuple(failures.most_common()),
        tuple((state, error, number) for (state, error), number in aside.most_common()),
        *_how_long(session, asked, states["delivered"]),
    )


def _by_day(asked: Asked) -> Any:
    ends = [midnight(day + timedelta(days=1), asked.zone) for day in asked.days]
    # The place of the day in the range, by its own midnights: right on the two days when clocks change, too.
    day = case(*((OutgoingMessage.not_before < end, n) for n, end in enumerate(ends)))
    chosen = select(
        day.label("day"),
        OutgoingMessage.state,
        OutgoingMessage.error,
        OutgoingMessage.school_id,
        OutgoingMessage.template,
    )
    return chosen.add_columns(OutgoingMessage.segments, OutgoingMessage.sent_at).where(_in_range(asked)).subquery()


def _in_range(asked: Asked) -> ColumnElement[bool]:
    begin, end = midnight(asked.first, asked.zone), midnight(asked.last + timedelta(days=1), asked.zone)
    return and_(OutgoingMessage.not_before >= begin, OutgoingMessage.not_before < end, *_filters(asked))


def _filters(asked: Asked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.schools is not None:
        found.append(OutgoingMessage.school_id.in_(asked.schools))
    if asked.template is not None:
        found.append(OutgoingMessage.template == asked.template)
    if asked.language is not None:
        found.append(OutgoingMessage.language == asked.language)
    return found


def _how_long(session: Session, asked: Asked, number: int) -> tuple[float | None, float | None]:
    """Seconds from the carrier's yes to the phone's: of half of the texts, and of 95 in a hundred."""
    if not number:
        return None, None
    if is_sqlite(session):
        took: Any = (func.julianday(OutgoingMessage.final_at) - func.julianday(OutgoingMessage.sent_at)) * 86400
    else:
        took = func.extract("epoch", OutgoingMessage.final_at - OutgoingMessage.sent_at)
    known = and_(
        _in_range(asked),
        # Not by its state: SQLite would read all that ever arrived, by the index that begins with it.
        OutgoingMessage.error.is_(None),
        OutgoingMessage.final_at.is_not(None),
        OutgoingMessage.sent_at.is_not(None),
        OutgoingMessage.resolved_how.is_(None),  # sent again by a person: the first time it left says nothing
    )
    total = session.scalar(select(func.count()).select_from(OutgoingMessage).where(known)) or 0
    if not total:
        return None, None
    ordered: Select[Any] = select(took).where(known).order_by(took)
    median, slowest = (
        session.scalar(ordered.offset(min(total - 1, int(total * share))).limit(1)) for share in (0.5, 0.95)
    )
    return max(0.0, float(median)), max(0.0, float(slowest))


def waiting(session: Session, asked: Asked, now: datetime) -> Waiting:
    """What is to leave, and what nobody knows of, at this moment."""
    due = case((OutgoingMessage.next_at <= now, 1), else_=0).label("due")
    # Written out, not given apart: only so does SQLite see that its small index of waiting texts will do.
    here = select(OutgoingMessage.state, OutgoingMessage.hold_reason, due, OutgoingMessage.next_at).where(
        text("outgoing_message.state IN ('held', 'queued')"), *_filters(asked)
    )
    one = here.subquery()
    grouped = select(one.c.state, one.c.hold_reason, one.c.due, func.count(), func.min(one.c.next_at))
    rows = session.execute(grouped.group_by(one.c.state, one.c.hold_reason, one.c.due)).all()
    held: dict[str, list[Any]] = {}
    for state, reason, is_due, number, first in rows:
        if state == "held" and not is_due:
            held.setdefault(reason or "", []).append((number, first))
    unknown = select(func.count(), func.min(OutgoingMessage.created_at)).where(
        OutgoingMessage.state == "unknown", *_filters(asked)
    )
    not_known, since = session.execute(unknown).one()
    late = [first for _, _, is_due, _, first in rows if is_due]
    return Waiting(
        due=sum(number for _, _, is_due, number, _ in rows if is_due),
        oldest_due=min(late) if late else None,
        for_sender=any(is_due and reason == "sender" for _, reason, is_due, _, _ in rows),
        later=sum(number for state, _, is_due, number, _ in rows if state == "queued" and not is_due),
        held=tuple(
            Held(reason, sum(number for number, _ in each), min(first for _, first in each))
            for reason, each in sorted(held.items())
        ),
        unknown=not_known,
        unknown_since=cast("datetime | None", since),
    )


def costs(session: Session, asked: Asked, fewest: int) -> list[Cost]:
    """The parts that left in this month and the two before it, by month and language.

    A month's languages with fewer than `fewest` texts are one row without a name: a handful of families is known by it.
    """
    months = [asked.last.replace(day=1)]
    while len(months) < MONTHS:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    begin, end = midnight(months[0], asked.zone), midnight(asked.last + timedelta(days=1), asked.zone)
    month = case(
        *((OutgoingMessage.not_before < midnight(each, asked.zone), n) for n, each in enumerate(months[1:])), else_=2
    )
    one = (
        select(month.label("month"), OutgoingMessage.language, OutgoingMessage.segments)
        .where(
            OutgoingMessage.not_before >= begin, OutgoingMessage.not_before < end, OutgoingMessage.sent_at.is_not(None)
        )
        .where(*_filters(asked))
        .subquery()
    )
    grouped = select(one.c.month, one.c.language, func.count(), func.sum(one.c.segments))
    rows = session.execute(grouped.group_by(one.c.month, one.c.language).order_by(one.c.month.desc(), one.c.language))
    found: dict[tuple[date, str], Counter[str]] = {}
    for n, language, number, parts in rows:
        cell = found.setdefault((months[n], language if number >= fewest else ""), Counter())
        cell.update(texts=number, parts=int(parts))
    return [Cost(month, language, cell["texts"], cell["parts"]) for (month, language), cell in found.items()]


def table(session: Session, asked: Asked) -> Sequence[tuple[date, int | None, str, str, int, int]]:
    """For a file: day, school, text, state, how many, parts that left."""
    one = _by_day(asked)
    parts = func.sum(case((one.c.sent_at.is_not(None), one.c.segments), else_=0))
    keys = (one.c.day, one.c.school_id, one.c.template, one.c.state)
    rows = session.execute(select(*keys, func.count(), parts).group_by(*keys).order_by(*keys))
    return [
        (asked.days[day], school, name, state, number, int(sent)) for day, school, name, state, number, sent in rows
    ]


def senders_down(session: Session, now: datetime) -> bool:
    """Whether nothing can leave: there are senders, and none of them may send."""
    rows = session.scalars(select(Sender).where(Sender.active)).all()
    return bool(rows) and not any(_may_send(row, now) for row in rows)


def _may_send(row: Sender, now: datetime) -> bool:
    return ready(row) and row.breaker == "closed" and (row.paused_until is None or row.paused_until <= now)


assert set(map(outcome, STATES)) == {*SENT, "waiting", "aside"}
