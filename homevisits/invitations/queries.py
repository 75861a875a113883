"""Readings of the consent ledger: what each family's word is now, and how a family can be reached."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BindParameter, ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.people.models import Caregiver, Family, FamilyMerge, School, Student

SAID_NO = (Answer.NOT_NOW.value, Answer.WITHDRAWN.value)
ABOUT_A_TIME = (Answer.CONFIRMED.value, Answer.OTHER_TIME.value, Answer.CALL_ME.value)
"""Said about one visit's time, these leave the family's yes as it stands."""


@dataclass(frozen=True)
class Standing:
    """A family's current answer: the ledger's newest row that is not about one visit's time.

    ``counts``: it is a yes that allows visits, see `yes_counts`.
    """

    family_id: int
    entry_id: int
    invitation_id: int
    answer: str
    at: datetime
    counts: bool

    @property
    def yes_id(self) -> int | None:
        """The ledger's row that is a caregiver's yes now."""
        return self.entry_id if self.counts else None

    @property
    def lapsed(self) -> bool:
        """Whether the family's answer is a yes that no longer counts."""
        return self.answer == Answer.YES and not self.counts


@dataclass(frozen=True)
class Contact:
    """How a family can be reached: its first caregiver who may be shown, and the language of its texts."""

    family_id: int
    name: str
    language: str
    caregiver_id: int | None
    caregiver: str
    phone: str | None


@dataclass(frozen=True)
class Found:
    """A family found by name."""

    family_id: int
    school_id: int
    name: str
    school: str
    caregiver: str


def counts_for_standing(entry: type[ConsentEntry] = ConsentEntry) -> ColumnElement[bool]:
    """Whether a row of the ledger says something about being visited at all, not only about one visit's time."""
    return not_(and_(entry.visit_id.is_not(None), entry.answer.in_(ABOUT_A_TIME)))


