"""Weekly hours belong to educators."""

from datetime import time

import pytest
from sqlalchemy import select

from homevisits.availability import actions
from homevisits.availability.models import WeeklyHours
from homevisits.availability.rules import WeeklyInterval
from homevisits.core.problems import PermissionDenied
from tests.factories.school import POLICY, SchoolFixture


def test_account_without_an_educator_cannot_set_hours(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        before = session.execute(select(WeeklyHours.educator_id, WeeklyHours.weekday)).all()
        with pytest.raises(PermissionDenied):
            actions.set_hours(
                session, school_fixture.actors["coordinator"], [WeeklyInterval(0, time(16), time(18))], POLICY
            )
        assert session.execute(select(WeeklyHours.educator_id, WeeklyHours.weekday)).all() == before
