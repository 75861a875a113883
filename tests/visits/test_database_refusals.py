"""Changes that another transaction makes after the rules were checked: the database refuses, with a problem code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from homevisits.availability.models import Commitment
from homevisits.core.problems import RulesBroken
from homevisits.people.models import Caregiver
from homevisits.visits import actions
from homevisits.visits.actions import BookingRequest, effects
from homevisits.visits.models import Visit
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import book, problem_codes

Change = Callable[[Session, SchoolFixture], object]


def change_after_the_checks(monkeypatch: pytest.MonkeyPatch, school_fixture: SchoolFixture, change: Change) -> None:
    """Make `change` once, after the next action has checked its rules and before it writes."""
    translate = effects.translate_database_refusals

    @contextmanager
    def change_first(session: Session) -> Iterator[None]:
        monkeypatch.setattr(effects, "translate_database_refusals", translate)
        change(session, school_fixture)
        session.flush()
        with translate(session):
            yield

    monkeypatch.setattr(effects, "translate_database_refusals", change_first)


def take_the_time(session: Session, school_fixture: SchoolFixture) -> None:
    starts_at = school_fixture.time_at(7, 17)
    session.add(
        Commitment(
            person_id=school_fixture.educators["Luis"],
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1),
            active=True,
            subject="visit:0",
        )
    )


def book_the_family(session: Session, school_fixture: SchoolFixture) -> None:
    request = BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Amina"], school_fixture.time_at(8, 16)
    )
    actions.book(session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now)


def withdraw_consent(session: Session, school_fixture: SchoolFixture) -> None:
    school_fixture.record_consent(session, "Rivera", "withdrawn")


def remove_the_caregiver(session: Session, school_fixture: SchoolFixture) -> None:
    giver = session.get_one(Caregiver, school_fixture.caregivers["Rivera"])
    giver.left_on = school_fixture.now.date()


def opt_out(session: Session, school_fixture: SchoolFixture) -> None:
    school_fixture.record_opt_in(session, "Luis", "out")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (take_the_time, "just_taken"),
        (book_the_family, "family_has_a_visit"),
        (withdraw_consent, "family_has_not_said_yes"),
        (remove_the_caregiver, "family_yes_lapsed"),
        (opt_out, "changed_meanwhile"),
    ],
)
def test_booking_is_refused_when_its_facts_change_after_the_checks(
    school_fixture: SchoolFixture, monkeypatch: pytest.MonkeyPatch, change: Change, code: str
) -> None:
    change_after_the_checks(monkeypatch, school_fixture, change)
    with pytest.raises(RulesBroken) as error:
        book(school_fixture)
    assert problem_codes(error) == {code}
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Visit)) == 0
    book(school_fixture)


def test_other_database_errors_are_not_translated(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with (
        pytest.raises(IntegrityError, match="place_type"),
        school_fixture.session() as session,
        effects.translate_database_refusals(session),
    ):
        session.get_one(Visit, visit_id).place_type = "school"
