"""Jobs that process many visits skip visits locked by another transaction."""

import pytest

from homevisits.visits import actions
from homevisits.visits.models import Visit
from homevisits.visits.queries import locks
from tests.factories.school import SchoolFixture


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_locked_visit_is_skipped_and_processed_in_the_next_run(school_fixture: SchoolFixture) -> None:
    request = actions.BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Luis"], school_fixture.time_at(7, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = actions.book(
            session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now
        ).id
    start = school_fixture.time_at(7, 16, 30)
    with school_fixture.session() as locking_session:
        locks.lock_visit(locking_session, locking_session.get_one(Visit, visit_id))
        with school_fixture.session() as session:
            assert actions.apply_withdrawals(session, school_fixture.policy, start) == 0
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, start) == 1
        assert actions.apply_withdrawals(session, school_fixture.policy, start) == 0
