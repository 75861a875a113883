"""Alerts for staff about message delivery, a row for each kind and key."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.db import insert_new
from homevisits.core.problems import NotFound
from homevisits.messages.models import MessageAlert


def raise_alert(session: Session, kind: str, key: str, now: datetime, detail: str = "") -> bool:
    """Raise or repeat an alert. True if it is new or was cleared before."""
    values = {"kind": kind, "key": key, "first_at": now, "last_at": now, "times": 1, "detail": detail}
    if insert_new(session, MessageAlert, [values], "kind", "key"):
        return True
    existing = (
        update(MessageAlert)
        .where(MessageAlert.kind == kind, MessageAlert.key == key)
        .execution_options(synchronize_session=False)
    )
    reopen = existing.where(MessageAlert.cleared_at.is_not(None)).values(
        cleared_at=None, cleared_by=None, first_at=now, last_at=now, times=1, detail=detail
    )
    if session.scalar(reopen.returning(MessageAlert.id)) is not None:
        return True
    session.execute(existing.values(times=MessageAlert.times + 1, last_at=now))
    return False


def clear_alert(session: Session, actor: Actor, alert_id: int, now: datetime) -> None:
    """Clear an open alert. Raises NotFound if it is not open or the actor lacks the permission."""
    row = session.get(MessageAlert, alert_id, with_for_update=True)
    if row is None or row.cleared_at is not None or not actor.may(Permission.SENDERS):
        raise NotFound
    row.cleared_at, row.cleared_by = now, actor.account_id


def open_alerts(session: Session) -> Sequence[MessageAlert]:
    """Return the open alerts, newest first."""
    return session.scalars(
        select(MessageAlert)
        .where(MessageAlert.cleared_at.is_(None))
        .order_by(MessageAlert.last_at.desc(), MessageAlert.id.desc())
    ).all()
