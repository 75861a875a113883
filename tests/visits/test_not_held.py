"""From its start on a visit is not cancelled but reported on, or closed as not held. On both engines."""

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
from tests.messages.conftest import make_sender, rules
from tests.visits.test_actions import arrange, book, codes, texts, visit_of

PEOPLE = ("Grace", "Luis", "coordinator")
OFF = {"visit_cancelled", "visit_off"}


def report(school_fixture: SchoolFixture, visit_id: int, who: str, outcome: str = "met") -> None:
    """One of the pair reports on the visit at its planned end."""
    visit = visit_of(school_fixture, visit_id)
    said = Report(outcome, True, visit.starts_at, visit.ends_at, "home")
    with school_fixture.session() as session:
        actions.attest(
            session, school_fixture.actors[who], visit_id, said, policy=school_fixture.policy, now=visit.ends_at
        )


def mark_not_held(school_fixture: SchoolFixture, visit_id: int, who: str, now: datetime) -> None:
    with school_fixture.session() as session:
        actions.mark_not_held(session, school_fixture.actors[who], visit_id, school_fixture.policy, now)


def tidy(school_fixture: SchoolFixture, now: datetime) -> int:
    with school_fixture.session() as session:
        return actions.apply_withdrawals(session, school_fixture.policy, now)


def dispatch(school_fixture: SchoolFixture, now: datetime) -> None:
    """Send every due message, judged as the worker judges it."""
    with school_fixture.session() as session:
        make_sender(session, "console", "console")
    dispatcher.dispatch_due(
        school_fixture.database, (Console(),), rules(checks={"visit": reason_not_to_send}), lambda: now
    )


def off_notices(school_fixture: SchoolFixture, visit_id: int) -> list[str]:
    """The states of the messages that say the visit is off."""
    return [state for template, state in texts(school_fixture, visit_id) if template in OFF]


def to_tell(school_fixture: SchoolFixture, now: datetime) -> list[tuple[int, bool]]:
    with school_fixture.database.reading() as session:
        rows = inbox.visits_not_communicated(session, school_fixture.actors["coordinator"], now)
        return [(row.visit_id, row.off) for row in rows]


# Cancel and decline


