"""Queries for calendar feeds: the feed of a URL, its fingerprint and its entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, bindparam, case, cast, func, literal_column, or_, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.calendars.feed import SHOW_CANCELLED_VISITS_FOR, SHOW_PAST_VISITS_FOR, CalendarEntry, EventStatus
from homevisits.calendars.models import FeedToken
from homevisits.people.models import Account, Educator, Person
from homevisits.visits.models import Visit, VisitEvent, VisitMember, VisitState

FINGERPRINT_CACHE_TIME = timedelta(minutes=10)
RECORD_FETCH_INTERVAL = timedelta(hours=1)
GOING_STATES = ("asked", "coming")
CANCELLED_STATES = (
    VisitState.CANCELLED_BY_FAMILY.value,
    VisitState.CANCELLED_BY_EDUCATOR.value,
    VisitState.NOT_HELD.value,
)
CONFIRMED_STATES = (VisitState.CONFIRMED, VisitState.COMPLETED, VisitState.FAMILY_AWAY)

# By feed id: the newest visit event at that time, the time, the fingerprint.
FingerprintCache = dict[int, tuple[int, datetime, str]]


@dataclass(frozen=True, slots=True)
class Feed:
    """A requested feed.

    open: False if the URL is revoked or the person has left.
    worth_noting: the last recorded fetch is more than an hour ago.
    newest: id of the newest event of any visit.
    """

    id: int
    person_id: int
    language: str
    open: bool
    worth_noting: bool
    newest: int


@dataclass(frozen=True)
class FeedUrl:
    """When the feed URL was created and last fetched. The URL itself is not stored."""

    created_at: datetime
    last_fetched_at: datetime | None


def _is_in(column: Any, words: Iterable[str]) -> ColumnElement[bool]:
    """Build `column IN (words)` with literal constants; SQLAlchemy would expand list parameters at every call."""
    return or_(*(column == literal_column(f"'{word}'") for word in words))


def _is_shown() -> ColumnElement[bool]:
    """Return the condition for the visits that the feed shows."""
    gone = or_(_is_in(Visit.state, CANCELLED_STATES), ~_is_in(VisitMember.state, GOING_STATES))
    return and_(
        Commitment.starts_at >= bindparam("since"),
        or_(~gone, Visit.updated_at >= bindparam("cancelled_since")),
    )


def _time_limits(now: datetime) -> dict[str, datetime]:
    return {"since": now - SHOW_PAST_VISITS_FOR, "cancelled_since": now - SHOW_CANCELLED_VISITS_FOR}


# The other educator of the pair; NULL for an educator who no longer goes.
_COLLEAGUE_ID = case(
    (~_is_in(VisitMember.state, GOING_STATES), None),
    (Visit.lead_id == VisitMember.educator_id, Visit.partner_id),
    else_=Visit.lead_id,
)
_VISITS_AS_TEXT = func.coalesce(
    func.aggregate_strings(
        cast(Visit.id, String) + ":" + cast(Visit.version, String) + Visit.state + VisitMember.state
        + cast(Visit.updated_at, String) + func.coalesce(Person.given_name + "\t" + Person.family_name, ""),
        "\n",
    ),
    "",
)  # fmt: skip
_SELECT_FINGERPRINT = (
    select(_VISITS_AS_TEXT)
    .select_from(Commitment)
    .join(VisitMember, VisitMember.commitment_id == Commitment.id)
    .join(Visit, Visit.id == VisitMember.visit_id)
    .outerjoin(Person, Person.id == _COLLEAGUE_ID)
    .where(Commitment.person_id == bindparam("person"), _is_shown())
)
_SELECT_FEED = (
    select(
        FeedToken.id,
        FeedToken.person_id,
        func.coalesce(Account.language, "en"),
        and_(
            FeedToken.revoked_at.is_(None),
            or_(Educator.left_on.is_(None), Educator.left_on > bindparam("today")),
            func.coalesce(Account.active, True),
        ),
        or_(FeedToken.last_fetched_at.is_(None), FeedToken.last_fetched_at < bindparam("noted_since")),
        select(func.coalesce(func.max(VisitEvent.id), 0)).scalar_subquery(),
    )
    .outerjoin(Educator, Educator.id == FeedToken.person_id)
    .outerjoin(Account, Account.educator_id == FeedToken.person_id)
    .where(FeedToken.sha256 == bindparam("sha256"))
)
_SELECT_ENTRIES = (
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
    .outerjoin(Person, Person.id == _COLLEAGUE_ID)
    .where(Commitment.person_id == bindparam("person"), _is_shown())
    .order_by(Visit.starts_at, Visit.id)
)


def find_feed(connection: Connection, sha256: str, now: datetime) -> Feed | None:
    """Return the feed with this token hash, or None.

    It takes a connection instead of a session, because most requests end as 304 after this query.
    """
    asked = {"sha256": sha256, "today": now.date(), "noted_since": now - RECORD_FETCH_INTERVAL}
    row = connection.execute(_SELECT_FEED, asked).one_or_none()
    return None if row is None else Feed(*row)


def compute_fingerprint(connection: Connection, feed: Feed, now: datetime, known: FingerprintCache) -> str:
    """Return a fingerprint of what a feed shows: equal fingerprints mean equal feeds.

    It is cached in `known` until any visit has a new event, for at most FINGERPRINT_CACHE_TIME. That limit covers
    changes without an event: a colleague's new name, the passing of days, an event that is committed out of order.
    """
    newest, at, fingerprint = known.get(feed.id, (-1, now, ""))
    if newest != feed.newest or not at <= now < at + FINGERPRINT_CACHE_TIME:
        shown: str = connection.execute(
            _SELECT_FINGERPRINT, {"person": feed.person_id, **_time_limits(now)}
        ).scalar_one()
        fingerprint = sha256(shown.encode()).hexdigest()
        known[feed.id] = (feed.newest, now, fingerprint)
    return fingerprint


def list_entries(connection: Connection, person_id: int, now: datetime, address: str) -> list[CalendarEntry]:
    """Return a person's calendar entries. `address` is the prefix of links to visit pages."""
    rows = connection.execute(_SELECT_ENTRIES, {"person": person_id, **_time_limits(now)})
    return [
        CalendarEntry(
            uid=row.uid,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            status=_to_event_status(row),
            version=row.version,
            updated_at=row.updated_at,
            url=f"{address}{row.id}",
            colleagues=(f"{row.given_name} {row.family_name}",) if row.given_name else (),
        )
        for row in rows
    ]


def find_feed_url(session: Session, person_id: int) -> FeedUrl | None:
    """Return when a person's feed URL was created and last fetched, or None without an active URL."""
    query = select(FeedToken.created_at, FeedToken.last_fetched_at)
    row = session.execute(query.where(FeedToken.person_id == person_id, FeedToken.revoked_at.is_(None))).first()
    return FeedUrl(row.created_at, row.last_fetched_at) if row else None


def _to_event_status(row: Any) -> EventStatus:
    if row.state in CANCELLED_STATES or row.place not in GOING_STATES:
        return EventStatus.CANCELLED
    return EventStatus.CONFIRMED if row.state in CONFIRMED_STATES else EventStatus.TENTATIVE
