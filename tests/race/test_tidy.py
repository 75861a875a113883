"""What looks after many visits gives way to whoever is at work on one of them."""

import pytest

from homevisits.visits import actions
from homevisits.visits.models import Visit
from homevisits.visits.queries import locks
from tests.factories.school import SchoolFixture


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_visit_that_somebody_is_at_work_on_is_tidied_the_next_time(school_fixture: SchoolFixture) -> None:
    wanted = actions.BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Luis"], school_fixture.time_at(7, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = actions.book(
            session, school_fixture.actors["Grace"], wanted, school_fixture.policy, school_fixture.now
        ).id
    its_hour = school_fixture.time_at(7, 16, 30)
    with school_fixture.session() as other:
        locks.lock_visit(other, other.get_one(Visit, visit_id))
        with school_fixture.session() as session:
            assert actions.apply_withdrawals(session, school_fixture.policy, its_hour) == 0
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, its_hour) == 1
        assert actions.apply_withdrawals(session, school_fixture.policy, its_hour) == 0
