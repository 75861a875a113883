"""Compute the attendance report and store it, so that pages only read it."""

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from homevisits.attendance import queries, report
from homevisits.attendance.models import Absence, AssociationSnapshot
from homevisits.visits.models import Visit

MAX_REPORT_AGE = timedelta(hours=20)  # refreshed even without new visits, because enrollment changes
MIN_REFRESH_INTERVAL = timedelta(minutes=15)  # many visits are completed in an afternoon


def refresh_report(session: Session, now: datetime) -> bool:
    """Compute the report and replace the stored one. Return False before the first import.

    Only the newest report is kept, because comparing reports would reveal who was visited in between.
    """
    period = queries.find_period(session)
    if period is None:
        return False
    visited, others = queries.sum_groups(session, period)
    document = report.build_document(visited, others, period.first, period.last)
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
    """Return whether the report is old or a visit was completed since. Cheap enough for every run of the worker."""
    snapshot = queries.newest_snapshot(session)
    if snapshot is None:
        return session.scalar(select(Absence.day).limit(1)) is not None
    closed_at = session.scalar(select(func.max(Visit.closed_at)))
    wait = MIN_REFRESH_INTERVAL if closed_at is not None and closed_at > snapshot.made_at else MAX_REPORT_AGE
    return snapshot.made_at <= now - wait


def refresh_report_if_due(session: Session, now: datetime) -> bool:
    """Refresh the report if it is due, and return whether it was refreshed."""
    return is_due(session, now) and refresh_report(session, now)
