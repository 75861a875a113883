"""Decide whether a message may be sent now, in the transaction that claims it."""

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
from homevisits.messages.templates import catalog
from homevisits.messages.templates.segments import GSM7, count_segments

RECHECK_AFTER = {"language": timedelta(minutes=15), "template": timedelta(minutes=5)}
"""Delay before checking again whether a template was approved or resumed."""
MIN_REPEAT_INTERVAL = timedelta(hours=1)
"""Identical messages about one subject, planned at least this far apart, are not duplicates."""
MAX_SINGLE_SEGMENT_LENGTH = 160

Check = Callable[[Session, OutgoingMessage, datetime], str | None]
"""Return a code if the message must not be sent any more, else None. Registered by kind of subject."""


@dataclass(frozen=True)
class SendPolicy:
    """Settings of message delivery.

    zone: time zone of the installation.
    trial: send only to phones on the trial allowlist. silent: send nothing.
    checks: keyed by the part of `subject` before the colon. threads: number of parallel provider calls.
    """

    limits: Limits
    zone: str
    trial: bool = False
    silent: bool = False
    checks: Mapping[str, Check] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True)
class Hold:
    """Do not send now: the new state, the reason, and when to check again."""

    state: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Send:
    """Send now: the text, its segments, and its validity period in seconds."""

    body: str
    segments: int
    valid_for: int


def check_eligibility(
    session: Session, row: OutgoingMessage, facts: Facts, rules: SendPolicy, now: datetime
) -> Send | Hold | None:
    """Decide whether a message may be sent now. None: another message to this phone is being sent.

    The transaction must hold the locks on the message and its phone, and have loaded `facts`.
    """
    phone = facts.phones[row.phone]
    if phone.busy:
        return None
    hold = _find_permanent_hold(session, row, phone, rules, now) or _find_template_hold(row, facts, now)
    if hold is not None:
        return hold
    body = render_body(row)
    end = None
    if row.category not in message_types.EXEMPT or (
        row.category == "urgent" and not (row.urgent_by and row.urgent_reason)
    ):
        window_end = _find_window_end(row, facts, row.zone or rules.zone, rules.limits, now)
        if isinstance(window_end, Hold):
            return window_end
        end = window_end
    hold = _find_frequency_hold(row, facts.sent.get(row.phone, ()), body, rules.limits, now)
    return hold or Send(body, count_body_segments(body), quiet_hours.valid_for(now, end, row.expires_at))


def _find_permanent_hold(
    session: Session, row: OutgoingMessage, phone: Row[Any], rules: SendPolicy, now: datetime
) -> Hold | None:
    """Return the hold if the message must never be sent."""
    if row.cancel_requested:
        return Hold("cancelled", "withdrawn")
    if row.expires_at <= now:
        return Hold("expired", "expired")
    message_type = message_types.find(row.template)
    if message_type is None or not message_type.sent_after_opt_out:
        if phone.entry == "stop":
            return Hold("suppressed", "stopped")
        if phone.state == "wrong_number":
            return Hold("suppressed", "wrong_number")
    if phone.state in ("bad", "landline"):
        return Hold("rejected", "landline" if phone.state == "landline" else "bad_number")
    check = rules.checks.get(row.subject.partition(":")[0])
    code = check(session, row, now) if check is not None else None
    if code is not None:
        return Hold("cancelled", code)
    if rules.silent:
        return Hold("suppressed", "no_provider")
    return Hold("suppressed", "trial") if rules.trial and not phone.guest else None


def _find_template_hold(row: OutgoingMessage, facts: Facts, now: datetime) -> Hold | None:
    if row.template == message_types.WRITTEN:
        return None
    if not catalog.is_approved(row.language, row.template):
        return Hold("held", "language", now + RECHECK_AFTER["language"])
    return Hold("held", "template", now + RECHECK_AFTER["template"]) if row.template in facts.paused else None


def render_body(row: OutgoingMessage) -> str:
    """Render the template again, because its approved text may have changed since the message was planned."""
    if row.template == message_types.WRITTEN:
        return row.body
    try:
        return catalog.render(row.language, row.template, json.loads(row.params))
    except KeyError:  # planned by a version that stored no parameters
        return row.body


def count_body_segments(body: str) -> int:
    """Count the segments of a message, with a fast path for short GSM-7 messages."""
    return 1 if len(body) <= MAX_SINGLE_SEGMENT_LENGTH and GSM7.issuperset(body) else count_segments(body).segments


def digest(body: str) -> str:
    """Return the SHA-256 of a message text, to compare texts without storing them."""
    return hashlib.sha256(body.encode()).hexdigest()


def _find_window_end(row: OutgoingMessage, facts: Facts, zone: str, limits: Limits, now: datetime) -> Hold | datetime:
    """Return the end of the current sending window, or hold until the next window opens."""
    days = facts.quiet_days(row.school_id) if row.category in message_types.QUIET_DAY_CATEGORIES else frozenset()
    end = quiet_hours.next_closing(now, zone, limits, days)
    if end - now >= quiet_hours.MARGIN + timedelta(seconds=quiet_hours.MIN_VALIDITY_SECONDS):
        return end
    # A message sent in the last moments of a window would arrive after it.
    opening = quiet_hours.next_opening(end, zone, limits, days) or end
    return Hold("expired", "quiet") if opening >= row.expires_at else Hold("held", "quiet", opening)


def _find_frequency_hold(
    row: OutgoingMessage, sent_to_phone: Sequence[Row[Any]], body: str, limits: Limits, now: datetime
) -> Hold | None:
    if row.category not in message_types.DEDUPLICATED:
        return None
    recent = [one for one in sent_to_phone if one.message_id != row.id]
    duplicate = _find_duplicate(recent, row, digest(body), now)
    if duplicate is not None:
        # Two reminders of one visit are identical on purpose, but after an outage only the first is useful.
        planned_apart = (
            duplicate.subject == row.subject and abs(duplicate.not_before - row.not_before) >= MIN_REPEAT_INTERVAL
        )
        if not planned_apart:
            return Hold("dead", "repeated")
        if now - duplicate.started_at < MIN_REPEAT_INTERVAL:
            return Hold("cancelled", "repeated")
    if row.category not in message_types.CAPPED:
        return None
    newest_first: dict[int, datetime] = {}
    for one in recent:
        if one.category in message_types.CAPPED:
            newest_first.setdefault(one.message_id, one.started_at)
    sent = list(newest_first.values())
    allowed_at = [
        sent[limit - 1] + span
        for limit, span in ((limits.per_day, DAY), (limits.per_week, WEEK))
        if len(sent) >= limit and sent[limit - 1] + span > now
    ]
    if not allowed_at:
        return None
    # A message that would expire before the cap allows it is shown to staff, who can call instead.
    return Hold("dead", "cap") if max(allowed_at) >= row.expires_at else Hold("held", "cap", max(allowed_at))


def _find_duplicate(recent: Sequence[Any], row: OutgoingMessage, body_sha256: str, now: datetime) -> Any:
    """Return an identical message of the last 24 hours, unless another on its subject was sent since.

    A change that is later reverted must be sent again."""
    for one in recent:
        if one.started_at <= now - DAY:
            return None
        if one.body_sha256 == body_sha256:
            return one
        if one.subject == row.subject:
            return None
    return None
