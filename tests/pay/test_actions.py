"""Lines arise from visits, two people approve them, payroll takes them: on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import func, insert, select

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.pay import actions, export_payroll, queries, rules
from homevisits.pay.models import PayApproval, PayLine, PayRule
from homevisits.pay.rules import NewRule, PayType
from homevisits.people.models import Account, Heartbeat
from tests.factories.school import NOW, SchoolFixture, school_fixture
from tests.pay.held import FLAT, HOURLY, hold, with_rule

__all__ = ["school_fixture"]
DAY = date(2026, 10, 6)
LATER = NOW + timedelta(days=2)


def settle(school_fixture: SchoolFixture) -> int:
    with school_fixture.session() as session:
        return actions.settle(session, LATER)


def lines(school_fixture: SchoolFixture) -> list[PayLine]:
    with school_fixture.session() as session:
        return list(session.scalars(select(PayLine).order_by(PayLine.id)))


def union(school_fixture: SchoolFixture, school: int | None = None) -> Actor:
    with school_fixture.session() as session:
        account = Account(email=f"union{school}@example.org", name="Union")
        session.add(account)
        session.flush()
        return Actor(account.id, None, "Union", "en", frozenset({Grant(Role.UNION_COORDINATOR, school)}))


def refused(call: object) -> set[str]:
    with pytest.raises(RulesBroken) as broken:
        call()  # type: ignore[operator]
    return {problem.code for problem in broken.value.problems}


def test_a_completed_visit_gives_each_of_the_two_a_line(school_fixture: SchoolFixture) -> None:
    rule = with_rule(school_fixture)
    hold(school_fixture, DAY, minutes=50)
    assert settle(school_fixture) == 2
    found = lines(school_fixture)
    assert {line.person_id for line in found} == {school_fixture.educators["Grace"], school_fixture.educators["Luis"]}
    assert {(line.amount_cents, line.minutes, line.rule_id, line.state) for line in found} == {
        (6000, 50, rule.id, "earned")
    }


def test_a_visit_of_which_one_has_a_line_holds_nobody_up(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    visit_id = hold(school_fixture, DAY)
    with school_fixture.session() as session:
        grace = actions._row(
            visit_id, school_fixture.educators["Grace"], PayType.VISIT, school_fixture.school_id, DAY, 45, [], LATER
        )
        session.execute(insert(PayLine), [grace])
    assert settle(school_fixture) == 1
    assert {line.person_id for line in lines(school_fixture)} == {
        school_fixture.educators["Grace"],
        school_fixture.educators["Luis"],
    }


def test_settling_again_changes_nothing(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    assert [settle(school_fixture), settle(school_fixture), settle(school_fixture)] == [2, 0, 0]


def test_two_workers_at_once_write_each_line_once(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    for number in range(5):
        hold(school_fixture, DAY + timedelta(days=number))
    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda _: settle(school_fixture), range(8)))
    assert sum(written) == len(lines(school_fixture)) == 10


def test_two_coordinators_at_once_approve_each_claim_once(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    ids = [line.id for line in lines(school_fixture)]

    def approve(_: int) -> int:
        try:
            with school_fixture.session() as session:
                return actions.approve(session, school_fixture.actors["coordinator"], "site", ids, LATER)
        except RulesBroken:
            return 0

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(approve, range(4))) == [0, 0, 0, 12000]
    with school_fixture.session() as session:
        assert session.scalar(select(func.count()).select_from(PayApproval)) == 2


def test_the_nightly_check_finds_what_the_ticks_missed_and_writes_down_that_it_looked(
    school_fixture: SchoolFixture,
) -> None:
    with_rule(school_fixture)
    settle(school_fixture)
    hold(school_fixture, date(2026, 9, 1))
    assert settle(school_fixture) == 0  # closed long ago: not of this tick
    with school_fixture.session() as session:
        assert actions.settle(session, LATER + actions.FULL_CHECK) == 2
        assert session.get_one(Heartbeat, actions.CHECK).at == LATER + actions.FULL_CHECK


def test_without_a_rule_the_line_says_why_and_a_rule_puts_it_right(school_fixture: SchoolFixture) -> None:
    hold(school_fixture, DAY)
    settle(school_fixture)
    assert {(line.amount_cents, line.unpaid_reason) for line in lines(school_fixture)} == {(None, "no_rule")}
    coordinator = school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        assert len(queries.needing_attention(session, coordinator, "site")) == 2
    with_rule(school_fixture)
    with school_fixture.session() as session:
        assert queries.needing_attention(session, coordinator, "site") == []
        assert queries.waiting(session, coordinator, "site").cents == 12000
    assert settle(school_fixture) == 0


def test_a_new_rule_ends_the_one_before_and_leaves_past_pay_alone(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    with school_fixture.session() as session:
        actions.add_rule(
            session, None, NewRule(**{**vars(HOURLY), "effective_from": DAY + timedelta(days=1)}), NOW.date(), NOW
        )
    hold(school_fixture, DAY + timedelta(days=1), minutes=61)
    settle(school_fixture)
    assert [line.amount_cents for line in lines(school_fixture)] == [6000, 6000, 4375, 4375]
    with school_fixture.session() as session:
        ends = session.scalars(select(PayRule.effective_to).order_by(PayRule.effective_from)).all()
    assert ends == [DAY, None]


def test_each_line_recomputes_to_the_same_cent(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture, HOURLY)
    for number, minutes in enumerate((20, 60, 61, 119)):
        hold(school_fixture, DAY + timedelta(days=number), minutes=minutes)
    settle(school_fixture)
    with school_fixture.session() as session:
        found = queries.own_lines(session, school_fixture.actors["Grace"], date(2026, 8, 1), date(2027, 7, 31))
    assert [line.cents for line in reversed(found)] == [3500, 3500, 4375, 7000]
    for line in found:
        assert line.rule is not None
        due = rules.due([line.rule], line.earned_on, line.minutes)
        assert (due.cents, due.paid_minutes) == (line.cents, line.paid_minutes)


def approved(school_fixture: SchoolFixture, of_union: Actor) -> None:
    ids = [line.id for line in lines(school_fixture) if line.state == "earned"]
    with school_fixture.session() as session:
        actions.approve(session, school_fixture.actors["coordinator"], "site", ids, LATER)
    with school_fixture.session() as session:
        actions.approve(session, of_union, "union", ids, LATER)


def test_school_then_union_then_payroll_and_the_same_bytes_again(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    hold(school_fixture, DAY + timedelta(days=1), partner="Amina", family="Smith")
    settle(school_fixture)
    approved(school_fixture, union(school_fixture))
    with school_fixture.session() as session:
        first = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    with school_fixture.session() as session:
        again = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    assert (again.id, again.content, again.sha256) == (first.id, first.content, first.sha256)
    text = first.content.decode().splitlines()
    assert text[1].startswith("PAmina,Test,Amina,HV-1,1,0.75,60.00,2026-10-01,2026-10-31,2026-10-07 visit ")
    assert text[2].startswith("PGrace,Test,Grace,HV-1,2,1.50,120.00,")
    assert {line.state for line in lines(school_fixture)} == {"exported"}


def test_what_is_approved_later_comes_in_a_further_file(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    of_union = union(school_fixture)
    made = []
    for number in range(2):
        hold(school_fixture, DAY + timedelta(days=number))
        settle(school_fixture)
        approved(school_fixture, of_union)
        with school_fixture.session() as session:
            made.append(export_payroll.export_payroll(session, None, DAY, DAY + timedelta(days=9), LATER))
    assert made[0].id != made[1].id
    assert b"visit" in made[1].content
    assert DAY.isoformat().encode() not in made[1].content.split(b",")[-1]


def test_a_period_without_approved_pay_says_so(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        assert refused(lambda: export_payroll.export_payroll(session, None, DAY, DAY, LATER)) == {"period_empty"}
        assert refused(lambda: export_payroll.export_payroll(session, None, DAY, date(2026, 1, 1), LATER)) == {
            "period_backwards"
        }


def test_the_union_comes_after_the_school_and_nobody_decides_twice(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    of_union, coordinator, ids = (
        union(school_fixture),
        school_fixture.actors["coordinator"],
        [line.id for line in lines(school_fixture)],
    )
    with school_fixture.session() as session:
        assert refused(lambda: actions.approve(session, of_union, "union", ids, LATER)) == {"claim_changed"}
        assert refused(lambda: actions.approve(session, coordinator, "site", [], LATER)) == {"nothing_chosen"}
    with school_fixture.session() as session:
        assert actions.approve(session, coordinator, "site", ids, LATER) == 12000
    with school_fixture.session() as session:
        assert refused(lambda: actions.approve(session, coordinator, "site", ids, LATER)) == {"claim_changed"}


def test_one_person_with_both_roles_cannot_sign_for_both(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    coordinator = school_fixture.actors["coordinator"]
    both = Actor(coordinator.account_id, None, "Both", "en", coordinator.grants | {Grant(Role.UNION_COORDINATOR, None)})
    ids = [line.id for line in lines(school_fixture)]
    with school_fixture.session() as session:
        actions.approve(session, both, "site", ids, LATER)
    with school_fixture.session() as session:
        assert refused(lambda: actions.approve(session, both, "union", ids, LATER)) == {"approved_by_you"}


def test_nobody_approves_their_own_pay(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    grace = school_fixture.actors["Grace"]
    also = Actor(
        grace.account_id, grace.educator_id, "Grace", "en", grace.grants | {Grant(Role.SITE_COORDINATOR, None)}
    )
    with school_fixture.session() as session:
        waiting = queries.waiting(session, also, "site")
        assert [line.person for line in waiting.lines] == ["Luis Test"]
        ids = [line.id for line in session.scalars(select(PayLine))]
        assert refused(lambda: actions.approve(session, also, "site", ids, LATER)) == {"own_claim"}


def test_a_returned_claim_waits_at_the_school_again_with_its_comment(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    of_union, coordinator = union(school_fixture), school_fixture.actors["coordinator"]
    ids = [line.id for line in lines(school_fixture)]
    with school_fixture.session() as session:
        actions.approve(session, coordinator, "site", ids, LATER)
    with school_fixture.session() as session:
        assert refused(lambda: actions.send_back(session, of_union, "union", ids[0], " ", LATER)) == {"comment_missing"}
        actions.send_back(session, of_union, "union", ids[0], "Which day was it?", LATER)
    with school_fixture.session() as session:
        (line,) = queries.waiting(session, coordinator, "site").lines
        assert [(step.step, step.comment) for step in line.steps] == [("site", ""), ("returned", "Which day was it?")]
        actions.approve(session, coordinator, "site", [line.id], LATER)
    with school_fixture.session() as session:
        assert queries.waiting(session, of_union, "union").count == 2
        assert session.scalar(select(func.count()).select_from(PayApproval)) == 4


def test_claims_of_other_schools_do_not_exist_for_a_coordinator(school_fixture: SchoolFixture) -> None:
    with_rule(school_fixture)
    hold(school_fixture, DAY)
    settle(school_fixture)
    elsewhere = Actor(999, None, "Else", "en", frozenset({Grant(Role.SITE_COORDINATOR, school_fixture.school_id + 1)}))
    ids = [line.id for line in lines(school_fixture)]
    with school_fixture.session() as session:
        assert queries.waiting(session, elsewhere, "site").count == 0
        with pytest.raises(NotFound):
            actions.approve(session, elsewhere, "site", ids, LATER)


def test_a_flat_rule_ignores_what_was_typed_about_hours(school_fixture: SchoolFixture) -> None:
    row = with_rule(school_fixture, NewRule(**{**vars(FLAT), "minimum_minutes": "x", "round_to_minutes": "y"}))
    assert (row.minimum_minutes, row.round_to_minutes) == (0, 1)
