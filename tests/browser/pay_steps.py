"""Steps of the end-to-end test after the visits: claims, approvals, payroll, tally, attendance."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import func, select

from homevisits.core.access import Actor
from homevisits.demo.sample import district as sample
from homevisits.people.models import Account, Student
from homevisits.people.sign_in import attempts
from homevisits.visits import actions
from homevisits.visits.models import Visit
from tests.browser import story_district
from tests.browser.application import RunningApplication
from tests.browser.browser_user import BrowserUser
from tests.browser.story_district import StoryFamily, StoryPeople

FLAT_RATE_CENTS, HOURLY_RATE_CENTS = 6000, 3250
"""Cents for a person and visit: sixty dollars; from 12 October 45 minutes at $43.33 an hour, rounded half up."""
HOURLY_FROM = date(2026, 10, 12)


def complete_other_visits(
    application: RunningApplication, people: StoryPeople, families: Iterable[StoryFamily]
) -> None:
    """Complete the visits of the other families with the actions behind the pages."""
    teacher, partner = (_read_actor(application, email) for email in (people.teacher.email, people.partner.email))
    policy, visit_ids = application.settings.policy, []
    for family in families:
        with application.database.transaction() as session:
            offer = actions.find_times(
                session, teacher, family.id, policy, application.now, partner_id=people.partner.id
            )
            request = actions.BookingRequest(family.id, people.partner.id, offer.times[0].starts_at)
            visit_ids.append(actions.book(session, teacher, request, policy, application.now).id)
            actions.accept(session, partner, visit_ids[-1], policy, application.now)
        application.run_jobs()
        application.receive_text(family.number, "1")
    with application.database.reading() as session:
        ends = session.execute(select(Visit.ends_at, Visit.id).where(Visit.id.in_(visit_ids)).order_by(Visit.ends_at))
        ended_visits = list(ends)
    for ends_at, visit_id in ended_visits:
        application.advance_to(ends_at + timedelta(minutes=5))
        _attest_by_both(application, teacher, partner, visit_id)
    application.run_jobs()


def _attest_by_both(application: RunningApplication, teacher: Actor, partner: Actor, visit_id: int) -> None:
    with application.database.transaction() as session:
        visit = session.get_one(Visit, visit_id)
        report = actions.Report("met", True, visit.starts_at, visit.ends_at, visit.place_type, ("caregiver", "child"))
        for actor in (teacher, partner):
            actions.attest(session, actor, visit_id, report, policy=application.settings.policy, now=application.now)


def _read_actor(application: RunningApplication, email: str) -> Actor:
    with application.database.reading() as session:
        actor = attempts.load_actor(session, session.scalars(select(Account.id).where(Account.email == email)).one())
    assert actor is not None
    return actor


def count_claims(application: RunningApplication) -> tuple[int, int]:
    """Return the number of completed visits and the cents owed to each of the pair, calculated independently."""
    with application.database.reading() as session:
        days = list(session.scalars(select(Visit.local_date).where(Visit.state == "completed")))
    assert any(day < HOURLY_FROM for day in days)
    assert any(day >= HOURLY_FROM for day in days)
    return len(days), sum(FLAT_RATE_CENTS if day < HOURLY_FROM else HOURLY_RATE_CENTS for day in days)


def approve_claims(coordinator: BrowserUser, union: BrowserUser, claims: int) -> None:
    """Approve the claims for the school, then for the union, which returns a claim once."""
    coordinator.go("/approvals").expect_text(f"{claims} claims").press("Approve checked claims")
    coordinator.expect_text(f"{claims} claims approved", "Nothing to do right now")
    union.go("/approvals").open("Why, or return it")
    union.write("What should be checked?", "Was it before the holiday?").press("Return with this comment")
    union.expect_text("Returned", f"{claims - 1} claims")
    union.press("Approve checked claims")
    coordinator.go("/approvals").expect_text("Was it before the holiday?")
    coordinator.choose(re.compile(".")).press(re.compile("^Approve"))
    union.go("/approvals").press(re.compile("^Approve")).expect_text("Nothing to do right now")


def export_payroll_file(
    application: RunningApplication, union: BrowserUser, people: StoryPeople, folder: Path
) -> list[dict[str, str]]:
    """Download the payroll file twice and export it with the command line: the bytes are identical."""
    visits, cents = count_claims(application)
    union.go("/payroll").press("Make the payroll file").expect_text("The payroll file is ready")
    link = union.page.get_by_role("link", name=re.compile("CSV|[Dd]ownload|Fetch")).first.get_attribute("href")
    first, second = (union.context.request.get(f"{application.url}{link}").body() for _ in range(2))
    assert first == second
    assert first.startswith(b"employee_id,last_name,first_name,pay_code,visits,hours,amount")
    rows = list(csv.DictReader(io.StringIO(first.decode("utf-8"), newline="")))
    assert {row["employee_id"] for row in rows} == {people.teacher.payroll_id, people.partner.payroll_id}
    for person in (people.teacher, people.partner):
        person_rows = [row for row in rows if row["employee_id"] == person.payroll_id]
        assert {row["pay_code"] for row in person_rows} == {"HV-1", "HV-2"}
        assert sum(int(row["visits"]) for row in person_rows) == visits
        assert sum(_parse_cents(row["amount"]) for row in person_rows) == cents
    out = folder / "payroll.csv"
    period = ("--from", rows[0]["period_from"], "--to", rows[0]["period_to"])
    story_district.run_command(application, "export", "payroll", *period, "--out", str(out))
    assert out.read_bytes() == first
    return rows


def _parse_cents(amount: str) -> int:
    dollars, _, cents = amount.partition(".")
    return int(dollars) * 100 + int(cents)


def check_tally(application: RunningApplication, union: BrowserUser, rows: list[dict[str, str]]) -> None:
    """Check that the union's page and its CSV equal the payroll file to the cent."""
    visits, cents = count_claims(application)
    total = sum(_parse_cents(row["amount"]) for row in rows)
    assert total == 2 * cents
    union.go("/tally").expect_text(f"{visits} visits, ${total // 100:,}.{total % 100:02}")
    file = union.context.request.get(f"{application.url}/tally.csv").text()
    months = list(csv.DictReader(io.StringIO(file, newline="")))
    assert sum(_parse_cents(row["total"]) for row in months) == total
    assert sum(int(row["visits"]) for row in months) == visits
    assert {row["waiting"] for row in months} == {"0.00"}


def check_attendance_page(
    application: RunningApplication, lead: BrowserUser, district: sample.District, folder: Path
) -> None:
    """Import attendance; the page shows both groups with n and intervals, and states its limits."""
    with application.database.reading() as session:
        visited_count = session.scalar(
            select(func.count(Student.id.distinct()))
            .join(Visit, Visit.family_id == Student.family_id)
            .where(Visit.state == "completed")
        )
    story_district.export_attendance(district, folder, application.now.date())
    lead.go("/attendance").expect_text("No attendance yet")
    story_district.run_command(application, "import", "attendance", str(folder))
    application.run_jobs()
    lead.go("/attendance").expect_text("This comparison cannot show what visits do.")
    lead.expect_text(re.compile(rf"Visited {visited_count} \d+\.\d %"), "95 % interval")
