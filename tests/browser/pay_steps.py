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
from tests.browser.story_district import Home, StoryPeople

FLAT, BY_THE_HOUR = 6000, 3250
"""Cents for a person and visit: sixty dollars; from 12 October 45 minutes at $43.33 an hour, rounded half up."""
CHANGES = date(2026, 10, 12)


def complete_other_visits(house: RunningApplication, cast: StoryPeople, homes: Iterable[Home]) -> None:
    """Complete the visits of the other families with the actions behind the pages."""
    teacher, partner = (_read_actor(house, email) for email in (cast.teacher.email, cast.partner.email))
    policy, booked = house.settings.policy, []
    for home in homes:
        with house.database.transaction() as session:
            offer = actions.find_times(session, teacher, home.id, policy, house.now, partner_id=cast.partner.id)
            wanted = actions.BookingRequest(home.id, cast.partner.id, offer.times[0].starts_at)
            booked.append(actions.book(session, teacher, wanted, policy, house.now).id)
            actions.accept(session, partner, booked[-1], policy, house.now)
        house.work()
        house.text(home.number, "1")
    with house.database.reading() as session:
        ends = session.execute(select(Visit.ends_at, Visit.id).where(Visit.id.in_(booked)).order_by(Visit.ends_at))
        in_time = list(ends)
    for ends_at, visit_id in in_time:
        house.move_to(ends_at + timedelta(minutes=5))
        _attest_by_both(house, teacher, partner, visit_id)
    house.work()


def _attest_by_both(house: RunningApplication, teacher: Actor, partner: Actor, visit_id: int) -> None:
    with house.database.transaction() as session:
        visit = session.get_one(Visit, visit_id)
        said = actions.Report("met", True, visit.starts_at, visit.ends_at, visit.place_type, ("caregiver", "child"))
        for who in (teacher, partner):
            actions.attest(session, who, visit_id, said, policy=house.settings.policy, now=house.now)


def _read_actor(house: RunningApplication, email: str) -> Actor:
    with house.database.reading() as session:
        found = attempts.load_actor(session, session.scalars(select(Account.id).where(Account.email == email)).one())
    assert found is not None
    return found


def count_claims(house: RunningApplication) -> tuple[int, int]:
    """Return the number of completed visits and the cents owed to each of the pair, calculated independently."""
    with house.database.reading() as session:
        days = list(session.scalars(select(Visit.local_date).where(Visit.state == "completed")))
    assert any(day < CHANGES for day in days)
    assert any(day >= CHANGES for day in days)
    return len(days), sum(FLAT if day < CHANGES else BY_THE_HOUR for day in days)


def approve_claims(coordinator: BrowserUser, union: BrowserUser, claims: int) -> None:
    """Approve the claims for the school, then for the union, which returns a claim once."""
    coordinator.go("/approvals").reads(f"{claims} claims").press("Approve checked claims")
    coordinator.reads(f"{claims} claims approved", "Nothing to do right now")
    union.go("/approvals").open("Why, or return it")
    union.write("What should be checked?", "Was it before the holiday?").press("Return with this comment")
    union.reads("Returned", f"{claims - 1} claims")
    union.press("Approve checked claims")
    coordinator.go("/approvals").reads("Was it before the holiday?")
    coordinator.choose(re.compile(".")).press(re.compile("^Approve"))
    union.go("/approvals").press(re.compile("^Approve")).reads("Nothing to do right now")


def export_payroll_file(
    house: RunningApplication, union: BrowserUser, cast: StoryPeople, folder: Path
) -> list[dict[str, str]]:
    """Download the payroll file twice and export it with the command line: the bytes are identical."""
    visits, cents = count_claims(house)
    union.go("/payroll").press("Make the payroll file").reads("The payroll file is ready")
    link = union.page.get_by_role("link", name=re.compile("CSV|[Dd]ownload|Fetch")).first.get_attribute("href")
    first, second = (union.context.request.get(f"{house.url}{link}").body() for _ in range(2))
    assert first == second
    assert first.startswith(b"employee_id,last_name,first_name,pay_code,visits,hours,amount")
    rows = list(csv.DictReader(io.StringIO(first.decode("utf-8"), newline="")))
    assert {row["employee_id"] for row in rows} == {cast.teacher.payroll_id, cast.partner.payroll_id}
    for who in (cast.teacher, cast.partner):
        mine = [row for row in rows if row["employee_id"] == who.payroll_id]
        assert {row["pay_code"] for row in mine} == {"HV-1", "HV-2"}
        assert sum(int(row["visits"]) for row in mine) == visits
        assert sum(_parse_cents(row["amount"]) for row in mine) == cents
    out = folder / "payroll.csv"
    period = ("--from", rows[0]["period_from"], "--to", rows[0]["period_to"])
    story_district.run_command(house, "export", "payroll", *period, "--out", str(out))
    assert out.read_bytes() == first
    return rows


def _parse_cents(amount: str) -> int:
    dollars, _, cents = amount.partition(".")
    return int(dollars) * 100 + int(cents)


def check_tally(house: RunningApplication, union: BrowserUser, rows: list[dict[str, str]]) -> None:
    """Check that the union's page and its CSV equal the payroll file to the cent."""
    visits, each = count_claims(house)
    total = sum(_parse_cents(row["amount"]) for row in rows)
    assert total == 2 * each
    union.go("/tally").reads(f"{visits} visits, ${total // 100:,}.{total % 100:02}")
    file = union.context.request.get(f"{house.url}/tally.csv").text()
    months = list(csv.DictReader(io.StringIO(file, newline="")))
    assert sum(_parse_cents(row["total"]) for row in months) == total
    assert sum(int(row["visits"]) for row in months) == visits
    assert {row["waiting"] for row in months} == {"0.00"}


def check_attendance_page(
    house: RunningApplication, lead: BrowserUser, exported: sample.District, folder: Path
) -> None:
    """Import attendance; the page shows both groups with n and intervals, and states its limits."""
    with house.database.reading() as session:
        visited = session.scalar(
            select(func.count(Student.id.distinct()))
            .join(Visit, Visit.family_id == Student.family_id)
            .where(Visit.state == "completed")
        )
    story_district.export_attendance(exported, folder, house.now.date())
    lead.go("/attendance").reads("No attendance yet")
    story_district.run_command(house, "import", "attendance", str(folder))
    house.work()
    lead.go("/attendance").reads("This comparison cannot show what visits do.")
    lead.reads(re.compile(rf"Visited {visited} \d+\.\d %"), "95 % interval")
