"""The action of attendance: work the association report out and keep it, so that no page needs to."""

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from homevisits.attendance import queries, report
from homevisits.attendance.models import Absence, AssociationSnapshot
from homevisits.visits.models import Visit

EVERY = timedelta(hours=20)
"""How old a report may grow although no visit was closed since: enrolments change too."""

AT_MOST_EVERY = timedelta(minutes=15)
"""A district closes visits all afternoon; the report need not follow each."""


def refresh(session: Session, now: datetime) -> bool:
    """Work the report out anew. False while no attendance is known. Only the newest is kept: old ones tell who came."""
    period = queries.period(session)
    if period is None:
        return False
    visited, others = queries.groups(session, period)
    document = report.document(visited, others, period.first, period.last)
    session.execute(delete(AssociationSnapshot))
    session.add(
        AssociationSnapshot(
            made_at=now,
            period_from=period.first,
            period_to=period.last,
            document=json.dumps(document, sort_keys=True),
        )
    )
    return True


def is_due(session: Session, now: datetime) -> bool:
    """Whether the report is old, or a visit was closed since: cheap, for the worker's tick."""
    snapshot = queries.newest(session)
    if snapshot is None:
        return session.scalar(select(Absence.day).limit(1)) is not None
    closed_at = session.scalar(select(func.max(Visit.closed_at)))
    wait = AT_MOST_EVERY if closed_at is not None and closed_at > snapshot.made_at else EVERY
    return snapshot.made_at <= now - wait


def refresh_if_due(session: Session, now: datetime) -> bool:
    """What the worker's tick does: whether the report was worked out anew."""
    return is_due(session, now) and refresh(session, now)
