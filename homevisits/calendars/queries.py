"""What is asked of calendars: whose feed an address is, whether it changed, and its entries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, case, cast, func, or_, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.calendars.feed import CANCELLED_SHOWN, PAST, Entry, Status
from homevisits.calendars.models import FeedToken
from homevisits.people.models import Account, Educator, Person
from homevisits.visits.models import Visit, VisitMember, VisitState

COMING = ("asked", "coming")
CANCELLED = (VisitState.CANCELLED_BY_FAMILY, VisitState.CANCELLED_BY_EDUCATOR)
SURE = (VisitState.CONFIRMED, VisitState.COMPLETED, VisitState.FAMILY_AWAY)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's address as it was asked for. ``stamp`` changes whenever what the feed shows changes."""

    id: int
    person_id: int
    language: str
    open: bool
    last_fetched_at: datetime | None
    stamp: str


@dataclass(frozen=True)
class Address:
    """What a person is told about their own feed's address; the address itself is not kept."""

    created_at: datetime
    last_fetched_at: datetime | None


def _shown() -> ColumnElement[bool]:
    """Which of a person's visits the feed shows: bounded, so that a feed does not grow with the years."""
    gone = or_(Visit.state.in_(CANCELLED), VisitMember.state.not_in(COMING))
    return and_(
        Commitment.starts_at >= bindparam("since"),
        or_(~gone, Visit.updated_at >= bindparam("cancelled_since")),
    )


def _windows(now: datetime) -> dict[str, datetime]:
    return {"since": now - PAST, "cancelled_since": now - CANCELLED_SHOWN}


# The colleague is the other of the two who go; to somebody who no longer goes, nobody is named.
_COLLEAGUE = case(
    (VisitMember.state.not_in(COMING), None),
    (Visit.lead_id == VisitMember.educator_id, Visit.partner_id),
    else_=Visit.lead_id,
)
_MARK = func.coalesce(
    func.aggregate_strings(
        cast(Visit.id, String) + ":" + cast(Visit.version, String) + Visit.state + VisitMember.state
        + cast(Visit.updated_at, String) + func.coalesce(Person.given_name + "\t" + Person.family_name, ""),
        "\n",
    ),
    "",
)  # fmt: skip
_STAMP = (
    select(_MARK)
    .select_from(Commitment)
    .join(VisitMember, VisitMember.commitment_id == Commitment.id)
    .join(Visit, Visit.id == VisitMember.visit_id)
    .outerjoin(Person, Person.id == _COLLEAGUE)
    .where(Commitment.person_id == FeedToken.person_id, _shown())
    .correlate(FeedToken)
    .scalar_subquery()
)
_FEED = (
    select(
        FeedToken.id,
        FeedToken.person_id,
        func.coalesce(Account.language, "en"),
        and_(
            FeedToken.revoked_at.is_(None),
            or_(Educator.left_on.is_(None), Educator.left_on > bindparam("today")),
            func.coalesce(Account.active, True),
        ),
        FeedToken.last_fetched_at,
        _STAMP,
    )
    .outerjoin(Educator, Educator.id == FeedToken.person_id)
    .outerjoin(Account, Account.educator_id == FeedToken.person_id)
    .where(FeedToken.sha256 == bindparam("sha256"))
)
_ENTRIES = (
    select(
        Visit.uid,
        Visit.id,
        Visit.starts_at,
        Visit.ends_at,
        Visit.state,
        Visit.version,
        Visit.updated_at,
        VisitMember.state.label("place"),
        Person.given_name,
        Person.family_name,
    )
    .select_from(Commitment)
    .join(VisitMember, VisitMember.commitment_id == Commitment.id)
    .join(Visit, Visit.id == VisitMember.visit_id)
    .outerjoin(Person, Person.id == _COLLEAGUE)
    .where(Commitment.person_id == bindparam("person"), _shown())
    .order_by(Visit.starts_at, Visit.id)
)


def feed_of(session: Session, sha256: str, now: datetime) -> Feed | None:
    """The feed whose address has this hash, with its stamp, in one statement; None when there is none."""
    row = session.execute(_FEED, {"sha256": sha256, "today": now.date(), **_windows(now)}).one_or_none()
    return None if row is None else Feed(row[0], row[1], row[2], bool(row[3]), row[4], row[5])


def entries(session: Session, person_id: int, now: datetime, address: str) -> list[Entry]:
    """A person's visits as their calendar shows them. `address` begins the link to a visit's page."""
    rows = session.execute(_ENTRIES, {"person": person_id, **_windows(now)})
    return [
        Entry(
            uid=row.uid,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            status=_status(row),
            version=row.version,
            updated_at=row.updated_at,
            url=f"{address}{row.id}",
            colleagues=(f"{row.given_name} {row.family_name}",) if row.given_name else (),
        )
        for row in rows
    ]


def address_of(session: Session, person_id: int) -> Address | None:
    """When a person's address was made and last fetched; None when there is none."""
    wanted = select(FeedToken.created_at, FeedToken.last_fetched_at)
    row = session.execute(wanted.where(FeedToken.person_id == person_id, FeedToken.revoked_at.is_(None))).first()
    return Address(row.created_at, row.last_fetched_at) if row else None


def _status(row: Any) -> Status:
    if row.state in CANCELLED or row.place not in COMING:
        return Status.CANCELLED
    return Status.CONFIRMED if row.state in SURE else Status.TENTATIVE
