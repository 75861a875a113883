"""Readings of the consent ledger: what each family's word is now, and how a family can be reached."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.invitations.models import Answer, ConsentEntry
from homevisits.people.models import Caregiver, Family, School, Student

SAID_NO = (Answer.NOT_NOW.value, Answer.WITHDRAWN.value)
ABOUT_A_TIME = (Answer.CONFIRMED.value, Answer.OTHER_TIME.value, Answer.CALL_ME.value)
"""Said about one visit's time, these leave the family's yes as it stands."""


@dataclass(frozen=True)
class Standing:
    """A family's word as it stands: the ledger's newest row that is not about one visit's time."""

    family_id: int
    entry_id: int
    invitation_id: int
    answer: str
    at: datetime

    @property
    def yes_id(self) -> int | None:
        """The ledger's row that is a caregiver's yes now."""
        return self.entry_id if self.answer == Answer.YES else None


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


def standing(session: Session, families: Collection[int]) -> dict[int, Standing]:
    """The word of each of `families` that ever answered."""
    newest = (
        select(func.max(ConsentEntry.id).label("id"))
        .where(ConsentEntry.family_id.in_(families), counts_for_standing())
        .group_by(ConsentEntry.family_id)
        .subquery()
    )
    rows = session.scalars(select(ConsentEntry).join(newest, newest.c.id == ConsentEntry.id))
    return {row.family_id: Standing(row.family_id, row.id, row.invitation_id, row.answer, row.at) for row in rows}


def caregiver_at(session: Session, phone: str, family_id: int) -> int | None:
    """The family's caregiver who has this phone."""
    return session.scalar(
        select(Caregiver.id)
        .where(Caregiver.family_id == family_id, Caregiver.phone == phone, Caregiver.restricted.is_(False))
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
