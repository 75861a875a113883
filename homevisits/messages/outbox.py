"""The outbox: domain code puts texts in, in the transaction of what they are about. Only delivery takes them out."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from homevisits.core.db import insert_new
from homevisits.messages import message_types
from homevisits.messages.dispatch.eligibility import count
from homevisits.messages.models import WAITING, OutboxText, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog
from homevisits.messages.templates.rendering import PlannedText

ON_ITS_WAY = ("sending", "unknown")
"""Nobody can call these back; what is called off is not sent once more."""
AT_ONCE = 500


def put(session: Session, about: str, text: PlannedText, now: datetime) -> OutboxText:
    """Add one text about something. The same key again is the same text; one that was withdrawn comes back.

    Raises `packs.NoSuchText` when no approved text is there in the language, and KeyError when a place has no value.
    """
    put_many(session, [(about, text)], now)
    return session.scalars(
        select(OutboxText)
        .where(OutboxText.dedupe_key == f"{about}:{text.key}")
        .execution_options(populate_existing=True)
    ).one()


def put_many(session: Session, planned: Iterable[tuple[str, PlannedText]], now: datetime) -> int:
    """Add many texts, each about something: how many are new. Several who plan the same at once add it once."""
    added = 0
    left = list(planned)
    while left:
        some, left = left[:AT_ONCE], left[AT_ONCE:]
        rows = [_row(about, text, now) for about, text in some]
        insert_new(session, Phone, [{"e164": phone} for phone in sorted({row["phone"] for row in rows})], "e164")
        stopped = opt_outs.stopped(session, {row["phone"] for row in rows})
        for row in rows:
            if row["phone"] in stopped and row["template"] not in opt_outs.ANSWERS:
                row["state"], row["error"] = "suppressed", "stopped"
        new = insert_new(session, OutboxText, rows, "dedupe_key")
        added += new
        if new < len(rows):
            _bring_back(session, rows)
    return added


def replace(session: Session, about: str, texts: Iterable[PlannedText], now: datetime) -> None:
    """Make `texts` the plan for `about`: what is not in it and has not left is withdrawn, what is new is added."""
    wanted = list(texts)
    keys = [f"{about}:{text.key}" for text in wanted]
    # One statement for what waits and what is under way: between two, a text could go from one to the other.
    session.execute(
        update(OutboxText)
        .where(
            OutboxText.about == about,
            OutboxText.state.in_((*WAITING, *ON_ITS_WAY)),
            OutboxText.dedupe_key.not_in(keys),
        )
        .values(
            state=case((OutboxText.state.in_(WAITING), "cancelled"), else_=OutboxText.state),
            error=case((OutboxText.state.in_(WAITING), "withdrawn"), else_=OutboxText.error),
            hold_reason=None,
            wanted=case((OutboxText.state.in_(WAITING), OutboxText.wanted), else_=False),
        )
        .execution_options(synchronize_session="fetch")
    )
    put_many(session, [(about, text) for text in wanted], now)


def withdraw(session: Session, about: str, now: datetime) -> None:
    """Nothing more leaves about this."""
    replace(session, about, (), now)


def _row(about: str, text: PlannedText, now: datetime) -> dict[str, Any]:
    body = text.body if text.body is not None else catalog.render(text.language, text.template, text.params)
    pace = text.pace or message_types.of(text.template).pace
    return {
        "dedupe_key": f"{about}:{text.key}",
        "about": about,
        "asks": text.asks,
        "phone": text.to,
        "school_id": text.school_id,
        "zone": text.zone,
        "language": text.language,
        "template": text.template,
        "pace": pace,
        "priority": message_types.priority(pace),
        "params": json.dumps({name: str(value) for name, value in text.params.items()}, ensure_ascii=False),
        "body": body,
        "segments": count(body),
        "not_before": text.not_before,
        "next_at": text.not_before,
        "expires_at": text.expires_at,
        "state": "queued",
        "error": None,
        "created_at": now,
        "urgent_by": text.urgent_by,
        "urgent_reason": text.urgent_reason,
        "written_by": text.written_by,
    }


def _bring_back(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Those of the plan that were there already: one that was withdrawn waits again, one called off is wanted again."""
    by_key = {row["dedupe_key"]: row for row in rows}
    back = update(OutboxText).execution_options(synchronize_session=False)
    session.execute(
        back.where(
            OutboxText.dedupe_key.in_(by_key), OutboxText.state.in_(ON_ITS_WAY), OutboxText.wanted.is_(False)
        ).values(wanted=True)
    )
    gone = select(OutboxText.dedupe_key).where(OutboxText.dedupe_key.in_(by_key), OutboxText.state == "cancelled")
    for key in session.scalars(gone).all():
        values = {name: value for name, value in by_key[key].items() if name not in ("dedupe_key", "created_at")}
        session.execute(
            back.where(OutboxText.dedupe_key == key, OutboxText.state == "cancelled").values(
                **values, wanted=True, hold_reason=None
            )
        )


def messages_about(session: Session, subject: str) -> Sequence[OutboxText]:
    """The texts about `subject`, oldest first."""
    return session.scalars(select(OutboxText).where(OutboxText.about == subject).order_by(OutboxText.id)).all()
