"""End-to-end test in a browser, from the roster to the payroll file, on both engines."""

from pathlib import Path

import pytest

from tests.browser import pay_steps, setup_steps, story_district, visit_steps
from tests.browser.application import RunningApplication
from tests.browser.conftest import OpenBrowser

pytestmark = pytest.mark.browser


def test_first_visit_from_roster_to_payroll(
    application: RunningApplication, open_browser: OpenBrowser, tmp_path: Path
) -> None:
    district = story_district.export_files(tmp_path)
    people = story_district.import_district(application, tmp_path)
    coordinator, union, lead = (
        open_browser(application, email)
        for email in (story_district.COORDINATOR, story_district.UNION, story_district.LEAD)
    )
    teacher, partner = (
        open_browser(application, person.email, phone=True) for person in (people.teacher, people.partner)
    )

    setup_steps.add_pay_rule(lead)
    setup_steps.record_training(coordinator, people)
    setup_steps.opt_in_educators(teacher, partner)
    setup_steps.draw_families(coordinator, people)
    family = setup_steps.invite_first_family(application, coordinator, people)
    others = setup_steps.invite_other_families(application, coordinator, people, family)

    visit_id = visit_steps.book_visit(application, teacher, people, family)
    visit = visit_steps.accept_and_confirm_visit(application, teacher, partner, family, visit_id)
    visit_steps.check_calendar_feed(application, teacher, people, family, visit)
    visit_steps.check_reminders(application, teacher, coordinator, family, visit)
    visit_steps.attest_visit(application, teacher, partner, visit)
    application.run_jobs()
    teacher.go("/pay").expect_text("$60.00", people.partner.name)

    pay_steps.complete_other_visits(application, people, others)
    visit_count, _cents = pay_steps.count_claims(application)
    pay_steps.approve_claims(coordinator, union, 2 * visit_count)
    rows = pay_steps.export_payroll_file(application, union, people, tmp_path)
    pay_steps.check_tally(application, union, rows)
    pay_steps.check_attendance_page(application, lead, district, tmp_path)
