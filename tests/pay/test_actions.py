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
from tests.pay.held import FLAT, HOURLY, hold, with_rule
from tests.world import NOW, Town, town

__all__ = ["town"]
DAY = date(2026, 10, 6)
LATER = NOW + timedelta(days=2)


def settle(town: Town) -> int:
    with town.session() as session:
        return actions.settle(session, LATER)


def lines(town: Town) -> list[PayLine]:
    with town.session() as session:
        return list(session.scalars(select(PayLine).order_by(PayLine.id)))


def union(town: Town, school: int | None = None) -> Actor:
    with town.session() as session:
        account = Account(email=f"union{school}@example.org", name="Union")
        session.add(account)
        session.flush()
        return Actor(account.id, None, "Union", "en", frozenset({Grant(Role.UNION_COORDINATOR, school)}))


def refused(call: object) -> set[str]:
    with pytest.raises(RulesBroken) as broken:
        call()  # type: ignore[operator]
    return {problem.code for problem in broken.value.problems}


def test_a_completed_visit_gives_each_of_the_two_a_line(town: Town) -> None:
    rule = with_rule(town)
    hold(town, DAY, minutes=50)
    assert settle(town) == 2
    found = lines(town)
    assert {line.person_id for line in found} == {town.educators["Grace"], town.educators["Luis"]}
    assert {(line.amount_cents, line.minutes, line.rule_id, line.state) for line in found} == {
        (6000, 50, rule.id, "earned")
    }


def test_a_visit_of_which_one_has_a_line_holds_nobody_up(town: Town) -> None:
    with_rule(town)
    visit_id = hold(town, DAY)
    with town.session() as session:
        grace = actions._row(visit_id, town.educators["Grace"], PayType.VISIT, town.school_id, DAY, 45, [], LATER)
        session.execute(insert(PayLine), [grace])
    assert settle(town) == 1
    assert {line.person_id for line in lines(town)} == {town.educators["Grace"], town.educators["Luis"]}


def test_settling_again_changes_nothing(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    assert [settle(town), settle(town), settle(town)] == [2, 0, 0]


def test_two_workers_at_once_write_each_line_once(town: Town) -> None:
    with_rule(town)
    for number in range(5):
        hold(town, DAY + timedelta(days=number))
    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda _: settle(town), range(8)))
    assert sum(written) == len(lines(town)) == 10


def test_two_coordinators_at_once_approve_each_claim_once(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    ids = [line.id for line in lines(town)]

    def approve(_: int) -> int:
        try:
            with town.session() as session:
                return actions.approve(session, town.actors["coordinator"], "site", ids, LATER)
        except RulesBroken:
            return 0

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(approve, range(4))) == [0, 0, 0, 12000]
    with town.session() as session:
        assert session.scalar(select(func.count()).select_from(PayApproval)) == 2


def test_the_nightly_check_finds_what_the_ticks_missed_and_writes_down_that_it_looked(town: Town) -> None:
    with_rule(town)
    settle(town)
    hold(town, date(2026, 9, 1))
    assert settle(town) == 0  # closed long ago: not of this tick
    with town.session() as session:
        assert actions.settle(session, LATER + actions.FULL_CHECK) == 2
        assert session.get_one(Heartbeat, actions.CHECK).at == LATER + actions.FULL_CHECK


def test_without_a_rule_the_line_says_why_and_a_rule_puts_it_right(town: Town) -> None:
    hold(town, DAY)
    settle(town)
    assert {(line.amount_cents, line.unpaid_reason) for line in lines(town)} == {(None, "no_rule")}
    coordinator = town.actors["coordinator"]
    with town.session() as session:
        assert len(queries.needing_attention(session, coordinator, "site")) == 2
    with_rule(town)
    with town.session() as session:
        assert queries.needing_attention(session, coordinator, "site") == []
        assert queries.waiting(session, coordinator, "site").cents == 12000
    assert settle(town) == 0