def yes_counts(entry: type[ConsentEntry], today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Whether a ledger row is a yes that allows visits to its family on `today`.

    The giver must be a present, unrestricted caregiver of this family: a roster may since have given the children
    another caregiver. A yes without a giver counts only for a family that has no caregiver. Booking, pages and messages
    all use this one condition.
    """
    return and_(giver_counts(entry, today), ~_refused_by_merged_family(entry))


def giver_counts(entry: type[ConsentEntry], today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Whether a ledger row is a yes of someone who may say yes for its family; merges of families aside."""
    giver, caregiver, child = aliased(Caregiver), aliased(Caregiver), aliased(Student)
    from_caregiver = exists().where(
        giver.id == entry.caregiver_id,
        giver.family_id == entry.family_id,
        giver.restricted.is_(False),
        _is_present(giver, today),
    )
    without_caregiver = and_(
        entry.caregiver_id.is_(None),
        exists().where(child.family_id == entry.family_id),
        ~exists().where(caregiver.family_id == entry.family_id, _is_present(caregiver, today)),
    )
    return and_(entry.answer == Answer.YES.value, or_(from_caregiver, without_caregiver))


def _is_present(caregiver: type[Caregiver], today: date | BindParameter[date]) -> ColumnElement[bool]:
    return or_(caregiver.left_on.is_(None), caregiver.left_on > today)


def _refused_by_merged_family(entry: type[ConsentEntry]) -> ColumnElement[bool]:
    """Whether a family that was merged into this one had said no, and nobody has looked at it since.

    Somebody has looked when the row is newer than the merge, and a person recorded it or asked the family since.
    """
    merge, refusal, newer, invitation = (
        aliased(FamilyMerge),
        aliased(ConsentEntry),
        aliased(ConsentEntry),
        aliased(Invitation),
    )
    asked_since = exists().where(invitation.id == entry.invitation_id, invitation.asked_at > merge.at)
    looked_at = and_(entry.at > merge.at, or_(entry.recorded_by.is_not(None), asked_since))
    superseded = exists().where(newer.family_id == refusal.family_id, newer.id > refusal.id, counts_for_standing(newer))
    return exists().where(
        merge.family_id == entry.family_id,
        refusal.family_id == merge.merged_id,
        refusal.answer.in_(SAID_NO),
        ~superseded,
        ~looked_at,
    )


def newest_answer(family_id: InstrumentedAttribute[int]) -> ColumnElement[int | None]:
    """The id of the row that is a family's current answer, as a correlated subquery on `family_id`."""
    entry = aliased(ConsentEntry)
    found = select(entry.id).where(entry.family_id == family_id, counts_for_standing(entry))
    return found.order_by(entry.id.desc()).limit(1).scalar_subquery()


def standing(session: Session, families: Collection[int], today: date) -> dict[int, Standing]:
    """The current answer of each of `families` that ever answered."""
    newest = (
        select(func.max(ConsentEntry.id).label("id"))
        .where(ConsentEntry.family_id.in_(families), counts_for_standing())
        .group_by(ConsentEntry.family_id)
        .subquery()
    )
    rows = session.execute(
        select(ConsentEntry, yes_counts(ConsentEntry, today)).join(newest, newest.c.id == ConsentEntry.id)
    )
    return {
        row.family_id: Standing(row.family_id, row.id, row.invitation_id, row.answer, row.at, bool(counts))
        for row, counts in rows
    }


def may_give_consent(session: Session, family_id: int, caregiver_id: int | None, today: date) -> bool:
    """Whether a yes of this caregiver, or (None) of a family without a caregiver, would count."""
    if caregiver_id is not None:
        return True
    child = select(Student.id).where(Student.family_id == family_id)
    caregiver = select(Caregiver.id).where(Caregiver.family_id == family_id, _is_present(Caregiver, today))
    return session.scalar(child.limit(1)) is not None and session.scalar(caregiver.limit(1)) is None


def caregiver_at(session: Session, phone: str, family_id: int) -> int | None:
    """The family's present caregiver who has this phone."""
    return session.scalar(
        select(Caregiver.id)
        .where(
            Caregiver.family_id == family_id,
            Caregiver.phone == phone,
            Caregiver.restricted.is_(False),
            Caregiver.left_on.is_(None),
        )
        .order_by(Caregiver.contact_order, Caregiver.id)
        .limit(1)
    )


def contacts(session: Session, families: Collection[int]) -> dict[int, Contact]:
    """How each of `families` can be reached. Restricted caregivers are never chosen and never mentioned."""
    rows: Iterable[tuple[Family, Caregiver | None]] = session.execute(
        select(Family, Caregiver)
        .outerjoin(
            Caregiver,
            and_(
                Caregiver.family_id == Family.id,
                Caregiver.restricted.is_(False),
                Caregiver.left_on.is_(None),
            ),
        )
        .where(Family.id.in_(families))
        .order_by(Family.id, Caregiver.phone.is_(None), Caregiver.contact_order, Caregiver.id)
    )
    found: dict[int, Contact] = {}
    for family, caregiver in rows:
        if family.id not in found:
            found[family.id] = Contact(
                family_id=family.id,
                name=family.name,
                language=family.language,
                caregiver_id=caregiver.id if caregiver is not None else None,
                caregiver=f"{caregiver.given_name} {caregiver.family_name}" if caregiver is not None else "",
                phone=caregiver.phone if caregiver is not None else None,
            )
    return found


def find_families(session: Session, actor: Actor, words: str, limit: int = 20) -> list[Found]:
    """Families by the name of a family, child or caregiver: for a family that asked for a visit itself.

    By name only: there is nothing else to search, sort or filter by.
    """
    if not words.strip():
        return []
    held = actor.schools(Permission.ASK)
    pattern = f"%{words.strip()}%"
    named = select(Caregiver.family_id).where(
        (Caregiver.given_name + " " + Caregiver.family_name).ilike(pattern), Caregiver.restricted.is_(False)
    )
    found = (
        select(Family.id, School.id, Family.name, School.name)
        .join(Student, Student.family_id == Family.id)
        .join(School, School.id == Student.school_id)
        .where(
            or_(
                Family.name.ilike(pattern),
                (Student.given_name + " " + Student.family_name).ilike(pattern),
                Family.id.in_(named),
            )
        )
        .distinct()
        .order_by(Family.name, Family.id, School.name)
        .limit(limit)
    )
    if held is not None:
        found = found.where(Student.school_id.in_(held))
    rows = session.execute(found).all()
    people = contacts(session, [row[0] for row in rows])
    return [Found(family, school, name, at, people[family].caregiver) for family, school, name, at in rows]
