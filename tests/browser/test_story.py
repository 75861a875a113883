"""End-to-end test in a browser, from the roster to the payroll file, on both engines."""

from pathlib import Path

import pytest

from tests.browser import pay_steps, setup_steps, story_district, visit_steps
from tests.browser.application import RunningApplication
from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser


def test_first_visit_from_roster_to_payroll(house: RunningApplication, visitor: Opened, tmp_path: Path) -> None:
    exported = story_district.export_files(tmp_path)
    cast = story_district.import_district(house, tmp_path)
    coordinator, union, lead = (
        visitor(house, email) for email in (story_district.COORDINATOR, story_district.UNION, story_district.LEAD)
    )
    teacher, partner = (visitor(house, one.email, phone=True) for one in (cast.teacher, cast.partner))

    setup_steps.add_pay_rule(lead)
    setup_steps.record_training(coordinator, cast)
    setup_steps.opt_in_educators(teacher, partner)
    setup_steps.draw_families(coordinator, cast)
    home = setup_steps.invite_first_family(house, coordinator, cast)
    others = setup_steps.invite_other_families(house, coordinator, cast, home)

    visit_id = visit_steps.book_visit(house, teacher, cast, home)
    visit = visit_steps.accept_and_confirm_visit(house, teacher, partner, home, visit_id)
    visit_steps.check_calendar_feed(house, teacher, cast, home, visit)
    visit_steps.check_reminders(house, teacher, coordinator, home, visit)
    visit_steps.attest_visit(house, teacher, partner, visit)
    house.work()
    teacher.go("/pay").reads("$60.00", cast.partner.name)

    pay_steps.complete_other_visits(house, cast, others)
    held, _cents = pay_steps.count_claims(house)
    pay_steps.approve_claims(coordinator, union, 2 * held)
    rows = pay_steps.export_payroll_file(house, union, cast, tmp_path)
    pay_steps.check_tally(house, union, rows)
    pay_steps.check_attendance_page(house, lead, exported, tmp_path)
