"""Readings of the order of asking: whom to ask next and why, how far a draw has come, who was asked."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.draws.models import Draw, DrawEntry
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queries import SAID_NO, counts_for_standing, yes_counts
from homevisits.people.models import Family, FamilyMerge, School

LEFT_ALONE = timedelta(days=180)
"""A family that said "not now" is not asked again by another draw for so long. It may ask itself at any time."""
A_YEAR = timedelta(days=400)
"""Lists of what is under way go back so far; the ledger itself goes back for ever."""


@dataclass(frozen=True)
class Next:
    """A family that may be asked now, and why it and no other: its place, or the family in whose stead it is asked."""

    family_id: int
    stratum: str
    position: int | None
    replaces_id: int | None


@dataclass(frozen=True)
class Progress:
    """How far a draw has come: totals only, never who said what."""

    draw_id: int
    school: str
    drawn: int
    asked: int
    yes: int
    waiting: int
    with_person: int
    not_now: int


@dataclass(frozen=True)
class Asked:
    """A family that was asked and has not said no: in the list of the asking page."""

    invitation_id: int
    family_id: int
    family: str
    school_id: int
    school: str
    timezone: str
    asked_at: datetime
    how: str
    answer: str | None  # the newest word on this invitation; None: no answer yet
    answered_at: datetime | None
    yes_lapsed: bool = False  # the answer is a yes that no longer counts

    @property
    def needs_call(self) -> bool:
        """Whether somebody has to call: the family asked for it, or no message could be written to it."""
        return self.answer in (Answer.CALL_ME, Answer.OTHER_TIME) or (self.answer is None and self.how != "text")


def _settled(now: datetime) -> ColumnElement[bool]:
    """Families of draw entries that are not to be asked: asked already and open, or left alone after a "not now"."""
    invitation, entry = aliased(Invitation), aliased(ConsentEntry)
    is_open = select(invitation.id).where(invitation.family_id == DrawEntry.family_id, invitation.closed_at.is_(None))
    merged = select(FamilyMerge.merged_id).where(FamilyMerge.family_id == DrawEntry.family_id)
    said_no = select(entry.id).where(
        or_(entry.family_id == DrawEntry.family_id, entry.family_id.in_(merged.correlate(DrawEntry))),
        entry.answer.in_(SAID_NO),
        entry.at > now - LEFT_ALONE,
    )
    return or_(is_open.exists(), said_no.exists())


def next_families(session: Session, draw_id: int, count: int, now: datetime) -> list[Next]:
    """The next `count` families to ask: the drawn in their order, then one more of its stratum for each that said no.

    Nothing about a family but its place decides; there is no other order to choose.
    """
    asked_here = select(Invitation.id).where(
        Invitation.draw_id == DrawEntry.draw_id, Invitation.family_id == DrawEntry.family_id
    )
    open_entries = select(DrawEntry).where(DrawEntry.draw_id == draw_id, ~asked_here.exists(), ~_settled(now))
    drawn = session.scalars(
        open_entries.where(DrawEntry.position.is_not(None)).order_by(DrawEntry.position).limit(count)
    )
    found = [Next(entry.family_id, entry.stratum, entry.position, None) for entry in drawn]
    if len(found) < count:
        found += _replacements(session, draw_id, open_entries, count - len(found))
    return found


def place_not_asked(session: Session, draw_id: int, family_id: int) -> int | None:
    """The place of a family in the order of a draw, if it was drawn and was not asked yet."""
    asked_here = select(Invitation.id).where(Invitation.draw_id == draw_id, Invitation.family_id == family_id)
    place = select(DrawEntry.position).where(DrawEntry.draw_id == draw_id, DrawEntry.family_id == family_id)
    return session.scalar(place.where(~asked_here.exists()))


def _replacements(session: Session, draw_id: int, open_entries: Select[DrawEntry], count: int) -> list[Next]:
    replacing = aliased(Invitation)
    refused = session.execute(
        select(Invitation.id, DrawEntry.stratum)
        .join(
            DrawEntry,
            and_(DrawEntry.draw_id == Invitation.draw_id, DrawEntry.family_id == Invitation.family_id),
        )
        .outerjoin(replacing, replacing.replaces_id == Invitation.id)
        .where(Invitation.draw_id == draw_id, Invitation.closed_at.is_not(None), replacing.id.is_(None))
        .order_by(Invitation.id)
    )
    places: dict[str, list[int]] = {}
    for invitation_id, stratum in refused:
        places.setdefault(stratum, []).append(invitation_id)
    found: list[Next] = []
    for stratum, invitations in places.items():
        behind = session.scalars(
            open_entries.where(DrawEntry.position.is_(None), DrawEntry.stratum == stratum)
            .order_by(DrawEntry.sha256, DrawEntry.household_key)
            .limit(len(invitations))
        )
        found += [
            Next(entry.family_id, stratum, None, replaced) for entry, replaced in zip(behind, invitations, strict=False)
        ]
    return found[:count]


def _newest_words(draws: Collection[int]) -> Subquery:
    of_draws = select(Invitation.id).where(Invitation.draw_id.in_(draws))
    return (
        select(ConsentEntry.invitation_id, func.max(ConsentEntry.id).label("id"))
        .where(ConsentEntry.invitation_id.in_(of_draws), counts_for_standing())
        .group_by(ConsentEntry.invitation_id)
        .subquery()
    )


def progress(session: Session, draws: Collection[int]) -> dict[int, Progress]:
    """How far each of `draws` has come."""
    words = _newest_words(draws)
    counts = session.execute(
        select(Invitation.draw_id, ConsentEntry.answer, func.count())
        .outerjoin(words, words.c.invitation_id == Invitation.id)
        .outerjoin(ConsentEntry, ConsentEntry.id == words.c.id)
        .where(Invitation.draw_id.in_(draws))
        .group_by(Invitation.draw_id, ConsentEntry.answer)
    )
    by_draw: dict[int, dict[str | None, int]] = {}
    for draw_id, answer, count in counts:
        by_draw.setdefault(draw_id or 0, {})[answer] = count
    found = {}
    for made, school in session.execute(
        select(Draw, School.name).join(School, School.id == Draw.school_id).where(Draw.id.in_(draws))
    ):
        said = by_draw.get(made.id, {})
        found[made.id] = Progress(
            draw_id=made.id,
            school=school,
            drawn=made.wanted,
            asked=sum(said.values()),
            yes=said.get(Answer.YES, 0),
            waiting=said.get(None, 0),
            with_person=said.get(Answer.OTHER_TIME, 0) + said.get(Answer.CALL_ME, 0),
            not_now=sum(said.get(word, 0) for word in SAID_NO),
        )
    return found


def asked(session: Session, actor: Actor, now: datetime, limit: int = 200) -> list[Asked]:
    """The families of the actor's schools that were asked and are open, oldest first. Who said no is not in it."""
    held = actor.schools(Permission.ASK)
    is_open = and_(Invitation.closed_at.is_(None), Invitation.asked_at > now - A_YEAR)
    found = _asked_rows(now).where(is_open).order_by(Invitation.asked_at, Invitation.id).limit(limit)
    if held is not None:
        found = found.where(Invitation.school_id.in_(held))
    return [_asked(*row) for row in session.execute(found)]


