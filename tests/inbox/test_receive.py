"""Processing of incoming messages: answers, opt-outs, help, and messages that need a person."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from homevisits.core.problems import NotFound
from homevisits.draws.rules import Method
from homevisits.inbox import processing
from homevisits.inbox.parsing.keywords import Intent
from homevisits.inbox.processing import ReceivedMessage
from homevisits.inbox.today import queries
from homevisits.invitations import actions as invitations
from homevisits.invitations import queue
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.providers.console import Console
from homevisits.messages.recipients import opt_outs
from homevisits.people.models import Caregiver, District, Family, School, Student
from homevisits.visits import actions as visits
from homevisits.visits.actions import BookingRequest
from homevisits.visits.models import Visit
from tests.factories.large_school import NOW, LargeSchool, family_phone
from tests.factories.school import POLICY, SchoolFixture
from tests.messages.conftest import make_sender

SEND_POLICY = SendPolicy(Limits(per_day=1000, per_week=1000), "America/Denver")


def receive_text(
    large_school: LargeSchool | SchoolFixture,
    body: str,
    number: int = 2,
    provider_message_id: str = "",
    now: datetime = NOW,
) -> Intent:
    """Receive `body` from family `number`, or from the Smiths in the test school."""
    with large_school.database.transaction() as session:
        count = session.scalar(select(func.count()).select_from(Row)) or 0
        phone = family_phone(number) if isinstance(large_school, LargeSchool) else large_school.phones["Smith"]
        inbound = ReceivedMessage(provider_message_id or f"SM{count}", phone, "+15555550199", body)
        return processing.receive_message(session, inbound, POLICY, now)


def ask_everyone(large_school: LargeSchool) -> dict[str, int]:
    """Invite every family and send the messages; return the invitation of each family."""
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    with large_school.database.transaction() as session:
        invited = invitations.ask_next(session, large_school.coordinator, draw_id, 50, NOW)
    dispatch(large_school)
    return {invitation.family: invitation.invitation_id for invitation in invited}


def dispatch(large_school: LargeSchool | SchoolFixture, now: datetime = NOW) -> None:
    """Send every message that is due."""
    with large_school.database.transaction() as session:
        make_sender(session, "console", "console")
    dispatcher.dispatch_due(large_school.database, (Console(),), SEND_POLICY, lambda: now)


def list_consent_entries(large_school: LargeSchool | SchoolFixture) -> list[tuple[str, str, int | None]]:
    with large_school.database.reading() as session:
        rows = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id))
        return [(row.answer, row.how, row.recorded_by) for row in rows]


def sent_templates(large_school: LargeSchool, number: int = 2) -> list[str]:
    """Templates of the messages that family `number` received or will receive."""
    with large_school.database.reading() as session:
        rows = session.execute(
            select(OutgoingMessage.template, OutgoingMessage.state)
            .where(OutgoingMessage.phone == family_phone(number))
            .order_by(OutgoingMessage.id)
        )
        return [template for template, state in rows if state in ("queued", "accepted", "delivered")]


def test_reply_is_recorded_in_the_consent_ledger_and_answered(large_school: LargeSchool) -> None:
    invitation_ids = ask_everyone(large_school)
    replies = {2: ("1", "yes"), 5: ("Sí", "yes"), 6: ("2", "other_time"), 7: ("3", "not_now"), 8: ("NO", "not_now")}
    replies[9] = ("9", "call_me")
    for number, (body, _answer) in replies.items():
        receive_text(large_school, body, number)
    assert list_consent_entries(large_school) == [(answer, "text", None) for _body, answer in replies.values()]
    for number, (_body, answer) in replies.items():
        assert sent_templates(large_school, number) == ["invitation", f"invitation_{answer}"]
    with large_school.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id)).first()
        assert entry is not None
        assert (entry.invitation_id, entry.evidence) == (invitation_ids["Family 02"], "inbound:1")
        assert session.get_one(Caregiver, entry.caregiver_id).phone == family_phone(2)


def test_reply_is_in_the_familys_language(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    receive_text(large_school, "1", number=1)
    with large_school.database.reading() as session:
        reply = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "invitation_yes")).one()
        assert reply.body.startswith("¡Gracias!")


def test_message_delivered_twice_is_recorded_once(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    for _ in range(3):
        receive_text(large_school, "1", provider_message_id="SMsame")
    assert len(list_consent_entries(large_school)) == 1
    assert sent_templates(large_school) == ["invitation", "invitation_yes"]


def test_stop_opts_out_at_once_with_a_single_confirmation(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    stop_words = ("STOP", "stopall", "Unsubscribe", "CANCEL", "END", "ALTO", "Basta!", "no más")
    for number, word in enumerate(stop_words, start=5):
        receive_text(large_school, "1", number)
        receive_text(large_school, word, number)
        receive_text(large_school, word, number)
        assert sent_templates(large_school, number) == ["invitation", "stop_confirmed"], word
    dispatch(large_school)
    with large_school.database.reading() as session:
        assert not any(opt_outs.may_receive(session, family_phone(number)) for number in range(5, 13))
        assert opt_outs.may_receive(session, family_phone(2))
        sent = session.scalars(select(OutgoingMessage.template).where(OutgoingMessage.state == "delivered")).all()
        assert list(sent).count("stop_confirmed") == len(stop_words)
    assert list_consent_entries(large_school) == [("yes", "text", None)] * len(stop_words)


def test_start_lifts_the_familys_own_opt_out(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    receive_text(large_school, "STOP")
    receive_text(large_school, "START")
    receive_text(large_school, "START")
    assert sent_templates(large_school) == ["invitation", "stop_confirmed", "start_confirmed"]
    receive_text(large_school, "1")
    assert sent_templates(large_school)[-1] == "invitation_yes"


def test_repeated_help_is_answered_once_even_after_a_stop(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    receive_text(large_school, "STOP")
    for _ in range(3):
        receive_text(large_school, "HELP")
    assert sent_templates(large_school) == ["invitation", "stop_confirmed", "help"]


def test_answer_without_open_question_gets_nothing_to_answer(large_school: LargeSchool) -> None:
    receive_text(large_school, "1")
    assert sent_templates(large_school) == ["nothing_to_answer"]
    with large_school.database.reading() as session:
        assert [row.body for row in queries.messages_to_read(session, large_school.coordinator)] == ["1"]


@pytest.mark.parametrize(
    ("body", "template"), [("STOP", "stop_confirmed"), ("HELP", "help"), ("Who is this?", "unclear")]
)
def test_reply_names_the_school(large_school: LargeSchool, body: str, template: str) -> None:
    receive_text(large_school, body)
    with large_school.database.reading() as session:
        reply = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == template)).one()
        school = session.scalar(select(School.name).join(Student).join(Family).where(Family.name == "Family 02"))
        assert school
        assert school in reply.body


def test_reply_to_unknown_number_names_the_district(large_school: LargeSchool) -> None:
    receive_text(large_school, "HELP", number=999)
    with large_school.database.reading() as session:
        reply = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "help")).one()
        district = session.scalar(select(District.name))
        assert district
        assert district in reply.body


def test_help_in_a_language_without_approved_texts_reaches_a_person(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        session.execute(update(Family).values(language="so"))
    receive_text(large_school, "HELP")
    with large_school.database.reading() as session:
        assert [row.body for row in queries.messages_to_read(session, large_school.coordinator)] == ["HELP"]
    assert sent_templates(large_school) == []


def test_unclear_message_needs_a_person_and_a_machine_gets_limited_replies(large_school: LargeSchool) -> None:
    ask_everyone(large_school)
    for _ in range(5):
        receive_text(large_school, "Who is this?")
    assert sent_templates(large_school) == ["invitation", "unclear"]
    with large_school.database.transaction() as session:
        waiting = queries.messages_to_read(session, large_school.coordinator)
        assert [row.body for row in waiting] == ["Who is this?"] * 5
        assert waiting[0].families == ("Family 02",)
        assert queries.messages_to_read(session, large_school.other_coordinator) == []
        with pytest.raises(NotFound):
            processing.mark_handled(session, large_school.other_coordinator, waiting[0].id, NOW)
        processing.mark_handled(session, large_school.coordinator, waiting[0].id, NOW)
        session.flush()
        assert len(queries.messages_to_read(session, large_school.coordinator)) == 4


def test_answer_without_a_question_needs_a_person(large_school: LargeSchool) -> None:
    receive_text(large_school, "1")
    assert list_consent_entries(large_school) == []
    with large_school.database.reading() as session:
        assert len(queries.messages_to_read(session, large_school.coordinator)) == 1


def test_message_from_an_unknown_number_reaches_every_coordinator(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        processing.receive_message(
            session, ReceivedMessage("SMx", "+15555559999", "+15555550199", "Hello?"), POLICY, NOW
        )
        for coordinator in (large_school.coordinator, large_school.other_coordinator):
            assert [row.families for row in queries.messages_to_read(session, coordinator)] == [()]


def test_call_requests_and_families_without_messages_are_calls_until_answered(large_school: LargeSchool) -> None:
    invitation_ids = ask_everyone(large_school)
    receive_text(large_school, "9", number=2)
    receive_text(large_school, "2", number=5)
    receive_text(large_school, "1", number=6)
    with large_school.database.transaction() as session:
        calls = {row.family: row.reason for row in queries.families_to_call(session, large_school.coordinator, NOW)}
        assert calls == {
            "Family 02": "call_me",
            "Family 05": "other_time",
            "Family 03": "no_text",
            "Family 04": "no_text",
        }
        assert queries.families_to_call(session, large_school.other_coordinator, NOW) == []
        invitations.record_answer(
            session, large_school.coordinator, invitation_ids["Family 02"], "yes", how="phone", now=NOW
        )
        invitations.record_answer(
            session, large_school.coordinator, invitation_ids["Family 03"], "not_now", how="phone", now=NOW
        )
        session.flush()
        remaining = {row.family for row in queries.families_to_call(session, large_school.coordinator, NOW)}
        assert remaining == {"Family 04", "Family 05"}


def arrange_visit(school_fixture: SchoolFixture) -> int:
    """Book a visit of Grace and Luis to the Smiths and send the family's message."""
    request = BookingRequest(
        school_fixture.families["Smith"], school_fixture.educators["Luis"], school_fixture.time_at(8, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = visits.book(session, school_fixture.actors["Grace"], request, POLICY, NOW).id
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, NOW)
    dispatch(school_fixture)
    return visit_id


def visit_state(school_fixture: SchoolFixture, visit_id: int) -> str:
    with school_fixture.database.reading() as session:
        return session.get_one(Visit, visit_id).state


@pytest.mark.parametrize(
    ("body", "expected_state", "reply"),
    [
        ("1", "confirmed", "visit_confirmed"),
        ("2", "cancelled_by_family", "visit_other_time"),
        ("3", "cancelled_by_family", "visit_ended_by_family"),
        ("9", "scheduled", "visit_call_me"),
    ],
)
def test_reply_to_a_visit_question_takes_effect_at_once(
    school_fixture: SchoolFixture, body: str, expected_state: str, reply: str
) -> None:
    visit_id = arrange_visit(school_fixture)
    receive_text(school_fixture, body)
    assert visit_state(school_fixture, visit_id) == expected_state
    with school_fixture.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        assert entry is not None
        assert entry.visit_id == visit_id
        assert reply in session.scalars(select(OutgoingMessage.template)).all()
        closed = session.get_one(Invitation, entry.invitation_id).closed_at
        assert (closed is not None) is (body == "3")


def test_opt_out_keyword_never_changes_a_visit_but_creates_a_call(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    receive_text(school_fixture, "CANCEL")
    assert visit_state(school_fixture, visit_id) == "scheduled"
    with school_fixture.database.reading() as session:
        (waiting,) = queries.messages_to_read(session, school_fixture.actors["coordinator"])
        assert waiting.stopped
        queued = select(OutgoingMessage.template).where(OutgoingMessage.state == "queued")
        assert session.scalars(queued).all() == ["stop_confirmed"]


def test_late_yes_to_a_cancelled_visit_needs_a_person(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    with school_fixture.session() as session:
        visits.cancel(session, school_fixture.actors["Grace"], visit_id, POLICY, NOW)
    receive_text(school_fixture, "1", now=NOW + timedelta(minutes=1))
    assert visit_state(school_fixture, visit_id) == "cancelled_by_educator"
    with school_fixture.database.reading() as session:
        assert len(queries.messages_to_read(session, school_fixture.actors["coordinator"])) == 1


def test_no_after_a_cancelled_visit_is_answered_and_closes_the_invitation(school_fixture: SchoolFixture) -> None:
    arrange_visit(school_fixture)
    receive_text(school_fixture, "2", now=NOW + timedelta(minutes=1))
    receive_text(school_fixture, "3", now=NOW + timedelta(minutes=2))
    with school_fixture.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        assert entry is not None
        assert entry.answer == "not_now"
        assert session.get_one(Invitation, entry.invitation_id).closed_at is not None
        sent = session.scalars(select(OutgoingMessage.template).order_by(OutgoingMessage.id)).all()
        assert sent[-1] == "invitation_not_now"
        assert "unclear" not in sent
        assert queries.messages_to_read(session, school_fixture.actors["coordinator"]) == []


def test_no_recorded_by_staff_cancels_the_visit_at_once(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    with school_fixture.session() as session:
        coordinator = school_fixture.actors["coordinator"]
        invitations.record_answer(
            session, coordinator, school_fixture.invitations["Smith"], Answer.WITHDRAWN, how="phone", now=NOW
        )
        visits.apply_withdrawals(session, POLICY, NOW)
        assert (
            queue.get_invitation(session, coordinator, school_fixture.invitations["Smith"], NOW).answer == "withdrawn"
        )
    assert visit_state(school_fixture, visit_id) == "cancelled_by_family"


def test_visit_without_a_partner_is_listed_on_today(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    with school_fixture.session() as session:
        assert queries.visits_without_partner(session, school_fixture.actors["coordinator"]) == []
        visits.cannot_come(
            session, school_fixture.actors["Luis"], visit_id, school_fixture.educators["Luis"], policy=POLICY, now=NOW
        )
    with school_fixture.database.reading() as session:
        assert [
            row.visit_id for row in queries.visits_without_partner(session, school_fixture.actors["coordinator"])
        ] == [visit_id]


def test_undelivered_question_becomes_a_call(large_school: LargeSchool) -> None:
    invitation_ids = ask_everyone(large_school)
    final_states = {"Family 02": "rejected", "Family 05": "expired", "Family 06": "suppressed", "Family 07": "unknown"}
    with large_school.database.transaction() as session:
        for family, final_state in final_states.items():
            subject = f"invitation:{invitation_ids[family]}"
            session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == subject)).one().state = final_state
    with large_school.database.reading() as session:
        calls = {row.family for row in queries.families_to_call(session, large_school.coordinator, NOW)}
        assert calls == {*final_states, "Family 03", "Family 04"}


def test_call_about_an_upcoming_visit_names_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    receive_text(school_fixture, "9")
    with school_fixture.database.reading() as session:
        (call,) = queries.families_to_call(session, school_fixture.actors["coordinator"], NOW)
        assert (call.visit_id, call.reason, call.phone) == (visit_id, "call_me", school_fixture.phones["Smith"])


def test_visit_without_a_message_becomes_a_call(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    coordinator = school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        assert queries.visits_not_communicated(session, coordinator, NOW) == []
        for row in session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}")):
            row.state = "suppressed"
    with school_fixture.database.reading() as session:
        assert [row.visit_id for row in queries.visits_not_communicated(session, coordinator, NOW)] == [visit_id]
        assert queries.visits_not_communicated(session, coordinator, NOW + timedelta(days=30)) == []


@pytest.mark.parametrize(
    ("state", "next_in", "is_communicated"),
    [
        ("delivered", 0, True),
        ("queued", 0, True),
        ("held", 30, False),  # quiet days hold the message until after the visit
        ("suppressed", 0, False),
        ("expired", 0, False),
        ("dead", 0, True),  # it is listed with the failed messages
    ],
)
def test_cancellation_not_delivered_in_time_becomes_a_call(
    school_fixture: SchoolFixture, state: str, next_in: int, is_communicated: bool
) -> None:
    visit_id = arrange_visit(school_fixture)
    with school_fixture.session() as session:
        visits.cancel(session, school_fixture.actors["coordinator"], visit_id, POLICY, NOW)
        row = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        row.state, row.next_at = state, NOW + timedelta(days=next_in)
        assert row.expires_at >= session.get_one(Visit, visit_id).starts_at
    with school_fixture.database.reading() as session:
        listed = queries.visits_not_communicated(session, school_fixture.actors["coordinator"], NOW)
        assert [(row.visit_id, row.off) for row in listed] == ([] if is_communicated else [(visit_id, True)])
        assert (
            queries.visits_not_communicated(session, school_fixture.actors["coordinator"], NOW + timedelta(days=30))
            == []
        )


@pytest.mark.parametrize("restriction", [{"restricted": True}, {"left_on": NOW.date()}])
def test_yes_of_a_restricted_caregiver_needs_a_person_and_is_not_recorded(
    large_school: LargeSchool, restriction: dict[str, object]
) -> None:
    ask_everyone(large_school)
    with large_school.database.transaction() as session:
        session.execute(update(Caregiver).where(Caregiver.phone == family_phone(2)).values(**restriction))
    receive_text(large_school, "1")
    assert list_consent_entries(large_school) == []
    with large_school.database.reading() as session:
        assert session.scalars(select(Row.needs_staff)).all() == [True]
    receive_text(large_school, "3")
    assert [answer for answer, *_ in list_consent_entries(large_school)] == ["not_now"]
