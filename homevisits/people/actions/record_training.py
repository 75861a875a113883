from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import Problem, refuse_if_any
from homevisits.people.models import Certification, Educator, Person, School, TrainingSession
from homevisits.policies.rules import Policy

MIN_TRAINING_MINUTES, MAX_TRAINING_MINUTES = 30, 16 * 60


@dataclass(frozen=True)
class NewParent:
    """A parent trainer who is not stored yet."""

    given_name: str
    family_name: str


@dataclass(frozen=True)
class Training:
    """A training that took place. `parent_trainer` is a person id or a new person."""

    title: str
    held_on: date
    minutes: int
    educator_trainer_id: int | None
    parent_trainer: int | NewParent | None
    participants: tuple[int, ...]


def record_training(
    session: Session, actor: Actor | None, training: Training, policy: Policy, now: datetime
) -> TrainingSession:
    """Record a training and certify its participants. `actor` is None for imports and demo data."""
    participants = sorted(set(training.participants))
    educators = _find_schools_of_educators(session, [*participants, training.educator_trainer_id or 0])
    refuse_if_any(
        [
            *_check_trainers(session, training, educators),
            *_check_date_and_length(session, training, now),
            *_check_participants(actor, participants, educators),
        ]
    )
    held = TrainingSession(
        title=training.title,
        held_on=training.held_on,
        minutes=training.minutes,
        educator_trainer_id=training.educator_trainer_id,
        parent_trainer_id=_find_or_add_parent(session, training.parent_trainer),
        recorded_by=actor.account_id if actor else None,
        recorded_at=now,
    )
    session.add(held)
    session.flush()
    last = training.held_on + relativedelta(months=policy.certification_months, days=-1)
    session.add_all(
        Certification(educator_id=educator, training_session_id=held.id, valid_from=training.held_on, valid_until=last)
        for educator in participants
    )
    session.flush()
    return held


def _find_schools_of_educators(session: Session, ids: Iterable[int]) -> dict[int, int]:
    rows = session.execute(select(Educator.id, Educator.school_id).where(Educator.id.in_(list(ids))))
    return dict(rows.all())


def _check_trainers(session: Session, training: Training, educators: dict[int, int]) -> list[Problem]:
    problems: list[Problem] = []
    if training.educator_trainer_id not in educators:
        problems.append(Problem("trainer_educator_missing", "educator_trainer"))
    parent = training.parent_trainer
    if parent is None or (isinstance(parent, NewParent) and not (parent.given_name and parent.family_name)):
        problems.append(Problem("trainer_parent_missing", "parent_trainer"))
    elif isinstance(parent, int):
        kind = session.scalar(select(Person.kind).where(Person.id == parent))
        if parent == training.educator_trainer_id:
            problems.append(Problem("trainers_same", "parent_trainer"))
        elif kind != "person":
            problems.append(Problem("trainer_parent_missing", "parent_trainer"))
    return problems


def _check_date_and_length(session: Session, training: Training, now: datetime) -> list[Problem]:
    problems: list[Problem] = []
    zone = session.scalar(select(School.timezone).order_by(School.id).limit(1)) or "UTC"
    if training.held_on > now.astimezone(ZoneInfo(zone)).date():
        problems.append(Problem("training_future", "held_on"))
    if not MIN_TRAINING_MINUTES <= training.minutes <= MAX_TRAINING_MINUTES:
        problems.append(Problem("training_minutes", "hours"))
    return problems


def _check_participants(actor: Actor | None, participants: list[int], educators: dict[int, int]) -> list[Problem]:
    if not participants:
        return [Problem("participants_missing", "participants")]
    schools = [educators.get(educator) for educator in participants]
    if any(s is None or (actor and not actor.may_at(Permission.PEOPLE, s)) for s in schools):
        return [Problem("not_of_your_schools", "participants")]
    return []


def _find_or_add_parent(session: Session, parent: int | NewParent | None) -> int:
    if isinstance(parent, int):
        return parent
    assert parent is not None
    person = Person(given_name=parent.given_name, family_name=parent.family_name, languages="")
    session.add(person)
    session.flush()
    return person.id
