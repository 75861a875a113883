from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.pay import actions, export_payroll, queries, rules
from homevisits.pay.models import PayApproval, PayLine, PayRule
from homevisits.pay.rules import NewRule, PayType
from homevisits.people.models import Account, Heartbeat
from tests.factories.school import NOW, SchoolFixture, school_fixture
from tests.pay.factories import FLAT_RULE, HOURLY_RULE, add_pay_rule, create_completed_visit

__all__ = ["school_fixture"]
DAY = date(2026, 10, 6)
LATER = NOW + timedelta(days=2)


def write_lines(school_fixture: SchoolFixture) -> int:
    with school_fixture.session() as session:
        return actions.write_missing_lines(session, LATER)


def read_lines(school_fixture: SchoolFixture) -> list[PayLine]:
    with school_fixture.session() as session:
        return list(session.scalars(select(PayLine).order_by(PayLine.id)))


def create_union_actor(school_fixture: SchoolFixture, school: int | None = None) -> Actor:
    with school_fixture.session() as session:
        account = Account(email=f"union{school}@example.org", name="Union")
        session.add(account)
        session.flush()
        return Actor(account.id, None, "Union", "en", frozenset({Grant(Role.UNION_COORDINATOR, school)}))


def refusal_codes(call: object) -> set[str]:
    with pytest.raises(RulesBroken) as error:
        call()  # type: ignore[operator]
    return {problem.code for problem in error.value.problems}


def test_completed_visit_gives_both_educators_a_pay_line(school_fixture: SchoolFixture) -> None:
    rule = add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY, minutes=50)
    assert write_lines(school_fixture) == 2
    lines = read_lines(school_fixture)
    assert {line.person_id for line in lines} == {school_fixture.educators["Grace"], school_fixture.educators["Luis"]}
    assert {(line.amount_cents, line.minutes, line.rule_id, line.state) for line in lines} == {
        (6000, 50, rule.id, "earned")
    }


