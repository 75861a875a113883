"""Conversations with families: waiting times, who may read and answer, and which replies are sent."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.inbox import processing
from homevisits.inbox.conversations import actions as conversations
from homevisits.inbox.conversations import resolve_unclear
from homevisits.inbox.conversations import state as conversation_state
from homevisits.inbox.conversations.actions import Draft
from homevisits.inbox.conversations.queries import detail, listing
from homevisits.inbox.models import Conversation
from homevisits.inbox.processing import ReceivedMessage
from homevisits.messages import outbox
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.models import OptOutEntry, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Caregiver, Educator, School
from homevisits.visits import actions as visits
from homevisits.visits.models import Visit
from tests.factories.school import NOW, POLICY, ZONE, SchoolFixture
from tests.shell.clients import create_account
from tests.visits.test_actions import arrange

LATER = NOW + timedelta(minutes=5)
KEY = "0123456789abcdef" * 2


@pytest.fixture
def phone(school_fixture: SchoolFixture) -> str:
    return school_fixture.phones["Rivera"]


def get_conversation(school_fixture: SchoolFixture, phone: str) -> Conversation:
    with school_fixture.session() as session:
        return session.scalars(select(Conversation).where(Conversation.phone == phone)).one()


def receive_message(
    school_fixture: SchoolFixture, body: str, family: str = "Rivera", at: datetime = NOW, phone: str | None = None
) -> int:
    """Receive a message from a family; return the ID of its conversation."""
    sender = phone or school_fixture.phones[family]
    with school_fixture.session() as session:
        provider_message_id = f"SM{session.scalar(select(func.count()).select_from(Row))}"
        processing.receive_message(
            session, ReceivedMessage(provider_message_id, sender, "+15555550199", body), POLICY, at
        )
    return get_conversation(school_fixture, sender).id


def make_draft(body: str = "Nos vemos el martes.", language: str = "es", **more: object) -> Draft:
    values: dict[str, object] = {"body": body, "canned": "", "language": language, "key": KEY, **more}
    return Draft(**values)  # type: ignore[arg-type]


def send_reply(
    school_fixture: SchoolFixture,
    conversation_id: int,
    draft: Draft,
    at: datetime = NOW,
    actor_name: str = "coordinator",
) -> OutgoingMessage:
    with school_fixture.session() as session:
        return conversations.send_answer(
            session, school_fixture.actors[actor_name], conversation_id, draft, policy=POLICY, zone=ZONE, now=at
        )


def problem_codes(
    school_fixture: SchoolFixture,
    conversation_id: int,
    draft: Draft,
    at: datetime = NOW,
    actor_name: str = "coordinator",
) -> set[str]:
    """The codes of all problems of a draft."""
    with pytest.raises(RulesBroken) as error:
        send_reply(school_fixture, conversation_id, draft, at, actor_name)
    return {problem.code for problem in error.value.problems}


def list_visible_ids(school_fixture: SchoolFixture, actor: Actor, at: datetime = NOW) -> list[int]:
    with school_fixture.session() as session:
        return [row.id for row in listing.list_conversations(session, actor, at).rows]


def read_conversation(
    school_fixture: SchoolFixture, actor: Actor, conversation_id: int, at: datetime = NOW
) -> detail.ConversationDetail:
    with school_fixture.session() as session:
        return detail.conversation_detail(session, actor, conversation_id, at)


def test_waiting_time_starts_at_the_oldest_unanswered_message(school_fixture: SchoolFixture, phone: str) -> None:
    with school_fixture.session() as session:
        conversation_state.record_incoming(session, phone, NOW, waits=False)
    assert get_conversation(school_fixture, phone).waiting_since is None
    with school_fixture.session() as session:
        conversation_state.record_incoming(session, phone, LATER, waits=True)
        conversation_state.record_incoming(session, phone, LATER + timedelta(hours=1), waits=True)
        conversation_state.record_incoming(session, phone, LATER + timedelta(hours=2), waits=False)
    conversation = get_conversation(school_fixture, phone)
    assert (conversation.waiting_since, conversation.last_at) == (LATER, LATER + timedelta(hours=2))
    with school_fixture.session() as session:
        conversation_state.record_answer(session, phone, LATER + timedelta(hours=3))
        conversation_state.record_answer(session, "+15555550199", LATER)
    conversation = get_conversation(school_fixture, phone)
    assert (conversation.waiting_since, conversation.last_at) == (None, LATER + timedelta(hours=3))


def test_coordinator_reads_families_of_their_schools_and_unknown_numbers(
    school_fixture: SchoolFixture,
) -> None:
    known, unknown = (
        receive_message(school_fixture, "¿Puede venir mi abuela?"),
        receive_message(school_fixture, "Who is this?", phone="+15555550177"),
    )
    assert set(list_visible_ids(school_fixture, school_fixture.actors["coordinator"])) == {known, unknown}
    with school_fixture.session() as session:
        other = School(source_id="s2", name="Elsewhere", timezone=ZONE)
        session.add(other)
        session.flush()
        school_id = other.id
    other_coordinator = create_account(school_fixture.database, "stranger", Grant(Role.SITE_COORDINATOR, school_id))
    assert list_visible_ids(school_fixture, other_coordinator) == [unknown]
    with pytest.raises(NotFound):
        read_conversation(school_fixture, other_coordinator, known)
    everywhere = create_account(school_fixture.database, "everywhere", Grant(Role.SITE_COORDINATOR, None))
    assert set(list_visible_ids(school_fixture, everywhere)) == {known, unknown}
    assert (
        read_conversation(school_fixture, school_fixture.actors["coordinator"], known).participants.phone
        == school_fixture.phones["Rivera"]
    )


def test_pair_reads_messages_since_the_booking_and_never_a_phone_number(
    school_fixture: SchoolFixture, phone: str
) -> None:
    conversation_id = receive_message(school_fixture, "Antes de todo", at=NOW - timedelta(days=1))
    for name in ("Grace", "Luis", "Amina"):
        assert list_visible_ids(school_fixture, school_fixture.actors[name]) == []
    arrange(school_fixture)
    assert list_visible_ids(school_fixture, school_fixture.actors["Grace"]) == []
    receive_message(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    for name in ("Grace", "Luis"):
        assert list_visible_ids(school_fixture, school_fixture.actors[name], LATER) == [conversation_id]
        page = read_conversation(school_fixture, school_fixture.actors[name], conversation_id, LATER)
        assert page.participants.phone is None
        assert page.waiting_since is not None
        assert page.waiting_since >= NOW
        bodies = [message.body for message in page.messages if not message.is_outgoing]
        assert bodies == ["¿Puede venir mi abuela?"]
    assert list_visible_ids(school_fixture, school_fixture.actors["Amina"], LATER) == []
    with pytest.raises(NotFound):
        read_conversation(school_fixture, school_fixture.actors["Amina"], conversation_id, LATER)


def test_partner_who_has_not_accepted_or_cannot_come_reads_nothing(school_fixture: SchoolFixture) -> None:
    visit = arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    with school_fixture.session() as session:
        visits.cannot_come(
            session, school_fixture.actors["Luis"], visit, school_fixture.educators["Luis"], policy=POLICY, now=LATER
        )
    assert list_visible_ids(school_fixture, school_fixture.actors["Luis"], LATER) == []
    assert list_visible_ids(school_fixture, school_fixture.actors["Grace"], LATER) == [conversation_id]


def test_pair_cannot_read_two_weeks_after_the_visit(school_fixture: SchoolFixture) -> None:
    visit = arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "Gracias", at=LATER)
    with school_fixture.session() as session:
        closed = NOW + timedelta(days=3)
        session.execute(update(Visit).where(Visit.id == visit).values(state="cancelled_by_educator", closed_at=closed))
    assert list_visible_ids(school_fixture, school_fixture.actors["Grace"], closed + timedelta(days=13)) == [
        conversation_id
    ]
    assert list_visible_ids(school_fixture, school_fixture.actors["Grace"], closed + timedelta(days=15)) == []


def test_restricted_caregiver_is_visible_to_the_office_only_and_gets_no_message(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "Hola", at=LATER)
    with school_fixture.session() as session:
        session.execute(update(Caregiver).values(restricted=True))
    assert list_visible_ids(school_fixture, school_fixture.actors["Grace"], LATER) == []
    assert problem_codes(school_fixture, conversation_id, make_draft(), LATER) == {"not_to_be_texted"}


def test_longest_wait_is_listed_first_and_more_than_a_day_is_late(school_fixture: SchoolFixture) -> None:
    new = receive_message(school_fixture, "a question", "Smith", NOW - timedelta(hours=2))
    old = receive_message(school_fixture, "una pregunta", "Rivera", NOW - timedelta(hours=24))
    done = receive_message(school_fixture, "STOP", "Nguyen", NOW - timedelta(hours=1))
    coordinator = school_fixture.actors["coordinator"]
    assert list_visible_ids(school_fixture, coordinator) == [old, new, done]
    with school_fixture.session() as session:
        rows = listing.list_conversations(session, coordinator, NOW).rows
        assert [row.late for row in rows] == [True, False, False]
        assert listing.count_waiting(session, coordinator, NOW) == listing.WaitingCounts(2, 1)
        assert rows[0].families == ("Rivera",)
        assert [row.id for row in listing.list_conversations(session, coordinator, NOW, words="smi").rows] == [new]
        assert listing.list_conversations(session, coordinator, NOW, words="%").rows == ()


def test_list_quotes_the_waiting_message_and_not_a_later_digit(school_fixture: SchoolFixture, phone: str) -> None:
    receive_message(school_fixture, "¿Puede venir mi abuela?")
    receive_message(school_fixture, "1", at=NOW + timedelta(minutes=1))
    with school_fixture.session() as session:
        session.execute(update(Row).where(Row.body == "1").values(needs_staff=False))
        (row,) = listing.list_conversations(session, school_fixture.actors["coordinator"], LATER).rows
        assert row.last_message == "¿Puede venir mi abuela?"
        session.execute(update(Row).values(needs_staff=False))
    with school_fixture.session() as session:
        (row,) = listing.list_conversations(session, school_fixture.actors["coordinator"], LATER).rows
    assert row.last_message == "1"


def test_conversation_assigned_to_a_colleague_is_readable_by_them(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    coordinator, grace, amina = (school_fixture.actors[name] for name in ("coordinator", "Grace", "Amina"))
    assert {
        colleague.name
        for colleague in read_conversation(school_fixture, coordinator, conversation_id, LATER).colleagues
    } == {
        "coordinator",
        "Grace",
        "Luis",
    }
    with school_fixture.session() as session:
        conversations.assign(session, coordinator, conversation_id, grace.account_id, LATER)
        with pytest.raises(RulesBroken):
            conversations.assign(session, coordinator, conversation_id, amina.account_id, LATER)
        assert [r.id for r in listing.list_conversations(session, grace, LATER, whose="mine").rows] == [conversation_id]
        assert listing.list_conversations(session, coordinator, LATER, whose="nobody").rows == ()
        conversations.assign(session, grace, conversation_id, None, LATER)
        assert [r.assigned for r in listing.list_conversations(session, coordinator, LATER).rows] == [None]


def test_reply_is_sent_once_and_ends_the_wait(school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=NOW - timedelta(hours=3))
    first, again = (
        send_reply(school_fixture, conversation_id, make_draft()),
        send_reply(school_fixture, conversation_id, make_draft(), LATER),
    )
    assert first.id == again.id
    assert (first.template, first.category, first.body, first.language) == (
        "written",
        "written",
        make_draft().body,
        "es",
    )
    assert first.written_by == school_fixture.actors["coordinator"].account_id
    assert first.subject == f"thread:{conversation_id}"
    assert first.school_id == school_fixture.school_id
    assert get_conversation(school_fixture, school_fixture.phones["Rivera"]).waiting_since is None
    with school_fixture.session() as session:
        assert not session.scalar(select(Row.id).where(Row.needs_staff))
    messages = read_conversation(school_fixture, school_fixture.actors["coordinator"], conversation_id).messages
    assert [(message.is_outgoing, message.by) for message in messages if message.by] == [(True, "coordinator")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "missing"),
        ("Kid Rivera viene también", "written_names_child"),
        ("rivera,  KID viene", "written_names_child"),
        ("Vamos a 1 Main Street el martes", "written_says_address"),
        ("Vamos a 1 main street", "written_says_address"),
        ("Responda SÍ", "written_asks_for_a_word"),
        ("Reply YES", "written_asks_for_a_word"),
        ("Hola {school}", "written_loose_brace"),
        ("x" * 307, "written_too_long"),
        ("Mi número es (303) 555-0188", "written_staff_number"),
    ],
)
def test_forbidden_message_content_is_refused_with_the_reason(
    school_fixture: SchoolFixture, body: str, code: str
) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    with school_fixture.session() as session:
        session.get_one(Educator, school_fixture.educators["Grace"]).phone = "+13035550188"
    assert code in problem_codes(school_fixture, conversation_id, make_draft(body))
    with school_fixture.session() as session:
        assert not session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "written")).all()


def test_first_name_times_and_long_message_are_allowed(school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    row = send_reply(
        school_fixture,
        conversation_id,
        make_draft("¿Le queda bien a Kid el martes a las 2 o 3? Así está. " + "x" * 240),
    )
    assert row.segments == 2
    assert "Asi esta" in row.body


def test_reply_within_the_hour_is_sent_at_once_and_a_later_reply_waits(
    school_fixture: SchoolFixture,
) -> None:
    at = school_fixture.time_at(5, 22)
    conversation_id = receive_message(school_fixture, "¿A qué hora?", at=at)
    with school_fixture.session() as session:
        actor = school_fixture.actors["coordinator"]
        soon = conversations.check_draft(
            session, actor, conversation_id, make_draft(), policy=POLICY, zone=ZONE, now=at + timedelta(minutes=59)
        )
        late = conversations.check_draft(
            session, actor, conversation_id, make_draft(), policy=POLICY, zone=ZONE, now=at + timedelta(minutes=61)
        )
        teacher = conversations.check_draft(
            session, actor, conversation_id, make_draft(), policy=POLICY, zone=ZONE, now=at + timedelta(hours=12)
        )
    assert (soon.category, soon.send_at, soon.can_mark_urgent) == ("reply", None, False)
    assert (late.category, late.send_at, late.can_mark_urgent) == ("written", school_fixture.time_at(6, 9), True)
    assert (teacher.category, teacher.send_at) == ("written", None)


def test_message_at_night_needs_a_named_person_and_a_reason(school_fixture: SchoolFixture) -> None:
    arrange(school_fixture)
    night = school_fixture.time_at(6, 22)
    conversation_id = receive_message(school_fixture, "Hola", at=LATER)
    assert problem_codes(school_fixture, conversation_id, make_draft(urgent_reason=" "), night) == {"missing"}
    row = send_reply(school_fixture, conversation_id, make_draft(urgent_reason="The school is closed tomorrow."), night)
    assert (row.category, row.urgent_reason) == ("urgent", "The school is closed tomorrow.")
    assert row.urgent_by == school_fixture.actors["coordinator"].account_id
    message = read_conversation(school_fixture, school_fixture.actors["Grace"], conversation_id, night).messages[-1]
    assert (message.urgent_by, message.urgent_reason) == ("coordinator", "The school is closed tomorrow.")
    pair_message = send_reply(
        school_fixture, conversation_id, make_draft(urgent_reason="Because", key="f" * 32), night, "Grace"
    )
    assert (pair_message.category, pair_message.urgent_by) == ("written", None)


def test_ready_answers_use_the_familys_language_and_another_language_warns(
    school_fixture: SchoolFixture,
) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    row = send_reply(school_fixture, conversation_id, make_draft("", canned="canned_thanks"))
    assert row.template == "canned_thanks"
    assert row.body.startswith("Gracias por avisarnos")
    assert "Lincoln Elementary" in row.body
    assert problem_codes(school_fixture, conversation_id, make_draft("", canned="visit_cancelled", key="a" * 32)) == {
        "not_a_choice"
    }
    assert problem_codes(
        school_fixture, conversation_id, make_draft("", "so", canned="canned_thanks", key="a" * 32)
    ) == {"not_a_choice"}
    with school_fixture.session() as session:
        actor = school_fixture.actors["coordinator"]
        other = conversations.check_draft(
            session, actor, conversation_id, make_draft("See you then", "en"), policy=POLICY, zone=ZONE, now=NOW
        )
        silent = conversations.check_draft(
            session,
            actor,
            conversation_id,
            make_draft("We will see you at the school"),
            policy=POLICY,
            zone=ZONE,
            now=NOW,
        )
        fine = conversations.check_draft(
            session, actor, conversation_id, make_draft("Nos vemos en la escuela"), policy=POLICY, zone=ZONE, now=NOW
        )
    assert (other.other_language, silent.seems_english, fine.seems_english) == (True, True, False)


def test_opted_out_or_landline_family_gets_no_reply(school_fixture: SchoolFixture, phone: str) -> None:
    conversation_id = receive_message(school_fixture, "STOP")
    assert problem_codes(school_fixture, conversation_id, make_draft()) == {"texting_ended"}
    with school_fixture.session() as session:
        opt_outs.opt_in(session, phone, NOW)
        session.execute(update(Phone).where(Phone.e164 == phone).values(state="landline"))
    assert problem_codes(school_fixture, conversation_id, make_draft()) == {"phone_gets_no_texts"}


def test_answer_by_other_means_is_recorded(school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "¿Puede llamarme?")
    with school_fixture.session() as session:
        conversations.mark_answered_elsewhere(session, school_fixture.actors["coordinator"], conversation_id, LATER)
    assert get_conversation(school_fixture, school_fixture.phones["Rivera"]).waiting_since is None
    with school_fixture.session() as session:
        row = session.scalars(select(Row)).one()
        assert (row.needs_staff, row.handled_by) == (False, school_fixture.actors["coordinator"].account_id)


def test_future_messages_are_not_part_of_a_conversation(school_fixture: SchoolFixture, phone: str) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    with school_fixture.session() as session:
        planned = PlannedMessage(
            "later", phone, "es", "help", {"school": "Lincoln"}, NOW + timedelta(days=2), NOW + timedelta(days=3)
        )
        outbox.put(session, "visit:1", planned, NOW)
    assert all(
        message.at <= LATER
        for message in read_conversation(
            school_fixture, school_fixture.actors["coordinator"], conversation_id, LATER
        ).messages
    )


def list_opt_out_entries(school_fixture: SchoolFixture, phone: str) -> list[tuple[str, str, str | None]]:
    with school_fixture.session() as session:
        rows = session.scalars(select(OptOutEntry).where(OptOutEntry.phone == phone).order_by(OptOutEntry.id))
        return [(row.entry, row.reason, row.how) for row in rows]


def test_opt_out_recorded_by_staff_is_lifted_only_by_staff(school_fixture: SchoolFixture, phone: str) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "Hola", at=LATER)
    grace, coordinator = school_fixture.actors["Grace"], school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        with pytest.raises(RulesBroken):
            conversations.stop_texts(session, grace, conversation_id, "shouting", LATER)
        conversations.stop_texts(session, grace, conversation_id, "in_person", LATER)
        assert session.scalars(select(OptOutEntry.by_account)).all() == [grace.account_id]
        waiting = select(OutgoingMessage.id).where(
            OutgoingMessage.phone == phone, OutgoingMessage.state.in_(("held", "queued"))
        )
        assert session.scalars(waiting).all() == []
    receive_message(school_fixture, "START", at=LATER)
    with school_fixture.session() as session:
        assert not opt_outs.may_receive(session, phone)
        with pytest.raises(NotFound):
            conversations.resume_texts(session, grace, conversation_id, "phone", LATER)
        conversations.resume_texts(session, coordinator, conversation_id, "phone", LATER)
        assert opt_outs.may_receive(session, phone)
    assert list_opt_out_entries(school_fixture, phone) == [("stop", "staff", "in_person"), ("start", "staff", "phone")]


def test_opt_out_at_the_provider_is_lifted_only_by_the_family(school_fixture: SchoolFixture, phone: str) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    with school_fixture.session() as session:
        opt_outs.opt_out(session, phone, "provider", NOW)
    with school_fixture.session() as session, pytest.raises(RulesBroken) as error:
        conversations.resume_texts(session, school_fixture.actors["coordinator"], conversation_id, "phone", NOW)
    assert [problem.code for problem in error.value.problems] == ["opted_out_at_provider"]


def settle_oldest(
    school_fixture: SchoolFixture, conversation_id: int, meaning: str, actor_name: str = "coordinator"
) -> None:
    with school_fixture.session() as session:
        row = session.scalars(select(Row).where(Row.needs_staff).order_by(Row.id).limit(1)).one()
        resolve_unclear.resolve_message(
            session, school_fixture.actors[actor_name], conversation_id, row.id, meaning, policy=POLICY, now=LATER
        )


def test_polite_stop_needs_a_decision_even_after_a_reply(school_fixture: SchoolFixture, phone: str) -> None:
    conversation_id = receive_message(school_fixture, "Please could you text me less often", "Smith")
    smith = school_fixture.phones["Smith"]
    with school_fixture.session() as session:
        assert session.scalars(select(Row.intent)).all() == ["polite_stop"]
    assert (
        read_conversation(school_fixture, school_fixture.actors["coordinator"], conversation_id).messages[0].task
        == "polite_stop"
    )
    send_reply(school_fixture, conversation_id, make_draft("Of course.", "en"))
    assert get_conversation(school_fixture, smith).waiting_since is not None
    with pytest.raises(RulesBroken):
        settle_oldest(school_fixture, conversation_id, "right")
    settle_oldest(school_fixture, conversation_id, "stop")
    assert get_conversation(school_fixture, smith).waiting_since is None
    assert list_opt_out_entries(school_fixture, smith) == [("stop", "family", "text")]
    with pytest.raises(NotFound), school_fixture.session() as session:
        resolve_unclear.resolve_message(
            session, school_fixture.actors["coordinator"], conversation_id, 1, "keep", policy=POLICY, now=LATER
        )


def test_number_marked_right_gets_messages_again_unless_opted_out_before(
    school_fixture: SchoolFixture,
) -> None:
    smith = school_fixture.phones["Smith"]
    conversation_id = receive_message(school_fixture, "Wrong number", "Smith")
    settle_oldest(school_fixture, conversation_id, "right")
    with school_fixture.session() as session:
        assert opt_outs.may_receive(session, smith)
        assert session.get_one(Phone, smith).state == "ok"
    receive_message(school_fixture, "STOP", "Smith")
    receive_message(school_fixture, "Wrong number", "Smith")
    settle_oldest(school_fixture, conversation_id, "right")
    with school_fixture.session() as session:
        assert not opt_outs.may_receive(session, smith)
        assert session.scalars(select(OptOutEntry.reason).order_by(OptOutEntry.id.desc()).limit(1)).one() == "family"


def test_liking_our_question_is_a_yes_after_a_person_confirms(school_fixture: SchoolFixture, phone: str) -> None:
    visit = arrange(school_fixture)
    with school_fixture.session() as session:
        session.execute(update(OutgoingMessage).values(state="delivered", sent_at=NOW))
    conversation_id = receive_message(school_fixture, "Le gustó “¿Le queda bien?”", at=LATER)
    with school_fixture.session() as session:
        row = session.scalars(select(Row)).one()
        intent, answers = row.intent, row.answers
        state = session.get_one(Visit, visit).state
    assert intent == "probable_yes"
    assert answers == f"visit:{visit}"
    assert state == "scheduled"
    settle_oldest(school_fixture, conversation_id, "yes", "Grace")
    with school_fixture.session() as session:
        assert session.get_one(Visit, visit).state == "confirmed"
        assert session.scalars(select(Row.intent)).all() == ["yes"]


def test_ready_answer_with_several_wordings_is_offered_once() -> None:
    offered = conversations.ready_answers("en")
    assert "canned_your_place" in offered
    assert not [name for name in offered if name.endswith(".discreet")]


def test_reply_in_an_unknown_language_or_of_excessive_length_is_refused(school_fixture: SchoolFixture) -> None:
    conversation_id = receive_message(school_fixture, "Hola")
    assert problem_codes(school_fixture, conversation_id, make_draft("no " * 1000)) == {"too_long"}
    assert problem_codes(school_fixture, conversation_id, make_draft(language="xx")) == {"not_a_choice"}


def test_reply_to_an_unknown_number_at_night_needs_the_permission_for_urgent_messages(
    school_fixture: SchoolFixture,
) -> None:
    conversation_id = receive_message(school_fixture, "Is this the school?", phone="+15555550177")
    night = school_fixture.time_at(6, 22)
    draft = make_draft("Yes, it is.", "en", urgent_reason="They asked for the school.")
    row = send_reply(school_fixture, conversation_id, draft, night)
    assert row.category == "urgent"


def test_educator_cannot_mark_a_number_as_reachable(school_fixture: SchoolFixture, phone: str) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "Hola", at=LATER)
    with school_fixture.session() as session:
        session.execute(update(Phone).where(Phone.e164 == phone).values(state="landline"))
    with school_fixture.session() as session, pytest.raises(NotFound):
        conversations.mark_reachable(session, school_fixture.actors["Grace"], conversation_id, LATER)
    with school_fixture.session() as session:
        assert session.get_one(Phone, phone).state == "landline"