def one_asked(session: Session, actor: Actor, invitation_id: int, now: datetime) -> Asked:
    """One invitation, if it is of a school of the actor's."""
    row = session.execute(_asked_rows(now).where(Invitation.id == invitation_id)).one_or_none()
    if row is None or not actor.may_at(Permission.ASK, row[0].school_id):
        raise NotFound
    return _asked(*row)


def _asked_rows(now: datetime) -> Select[Invitation, str, str, str, ConsentEntry | None, bool | None]:
    said = aliased(ConsentEntry)
    newest = select(func.max(said.id)).where(said.invitation_id == Invitation.id, counts_for_standing(said))
    return (
        select(
            Invitation,
            Family.name,
            School.name,
            School.timezone,
            ConsentEntry,
            yes_counts(ConsentEntry, now.date()),
        )
        .join(Family, Family.id == Invitation.family_id)
        .join(School, School.id == Invitation.school_id)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest.scalar_subquery())
    )


def _asked(
    made: Invitation, family: str, school: str, zone: str, entry: ConsentEntry | None, counts: bool | None
) -> Asked:
    return Asked(
        invitation_id=made.id,
        family_id=made.family_id,
        family=family,
        school_id=made.school_id,
        school=school,
        timezone=zone,
        asked_at=made.asked_at,
        how=made.how,
        answer=entry.answer if entry is not None else None,
        answered_at=entry.at if entry is not None else None,
        yes_lapsed=entry is not None and entry.answer == Answer.YES and not counts,
    )
