"""What looks after many visits gives way to whoever is at work on one of them."""

import pytest

from homevisits.visits import actions
from homevisits.visits.models import Visit
from homevisits.visits.queries import booking_facts
from tests.world import Town


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_visit_that_somebody_is_at_work_on_is_tidied_the_next_time(town: Town) -> None:
    wanted = actions.Wanted(town.families["Rivera"], town.educators["Luis"], town.at(7, 16, 30))
    with town.session() as session:
        visit_id = actions.book(session, town.actors["Grace"], wanted, town.policy, town.now).id
    its_hour = town.at(7, 16, 30)
    with town.session() as other:
        booking_facts.hold(other, other.get_one(Visit, visit_id))
        with town.session() as session:
            assert actions.tidy(session, town.policy, its_hour) == 0
    with town.session() as session:
        assert actions.tidy(session, town.policy, its_hour) == 1
        assert actions.tidy(session, town.policy, its_hour) == 0
