"""After its start a visit can no longer be cancelled: it is reported on or closed as not held."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from homevisits.availability.models import Commitment
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.inbox.today import queries as inbox
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.providers.console import Console
from homevisits.people.models import Educator
from homevisits.reports import counts
from homevisits.visits import actions
from homevisits.visits.actions import Report
from homevisits.visits.models import Visit, VisitEvent
from homevisits.visits.send_checks import reason_not_to_send
from tests.factories.school import SchoolFixture
from tests.messages.conftest import make_send_policy, make_sender
from tests.visits.test_actions import arrange, book, list_messages, load_visit, problem_codes

PEOPLE = ("Grace", "Luis", "coordinator")
CANCELLATION_TEMPLATES = {"visit_cancelled", "visit_off"}


def submit_report(school_fixture: SchoolFixture, visit_id: int, name: str, outcome: str = "met") -> None:
    """Submit a report on the visit as `name` at the planned end of the visit."""
    visit = load_visit(school_fixture, visit_id)
    report = Report(outcome, True, visit.starts_at, visit.ends_at, "home")
    with school_fixture.session() as session:
        actions.attest(
            session, school_fixture.actors[name], visit_id, report, policy=school_fixture.policy, now=visit.ends_at
        )


def mark_not_held(school_fixture: SchoolFixture, visit_id: int, name: str, now: datetime) -> None:
    with school_fixture.session() as session:
        actions.mark_not_held(session, school_fixture.actors[name], visit_id, school_fixture.policy, now)


def apply_withdrawals(school_fixture: SchoolFixture, now: datetime) -> int:
    with school_fixture.session() as session:
        return actions.apply_withdrawals(session, school_fixture.policy, now)


def dispatch(school_fixture: SchoolFixture, now: datetime) -> None:
    """Send every due message with the same checks as the worker."""
    with school_fixture.session() as session:
        make_sender(session, "console", "console")
    dispatcher.dispatch_due(
        school_fixture.database, (Console(),), make_send_policy(checks={"visit": reason_not_to_send}), lambda: now
    )


def cancellation_states(school_fixture: SchoolFixture, visit_id: int) -> list[str]:
    """Return the states of the cancellation messages."""
    return [state for template, state in list_messages(school_fixture, visit_id) if template in CANCELLATION_TEMPLATES]


def list_visits_not_communicated(school_fixture: SchoolFixture, now: datetime) -> list[tuple[int, bool]]:
    with school_fixture.database.reading() as session:
        rows = inbox.visits_not_communicated(session, school_fixture.actors["coordinator"], now)
        return [(row.visit_id, row.off) for row in rows]


# Cancelling and declining


def start_of(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    return load_visit(school_fixture, visit_id).starts_at


def after_one_report(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    submit_report(school_fixture, visit_id, "Grace")
    return load_visit(school_fixture, visit_id).ends_at


def after_two_different_reports(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    submit_report(school_fixture, visit_id, "Grace")
    submit_report(school_fixture, visit_id, "Luis", "family_away")
    return load_visit(school_fixture, visit_id).ends_at


def after_two_equal_reports(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    submit_report(school_fixture, visit_id, "Grace")
    submit_report(school_fixture, visit_id, "Luis")
    return load_visit(school_fixture, visit_id).ends_at


@pytest.mark.parametrize(
    ("prepare", "state"),
    [
        (start_of, "scheduled"),
        (after_one_report, "scheduled"),
        (after_two_different_reports, "scheduled"),
        (after_two_equal_reports, "completed"),
    ],
)
def test_cancel_is_refused_after_the_start(
    school_fixture: SchoolFixture, prepare: Callable[[SchoolFixture, int], datetime], state: str
) -> None:
    visit_id = arrange(school_fixture)
    now = prepare(school_fixture, visit_id)
    for name in PEOPLE:
        with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
            actions.cancel(session, school_fixture.actors[name], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in problem_codes(error), name
    assert load_visit(school_fixture, visit_id).state == state
    assert cancellation_states(school_fixture, visit_id) == []


@pytest.mark.parametrize("name", ["Luis", "coordinator"])
def test_cancel_is_allowed_until_the_start(school_fixture: SchoolFixture, name: str) -> None:
    visit_id = arrange(school_fixture)
    before = start_of(school_fixture, visit_id) - timedelta(seconds=1)
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors[name], visit_id, school_fixture.policy, before)
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"


def test_unanswered_proposal_cannot_be_cancelled_or_declined_after_the_start(
    school_fixture: SchoolFixture,
) -> None:
    visit_id = book(school_fixture)
    for after in (timedelta(0), timedelta(hours=2)):
        now = start_of(school_fixture, visit_id) + after
        for name in PEOPLE:
            with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
                actions.cancel(session, school_fixture.actors[name], visit_id, school_fixture.policy, now)
            assert "visit_has_started" in problem_codes(error), name
        with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
            actions.decline(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in problem_codes(error)
    assert load_visit(school_fixture, visit_id).state == "proposed"


@pytest.mark.parametrize("prepare", [start_of, after_one_report, after_two_different_reports])
def test_lead_and_partner_cannot_decline_after_the_start(
    school_fixture: SchoolFixture, prepare: Callable[[SchoolFixture, int], datetime]
) -> None:
    visit_id = arrange(school_fixture)
    now = prepare(school_fixture, visit_id)
    for name in ("Grace", "Luis"):
        with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
            actions.decline(session, school_fixture.actors[name], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in problem_codes(error), name
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def test_coordinator_cannot_decline_for_an_educator(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with pytest.raises(NotFound), school_fixture.session() as session:
        actions.decline(
            session,
            school_fixture.actors["coordinator"],
            visit_id,
            school_fixture.policy,
            start_of(school_fixture, visit_id),
        )


# Closing as not held


@pytest.mark.parametrize("name", PEOPLE)
def test_not_held_ends_the_visit_without_a_message_and_frees_the_family(
    school_fixture: SchoolFixture, name: str
) -> None:
    with school_fixture.session() as session:  # Both educators would get staff messages.
        for number, educator in enumerate(("Grace", "Luis")):
            session.get_one(Educator, school_fixture.educators[educator]).phone = f"+1555555020{number}"
    visit_id = arrange(school_fixture)
    before = len(list_messages(school_fixture, visit_id))
    start = start_of(school_fixture, visit_id)
    mark_not_held(school_fixture, visit_id, name, start)
    visit = load_visit(school_fixture, visit_id)
    assert (visit.state, visit.closed_at, visit.attestation_id) == ("not_held", start, None)
    messages = list_messages(school_fixture, visit_id)
    assert len(messages) == before
    assert {state for _template, state in messages} == {"cancelled"}
    assert list_visits_not_communicated(school_fixture, start) == []
    with school_fixture.database.reading() as session:
        assert not session.scalars(select(Commitment).where(Commitment.active)).all()
        event = session.scalars(select(VisitEvent).order_by(VisitEvent.id.desc()).limit(1)).one()
        assert (event.what, event.by_account) == ("not_held", school_fixture.actors[name].account_id)
    school_fixture.now = start
    assert load_visit(school_fixture, book(school_fixture, at=school_fixture.time_at(9, 16))).state == "proposed"


def test_confirmed_visit_can_be_closed_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    mark_not_held(school_fixture, visit_id, "Luis", start_of(school_fixture, visit_id) + timedelta(days=3))
    assert load_visit(school_fixture, visit_id).state == "not_held"


def test_unanswered_proposal_can_be_closed_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    mark_not_held(school_fixture, visit_id, "Grace", start_of(school_fixture, visit_id))
    assert load_visit(school_fixture, visit_id).state == "not_held"


@pytest.mark.parametrize(
    ("reporters", "outcome"), [(("Grace",), "met"), (("Luis",), "family_away"), (("Grace", "Luis"), "met")]
)
def test_not_held_is_refused_after_a_report(
    school_fixture: SchoolFixture, outcome: str, reporters: tuple[str, ...]
) -> None:
    visit_id = arrange(school_fixture)
    for reporter in reporters:
        submit_report(school_fixture, visit_id, reporter, outcome)
    before = load_visit(school_fixture, visit_id).state
    for name in PEOPLE:
        with pytest.raises(RulesBroken) as error:
            mark_not_held(school_fixture, visit_id, name, load_visit(school_fixture, visit_id).ends_at)
        assert "already_reported" in problem_codes(error), name
    assert load_visit(school_fixture, visit_id).state == before


def test_not_held_is_refused_before_the_start(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for name in PEOPLE:
        with pytest.raises(RulesBroken) as error:
            mark_not_held(school_fixture, visit_id, name, start_of(school_fixture, visit_id) - timedelta(seconds=1))
        assert problem_codes(error) == {"cancel_instead"}, name


def test_other_educators_cannot_close_a_visit_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with pytest.raises(NotFound):
        mark_not_held(school_fixture, visit_id, "Hoa", start_of(school_fixture, visit_id))
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def test_partner_who_cannot_come_cannot_close_the_visit_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    with pytest.raises(RulesBroken) as error:
        mark_not_held(school_fixture, visit_id, "Luis", start_of(school_fixture, visit_id))
    assert problem_codes(error) == {"not_asked"}


def test_visit_closed_as_not_held_allows_no_further_action(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    start = start_of(school_fixture, visit_id)
    mark_not_held(school_fixture, visit_id, "Grace", start)
    for action in (actions.cancel, actions.mark_not_held):
        with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
            action(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, start)
        assert "visit_moved_on" in problem_codes(error)
    with pytest.raises(RulesBroken):
        submit_report(school_fixture, visit_id, "Luis")
    assert apply_withdrawals(school_fixture, start + timedelta(days=60)) == 0
    assert load_visit(school_fixture, visit_id).state == "not_held"


def test_visit_closed_as_not_held_is_neither_counted_nor_paid(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    mark_not_held(school_fixture, visit_id, "Grace", start_of(school_fixture, visit_id))
    day = load_visit(school_fixture, visit_id).local_date
    with school_fixture.database.reading() as session:
        total = counts.count_visits_and_pay(session, None, day, day).total
        assert (total.visits, total.people, total.minutes, total.cents, total.no_rule) == (0, 0, 0, 0, 0)
        reach = counts.measure_reach(session, None, day, day, day)[school_fixture.school_id]
        assert (reach.visits, reach.families_visited) == (0, 0)


# Cancellation messages


def arrange_and_cancel(school_fixture: SchoolFixture, days: int = 2) -> tuple[int, datetime]:
    """Arrange and cancel a visit days ahead; return its id and its start."""
    visit_id = arrange(school_fixture, at=school_fixture.time_at(5 + days, 16, 30))
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    return visit_id, start_of(school_fixture, visit_id)


@pytest.mark.parametrize(("days", "hold"), [(2, None), (7, "sender")])
def test_unsent_notice_expires_at_the_start_and_today_lists_the_visit(
    school_fixture: SchoolFixture, days: int, hold: str | None
) -> None:
    visit_id, start = arrange_and_cancel(school_fixture, days)
    with school_fixture.session() as session:
        notice = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        assert notice.expires_at == start
        notice.next_at = start - timedelta(minutes=1)
        if hold is not None:
            notice.state, notice.hold_reason = "held", hold
    assert list_visits_not_communicated(school_fixture, start - timedelta(minutes=2)) == []
    assert list_visits_not_communicated(school_fixture, start) == [
        (visit_id, True)
    ]  # Also before the worker processes the notice.
    dispatch(school_fixture, start)
    assert cancellation_states(school_fixture, visit_id) == ["expired"]
    for later in (timedelta(0), timedelta(hours=20)):
        assert list_visits_not_communicated(school_fixture, start + later) == [(visit_id, True)]
    assert list_visits_not_communicated(school_fixture, start + timedelta(days=4)) == []


def test_notice_sent_before_the_start_keeps_the_visit_off_today(school_fixture: SchoolFixture) -> None:
    visit_id, start = arrange_and_cancel(school_fixture)
    dispatch(school_fixture, start - timedelta(hours=1))
    assert cancellation_states(school_fixture, visit_id) == ["delivered"]
    assert list_visits_not_communicated(school_fixture, start) == []


def test_notice_with_a_later_expiry_is_not_sent_after_the_start(school_fixture: SchoolFixture) -> None:
    visit_id, start = arrange_and_cancel(school_fixture)
    with school_fixture.session() as session:  # Planned by an older version.
        notice = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        notice.expires_at = start + timedelta(days=2)
    dispatch(school_fixture, start)
    assert cancellation_states(school_fixture, visit_id) == ["cancelled"]
    assert list_visits_not_communicated(school_fixture, start) == [(visit_id, True)]


def make_visit_without_educators(school_fixture: SchoolFixture) -> int:
    """Return a visit that the family knows of and that neither educator can attend."""
    visit_id = arrange(school_fixture)
    for name in ("Grace", "Luis"):
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors[name],
                visit_id,
                school_fixture.educators[name],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
    return visit_id


def make_visit_without_partner(school_fixture: SchoolFixture) -> int:
    """Return a visit that the family knows of and that has no replacement for Luis."""
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    return visit_id


@pytest.mark.parametrize(
    ("make", "after"), [(make_visit_without_educators, timedelta(0)), (make_visit_without_partner, timedelta(hours=5))]
)
def test_no_notice_is_planned_after_the_start_and_today_lists_the_visit(
    school_fixture: SchoolFixture, make: Callable[[SchoolFixture], int], after: timedelta
) -> None:
    visit_id = make(school_fixture)
    now = start_of(school_fixture, visit_id) + after
    assert apply_withdrawals(school_fixture, now) == 1
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"
    assert cancellation_states(school_fixture, visit_id) == []
    assert not [state for _template, state in list_messages(school_fixture, visit_id) if state != "cancelled"]
    assert list_visits_not_communicated(school_fixture, now) == [(visit_id, True)]


@pytest.mark.parametrize("make", [make_visit_without_educators, make_visit_without_partner])
def test_notice_is_planned_just_before_the_start(
    school_fixture: SchoolFixture, make: Callable[[SchoolFixture], int]
) -> None:
    visit_id = make(school_fixture)
    assert apply_withdrawals(school_fixture, start_of(school_fixture, visit_id) - timedelta(minutes=1)) == 1
    assert cancellation_states(school_fixture, visit_id) == ["queued"]


@pytest.mark.parametrize(
    ("reporters", "state"), [((), "not_held"), (("Grace",), "cancelled_by_educator")], ids=["no report", "one report"]
)
def test_visit_without_timely_reports_is_closed_without_a_message(
    school_fixture: SchoolFixture, reporters: tuple[str, ...], state: str
) -> None:
    visit_id = arrange(school_fixture)
    for name in reporters:
        submit_report(school_fixture, visit_id, name)
    late = start_of(school_fixture, visit_id) + timedelta(days=school_fixture.policy.latest_log_days, minutes=1)
    assert apply_withdrawals(school_fixture, late) == 1
    assert load_visit(school_fixture, visit_id).state == state
    assert cancellation_states(school_fixture, visit_id) == []
    assert list_visits_not_communicated(school_fixture, late) == []


def test_database_refuses_not_held_before_the_start_and_after_a_report(school_fixture: SchoolFixture) -> None:
    """The action already refuses both; this covers the constraint in the database."""
    early, reported = arrange(school_fixture), arrange(school_fixture, family="Smith", at=school_fixture.time_at(8, 16))
    submit_report(school_fixture, reported, "Grace")
    for visit_id, closed_at in ((early, school_fixture.now), (reported, load_visit(school_fixture, reported).ends_at)):
        with pytest.raises(DBAPIError, match="homevisits: visit not_held"), school_fixture.session() as session:
            visit = session.get_one(Visit, visit_id)
            visit.state, visit.closed_at = "not_held", closed_at
            session.flush()
