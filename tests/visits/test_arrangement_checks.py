"""Every action that sets or confirms a time uses one list of checks, and so do the pages that offer times."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from homevisits.availability.models import Closure
from homevisits.core.problems import RulesBroken
from homevisits.visits import actions
from homevisits.visits.actions import BookingRequest
from homevisits.visits.models import Visit
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book


class _RolledBack(Exception):
    pass


def close_school(school_fixture: SchoolFixture, day: date) -> None:
    with school_fixture.session() as session:
        session.add(Closure(school_id=school_fixture.school_id, day=day, name="Snow day"))


def make_request(school_fixture: SchoolFixture, at: datetime, place_type: str = "home") -> BookingRequest:
    return BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Luis"], at, place_type=place_type
    )


def check_booking(school_fixture: SchoolFixture, request: BookingRequest) -> set[str]:
    with school_fixture.session() as session:
        problems = actions.check_booking(
            session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now
        )
    return {problem.code for problem in problems}


def refusal_of_booking(school_fixture: SchoolFixture, request: BookingRequest) -> set[str]:
    with school_fixture.session() as session, pytest.raises(RulesBroken) as error:
        actions.book(session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now)
    return {problem.code for problem in error.value.problems}


def try_and_roll_back(school_fixture: SchoolFixture, action: object) -> None:
    """Perform an action, which must not be refused, and undo it."""
    with pytest.raises(_RolledBack), school_fixture.session() as session:
        action(session)  # type: ignore[operator]
        raise _RolledBack


def list_offers(school_fixture: SchoolFixture, find: object) -> list[actions.TimeOption]:
    """Return the times of all pages, following the link to the next page."""
    options: list[actions.TimeOption] = []
    after, more = None, True
    while more:
        with school_fixture.session() as session:
            page = find(session, after)  # type: ignore[operator]
        options += page.times
        more, after = page.has_more, page.last_day + timedelta(days=1)
    return options


@pytest.mark.parametrize("minutes", [0, 30])
def test_every_offered_time_can_be_booked_on_each_page(school_fixture: SchoolFixture, minutes: int) -> None:
    # At half past four the last day of the horizon has starts before and after the end of the horizon.
    school_fixture.now = school_fixture.time_at(5, 16, minutes)
    school_fixture.policy = replace(school_fixture.policy, booking_days_ahead=30)
    grace, policy = school_fixture.actors["Grace"], school_fixture.policy
    family = school_fixture.families["Rivera"]
    offers = list_offers(
        school_fixture,
        lambda session, after: actions.find_times(session, grace, family, policy, school_fixture.now, after=after),
    )
    assert len(offers) > 10
    for offer in offers:
        request = BookingRequest(family, offer.partner.educator_id, offer.starts_at)
        try_and_roll_back(
            school_fixture, lambda s, request=request: actions.book(s, grace, request, policy, school_fixture.now)
        )


def test_visit_can_move_to_every_offered_time(school_fixture: SchoolFixture) -> None:
    school_fixture.now = school_fixture.time_at(5, 16, 30)
    school_fixture.policy = replace(school_fixture.policy, booking_days_ahead=30)
    visit = arrange(school_fixture)
    grace, policy = school_fixture.actors["Grace"], school_fixture.policy
    offers = list_offers(
        school_fixture,
        lambda session, after: actions.find_new_times(session, grace, visit, policy, school_fixture.now, after=after),
    )
    assert len(offers) > 10
    for offer in offers:
        try_and_roll_back(
            school_fixture,
            lambda s, at=offer.starts_at: actions.move(s, grace, visit, at, policy=policy, now=school_fixture.now),
        )


def test_preview_of_a_booking_has_the_problems_of_the_booking(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    far = school_fixture.time_at(5, 16, 37) + timedelta(days=400)
    request = make_request(school_fixture, far, place_type="school")
    expected = {"too_far_ahead", "place_does_not_count", "family_has_a_visit", "not_on_the_quarter_hour"}
    assert check_booking(school_fixture, request) >= expected
    assert refusal_of_booking(school_fixture, request) == check_booking(school_fixture, request)


def test_start_off_the_quarter_hour_is_refused_by_booking_and_moving(school_fixture: SchoolFixture) -> None:
    at = school_fixture.time_at(7, 16, 30) + timedelta(minutes=7, seconds=30)
    assert refusal_of_booking(school_fixture, make_request(school_fixture, at)) == {"not_on_the_quarter_hour"}
    visit = arrange(school_fixture)
    with school_fixture.session() as session, pytest.raises(RulesBroken) as error:
        actions.move(
            session, school_fixture.actors["Grace"], visit, at, policy=school_fixture.policy, now=school_fixture.now
        )
    assert [problem.code for problem in error.value.problems] == ["not_on_the_quarter_hour"]


def test_partner_cannot_accept_a_visit_on_a_day_closed_meanwhile(school_fixture: SchoolFixture) -> None:
    visit = book(school_fixture)
    close_school(school_fixture, date(2026, 10, 7))
    with school_fixture.session() as session, pytest.raises(RulesBroken) as error:
        actions.accept(session, school_fixture.actors["Luis"], visit, school_fixture.policy, school_fixture.now)
    (problem,) = error.value.problems
    assert (problem.code, problem.params) == ("school_closed", {"name": "Snow day", "day": date(2026, 10, 7)})


def report_illness(school_fixture: SchoolFixture, visit: int) -> None:
    with school_fixture.session() as session:
        actions.cannot_come(
            session, school_fixture.actors["Luis"], visit, school_fixture.educators["Luis"],
            policy=school_fixture.policy, now=school_fixture.now,
        )  # fmt: skip


def find_stand_in(session: Session, school_fixture: SchoolFixture, visit: int, name: str) -> actions.StandIn:
    candidates = actions.find_stand_ins(
        session, school_fixture.actors["Grace"], visit, school_fixture.policy, school_fixture.now
    )
    return next(each for each in candidates if each.match.educator_id == school_fixture.educators[name])


def test_stand_in_is_refused_and_marked_on_a_closed_day(school_fixture: SchoolFixture) -> None:
    visit = arrange(school_fixture)
    report_illness(school_fixture, visit)
    close_school(school_fixture, date(2026, 10, 7))
    with school_fixture.session() as session:
        problems = find_stand_in(session, school_fixture, visit, "Amina").problems
        assert [problem.code for problem in problems] == ["school_closed"]
        with pytest.raises(RulesBroken) as error:
            actions.replace_partner(
                session, school_fixture.actors["Grace"], visit, school_fixture.educators["Amina"],
                policy=school_fixture.policy, now=school_fixture.now,
            )  # fmt: skip
    assert [problem.code for problem in error.value.problems] == ["school_closed"]


def test_stand_in_is_checked_for_the_length_of_the_visit_itself(school_fixture: SchoolFixture) -> None:
    visit = arrange(school_fixture)
    report_illness(school_fixture, visit)
    school_fixture.policy = replace(school_fixture.policy, visit_minutes=8 * 60)  # longer than their hours
    with school_fixture.session() as session:
        assert find_stand_in(session, school_fixture, visit, "Amina").problems == ()
        actions.replace_partner(
            session, school_fixture.actors["Grace"], visit, school_fixture.educators["Amina"],
            policy=school_fixture.policy, now=school_fixture.now,
        )  # fmt: skip
        row = session.get_one(Visit, visit)
        assert (row.partner_id, row.ends_at - row.starts_at) == (
            school_fixture.educators["Amina"],
            timedelta(minutes=45),
        )
