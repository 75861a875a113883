"""Times the pair reported, or agreed on, for their other visits."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from homevisits.people.models import Family, Person
from homevisits.visits.models import LIVE, Attestation, Visit, VisitMember, VisitState
from homevisits.visits.rules import ReportedTimes

COUNTED_STATES = (*LIVE, VisitState.COMPLETED, VisitState.FAMILY_AWAY)


def load_reported_times(
    session: Session, visit: Visit, reader_id: int | None, started_at: datetime, ended_at: datetime
) -> list[ReportedTimes]:
    """Return the pair's reported times on other visits that overlap the given times, as `reader_id` may see them.

    For a visit with an agreed report its times count, otherwise each educator's own newest report.
    """
    query = _select_reported_times().where(
        VisitMember.educator_id.in_((visit.lead_id, visit.partner_id)),
        VisitMember.visit_id != visit.id,
        Attestation.started_at < ended_at,
        Attestation.ended_at > started_at,
    )
    return [
        ReportedTimes(
            name=f"{row.given_name} {row.family_name}",
            started_at=row.started_at,
            ended_at=row.ended_at,
            timezone=row.timezone,
            family=row.family if reader_id in (row.lead_id, row.partner_id) else None,
        )
        for row in session.execute(query)
    ]


def _select_reported_times() -> Select[*tuple[Any, ...]]:
    """Select a row for each member of a visit's pair, with the reported times that count."""
    own_newest = (
        select(func.max(Attestation.id))
        .where(Attestation.visit_id == VisitMember.visit_id, Attestation.educator_id == VisitMember.educator_id)
        .correlate(VisitMember)
        .scalar_subquery()
    )
    return (
        select(
            Person.given_name,
            Person.family_name,
            Attestation.started_at,
            Attestation.ended_at,
            Visit.timezone,
            Visit.lead_id,
            Visit.partner_id,
            Family.name.label("family"),
        )
        .select_from(VisitMember)
        .join(Visit, Visit.id == VisitMember.visit_id)
        .join(Attestation, Attestation.id == func.coalesce(Visit.attestation_id, own_newest))
        .join(Person, Person.id == VisitMember.educator_id)
        .join(Family, Family.id == Visit.family_id)
        .where(
            or_(VisitMember.educator_id == Visit.lead_id, VisitMember.educator_id == Visit.partner_id),
            Visit.state.in_(COUNTED_STATES),
        )
        .order_by(Attestation.started_at, VisitMember.visit_id, VisitMember.educator_id)
    )
