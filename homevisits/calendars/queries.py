"""What is asked of calendars: whose feed an address is, whether it changed, and its entries."""

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


FingerprintCache = dict[int, tuple[int, datetime, str]]
"""What a process remembers of each feed: the newest line of history then, when that was, the stamp."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's address as it was asked for. ``newest`` is the newest line of any visit's history; ``worth_noting``,
    that the last fetch was long ago: once an hour is enough to tell whether a calendar still comes."""

    id: int
    person_id: int
    language: str
    open: bool
    worth_noting: bool
    newest: int


@dataclass(frozen=True)
class FeedUrl:
    """What a person is told about their own feed's address; the address itself is not kept."""

    created_at: datetime
    last_fetched_at: datetime | None


def _is_in(column: Any, words: Iterable[str]) -> ColumnElement[bool]:
    """Like ``column IN (words)``, with our own words written out: lists as parameters are expanded at every call."""
    return or_(*(column == literal_column(f"'{word}'") for word in words))


def _is_shown() -> ColumnElement[bool]:
    """Which of a person's visits the feed shows: bounded, so that a feed does not grow with the years."""
    gone = or_(_is_in(Visit.state, CANCELLED_STATES), ~_is_in(VisitMember.state, GOING_STATES))
    return and_(
        Commitment.starts_at >= bindparam("since"),
        or_(~gone, Visit.updated_at >= bindparam("cancelled_since")),
    )


def _time_limits(now: datetime) -> dict[str, datetime]:
    return {"since": now - SHOW_PAST_VISITS_FOR, "cancelled_since": now - SHOW_CANCELLED_VISITS_FOR}


# The colleague is the other of the two who go; to somebody who no longer goes, nobody is named.
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
    """The feed whose address has this hash; None when there is none.

    On a connection, not a session: most calendars ask for what they have already, and this is all the work of a 304.
    """
    asked = {"sha256": sha256, "today": now.date(), "noted_since": now - RECORD_FETCH_INTERVAL}
    row = connection.execute(_SELECT_FEED, asked).one_or_none()
    return None if row is None else Feed(*row)


def compute_fingerprint(connection: Connection, feed: Feed, now: datetime, known: FingerprintCache) -> str:
    """Everything that a feed shows, in short: equal stamps, equal feeds.

    Worked out anew only when any visit got a line of history since, or after a while; `known` remembers. The while
    bounds what the history cannot tell: a colleague's new name, days going by, a line numbered early and written late.
    """
    newest, at, found = known.get(feed.id, (-1, now, ""))
    if newest != feed.newest or not at <= now < at + FINGERPRINT_CACHE_TIME:
        shown: str = connection.execute(
            _SELECT_FINGERPRINT, {"person": feed.person_id, **_time_limits(now)}
        ).scalar_one()
        found = sha256(shown.encode()).hexdigest()
        known[feed.id] = (feed.newest, now, found)
    return found


def list_entries(connection: Connection, person_id: int, now: datetime, address: str) -> list[CalendarEntry]:
    """A person's visits as their calendar shows them. `address` begins the link to a visit's page."""
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
    """When a person's address was made and last fetched; None when there is none."""
    wanted = select(FeedToken.created_at, FeedToken.last_fetched_at)
    row = session.execute(wanted.where(FeedToken.person_id == person_id, FeedToken.revoked_at.is_(None))).first()
    return FeedUrl(row.created_at, row.last_fetched_at) if row else None


def _to_event_status(row: Any) -> EventStatus:
    if row.state in CANCELLED_STATES or row.place not in GOING_STATES:
        return EventStatus.CANCELLED
    return EventStatus.CONFIRMED if row.state in CONFIRMED_STATES else EventStatus.TENTATIVE
