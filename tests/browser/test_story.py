"""The story of a visit, walked in a browser from the roster to the payroll file, on both engines."""

from pathlib import Path

import pytest

from tests.browser import after, before, district, visits
from tests.browser.conftest import Opened
from tests.browser.house import House

pytestmark = pytest.mark.browser


def test_a_visit_travels_its_whole_life(house: House, visitor: Opened, tmp_path: Path) -> None:
    exported = district.export(tmp_path)
    cast = district.bring_in(house, tmp_path)
    coordinator, union, lead = (
        visitor(house, email) for email in (district.COORDINATOR, district.UNION, district.LEAD)
    )
    teacher, partner = (visitor(house, one.email, phone=True) for one in (cast.teacher, cast.partner))

    before.the_contract_says(lead)
    before.are_trained(coordinator, cast)
    before.are_willing(teacher, partner)
    before.are_drawn(coordinator, cast)
    home = before.one_is_asked(house, coordinator, cast)
    others = before.the_others_are_asked(house, coordinator, cast, home)

    visit_id = visits.is_booked(house, teacher, cast, home)
    visit = visits.is_arranged(house, teacher, partner, home, visit_id)
    visits.is_in_the_calendar(house, teacher, cast, home, visit)
    visits.comes_near(house, teacher, coordinator, home, visit)
    visits.is_held(house, teacher, partner, visit)
    house.work()
    teacher.go("/pay").reads("$60.00", cast.partner.name)

    after.many_more_are_held(house, cast, others)
    held, _cents = after.owed(house)
    after.is_approved(coordinator, union, 2 * held)
    rows = after.is_paid(house, union, cast, tmp_path)
    after.the_tally_agrees(house, union, rows)
    after.attendance_is_seen(house, lead, exported, tmp_path)