def at_the_start(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    return visit_of(school_fixture, visit_id).starts_at


def after_one_report(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    report(school_fixture, visit_id, "Grace")
    return visit_of(school_fixture, visit_id).ends_at


def after_two_different_reports(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    report(school_fixture, visit_id, "Grace")
    report(school_fixture, visit_id, "Luis", "family_away")
    return visit_of(school_fixture, visit_id).ends_at


def after_two_equal_reports(school_fixture: SchoolFixture, visit_id: int) -> datetime:
    report(school_fixture, visit_id, "Grace")
    report(school_fixture, visit_id, "Luis")
    return visit_of(school_fixture, visit_id).ends_at


@pytest.mark.parametrize(
    ("happens", "state"),
    [
        (at_the_start, "scheduled"),
        (after_one_report, "scheduled"),
        (after_two_different_reports, "scheduled"),
        (after_two_equal_reports, "completed"),
    ],
)
def test_cancel_is_refused_from_the_start_on(
    school_fixture: SchoolFixture, happens: Callable[[SchoolFixture, int], datetime], state: str
) -> None:
    visit_id = arrange(school_fixture)
    now = happens(school_fixture, visit_id)
    for who in PEOPLE:
        with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
            actions.cancel(session, school_fixture.actors[who], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in codes(refused), who
    assert visit_of(school_fixture, visit_id).state == state
    assert off_notices(school_fixture, visit_id) == []


@pytest.mark.parametrize("who", ["Luis", "coordinator"])
def test_cancel_is_allowed_until_the_last_moment_before_the_start(school_fixture: SchoolFixture, who: str) -> None:
    visit_id = arrange(school_fixture)
    before = at_the_start(school_fixture, visit_id) - timedelta(seconds=1)
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors[who], visit_id, school_fixture.policy, before)
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"


def test_an_unanswered_proposal_is_neither_cancelled_nor_declined_from_the_start_on(
    school_fixture: SchoolFixture,
) -> None:
    visit_id = book(school_fixture)
    for after in (timedelta(0), timedelta(hours=2)):
        now = at_the_start(school_fixture, visit_id) + after
        for who in PEOPLE:
            with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
                actions.cancel(session, school_fixture.actors[who], visit_id, school_fixture.policy, now)
            assert "visit_has_started" in codes(refused), who
        with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
            actions.decline(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in codes(refused)
    assert visit_of(school_fixture, visit_id).state == "proposed"


@pytest.mark.parametrize("happens", [at_the_start, after_one_report, after_two_different_reports])
def test_neither_of_an_arranged_pair_can_decline_from_the_start_on(
    school_fixture: SchoolFixture, happens: Callable[[SchoolFixture, int], datetime]
) -> None:
    visit_id = arrange(school_fixture)
    now = happens(school_fixture, visit_id)
    for who in ("Grace", "Luis"):
        with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
            actions.decline(session, school_fixture.actors[who], visit_id, school_fixture.policy, now)
        assert "visit_has_started" in codes(refused), who
    assert visit_of(school_fixture, visit_id).state == "scheduled"


def test_a_coordinator_cannot_decline_for_somebody(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with pytest.raises(NotFound), school_fixture.session() as session:
        actions.decline(
            session,
            school_fixture.actors["coordinator"],
            visit_id,
            school_fixture.policy,
            at_the_start(school_fixture, visit_id),
        )


# Not held


@pytest.mark.parametrize("who", PEOPLE)
def test_not_held_ends_the_visit_without_a_message_and_the_family_can_be_booked_again(
    school_fixture: SchoolFixture, who: str
) -> None:
    with school_fixture.session() as session:  # both would get staff messages
        for number, name in enumerate(("Grace", "Luis")):
            session.get_one(Educator, school_fixture.educators[name]).phone = f"+1555555020{number}"
    visit_id = arrange(school_fixture)
    before = len(texts(school_fixture, visit_id))
    start = at_the_start(school_fixture, visit_id)
    mark_not_held(school_fixture, visit_id, who, start)
    visit = visit_of(school_fixture, visit_id)
    assert (visit.state, visit.closed_at, visit.attestation_id) == ("not_held", start, None)
    planned = texts(school_fixture, visit_id)
    assert len(planned) == before
    assert {state for _template, state in planned} == {"cancelled"}
    assert to_tell(school_fixture, start) == []
    with school_fixture.database.reading() as session:
        assert not session.scalars(select(Commitment).where(Commitment.active)).all()
        event = session.scalars(select(VisitEvent).order_by(VisitEvent.id.desc()).limit(1)).one()
        assert (event.what, event.by_account) == ("not_held", school_fixture.actors[who].account_id)
    school_fixture.now = start
    assert visit_of(school_fixture, book(school_fixture, at=school_fixture.time_at(9, 16))).state == "proposed"


def test_a_confirmed_visit_can_be_closed_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    mark_not_held(school_fixture, visit_id, "Luis", at_the_start(school_fixture, visit_id) + timedelta(days=3))
    assert visit_of(school_fixture, visit_id).state == "not_held"


def test_a_proposal_that_was_never_answered_can_be_closed_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    mark_not_held(school_fixture, visit_id, "Grace", at_the_start(school_fixture, visit_id))
    assert visit_of(school_fixture, visit_id).state == "not_held"


@pytest.mark.parametrize(
    ("reporters", "outcome"), [(("Grace",), "met"), (("Luis",), "family_away"), (("Grace", "Luis"), "met")]
)
def test_not_held_is_refused_after_a_report(
    school_fixture: SchoolFixture, outcome: str, reporters: tuple[str, ...]
) -> None:
    visit_id = arrange(school_fixture)
    for reporter in reporters:
        report(school_fixture, visit_id, reporter, outcome)
    before = visit_of(school_fixture, visit_id).state
    for who in PEOPLE:
        with pytest.raises(RulesBroken) as refused:
            mark_not_held(school_fixture, visit_id, who, visit_of(school_fixture, visit_id).ends_at)
        assert "already_reported" in codes(refused), who
    assert visit_of(school_fixture, visit_id).state == before


def test_not_held_is_refused_before_the_start(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for who in PEOPLE:
        with pytest.raises(RulesBroken) as refused:
            mark_not_held(school_fixture, visit_id, who, at_the_start(school_fixture, visit_id) - timedelta(seconds=1))
        assert codes(refused) == {"cancel_instead"}, who


def test_strangers_cannot_close_a_visit_as_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with pytest.raises(NotFound):
        mark_not_held(school_fixture, visit_id, "Hoa", at_the_start(school_fixture, visit_id))
    assert visit_of(school_fixture, visit_id).state == "scheduled"


def test_a_member_who_is_out_cannot_close_the_visit_as_not_held(school_fixture: SchoolFixture) -> None:
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
    with pytest.raises(RulesBroken) as refused:
        mark_not_held(school_fixture, visit_id, "Luis", at_the_start(school_fixture, visit_id))
    assert codes(refused) == {"not_asked"}


def test_nothing_follows_not_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    start = at_the_start(school_fixture, visit_id)
    mark_not_held(school_fixture, visit_id, "Grace", start)
    for verb in (actions.cancel, actions.mark_not_held):
        with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
            verb(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, start)
        assert "visit_moved_on" in codes(refused)
    with pytest.raises(RulesBroken):
        report(school_fixture, visit_id, "Luis")
    assert tidy(school_fixture, start + timedelta(days=60)) == 0
    assert visit_of(school_fixture, visit_id).state == "not_held"


def test_a_visit_that_was_not_held_is_not_counted_and_not_paid(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    mark_not_held(school_fixture, visit_id, "Grace", at_the_start(school_fixture, visit_id))
    day = visit_of(school_fixture, visit_id).local_date
    with school_fixture.database.reading() as session:
        total = counts.count_visits_and_pay(session, None, day, day).total
        assert (total.visits, total.people, total.minutes, total.cents, total.no_rule) == (0, 0, 0, 0, 0)
        reach = counts.measure_reach(session, None, day, day, day)[school_fixture.school_id]
        assert (reach.visits, reach.families_visited) == (0, 0)


# Messages that say the visit is off


def cancel_long_before(school_fixture: SchoolFixture, days: int = 2) -> tuple[int, datetime]:
    """A visit that was arranged, then cancelled the day it was arranged; its id and start."""
    visit_id = arrange(school_fixture, at=school_fixture.time_at(5 + days, 16, 30))
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    return visit_id, at_the_start(school_fixture, visit_id)


@pytest.mark.parametrize(("days", "hold"), [(2, None), (7, "sender")])
def test_a_notice_that_still_waits_at_the_start_expires_and_today_lists_the_visit(
    school_fixture: SchoolFixture, days: int, hold: str | None
) -> None:
    visit_id, start = cancel_long_before(school_fixture, days)
    with school_fixture.session() as session:
        notice = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        assert notice.expires_at == start
        notice.next_at = start - timedelta(minutes=1)
        if hold is not None:
            notice.state, notice.hold_reason = "held", hold
    assert to_tell(school_fixture, start - timedelta(minutes=2)) == []
    assert to_tell(school_fixture, start) == [(visit_id, True)]  # also before the worker looks at the notice
    dispatch(school_fixture, start)
    assert off_notices(school_fixture, visit_id) == ["expired"]
    for later in (timedelta(0), timedelta(hours=20)):
        assert to_tell(school_fixture, start + later) == [(visit_id, True)]
    assert to_tell(school_fixture, start + timedelta(days=4)) == []


def test_a_notice_leaves_up_to_the_start_and_today_does_not_list_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id, start = cancel_long_before(school_fixture)
    dispatch(school_fixture, start - timedelta(hours=1))
    assert off_notices(school_fixture, visit_id) == ["delivered"]
    assert to_tell(school_fixture, start) == []


def test_a_notice_planned_with_a_later_expiry_does_not_leave_after_the_start(school_fixture: SchoolFixture) -> None:
    visit_id, start = cancel_long_before(school_fixture)
    with school_fixture.session() as session:  # as an older version planned it
        notice = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        notice.expires_at = start + timedelta(days=2)
    dispatch(school_fixture, start)
    assert off_notices(school_fixture, visit_id) == ["cancelled"]
    assert to_tell(school_fixture, start) == [(visit_id, True)]


def both_out(school_fixture: SchoolFixture) -> int:
    """A visit the family knows of, to which neither of the pair can come."""
    visit_id = arrange(school_fixture)
    for who in ("Grace", "Luis"):
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors[who],
                visit_id,
                school_fixture.educators[who],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
    return visit_id


def one_out(school_fixture: SchoolFixture) -> int:
    """A visit the family knows of, for which no stand-in was found."""
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


@pytest.mark.parametrize(("make", "after"), [(both_out, timedelta(0)), (one_out, timedelta(hours=5))])
def test_tidy_sends_no_notice_from_the_start_on_and_today_lists_the_visit(
    school_fixture: SchoolFixture, make: Callable[[SchoolFixture], int], after: timedelta
) -> None:
    visit_id = make(school_fixture)
    now = at_the_start(school_fixture, visit_id) + after
    assert tidy(school_fixture, now) == 1
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"
    assert off_notices(school_fixture, visit_id) == []
    assert not [state for _template, state in texts(school_fixture, visit_id) if state != "cancelled"]
    assert to_tell(school_fixture, now) == [(visit_id, True)]


@pytest.mark.parametrize("make", [both_out, one_out])
def test_tidy_sends_a_notice_just_before_the_start(
    school_fixture: SchoolFixture, make: Callable[[SchoolFixture], int]
) -> None:
    visit_id = make(school_fixture)
    assert tidy(school_fixture, at_the_start(school_fixture, visit_id) - timedelta(minutes=1)) == 1
    assert off_notices(school_fixture, visit_id) == ["queued"]


@pytest.mark.parametrize(
    ("reporters", "state"), [((), "not_held"), (("Grace",), "cancelled_by_educator")], ids=["no report", "one report"]
)
def test_tidy_closes_a_visit_that_was_not_reported_on_in_time_without_a_message(
    school_fixture: SchoolFixture, reporters: tuple[str, ...], state: str
) -> None:
    visit_id = arrange(school_fixture)
    for who in reporters:
        report(school_fixture, visit_id, who)
    late = at_the_start(school_fixture, visit_id) + timedelta(days=school_fixture.policy.latest_log_days, minutes=1)
    assert tidy(school_fixture, late) == 1
    assert visit_of(school_fixture, visit_id).state == state
    assert off_notices(school_fixture, visit_id) == []
    assert to_tell(school_fixture, late) == []


def test_the_database_refuses_not_held_before_the_start_and_after_a_report(school_fixture: SchoolFixture) -> None:
    """The action refuses first; this is the guard behind it."""
    early, reported = arrange(school_fixture), arrange(school_fixture, family="Smith", at=school_fixture.time_at(8, 16))
    report(school_fixture, reported, "Grace")
    for visit_id, closed_at in ((early, school_fixture.now), (reported, visit_of(school_fixture, reported).ends_at)):
        with pytest.raises(DBAPIError, match="homevisits: visit not_held"), school_fixture.session() as session:
            visit = session.get_one(Visit, visit_id)
            visit.state, visit.closed_at = "not_held", closed_at
            session.flush()
