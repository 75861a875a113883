"""Queries on the consent ledger: each family's current answer, and how a family can be contacted."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import BindParameter, ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.people.models import Caregiver, Family, FamilyMerge, School, Student

REFUSALS = (Answer.NOT_NOW.value, Answer.WITHDRAWN.value)
# Answers to the time of a visit. They do not change the family's consent.
VISIT_TIME_ANSWERS = (Answer.CONFIRMED.value, Answer.OTHER_TIME.value, Answer.CALL_ME.value)

# Aliases of the subqueries below. SQLAlchemy derives the columns of an alias at its first use, which costs more than
# the query itself, so they are created once. Each is used inside its own EXISTS or scalar subquery only.
_GIVER, _CAREGIVER = aliased(Caregiver), aliased(Caregiver)
_CHILD = aliased(Student)
_MERGE = aliased(FamilyMerge)
_REFUSAL, _NEWER_ANSWER, _NEWEST_ANSWER = aliased(ConsentEntry), aliased(ConsentEntry), aliased(ConsentEntry)
_INVITATION = aliased(Invitation)


@dataclass(frozen=True)
class CurrentAnswer:
    """A family's current answer: its newest ledger row that is not about a visit's time."""

    family_id: int
    entry_id: int
    invitation_id: int
    answer: str
    at: datetime
    is_valid_yes: bool  # see the function `is_valid_yes`

    @property
    def yes_id(self) -> int | None:
        """The ledger row of the family's valid yes, if any."""
        return self.entry_id if self.is_valid_yes else None

    @property
    def has_lapsed(self) -> bool:
        """Whether the family's answer is a yes that is no longer valid."""
        return self.answer == Answer.YES and not self.is_valid_yes


@dataclass(frozen=True)
class Contact:
    """How a family can be contacted: its first unrestricted caregiver, and its language."""

    family_id: int
    name: str
    language: str
    caregiver_id: int | None
    caregiver: str
    phone: str | None


@dataclass(frozen=True)
class FamilyMatch:
    """A family found by name."""

    family_id: int
    school_id: int
    name: str
    school: str
    caregiver: str


def is_general_answer(entry: type[ConsentEntry] = ConsentEntry) -> ColumnElement[bool]:
    """Whether a ledger row is an answer to being visited at all, not only to a visit's time."""
    return not_(and_(entry.visit_id.is_not(None), entry.answer.in_(VISIT_TIME_ANSWERS)))


