from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import RulesBroken
from homevisits.people import queries
from homevisits.people.actions import opt_in, record_training
from homevisits.people.actions.record_training import NewParent, Training
from homevisits.people.models import Certification, OptIn, Person, School, TrainingSession
from tests.factories.school import NOW, POLICY, SchoolFixture, school_fixture

__all__ = ["school_fixture"]


def create_training(school_fixture: SchoolFixture, **changed: object) -> Training:
    values: dict[str, object] = {
        "title": "Second training",
        "held_on": date(2026, 10, 1),
        "minutes": 240,
        "educator_trainer_id": school_fixture.educators["Grace"],
        "parent_trainer": NewParent("Rosa", "Tapia"),
        "participants": (school_fixture.educators["Soon"], school_fixture.educators["Out"]),
    }
    return Training(**{**values, **changed})  # type: ignore[arg-type]


def test_training_certifies_its_participants(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        training = record_training.record_training(
            session, school_fixture.actors["coordinator"], create_training(school_fixture), POLICY, NOW
        )
        certifications = session.scalars(
            select(Certification).where(Certification.training_session_id == training.id)
        ).all()
        assert {row.educator_id for row in certifications} == {
            school_fixture.educators["Soon"],
            school_fixture.educators["Out"],
        }
        assert {(row.valid_from, row.valid_until) for row in certifications} == {(date(2026, 10, 1), date(2029, 9, 30))}
        parent = session.get_one(Person, training.parent_trainer_id)
        assert (parent.kind, parent.given_name) == ("person", "Rosa")
        assert training.recorded_by == school_fixture.actors["coordinator"].account_id


def test_parent_trainer_of_several_trainings_is_stored_once(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        first = record_training.record_training(session, None, create_training(school_fixture), POLICY, NOW)
        again = create_training(school_fixture, parent_trainer=first.parent_trainer_id, title="Third")
        second = record_training.record_training(session, None, again, POLICY, NOW)
        assert first.parent_trainer_id == second.parent_trainer_id
        assert first.parent_trainer_id in {choice.id for choice in queries.list_parent_trainers(session)}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"educator_trainer_id": None}, "trainer_educator_missing"),
        ({"parent_trainer": None}, "trainer_parent_missing"),
        ({"parent_trainer": NewParent("", "Tapia")}, "trainer_parent_missing"),
        ({"parent_trainer": 999_999}, "trainer_parent_missing"),
        ({"participants": ()}, "participants_missing"),
        ({"participants": (999_999,)}, "not_of_your_schools"),
        ({"held_on": date(2026, 10, 6)}, "training_future"),
        ({"minutes": 10}, "training_minutes"),
    ],
)
def test_incomplete_training_is_refused_and_not_stored(
    school_fixture: SchoolFixture, changed: dict[str, object], code: str
) -> None:
    with school_fixture.session() as session:
        before = session.scalar(select(func.count()).select_from(TrainingSession))
        with pytest.raises(RulesBroken) as refusal:
            record_training.record_training(
                session, school_fixture.actors["coordinator"], create_training(school_fixture, **changed), POLICY, NOW
            )
        assert code in {problem.code for problem in refusal.value.problems}
        assert session.scalar(select(func.count()).select_from(TrainingSession)) == before


def test_educator_cannot_be_the_parent_trainer(school_fixture: SchoolFixture) -> None:
    grace, luis = school_fixture.educators["Grace"], school_fixture.educators["Luis"]
    for parent, code in ((grace, "trainers_same"), (luis, "trainer_parent_missing")):
        training = create_training(school_fixture, parent_trainer=parent)
        with school_fixture.session() as session, pytest.raises(RulesBroken) as refusal:
            record_training.record_training(session, None, training, POLICY, NOW)
        assert [problem.code for problem in refusal.value.problems] == [code]


def test_all_problems_of_a_training_are_reported_together(school_fixture: SchoolFixture) -> None:
    invalid = create_training(school_fixture, educator_trainer_id=None, parent_trainer=None, participants=(), minutes=1)
    with school_fixture.session() as session, pytest.raises(RulesBroken) as refusal:
        record_training.record_training(session, None, invalid, POLICY, NOW)
    assert len(refusal.value.problems) == 4


def test_coordinator_cannot_certify_educators_of_other_schools(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        other = School(source_id="s2", name="Other", timezone="America/Denver")
        session.add(other)
        session.flush()
        other_coordinator = Actor(1, None, "Stranger", "en", frozenset({Grant(Role.SITE_COORDINATOR, other.id)}))
        with pytest.raises(RulesBroken) as refusal:
            record_training.record_training(session, other_coordinator, create_training(school_fixture), POLICY, NOW)
        assert [problem.code for problem in refusal.value.problems] == ["not_of_your_schools"]
        assert queries.list_educators(session, other_coordinator, NOW.date()) == []
        assert queries.list_trainings(session, other_coordinator) == []


def test_repeated_opt_out_adds_no_row(school_fixture: SchoolFixture) -> None:
    grace = school_fixture.actors["Grace"]
    with school_fixture.session() as session:
        for act in (opt_in.opt_in, opt_in.opt_out, opt_in.opt_out, opt_in.opt_in):
            act(session, grace, NOW)
        answers = session.scalars(
            select(OptIn.answer).where(OptIn.educator_id == grace.educator_id).order_by(OptIn.id)
        ).all()
        assert answers == ["in", "out", "in"]
        assert queries.find_current_opt_ins(
            session, [school_fixture.educators["Grace"], school_fixture.educators["Out"]]
        ).keys() == {grace.educator_id}


def test_coordinator_cannot_opt_in(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session, pytest.raises(RulesBroken):
        opt_in.opt_in(session, school_fixture.actors["coordinator"], NOW)


def test_educator_list_shows_certification_and_opt_in_of_the_day(school_fixture: SchoolFixture) -> None:
    with school_fixture.database.reading() as session:
        rows = {
            row.name: row
            for row in queries.list_educators(session, school_fixture.actors["coordinator"], date(2026, 10, 9))
        }
        assert rows["Soon Test"].certified
        assert not rows["Out Test"].opted_in
        assert rows["Grace Test"].opted_in
        later = queries.list_educators(session, school_fixture.actors["coordinator"], date(2026, 10, 10))
        assert not {row.name: row for row in later}["Soon Test"].certified
        participation = queries.get_participation(session, school_fixture.educators["Soon"], date(2026, 10, 10))
        assert (participation.opted_in, participation.certified, participation.trained) == (True, False, True)


def test_any_educator_may_lead_when_no_educator_is_certified(school_fixture: SchoolFixture) -> None:
    with school_fixture.database.reading() as session:
        assert len(queries.list_educator_trainers(session, date(2026, 10, 5))) == 6
        # When every certificate has expired, any educator may lead again.
        assert len(queries.list_educator_trainers(session, date(2036, 1, 1))) == 6
        assert len(queries.list_educator_trainers(session, date(2026, 10, 10))) == 5


def test_roster_counts_include_families_without_a_phone(school_fixture: SchoolFixture) -> None:
    with school_fixture.database.reading() as session:
        (school,) = queries.count_roster_by_school(session, (NOW + timedelta(days=1)).date())
        assert (school.students, school.families, school.unreachable, school.educators) == (4, 4, 0, 6)
