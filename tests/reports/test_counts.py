import csv
import io
from datetime import date, timedelta

from homevisits.core.access import Grant, Role
from homevisits.pay import actions
from homevisits.people.models import School
from homevisits.reports import counts, table
from tests.factories.school import NOW, SchoolFixture, school_fixture
from tests.pay.factories import add_pay_rule, create_completed_visit
from tests.shell.clients import create_account, create_client, create_test_app

__all__ = ["school_fixture"]
FIRST, LAST = date(2026, 8, 1), date(2027, 7, 31)
DAYS = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1)]
PAIRS = [("Grace", "Luis"), ("Grace", "Amina"), ("Hoa", "Luis"), ("Grace", "Luis")]


def create_four_visits(school_fixture: SchoolFixture) -> int:
    """Create four evening visits around the ends of months, and a second school without visits. Return its id."""
    add_pay_rule(school_fixture)
    for day, (lead, partner) in zip(DAYS, PAIRS, strict=True):
        create_completed_visit(school_fixture, day, minutes=45, lead=lead, partner=partner, at=19)
    with school_fixture.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=60))
        other = School(source_id="s2", name="Elsewhere", timezone="America/Denver")
        session.add(other)
        session.flush()
        return other.id


def test_visit_counts_once_in_the_month_of_its_booked_day(school_fixture: SchoolFixture) -> None:
    create_four_visits(school_fixture)
    with school_fixture.session() as session:
        tallies = counts.count_visits_and_pay(session, None, FIRST, LAST)
    assert {month.month: tally.visits for month, tally in tallies.months.items()} == {9: 1, 10: 2, 11: 1}
    assert {month.month: tally.people for month, tally in tallies.months.items()} == {9: 2, 10: 4, 11: 2}
    assert tallies.total.visits == sum(tally.visits for tally in tallies.cells.values()) == 4
    assert tallies.total.people == 4  # not the sum of the months
    assert tallies.total.minutes == 4 * 2 * 45
    assert tallies.total.waiting_cents == 4 * 2 * 6000
    assert (tallies.total.waiting, tallies.total.approved_cents) == (8, 0)


def test_visit_without_a_rule_is_counted_until_it_is_corrected(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAYS[0])
    with school_fixture.session() as session:
        actions.write_missing_lines(session, NOW + timedelta(days=60))
        before = counts.count_visits_and_pay(session, None, FIRST, LAST).total
    add_pay_rule(school_fixture)
    with school_fixture.session() as session:
        after = counts.count_visits_and_pay(session, None, FIRST, LAST).total
    assert (before.no_rule, before.cents, before.visits) == (2, 0, 1)
    assert (after.no_rule, after.cents, after.visits) == (0, 12000, 1)


def test_first_and_last_day_are_included(school_fixture: SchoolFixture) -> None:
    create_four_visits(school_fixture)
    with school_fixture.session() as session:
        assert counts.count_visits_and_pay(session, None, DAYS[1], DAYS[2]).total.visits == 2
        assert counts.count_visits_and_pay(session, None, DAYS[1], DAYS[2]).total.cents == 4 * 6000


def test_schools_outside_the_scope_are_not_counted(school_fixture: SchoolFixture) -> None:
    other = create_four_visits(school_fixture)
    with school_fixture.session() as session:
        tallies = counts.count_visits_and_pay(session, frozenset({other}), FIRST, LAST)
        assert (tallies.total.visits, tallies.total.people, tallies.total.cents) == (0, 0, 0)
        assert list(counts.school_names(session, frozenset({other}))) == [other]
        assert counts.count_visits_and_pay(session, frozenset(), FIRST, LAST).total.visits == 0


def test_reach_of_each_school_is_measured(school_fixture: SchoolFixture) -> None:
    other = create_four_visits(school_fixture)
    with school_fixture.session() as session:
        reach = counts.measure_reach(session, None, FIRST, LAST, NOW.date())
    school_reach = reach[school_fixture.school_id]
    assert (school_reach.families_asked, school_reach.said_yes, school_reach.families_visited, school_reach.visits) == (
        4,
        3,
        1,
        4,
    )
    assert (school_reach.educators, school_reach.certified, school_reach.opted_in) == (6, 6, 5)
    assert reach[other] == counts.Reach(**dict.fromkeys(counts.Reach.__dataclass_fields__, 0))


def test_csv_has_the_same_numbers_as_the_page(school_fixture: SchoolFixture) -> None:
    create_four_visits(school_fixture)
    app = create_test_app(school_fixture.database)
    union = create_client(app, create_account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None)))
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


def test_school_name_is_escaped_in_the_csv(school_fixture: SchoolFixture) -> None:
    tallies = counts.Tallies()
    tallies.of(1, date(2026, 10, 1))
    assert table.render_csv(tallies, {1: "=1+1"}).splitlines()[1].startswith(b"'=1+1,2026-10,0")


def test_invalid_year_or_month_shows_the_current_year(school_fixture: SchoolFixture) -> None:
    app = create_test_app(school_fixture.database)
    union = create_client(app, create_account(school_fixture.database, "union", Grant(Role.UNION_COORDINATOR, None)))
    for query in ("month=2026-13", "month=x", "year=99999999", "year=-1", "month=1999-10", "year=٢٠٢٦"):
        assert union.get(f"/tally?{query}").status_code == 200
