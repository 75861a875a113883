"""What is asked of calendars: whose feed an address is, whether it changed, and its entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, bindparam, case, cast, func, literal_column, or_, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.calendars.feed import CANCELLED_SHOWN, PAST, Entry, Status
from homevisits.calendars.models import FeedToken
from homevisits.people.models import Account, Educator, Person
from homevisits.visits.models import Visit, VisitEvent, VisitMember, VisitState

REMEMBERED = timedelta(minutes=10)
NOTED_AT_MOST_EVERY = timedelta(hours=1)
COMING = ("asked", "coming")
CANCELLED = (
    VisitState.CANCELLED_BY_FAMILY.value,
    VisitState.CANCELLED_BY_EDUCATOR.value,
    VisitState.NOT_HELD.value,
)
SURE = (VisitState.CONFIRMED, VisitState.COMPLETED, VisitState.FAMILY_AWAY)


Known = dict[int, tuple[int, datetime, str]]
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
class Address:
    """What a person is told about their own feed's address; the address itself is not kept."""

    created_at: datetime
    last_fetched_at: datetime | None


def _one_of(column: Any, words: Iterable[str]) -> ColumnElement[bool]:
    """Like ``column IN (words)``, with our own words written out: lists as parameters are expanded at every call."""
    return or_(*(column == literal_column(f"'{word}'") for word in words))


def _shown() -> ColumnElement[bool]:
    """Which of a person's visits the feed shows: bounded, so that a feed does not grow with the years."""
    gone = or_(_one_of(Visit.state, CANCELLED), ~_one_of(VisitMember.state, COMING))
    return and_(
        Commitment.starts_at >= bindparam("since"),
        or_(~gone, Visit.updated_at >= bindparam("cancelled_since")),
    )


def _windows(now: datetime) -> dict[str, datetime]:
    return {"since": now - PAST, "cancelled_since": now - CANCELLED_SHOWN}


# The colleague is the other of the two who go; to somebody who no longer goes, nobody is named.
_COLLEAGUE = case(
    (~_one_of(VisitMember.state, COMING), None),
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
    .where(Commitment.person_id == bindparam("person"), _shown())
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
        or_(FeedToken.last_fetched_at.is_(None), FeedToken.last_fetched_at < bindparam("noted_since")),
        select(func.coalesce(func.max(VisitEvent.id), 0)).scalar_subquery(),
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


def feed_of(connection: Connection, sha256: str, now: datetime) -> Feed | None:
    """The feed whose address has this hash; None when there is none.

    On a connection, not a session: most calendars ask for what they have already, and this is all the work of a 304.
    """
    asked = {"sha256": sha256, "today": now.date(), "noted_since": now - NOTED_AT_MOST_EVERY}
    row = connection.execute(_FEED, asked).one_or_none()
    return None if row is None else Feed(*row)


def stamp(connection: Connection, feed: Feed, now: datetime, known: Known) -> str:
    """Everything that a feed shows, in short: equal stamps, equal feeds.

    Worked out anew only when any visit got a line of history since, or after a while; `known` remembers. The while
    bounds what the history cannot tell: a colleague's new name, days going by, a line numbered early and written late.
    """
    newest, at, found = known.get(feed.id, (-1, now, ""))
    if newest != feed.newest or not at <= now < at + REMEMBERED:
        shown: str = connection.execute(_STAMP, {"person": feed.person_id, **_windows(now)}).scalar_one()
        found = sha256(shown.encode()).hexdigest()
        known[feed.id] = (feed.newest, now, found)
    return found


def entries(connection: Connection, person_id: int, now: datetime, address: str) -> list[Entry]:
    """A person's visits as their calendar shows them. `address` begins the link to a visit's page."""
    rows = connection.execute(_ENTRIES, {"person": person_id, **_windows(now)})
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
