"""Read counts of messages for the delivery page, without phone numbers or families.

A message counts once, on the day it was due (`not_before`), with its current state. Every query reads a range of an
index, so old messages cost nothing.
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
from homevisits.messages.models import FAILED_STATES, STATES, OutgoingMessage, Sender
from homevisits.messages.senders.selection import is_ready

STUCK_AFTER = timedelta(minutes=5)
NOT_SENT_STATES = ("cancelled", "expired", "suppressed")
PENDING_STATES = ("held", "queued", "sending")
SENT_OUTCOMES = ("delivered", "accepted", "failed", "unknown")


@dataclass(frozen=True)
class DeliveryFilter:
    """Which messages the page counts. `schools` None: all messages, also those without a school."""

    schools: frozenset[int] | None
    school: int | None
    template: str | None
    language: str | None
    first: date
    last: date
    zone: str

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of the range, oldest first."""
        return tuple(self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


@dataclass(frozen=True)
class HeldMessages:
    """Messages held for the same reason, and when the first of them can be sent."""

    reason: str
    number: int
    until: datetime


@dataclass(frozen=True)
class PendingMessages:
    """Messages that wait to be sent now, regardless of the selected days."""

    due: int
    oldest_due: datetime | None
    for_sender: bool  # due messages wait for an available sender, not for the worker
    later: int
    held: tuple[HeldMessages, ...]
    unknown: int
    unknown_since: datetime | None

    def is_stuck(self, now: datetime) -> bool:
        """Return whether due messages are not being sent."""
        return self.oldest_due is not None and now - self.oldest_due > STUCK_AFTER


@dataclass(frozen=True)
class DeliveryResults:
    """Results of the selected days. `median` and `slowest` (95th percentile) are in seconds."""

    days: dict[date, Counter[str]]
    states: Counter[str]
    failures: tuple[tuple[str, int], ...]
    aside: tuple[tuple[str, str, int], ...]
    median: float | None
    slowest: float | None

    @property
    def total(self) -> Counter[str]:
        """The counts of all days together."""
        return sum(self.days.values(), Counter())

    @property
    def share(self) -> float | None:
        """The delivered share of messages with a final result; None if there are none."""
        known = self.total["delivered"] + self.total["failed"]
        return self.total["delivered"] / known if known else None


def visible_schools(actor: Actor, school: int | None) -> frozenset[int] | None:
    """Return the schools that `actor` may see messages of, or only `school`. Raises NotFound."""
    permitted = actor.schools(Permission.DELIVERY)
    if school is None:
        return permitted
    if permitted is not None and school not in permitted:
        raise NotFound
    return frozenset({school})


def outcome_of(state: str) -> str:
    """Map the state of a message to the outcome that the page shows."""
    if state in FAILED_STATES:
        return "failed"
    return "waiting" if state in PENDING_STATES else "aside" if state in NOT_SENT_STATES else state


def local_midnight(day: date, zone: str) -> datetime:
    """Return the start of a day in `zone`, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def read_results(session: Session, selection: DeliveryFilter) -> DeliveryResults:
    """Count the results of the messages due on the selected days."""
    messages = _select_by_day(selection)
    grouped = select(messages.c.day, messages.c.state, messages.c.error, func.count()).group_by(
        messages.c.day, messages.c.state, messages.c.error
    )
    days: dict[date, Counter[str]] = {day: Counter() for day in selection.days}
    states: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    aside: Counter[tuple[str, str]] = Counter()
    for day, state, error, number in session.execute(grouped):
        days[selection.days[day]][outcome_of(state)] += number
        states[state] += number
        if state in FAILED_STATES:
            failures[error or ""] += number
        elif state in NOT_SENT_STATES:
            aside[state, error or ""] += number
    return DeliveryResults(
        days,
        states,
        tuple(failures.most_common()),
        tuple((state, error, number) for (state, error), number in aside.most_common()),
        *_measure_delivery_time(session, selection, states["delivered"]),
    )


def _select_by_day(selection: DeliveryFilter) -> Any:
    ends = [local_midnight(day + timedelta(days=1), selection.zone) for day in selection.days]
    # The index of the day, found by its local midnights, which is also correct when the clocks change.
    day = case(*((OutgoingMessage.not_before < end, n) for n, end in enumerate(ends)))
    chosen = select(
        day.label("day"),
        OutgoingMessage.state,
        OutgoingMessage.error,
        OutgoingMessage.school_id,
        OutgoingMessage.template,
    )
    return (
        chosen.add_columns(OutgoingMessage.segments, OutgoingMessage.sent_at).where(_is_in_range(selection)).subquery()
    )


def _is_in_range(selection: DeliveryFilter) -> ColumnElement[bool]:
    begin, end = (
        local_midnight(selection.first, selection.zone),
        local_midnight(selection.last + timedelta(days=1), selection.zone),
    )
    return and_(OutgoingMessage.not_before >= begin, OutgoingMessage.not_before < end, *filter_conditions(selection))


def filter_conditions(selection: DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if selection.schools is not None:
        conditions.append(OutgoingMessage.school_id.in_(selection.schools))
    if selection.template is not None:
        conditions.append(OutgoingMessage.template == selection.template)
    if selection.language is not None:
        conditions.append(OutgoingMessage.language == selection.language)
    return conditions


def _measure_delivery_time(
    session: Session, selection: DeliveryFilter, number: int
) -> tuple[float | None, float | None]:
    """Return the median and the 95th percentile of the seconds from acceptance to delivery."""
    if not number:
        return None, None
    if is_sqlite(session):
        took: Any = (func.julianday(OutgoingMessage.final_at) - func.julianday(OutgoingMessage.sent_at)) * 86400
    else:
        took = func.extract("epoch", OutgoingMessage.final_at - OutgoingMessage.sent_at)
    known = and_(
        _is_in_range(selection),
        # No condition on the state: SQLite would use the index that starts with it and read all delivered messages.
        OutgoingMessage.error.is_(None),
        OutgoingMessage.final_at.is_not(None),
        OutgoingMessage.sent_at.is_not(None),
        OutgoingMessage.resolved_how.is_(None),  # a manual retry keeps the first sent_at
    )
    total = session.scalar(select(func.count()).select_from(OutgoingMessage).where(known)) or 0
    if not total:
        return None, None
    ordered: Select[Any] = select(took).where(known).order_by(took)
    median, slowest = (
        session.scalar(ordered.offset(min(total - 1, int(total * share))).limit(1)) for share in (0.5, 0.95)
    )
    return max(0.0, float(median)), max(0.0, float(slowest))


def read_pending(session: Session, selection: DeliveryFilter, now: datetime) -> PendingMessages:
    """Count the messages that wait to be sent, and those with an unknown result."""
    due = case((OutgoingMessage.next_at <= now, 1), else_=0).label("due")
    # Literal values instead of parameters: otherwise SQLite does not use the partial index of waiting messages.
    here = select(OutgoingMessage.state, OutgoingMessage.hold_reason, due, OutgoingMessage.next_at).where(
        text("outgoing_message.state IN ('held', 'queued')"), *filter_conditions(selection)
    )
    messages = here.subquery()
    grouped = select(
        messages.c.state, messages.c.hold_reason, messages.c.due, func.count(), func.min(messages.c.next_at)
    )
    rows = session.execute(grouped.group_by(messages.c.state, messages.c.hold_reason, messages.c.due)).all()
    held_rows: dict[str, list[Any]] = {}
    for state, reason, is_due, number, first in rows:
        if state == "held" and not is_due:
            held_rows.setdefault(reason or "", []).append((number, first))
    unknown = select(func.count(), func.min(OutgoingMessage.created_at)).where(
        OutgoingMessage.state == "unknown", *filter_conditions(selection)
    )
    not_known, since = session.execute(unknown).one()
    late = [first for _, _, is_due, _, first in rows if is_due]
    return PendingMessages(
        due=sum(number for _, _, is_due, number, _ in rows if is_due),
        oldest_due=min(late) if late else None,
        for_sender=any(is_due and reason == "sender" for _, reason, is_due, _, _ in rows),
        later=sum(number for state, _, is_due, number, _ in rows if state == "queued" and not is_due),
        held=tuple(
            HeldMessages(reason, sum(number for number, _ in rows), min(first for _, first in rows))
            for reason, rows in sorted(held_rows.items())
        ),
        unknown=not_known,
        unknown_since=cast("datetime | None", since),
    )


def read_daily_counts(
    session: Session, selection: DeliveryFilter
) -> Sequence[tuple[date, int | None, str, str, int, int]]:
    """Return rows for the CSV file: day, school, template, state, number of messages, segments sent."""
    messages = _select_by_day(selection)
    parts = func.sum(case((messages.c.sent_at.is_not(None), messages.c.segments), else_=0))
    keys = (messages.c.day, messages.c.school_id, messages.c.template, messages.c.state)
    rows = session.execute(select(*keys, func.count(), parts).group_by(*keys).order_by(*keys))
    return [
        (selection.days[day], school, name, state, number, int(sent)) for day, school, name, state, number, sent in rows
    ]


def are_all_senders_blocked(session: Session, now: datetime) -> bool:
    """Return whether there are active senders but none of them can send."""
    rows = session.scalars(select(Sender).where(Sender.active)).all()
    return bool(rows) and not any(_can_send(row, now) for row in rows)


def _can_send(row: Sender, now: datetime) -> bool:
    return is_ready(row) and row.breaker == "closed" and (row.paused_until is None or row.paused_until <= now)


assert set(map(outcome_of, STATES)) == {*SENT_OUTCOMES, "waiting", "aside"}
