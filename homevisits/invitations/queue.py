"""The order in which families are asked: the next families of a draw, its progress, open invitations."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.draws.models import Draw, DrawEntry
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.invitations.queries import REFUSALS, is_general_answer, is_valid_yes
from homevisits.people.models import Family, FamilyMerge, School

REFUSAL_COOLDOWN = timedelta(days=180)  # no draw asks a family again this soon; the family may ask at any time
LIST_PERIOD = timedelta(days=400)  # how far lists go back; the ledger is kept without limit
# Created once, as in `invitations.queries`.
_OPEN_INVITATION, _REPLACEMENT = aliased(Invitation), aliased(Invitation)
_REFUSAL = aliased(ConsentEntry)


@dataclass(frozen=True)
class NextFamily:
    """A family to ask next, with the reason: its position in the draw, or the refused invitation it replaces."""

    family_id: int
    stratum: str
    position: int | None
    replaces_id: int | None


@dataclass(frozen=True)
class Progress:
    """Progress of a draw, as totals."""

    draw_id: int
    school: str
    drawn: int
    asked: int
    yes: int
    waiting: int
    waiting_for_staff: int
    not_now: int


@dataclass(frozen=True)
class InvitationRow:
    """An invitation in the list of the asking page."""

    invitation_id: int
    family_id: int
    family: str
    school_id: int
    school: str
    timezone: str
    asked_at: datetime
    how: str
    answer: str | None  # the newest answer to this invitation; None: no answer yet
    answered_at: datetime | None
    yes_lapsed: bool = False  # the answer is a yes that is no longer valid

    @property
    def needs_call(self) -> bool:
        """Whether a person has to call: the family asked for it, or was not asked by message."""
        return self.answer in (Answer.CALL_ME, Answer.OTHER_TIME) or (self.answer is None and self.how != "text")


def _must_not_be_asked(now: datetime) -> ColumnElement[bool]:
    """Whether a draw entry's family has an open invitation, or refused within `REFUSAL_COOLDOWN`."""
    is_open = select(_OPEN_INVITATION.id).where(
        _OPEN_INVITATION.family_id == DrawEntry.family_id, _OPEN_INVITATION.closed_at.is_(None)
    )
    merged = select(FamilyMerge.merged_id).where(FamilyMerge.family_id == DrawEntry.family_id)
    refused = select(_REFUSAL.id).where(
        or_(_REFUSAL.family_id == DrawEntry.family_id, _REFUSAL.family_id.in_(merged.correlate(DrawEntry))),
        _REFUSAL.answer.in_(REFUSALS),
        _REFUSAL.at > now - REFUSAL_COOLDOWN,
    )
    return or_(is_open.exists(), refused.exists())


def list_next_families(session: Session, draw_id: int, count: int, now: datetime) -> list[NextFamily]:
    """List the next `count` families to ask: drawn families in order, then a replacement for each refusal.

    A replacement comes from the same stratum. Only the drawn order decides.
    """
    asked_here = select(Invitation.id).where(
        Invitation.draw_id == DrawEntry.draw_id, Invitation.family_id == DrawEntry.family_id
    )
    open_entries = select(DrawEntry).where(DrawEntry.draw_id == draw_id, ~asked_here.exists(), ~_must_not_be_asked(now))
    drawn = session.scalars(
        open_entries.where(DrawEntry.position.is_not(None)).order_by(DrawEntry.position).limit(count)
    )
    families = [NextFamily(entry.family_id, entry.stratum, entry.position, None) for entry in drawn]
    if len(families) < count:
        families += _find_replacements(session, draw_id, open_entries, count - len(families))
    return families


def find_unasked_position(session: Session, draw_id: int, family_id: int) -> int | None:
    """Return a family's position in a draw if it was drawn and has not been asked yet."""
    asked_here = select(Invitation.id).where(Invitation.draw_id == draw_id, Invitation.family_id == family_id)
    place = select(DrawEntry.position).where(DrawEntry.draw_id == draw_id, DrawEntry.family_id == family_id)
    return session.scalar(place.where(~asked_here.exists()))


def _find_replacements(session: Session, draw_id: int, open_entries: Select[DrawEntry], count: int) -> list[NextFamily]:
    refused = session.execute(
        select(Invitation.id, DrawEntry.stratum)
        .join(
            DrawEntry,
            and_(DrawEntry.draw_id == Invitation.draw_id, DrawEntry.family_id == Invitation.family_id),
        )
        .outerjoin(_REPLACEMENT, _REPLACEMENT.replaces_id == Invitation.id)
        .where(Invitation.draw_id == draw_id, Invitation.closed_at.is_not(None), _REPLACEMENT.id.is_(None))
        .order_by(Invitation.id)
    )
    places: dict[str, list[int]] = {}
    for invitation_id, stratum in refused:
        places.setdefault(stratum, []).append(invitation_id)
    found: list[NextFamily] = []
    for stratum, invitations in places.items():
        replacements = session.scalars(
            open_entries.where(DrawEntry.position.is_(None), DrawEntry.stratum == stratum)
            .order_by(DrawEntry.sha256, DrawEntry.household_key)
            .limit(len(invitations))
        )
        found += [
            NextFamily(entry.family_id, stratum, None, replaced)
            for entry, replaced in zip(replacements, invitations, strict=False)
        ]
    return found[:count]