def test_missing_second_line_of_a_visit_is_written(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    visit_id = create_completed_visit(school_fixture, DAY)
    with school_fixture.session() as session:
        work = actions.Work(
            visit_id=visit_id,
            person_id=school_fixture.educators["Grace"],
            pay_type=PayType.VISIT,
            school_id=school_fixture.school_id,
            day=DAY,
            minutes=45,
        )
        session.execute(insert(PayLine), [actions._line_values(work, [], LATER)])
    assert write_lines(school_fixture) == 1
    assert {line.person_id for line in read_lines(school_fixture)} == {
        school_fixture.educators["Grace"],
        school_fixture.educators["Luis"],
    }


def test_writing_lines_again_changes_nothing(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    assert [write_lines(school_fixture), write_lines(school_fixture), write_lines(school_fixture)] == [2, 0, 0]


def test_concurrent_workers_write_each_line_once(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    for number in range(5):
        create_completed_visit(school_fixture, DAY + timedelta(days=number))
    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda _: write_lines(school_fixture), range(8)))
    assert sum(written) == len(read_lines(school_fixture)) == 10


def test_concurrent_approvals_count_once(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    ids = [line.id for line in read_lines(school_fixture)]

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


def test_full_check_finds_older_visits_and_records_its_run(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    write_lines(school_fixture)
    create_completed_visit(school_fixture, date(2026, 9, 1))
    assert write_lines(school_fixture) == 0  # closed too long ago for a run between full checks
    with school_fixture.session() as session:
        assert actions.write_missing_lines(session, LATER + actions.FULL_CHECK_INTERVAL) == 2
        assert session.get_one(Heartbeat, actions.CHECK_HEARTBEAT).at == LATER + actions.FULL_CHECK_INTERVAL


def test_line_without_a_rule_is_unpaid_until_a_rule_adds_a_correction(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    assert {(line.amount_cents, line.unpaid_reason) for line in read_lines(school_fixture)} == {(None, "no_rule")}
    coordinator = school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        assert len(queries.find_unpaid_lines(session, coordinator, "site")) == 2
    add_pay_rule(school_fixture)
    with school_fixture.session() as session:
        assert queries.find_unpaid_lines(session, coordinator, "site") == []
        assert queries.find_waiting_lines(session, coordinator, "site").cents == 12000
    assert write_lines(school_fixture) == 0


def test_new_rule_ends_the_previous_rule_and_keeps_existing_lines(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    with school_fixture.session() as session:
        actions.add_rule(
            session, None, NewRule(**{**vars(HOURLY_RULE), "effective_from": DAY + timedelta(days=1)}), NOW.date(), NOW
        )
    create_completed_visit(school_fixture, DAY + timedelta(days=1), minutes=61)
    write_lines(school_fixture)
    assert [line.amount_cents for line in read_lines(school_fixture)] == [6000, 6000, 4375, 4375]
    with school_fixture.session() as session:
        ends = session.scalars(select(PayRule.effective_to).order_by(PayRule.effective_from)).all()
    assert ends == [DAY, None]


def test_newer_rule_of_another_pay_type_does_not_pay_visits(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)  # unpaid, as there is no rule yet
    rule = add_pay_rule(school_fixture)
    with school_fixture.session() as session:
        session.add(
            PayRule(
                pay_type="correction",
                unit="flat_visit",
                rate_cents=9900,
                pay_code="OTHER",
                clause="Another pay type",
                effective_from=DAY - timedelta(days=1),
                entered_at=NOW,
            )
        )
    create_completed_visit(school_fixture, DAY + timedelta(days=1))
    write_lines(school_fixture)
    paid = [line for line in read_lines(school_fixture) if line.amount_cents is not None]
    assert {line.pay_type for line in paid} == {"visit", "correction"}
    assert {(line.rule_id, line.amount_cents) for line in paid} == {(rule.id, 6000)}


@pytest.mark.parametrize("table", ["pay_rule", "pay_line"])
def test_unknown_pay_type_is_refused_by_the_database(school_fixture: SchoolFixture, table: str) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    if table == "pay_line":
        write_lines(school_fixture)
    columns = {
        "pay_rule": "unit, rate_cents, pay_code, clause, effective_from, entered_at",
        "pay_line": (
            "visit_id, person_id, school_id, earned_on, minutes, paid_minutes, rule_id, amount_cents, created_at"
        ),
    }[table]
    copy_row = f"INSERT INTO {table} (pay_type, {columns}) SELECT 'unknown', {columns} FROM {table}"
    with pytest.raises(IntegrityError, match="pay_type"), school_fixture.session() as session:
        session.execute(text(copy_row))


def test_recalculated_lines_have_the_same_amounts(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture, HOURLY_RULE)
    for number, minutes in enumerate((20, 60, 61, 119)):
        create_completed_visit(school_fixture, DAY + timedelta(days=number), minutes=minutes)
    write_lines(school_fixture)
    with school_fixture.session() as session:
        lines = queries.find_own_lines(session, school_fixture.actors["Grace"], date(2026, 8, 1), date(2027, 7, 31))
    assert [line.cents for line in reversed(lines)] == [3500, 3500, 4375, 7000]
    for line in lines:
        assert line.rule is not None
        pay = rules.calculate_pay([line.rule], PayType.VISIT, line.earned_on, line.minutes)
        assert (pay.cents, pay.paid_minutes) == (line.cents, line.paid_minutes)


def approve_twice(school_fixture: SchoolFixture, union_actor: Actor) -> None:
    ids = [line.id for line in read_lines(school_fixture) if line.state == "earned"]
    with school_fixture.session() as session:
        actions.approve(session, school_fixture.actors["coordinator"], "site", ids, LATER)
    with school_fixture.session() as session:
        actions.approve(session, union_actor, "union", ids, LATER)


def test_exporting_a_period_again_returns_the_same_bytes(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    create_completed_visit(school_fixture, DAY + timedelta(days=1), partner="Amina", family="Smith")
    write_lines(school_fixture)
    approve_twice(school_fixture, create_union_actor(school_fixture))
    with school_fixture.session() as session:
        export = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    with school_fixture.session() as session:
        again = export_payroll.export_payroll(session, None, date(2026, 10, 1), date(2026, 10, 31), LATER)
    assert (again.id, again.content, again.sha256) == (export.id, export.content, export.sha256)
    rows = export.content.decode().splitlines()
    assert rows[1].startswith("PAmina,Test,Amina,HV-1,1,0.75,60.00,2026-10-01,2026-10-31,2026-10-07 visit ")
    assert rows[2].startswith("PGrace,Test,Grace,HV-1,2,1.50,120.00,")
    assert {line.state for line in read_lines(school_fixture)} == {"exported"}


def test_later_approvals_go_into_another_file(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    union_actor = create_union_actor(school_fixture)
    exports = []
    for number in range(2):
        create_completed_visit(school_fixture, DAY + timedelta(days=number))
        write_lines(school_fixture)
        approve_twice(school_fixture, union_actor)
        with school_fixture.session() as session:
            exports.append(export_payroll.export_payroll(session, None, DAY, DAY + timedelta(days=9), LATER))
    assert exports[0].id != exports[1].id
    assert b"visit" in exports[1].content
    assert DAY.isoformat().encode() not in exports[1].content.split(b",")[-1]


def test_period_without_approved_lines_is_refused(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        assert refusal_codes(lambda: export_payroll.export_payroll(session, None, DAY, DAY, LATER)) == {"period_empty"}
        assert refusal_codes(lambda: export_payroll.export_payroll(session, None, DAY, date(2026, 1, 1), LATER)) == {
            "period_backwards"
        }


def test_approvals_out_of_order_or_repeated_are_refused(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    union_actor, coordinator, ids = (
        create_union_actor(school_fixture),
        school_fixture.actors["coordinator"],
        [line.id for line in read_lines(school_fixture)],
    )
    with school_fixture.session() as session:
        assert refusal_codes(lambda: actions.approve(session, union_actor, "union", ids, LATER)) == {"claim_changed"}
        assert refusal_codes(lambda: actions.approve(session, coordinator, "site", [], LATER)) == {"nothing_chosen"}
    with school_fixture.session() as session:
        assert actions.approve(session, coordinator, "site", ids, LATER) == 12000
    with school_fixture.session() as session:
        assert refusal_codes(lambda: actions.approve(session, coordinator, "site", ids, LATER)) == {"claim_changed"}


def test_same_person_cannot_approve_both_steps(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    coordinator = school_fixture.actors["coordinator"]
    both = Actor(coordinator.account_id, None, "Both", "en", coordinator.grants | {Grant(Role.UNION_COORDINATOR, None)})
    ids = [line.id for line in read_lines(school_fixture)]
    with school_fixture.session() as session:
        actions.approve(session, both, "site", ids, LATER)
    with school_fixture.session() as session:
        assert refusal_codes(lambda: actions.approve(session, both, "union", ids, LATER)) == {"approved_by_you"}


def test_own_pay_cannot_be_approved(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    grace = school_fixture.actors["Grace"]
    coordinator = Actor(
        grace.account_id, grace.educator_id, "Grace", "en", grace.grants | {Grant(Role.SITE_COORDINATOR, None)}
    )
    with school_fixture.session() as session:
        waiting = queries.find_waiting_lines(session, coordinator, "site")
        assert [line.person for line in waiting.lines] == ["Luis Test"]
        ids = [line.id for line in session.scalars(select(PayLine))]
        assert refusal_codes(lambda: actions.approve(session, coordinator, "site", ids, LATER)) == {"own_claim"}


def test_returned_claim_waits_at_the_school_with_its_comment(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    union_actor, coordinator = create_union_actor(school_fixture), school_fixture.actors["coordinator"]
    ids = [line.id for line in read_lines(school_fixture)]
    with school_fixture.session() as session:
        actions.approve(session, coordinator, "site", ids, LATER)
    with school_fixture.session() as session:
        assert refusal_codes(
            lambda: actions.return_line(session, union_actor, "union", ids[0], comment=" ", now=LATER)
        ) == {"comment_missing"}
        actions.return_line(session, union_actor, "union", ids[0], comment="Which day was it?", now=LATER)
    with school_fixture.session() as session:
        (line,) = queries.find_waiting_lines(session, coordinator, "site").lines
        assert [(step.step, step.comment) for step in line.steps] == [("site", ""), ("returned", "Which day was it?")]
        actions.approve(session, coordinator, "site", [line.id], LATER)
    with school_fixture.session() as session:
        assert queries.find_waiting_lines(session, union_actor, "union").count == 2
        assert session.scalar(select(func.count()).select_from(PayApproval)) == 4


def test_claims_of_other_schools_are_not_found(school_fixture: SchoolFixture) -> None:
    add_pay_rule(school_fixture)
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    other_coordinator = Actor(
        999, None, "Else", "en", frozenset({Grant(Role.SITE_COORDINATOR, school_fixture.school_id + 1)})
    )
    ids = [line.id for line in read_lines(school_fixture)]
    with school_fixture.session() as session:
        assert queries.find_waiting_lines(session, other_coordinator, "site").count == 0
        with pytest.raises(NotFound):
            actions.approve(session, other_coordinator, "site", ids, LATER)


def test_flat_rule_ignores_minimum_and_rounding(school_fixture: SchoolFixture) -> None:
    row = add_pay_rule(school_fixture, NewRule(**{**vars(FLAT_RULE), "minimum_minutes": "x", "round_to_minutes": "y"}))
    assert (row.minimum_minutes, row.round_to_minutes) == (0, 1)


def test_rule_before_an_existing_rule_corrects_only_the_days_it_covers(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAY)
    create_completed_visit(school_fixture, DAY + timedelta(days=1), family="Smith")
    write_lines(school_fixture)
    for first in (DAY + timedelta(days=1), DAY):
        add_pay_rule(school_fixture, NewRule(**{**vars(FLAT_RULE), "effective_from": first}))
    corrections = [line for line in read_lines(school_fixture) if line.pay_type == PayType.CORRECTION]
    assert sorted(line.earned_on for line in corrections) == [DAY, DAY, *[DAY + timedelta(days=1)] * 2]
    assert {line.amount_cents for line in corrections} == {6000}


def test_later_rule_for_the_same_days_adds_no_second_correction(school_fixture: SchoolFixture) -> None:
    create_completed_visit(school_fixture, DAY)
    write_lines(school_fixture)
    add_pay_rule(school_fixture)
    lines = len(read_lines(school_fixture))
    add_pay_rule(school_fixture, NewRule(**{**vars(HOURLY_RULE), "effective_from": DAY}))
    assert len(read_lines(school_fixture)) == lines == 4