@lru_cache(maxsize=32)  # building the condition takes longer than the query
def is_valid_yes(entry: type[ConsentEntry], today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Whether a ledger row is a yes that allows visits to its family on `today`.

    The giver must be a present, unrestricted caregiver of this family: a roster may since have given the children
    another caregiver. A yes without a giver is valid only for a family without caregivers. Booking, pages and messages
    all use this condition.
    """
    return and_(has_valid_giver(entry, today), ~_has_refusal_of_merged_family(entry))


def has_valid_giver(entry: type[ConsentEntry], today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Whether a ledger row is a yes of a person who may consent for the family; ignores family merges."""
    from_caregiver = exists().where(
        _GIVER.id == entry.caregiver_id,
        _GIVER.family_id == entry.family_id,
        _GIVER.restricted.is_(False),
        _is_present(_GIVER, today),
    )
    without_caregiver = and_(
        entry.caregiver_id.is_(None),
        exists().where(_CHILD.family_id == entry.family_id),
        ~exists().where(_CAREGIVER.family_id == entry.family_id, _is_present(_CAREGIVER, today)),
    )
    return and_(entry.answer == Answer.YES.value, or_(from_caregiver, without_caregiver))


def _is_present(caregiver: type[Caregiver], today: date | BindParameter[date]) -> ColumnElement[bool]:
    return or_(caregiver.left_on.is_(None), caregiver.left_on > today)


def _has_refusal_of_merged_family(entry: type[ConsentEntry]) -> ColumnElement[bool]:
    """Whether a family merged into this family had refused, and the yes has not been reviewed since the merge.

    A yes counts as reviewed if it is newer than the merge and was recorded by a person, or answers an invitation sent
    after the merge.
    """
    asked_since = exists().where(_INVITATION.id == entry.invitation_id, _INVITATION.asked_at > _MERGE.at)
    is_reviewed = and_(entry.at > _MERGE.at, or_(entry.recorded_by.is_not(None), asked_since))
    superseded = exists().where(
        _NEWER_ANSWER.family_id == _REFUSAL.family_id,
        _NEWER_ANSWER.id > _REFUSAL.id,
        is_general_answer(_NEWER_ANSWER),
    )
    return exists().where(
        _MERGE.family_id == entry.family_id,
        _REFUSAL.family_id == _MERGE.merged_id,
        _REFUSAL.answer.in_(REFUSALS),
        ~superseded,
        ~is_reviewed,
    )


def newest_answer_id(family_id: InstrumentedAttribute[int]) -> ColumnElement[int | None]:
    """Return the ledger id of a family's current answer, as a correlated subquery on `family_id`."""
    answers = select(_NEWEST_ANSWER.id).where(_NEWEST_ANSWER.family_id == family_id, is_general_answer(_NEWEST_ANSWER))
    return answers.order_by(_NEWEST_ANSWER.id.desc()).limit(1).scalar_subquery()


def load_current_answers(session: Session, families: Collection[int], today: date) -> dict[int, CurrentAnswer]:
    """Return the current answer of each of `families` that has answered."""
    newest = (
        select(func.max(ConsentEntry.id).label("id"))
        .where(ConsentEntry.family_id.in_(families), is_general_answer())
        .group_by(ConsentEntry.family_id)
        .subquery()
    )
    rows = session.execute(
        select(ConsentEntry, is_valid_yes(ConsentEntry, today)).join(newest, newest.c.id == ConsentEntry.id)
    )
    return {
        row.family_id: CurrentAnswer(
            family_id=row.family_id,
            entry_id=row.id,
            invitation_id=row.invitation_id,
            answer=row.answer,
            at=row.at,
            is_valid_yes=bool(valid),
        )
        for row, valid in rows
    }


def may_give_consent(session: Session, family_id: int, caregiver_id: int | None, today: date) -> bool:
    """Whether a yes of this caregiver, or of the family if None, would be valid."""
    if caregiver_id is not None:
        return True
    child = select(Student.id).where(Student.family_id == family_id)
    caregiver = select(Caregiver.id).where(Caregiver.family_id == family_id, _is_present(Caregiver, today))
    return session.scalar(child.limit(1)) is not None and session.scalar(caregiver.limit(1)) is None


def find_caregiver_by_phone(session: Session, phone: str, family_id: int) -> int | None:
    """Return the id of the family's present caregiver with this phone."""
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


def load_contacts(session: Session, families: Collection[int]) -> dict[int, Contact]:
    """Return how each of `families` can be contacted. Restricted caregivers are never included."""
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
    contacts: dict[int, Contact] = {}
    for family, caregiver in rows:
        if family.id not in contacts:
            contacts[family.id] = Contact(
                family_id=family.id,
                name=family.name,
                language=family.language,
                caregiver_id=caregiver.id if caregiver is not None else None,
                caregiver=f"{caregiver.given_name} {caregiver.family_name}" if caregiver is not None else "",
                phone=caregiver.phone if caregiver is not None else None,
            )
    return contacts


def find_families(session: Session, actor: Actor, name: str, limit: int = 20) -> list[FamilyMatch]:
    """Find families by the name of the family, a child or a caregiver, for a family that asked for a visit.

    The name is the only criterion, so that families cannot be selected by other traits.
    """
    if not name.strip():
        return []
    school_ids = actor.schools(Permission.ASK)
    pattern = f"%{name.strip()}%"
    named = select(Caregiver.family_id).where(
        (Caregiver.given_name + " " + Caregiver.family_name).ilike(pattern), Caregiver.restricted.is_(False)
    )
    query = (
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
    if school_ids is not None:
        query = query.where(Student.school_id.in_(school_ids))
    rows = session.execute(query).all()
    people = load_contacts(session, [row[0] for row in rows])
    return [
        FamilyMatch(family_id, school_id, family, school, people[family_id].caregiver)
        for family_id, school_id, family, school in rows
    ]