def _select_newest_answers(draws: Collection[int]) -> Subquery:
    of_draws = select(Invitation.id).where(Invitation.draw_id.in_(draws))
    return (
        select(ConsentEntry.invitation_id, func.max(ConsentEntry.id).label("id"))
        .where(ConsentEntry.invitation_id.in_(of_draws), is_general_answer())
        .group_by(ConsentEntry.invitation_id)
        .subquery()
    )


def load_progress(session: Session, draws: Collection[int]) -> dict[int, Progress]:
    """Return the progress of each of `draws`."""
    newest = _select_newest_answers(draws)
    counts = session.execute(
        select(Invitation.draw_id, ConsentEntry.answer, func.count())
        .outerjoin(newest, newest.c.invitation_id == Invitation.id)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest.c.id)
        .where(Invitation.draw_id.in_(draws))
        .group_by(Invitation.draw_id, ConsentEntry.answer)
    )
    by_draw: dict[int, dict[str | None, int]] = {}
    for draw_id, answer, count in counts:
        by_draw.setdefault(draw_id or 0, {})[answer] = count
    progress = {}
    for draw, school in session.execute(
        select(Draw, School.name).join(School, School.id == Draw.school_id).where(Draw.id.in_(draws))
    ):
        answers = by_draw.get(draw.id, {})
        progress[draw.id] = Progress(
            draw_id=draw.id,
            school=school,
            drawn=draw.sample_size,
            asked=sum(answers.values()),
            yes=answers.get(Answer.YES, 0),
            waiting=answers.get(None, 0),
            waiting_for_staff=answers.get(Answer.OTHER_TIME, 0) + answers.get(Answer.CALL_ME, 0),
            not_now=sum(answers.get(answer, 0) for answer in REFUSALS),
        )
    return progress


def list_open_invitations(session: Session, actor: Actor, now: datetime, limit: int = 200) -> list[InvitationRow]:
    """List the open invitations of the actor's schools, oldest first. Refused invitations are closed."""
    school_ids = actor.schools(Permission.ASK)
    is_open = and_(Invitation.closed_at.is_(None), Invitation.asked_at > now - LIST_PERIOD)
    query = _select_invitation_rows(now).where(is_open).order_by(Invitation.asked_at, Invitation.id).limit(limit)
    if school_ids is not None:
        query = query.where(Invitation.school_id.in_(school_ids))
    return [_to_invitation_row(row) for row in session.execute(query)]


def get_invitation(session: Session, actor: Actor, invitation_id: int, now: datetime) -> InvitationRow:
    """Return an invitation of the actor's schools. Raises `NotFound`."""
    row = session.execute(_select_invitation_rows(now).where(Invitation.id == invitation_id)).one_or_none()
    if row is None or not actor.may_at(Permission.ASK, row[0].school_id):
        raise NotFound
    return _to_invitation_row(row)


def _select_invitation_rows(now: datetime) -> Select[Invitation, str, str, str, ConsentEntry | None, bool | None]:
    entry = aliased(ConsentEntry)
    newest = select(func.max(entry.id)).where(entry.invitation_id == Invitation.id, is_general_answer(entry))
    return (
        select(
            Invitation,
            Family.name,
            School.name,
            School.timezone,
            ConsentEntry,
            is_valid_yes(ConsentEntry, now.date()),
        )
        .join(Family, Family.id == Invitation.family_id)
        .join(School, School.id == Invitation.school_id)
        .outerjoin(ConsentEntry, ConsentEntry.id == newest.scalar_subquery())
    )


def _to_invitation_row(row: Row[Invitation, str, str, str, ConsentEntry | None, bool | None]) -> InvitationRow:
    invitation, family, school, zone, entry, is_valid = row
    return InvitationRow(
        invitation_id=invitation.id,
        family_id=invitation.family_id,
        family=family,
        school_id=invitation.school_id,
        school=school,
        timezone=zone,
        asked_at=invitation.asked_at,
        how=invitation.how,
        answer=entry.answer if entry is not None else None,
        answered_at=entry.at if entry is not None else None,
        yes_lapsed=entry is not None and entry.answer == Answer.YES and not is_valid,
    )
