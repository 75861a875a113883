"""The union's numbers against a count by hand, on both engines; and through the pages."""

import csv
import io
from datetime import date, timedelta

from homevisits.core.access import Grant, Role
from homevisits.pay import actions
from homevisits.people.models import School
from homevisits.reports import counts, table
from tests.factories.school import NOW, SchoolFixture, school_fixture
from tests.pay.factories import add_pay_rule, create_completed_visit
from tests.shell.doors import account, app_of, browser_of

__all__ = ["school_fixture"]
FIRST, LAST = date(2026, 8, 1), date(2027, 7, 31)
DAYS = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1)]
PAIRS = [("Grace", "Luis"), ("Grace", "Amina"), ("Hoa", "Luis"), ("Grace", "Luis")]


def lived(school_fixture: SchoolFixture) -> int:
    """Four visits around the ends of months, late in the evening; a second school without any. Returns its id."""
    add_pay_rule(school_fixture)
    for day, (lead, partner) in zip(DAYS, PAIRS, strict=True):
        create_completed_visit(school_fixture, day, minutes=45, lead=lead, partner=partner, at=19)
    with school_fixture.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=60))
        other = School(source_id="s2", name="Elsewhere", timezone="America/Denver")
        session.add(other)
        session.flush()
        return other.id


def test_every_visit_counts_once_in_the_month_the_family_was_promised(school_fixture: SchoolFixture) -> None:
    lived(school_fixture)
    with school_fixture.session() as session:
        found = counts.tallies(session, None, FIRST, LAST)
    assert {month.month: tally.visits for month, tally in found.months.items()} == {9: 1, 10: 2, 11: 1}
    assert {month.month: tally.people for month, tally in found.months.items()} == {9: 2, 10: 4, 11: 2}
    assert found.total.visits == sum(tally.visits for tally in found.cells.values()) == 4
    assert found.total.people == 4  # not the sum of the months
    assert found.total.minutes == 4 * 2 * 45
    assert found.total.waiting_cents == 4 * 2 * 6000
    assert (found.total.waiting, found.total.approved_cents) == (8, 0)


def test_a_visit_without_a_rule_counts_until_it_is_put_right(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAYS[0])
    with school_fixture.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=60))
        before = counts.tallies(session, None, FIRST, LAST).total
    add_pay_rule(school_fixture)
    with school_fixture.session() as session:
        after = counts.tallies(session, None, FIRST, LAST).total
    assert (before.no_rule, before.cents, before.visits) == (2, 0, 1)
    assert (after.no_rule, after.cents, after.visits) == (0, 12000, 1)


def test_days_are_bounds_to_the_day(school_fixture: SchoolFixture) -> None:
    lived(school_fixture)
    with school_fixture.session() as session:
        assert counts.tallies(session, None, DAYS[1], DAYS[2]).total.visits == 2
        assert counts.tallies(session, None, DAYS[1], DAYS[2]).total.cents == 4 * 6000


def test_a_school_one_may_not_see_is_in_no_number(school_fixture: SchoolFixture) -> None:
    other = lived(school_fixture)
    with school_fixture.session() as session:
        found = counts.tallies(session, frozenset({other}), FIRST, LAST)
        assert (found.total.visits, found.total.people, found.total.cents) == (0, 0, 0)
        assert list(counts.names(session, frozenset({other}))) == [other]
        assert counts.tallies(session, frozenset(), FIRST, LAST).total.visits == 0


def test_how_far_each_school_has_come(school_fixture: SchoolFixture) -> None:
    other = lived(school_fixture)
    with school_fixture.session() as session:
        found = counts.reach(session, None, FIRST, LAST, NOW.date())
    here = found[school_fixture.school_id]
    assert (here.families_asked, here.said_yes, here.families_visited, here.visits) == (4, 3, 1, 4)
    assert (here.educators, here.certified, here.willing) == (6, 6, 5)
    assert found[other] == counts.Reach(0, 0, 0, 0, 0, 0, 0)


def test_the_file_says_the_same_as_the_page(school_fixture: SchoolFixture) -> None:
    lived(school_fixture)
    app = app_of(school_fixture.database)
    union = browser_of(app, account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None)))
    page = union.get("/tally?month=2026-10").text
    assert "October 2026: 2 visits, $240.00" in page
    rows = list(csv.DictReader(io.StringIO(union.get("/tally.csv").text)))
    assert [(row["month"], row["visits"], row["hours"], row["total"]) for row in rows] == [
        ("2026-09", "1", "1.50", "120.00"),
        ("2026-10", "2", "3.00", "240.00"),
        ("2026-11", "1", "1.50", "120.00"),
    ]
    october = list(csv.DictReader(io.StringIO(union.get("/tally.csv?month=2026-10").text)))
    assert [row["month"] for row in october] == ["2026-10"]


def test_a_school_name_is_no_formula(school_fixture: SchoolFixture) -> None:
    found = counts.Tallies()
    found.of(1, date(2026, 10, 1))
    assert table.document(found, {1: "=1+1"}).splitlines()[1].startswith(b"'=1+1,2026-10,0")


def test_nonsense_in_the_address_shows_this_year(school_fixture: SchoolFixture) -> None:
    app = app_of(school_fixture.database)
    union = browser_of(app, account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None)))
    for query in ("month=2026-13", "month=x", "year=99999999", "year=-1", "month=1999-10", "year=٢٠٢٦"):
        assert union.get(f"/tally?{query}").status_code == 200