def test_a_new_rule_ends_the_one_before_and_leaves_past_pay_alone(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    with town.session() as session:
        actions.add_rule(
            session, None, NewRule(**{**vars(HOURLY), "effective_from": DAY + timedelta(days=1)}), NOW.date(), NOW
        )
    hold(town, DAY + timedelta(days=1), minutes=61)
    settle(town)
    assert [line.amount_cents for line in lines(town)] == [6000, 6000, 4375, 4375]
    with town.session() as session:
        ends = session.scalars(select(PayRule.effective_to).order_by(PayRule.effective_from)).all()
    assert ends == [DAY, None]


def test_each_line_recomputes_to_the_same_cent(town: Town) -> None:
    with_rule(town, HOURLY)
    for number, minutes in enumerate((20, 60, 61, 119)):
        hold(town, DAY + timedelta(days=number), minutes=minutes)
    settle(town)
    with town.session() as session:
        found = queries.own_lines(session, town.actors["Grace"], date(2026, 8, 1), date(2027, 7, 31))
    assert [line.cents for line in reversed(found)] == [3500, 3500, 4375, 7000]
    for line in found:
        assert line.rule is not None
        due = rules.due([line.rule], line.earned_on, line.minutes)
        assert (due.cents, due.paid_minutes) == (line.cents, line.paid_minutes)


def approved(town: Town, of_union: Actor) -> None:
    ids = [line.id for line in lines(town) if line.state == "earned"]
    with town.session() as session:
        actions.approve(session, town.actors["coordinator"], "site", ids, LATER)
    with town.session() as session:
        actions.approve(session, of_union, "union", ids, LATER)


def test_school_then_union_then_payroll_and_the_same_bytes_again(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    hold(town, DAY + timedelta(days=1), partner="Amina", family="Smith")
    settle(town)
    approved(town, union(town))
    with town.session() as session:
        first = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    with town.session() as session:
        again = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    assert (again.id, again.content, again.sha256) == (first.id, first.content, first.sha256)
    text = first.content.decode().splitlines()
    assert text[1].startswith("PAmina,Test,Amina,HV-1,1,0.75,60.00,2026-10-01,2026-10-31,2026-10-07 visit ")
    assert text[2].startswith("PGrace,Test,Grace,HV-1,2,1.50,120.00,")
    assert {line.state for line in lines(town)} == {"exported"}


def test_what_is_approved_later_comes_in_a_further_file(town: Town) -> None:
    with_rule(town)
    of_union = union(town)
    made = []
    for number in range(2):
        hold(town, DAY + timedelta(days=number))
        settle(town)
        approved(town, of_union)
        with town.session() as session:
            made.append(export_payroll.export_payroll(session, None, DAY, DAY + timedelta(days=9), LATER))
    assert made[0].id != made[1].id
    assert b"visit" in made[1].content
    assert DAY.isoformat().encode() not in made[1].content.split(b",")[-1]


def test_a_period_without_approved_pay_says_so(town: Town) -> None:
    with town.session() as session:
        assert refused(lambda: export_payroll.export_payroll(session, None, DAY, DAY, LATER)) == {"period_empty"}
        assert refused(lambda: export_payroll.export_payroll(session, None, DAY, date(2026, 1, 1), LATER)) == {
            "period_backwards"
        }


def test_the_union_comes_after_the_school_and_nobody_decides_twice(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    of_union, coordinator, ids = union(town), town.actors["coordinator"], [line.id for line in lines(town)]
    with town.session() as session:
        assert refused(lambda: actions.approve(session, of_union, "union", ids, LATER)) == {"claim_changed"}
        assert refused(lambda: actions.approve(session, coordinator, "site", [], LATER)) == {"nothing_chosen"}
    with town.session() as session:
        assert actions.approve(session, coordinator, "site", ids, LATER) == 12000
    with town.session() as session:
        assert refused(lambda: actions.approve(session, coordinator, "site", ids, LATER)) == {"claim_changed"}


def test_one_person_with_both_roles_cannot_sign_for_both(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    coordinator = town.actors["coordinator"]
    both = Actor(coordinator.account_id, None, "Both", "en", coordinator.grants | {Grant(Role.UNION_COORDINATOR, None)})
    ids = [line.id for line in lines(town)]
    with town.session() as session:
        actions.approve(session, both, "site", ids, LATER)
    with town.session() as session:
        assert refused(lambda: actions.approve(session, both, "union", ids, LATER)) == {"approved_by_you"}


def test_nobody_approves_their_own_pay(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    grace = town.actors["Grace"]
    also = Actor(
        grace.account_id, grace.educator_id, "Grace", "en", grace.grants | {Grant(Role.SITE_COORDINATOR, None)}
    )
    with town.session() as session:
        waiting = queries.waiting(session, also, "site")
        assert [line.person for line in waiting.lines] == ["Luis Test"]
        ids = [line.id for line in session.scalars(select(PayLine))]
        assert refused(lambda: actions.approve(session, also, "site", ids, LATER)) == {"own_claim"}


def test_a_returned_claim_waits_at_the_school_again_with_its_comment(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    of_union, coordinator = union(town), town.actors["coordinator"]
    ids = [line.id for line in lines(town)]
    with town.session() as session:
        actions.approve(session, coordinator, "site", ids, LATER)
    with town.session() as session:
        assert refused(lambda: actions.send_back(session, of_union, "union", ids[0], " ", LATER)) == {"comment_missing"}
        actions.send_back(session, of_union, "union", ids[0], "Which day was it?", LATER)
    with town.session() as session:
        (line,) = queries.waiting(session, coordinator, "site").lines
        assert [(step.step, step.comment) for step in line.steps] == [("site", ""), ("returned", "Which day was it?")]
        actions.approve(session, coordinator, "site", [line.id], LATER)
    with town.session() as session:
        assert queries.waiting(session, of_union, "union").count == 2
        assert session.scalar(select(func.count()).select_from(PayApproval)) == 4


def test_claims_of_other_schools_do_not_exist_for_a_coordinator(town: Town) -> None:
    with_rule(town)
    hold(town, DAY)
    settle(town)
    elsewhere = Actor(999, None, "Else", "en", frozenset({Grant(Role.SITE_COORDINATOR, town.school_id + 1)}))
    ids = [line.id for line in lines(town)]
    with town.session() as session:
        assert queries.waiting(session, elsewhere, "site").count == 0
        with pytest.raises(NotFound):
            actions.approve(session, elsewhere, "site", ids, LATER)


def test_a_flat_rule_ignores_what_was_typed_about_hours(town: Town) -> None:
    row = with_rule(town, NewRule(**{**vars(FLAT), "minimum_minutes": "x", "round_to_minutes": "y"}))
    assert (row.minimum_minutes, row.round_to_minutes) == (0, 1)
