"""Matching of answers to open questions: shared phones, moved visits, choices and repetitions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest
from sqlalchemy import select, update

from homevisits.core.access import Grant, Role
from homevisits.inbox import processing
from homevisits.inbox.models import Conversation, PendingChoice
from homevisits.inbox.parsing.keywords import Intent
from homevisits.inbox.processing import ReceivedMessage
from homevisits.inbox.today import queries
from homevisits.invitations import actions as invitations
from homevisits.invitations.models import ConsentEntry, Invitation
from homevisits.messages import outbox
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.models import MessageAlert, OutgoingMessage
from homevisits.messages.providers.console import Console
from homevisits.people.models import Caregiver, Family, School, Student
from homevisits.visits import actions as visits
from homevisits.visits.actions import BookingRequest
from homevisits.visits.models import Visit
from homevisits.visits.send_checks import reason_not_to_send
from tests.factories.school import NOW, POLICY, SchoolFixture
from tests.messages.conftest import make_send_policy, make_sender, planned_message

SEND_CHECKS: Mapping[str, object] = MappingProxyType({"visit": reason_not_to_send})


@dataclass
class Phone:
    """The Smiths' phone; each message advances the clock by a minute."""

    school_fixture: SchoolFixture
    now: datetime = NOW
    received: list[int] = field(default_factory=list)

    @property
    def number(self) -> str:
        return self.school_fixture.phones["Smith"]

    def send_text(self, body: str, *, after: timedelta = timedelta(minutes=1)) -> Intent:
        """Receive `body` from the phone and send the replies."""
        self.now += after
        text = ReceivedMessage(f"SM{len(self.received)}", self.number, "+15555550199", body)
        self.received.append(1)
        with self.school_fixture.session() as session:
            intent = processing.receive_message(session, text, POLICY, self.now)
        self.dispatch()
        return intent

    def dispatch(self) -> None:
        """Send the due messages with the checks of a worker."""
        with self.school_fixture.session() as session:
            make_sender(session, "console", "console")
        dispatcher.dispatch_due(
            self.school_fixture.database, (Console(),), make_send_policy(checks=SEND_CHECKS), lambda: self.now
        )

    def sent_templates(self) -> list[str]:
        """Templates of the messages sent to the phone, in order."""
        with self.school_fixture.database.reading() as session:
            query = select(OutgoingMessage.template).where(
                OutgoingMessage.phone == self.number, OutgoingMessage.sent_at.is_not(None)
            )
            return list(session.scalars(query.order_by(OutgoingMessage.sent_at, OutgoingMessage.id)))

    def last_body(self) -> str:
        """Body of the last message sent to the phone."""
        with self.school_fixture.database.reading() as session:
            query = select(OutgoingMessage.body).where(
                OutgoingMessage.phone == self.number, OutgoingMessage.sent_at.is_not(None)
            )
            return (
                session.scalars(query.order_by(OutgoingMessage.sent_at.desc(), OutgoingMessage.id.desc())).first() or ""
            )

    def last_received(self) -> Row:
        """The last message received."""
        with self.school_fixture.database.reading() as session:
            query = session.scalars(select(Row).order_by(Row.id.desc()).limit(1)).one()
            session.expunge(query)
            return query

    def visit_state(self, visit_id: int) -> str:
        """State of a visit."""
        with self.school_fixture.database.reading() as session:
            return session.get_one(Visit, visit_id).state


def arrange_visit(phone: Phone, family: str, partner: str, day: int, lead: str = "Grace") -> int:
    """Book a visit, accept it and send the family's message."""
    school_fixture = phone.school_fixture
    request = BookingRequest(
        school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = visits.book(session, school_fixture.actors[lead], request, POLICY, phone.now).id
        visits.accept(session, school_fixture.actors[partner], visit_id, POLICY, phone.now)
    phone.dispatch()
    return visit_id


@pytest.fixture
def phone(school_fixture: SchoolFixture) -> Phone:
    return Phone(school_fixture)


@pytest.fixture
def shared_phone(school_fixture: SchoolFixture) -> Phone:
    """One phone for two families: the Riveras have the Smiths' number."""
    with school_fixture.session() as session:
        query = update(Caregiver).where(Caregiver.id == school_fixture.caregivers["Rivera"])
        session.execute(query.values(phone=school_fixture.phones["Smith"]))
        session.execute(update(Family).values(language="en"))
    return Phone(school_fixture)


def test_trap_8_phone_with_two_open_questions_is_asked_which_and_answer_is_kept(shared_phone: Phone) -> None:
    first = arrange_visit(shared_phone, "Smith", "Luis", 8)
    second = arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("1")
    assert shared_phone.visit_state(first) == shared_phone.visit_state(second) == "scheduled"
    assert shared_phone.sent_templates()[-1] == "which"
    # The newest question is listed first, by teacher, school and day and without any family name.
    assert (
        "1. Grace Test, Lincoln Elementary, Mon, Oct 12; 2. Grace Test, Lincoln Elementary, Thu, Oct 8"
        in shared_phone.last_body()
    )
    shared_phone.send_text("2")
    assert shared_phone.visit_state(first) == "confirmed"
    assert shared_phone.visit_state(second) == "scheduled"
    assert shared_phone.sent_templates()[-1] == "visit_confirmed"
    # The first question is answered, so the next answer belongs to the second.
    shared_phone.send_text("3")
    assert shared_phone.visit_state(second) == "cancelled_by_family"
    assert shared_phone.visit_state(first) == "confirmed"
    with shared_phone.school_fixture.database.reading() as session:
        (choice,) = session.scalars(select(PendingChoice))
        assert (choice.answer, choice.chosen, json.loads(choice.options)) == (
            "yes",
            f"visit:{first}",
            [f"visit:{second}", f"visit:{first}"],
        )
        entry = session.scalars(select(ConsentEntry).where(ConsentEntry.visit_id == first)).one()
        assert (entry.answer, entry.evidence) == ("confirmed", "inbound:1")  # the message that contained the answer


def test_trap_8_which_question_contains_no_child_or_family_name(shared_phone: Phone) -> None:
    arrange_visit(shared_phone, "Smith", "Luis", 8)
    arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("2")
    for name in ("Kid", "Rivera", "Smith", "Ana"):
        assert name not in shared_phone.last_body()


def test_message_that_is_not_a_choice_number_is_parsed_as_usual(shared_phone: Phone) -> None:
    first = arrange_visit(shared_phone, "Smith", "Luis", 8)
    second = arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("1")
    shared_phone.send_text("What do you mean?")
    assert shared_phone.last_received().needs_staff
    shared_phone.send_text("9")  # a call request needs no choice
    assert shared_phone.sent_templates()[-1] == "visit_call_me"
    assert shared_phone.visit_state(first) == shared_phone.visit_state(second) == "scheduled"


def test_newer_answer_replaces_the_stored_answer(shared_phone: Phone) -> None:
    first = arrange_visit(shared_phone, "Smith", "Luis", 8)
    arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("1")
    shared_phone.send_text("3")  # "3" is not a choice here, so it is a new answer
    assert shared_phone.sent_templates()[-2:] == ["which", "which"]
    shared_phone.send_text("2")
    assert shared_phone.visit_state(first) == "cancelled_by_family"


def test_choice_unanswered_for_a_day_needs_a_person(shared_phone: Phone) -> None:
    first = arrange_visit(shared_phone, "Smith", "Luis", 8)
    arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("1")
    later = shared_phone.now + timedelta(hours=25)
    assert (
        processing.process_waiting(shared_phone.school_fixture.database, POLICY, shared_phone.now + timedelta(hours=23))
        == 0
    )
    assert processing.process_waiting(shared_phone.school_fixture.database, POLICY, later) == 1
    assert processing.process_waiting(shared_phone.school_fixture.database, POLICY, later) == 0
    with shared_phone.school_fixture.database.reading() as session:
        assert session.scalars(select(Row.needs_staff)).all() == [True]
        assert session.scalars(select(Conversation.waiting_since)).one() is not None
    assert shared_phone.visit_state(first) == "scheduled"


def test_trap_7_stop_during_a_choice_opts_out_and_stored_answer_needs_a_person(shared_phone: Phone) -> None:
    first = arrange_visit(shared_phone, "Smith", "Luis", 8)
    arrange_visit(shared_phone, "Rivera", "Amina", 12)
    shared_phone.send_text("3")
    shared_phone.send_text("STOP")
    assert shared_phone.sent_templates().count("stop_confirmed") == 1
    assert shared_phone.visit_state(first) == "scheduled"
    with shared_phone.school_fixture.database.reading() as session:
        first_message = session.scalars(select(Row).order_by(Row.id)).first()
        assert first_message is not None
        assert first_message.needs_staff
        assert session.scalars(select(PendingChoice.resolved_at)).one() is not None


def test_late_1_to_a_moved_visit_gets_the_new_time_and_does_not_confirm(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    phone.now += timedelta(hours=1)
    with school_fixture.session() as session:
        visits.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(12, 17),
            policy=POLICY,
            now=phone.now,
        )
    # The partner has not accepted the new time, so the reply cannot contain it yet.
    phone.send_text("1")
    assert phone.sent_templates()[-1] == "visit_new_time_soon"
    assert phone.visit_state(visit_id) == "proposed"
    with school_fixture.session() as session:
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, phone.now)
    # The question about the new time has not been sent, so "1" can only mean the old time.
    phone.send_text("1")
    assert phone.visit_state(visit_id) == "scheduled"
    assert phone.sent_templates()[-1] == "visit_now_at"
    assert "Mon, Oct 12" in phone.last_body()
    assert "5:00 pm" in phone.last_body()
    assert phone.sent_templates().count("visit_moved") == 0  # the reply asked instead
    with school_fixture.database.reading() as session:
        assert "confirmed" not in session.scalars(select(ConsentEntry.answer)).all()
    phone.send_text("1")
    assert phone.visit_state(visit_id) == "confirmed"
    assert phone.sent_templates()[-1] == "visit_confirmed"


def test_late_2_gets_the_new_time_and_late_3_still_cancels(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    phone.now += timedelta(hours=1)
    with school_fixture.session() as session:
        visits.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(12, 17),
            policy=POLICY,
            now=phone.now,
        )
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, phone.now)
    phone.send_text("2")
    assert phone.visit_state(visit_id) == "scheduled"
    assert phone.sent_templates()[-1] == "visit_now_at"
    phone.send_text("3")
    assert phone.visit_state(visit_id) == "cancelled_by_family"


def test_1_to_the_question_about_the_new_time_confirms_it(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    phone.now += timedelta(hours=1)
    with school_fixture.session() as session:
        visits.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(12, 17),
            policy=POLICY,
            now=phone.now,
        )
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, phone.now)
    phone.dispatch()
    assert phone.sent_templates()[-1] == "visit_moved"
    phone.send_text("1")
    assert phone.visit_state(visit_id) == "confirmed"


def test_replaced_partner_at_the_same_time_does_not_make_a_yes_late(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    with school_fixture.session() as session:
        visits.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=POLICY,
            now=phone.now,
        )
        visits.replace_partner(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.educators["Amina"],
            policy=POLICY,
            now=phone.now,
        )
        visits.accept(session, school_fixture.actors["Amina"], visit_id, POLICY, phone.now)
    phone.send_text("1")
    assert phone.visit_state(visit_id) == "confirmed"
    assert "visit_now_at" not in phone.sent_templates()


def test_repeated_answer_adds_nothing_and_changed_answer_counts(phone: Phone) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    for _ in range(3):
        phone.send_text("1")
    assert phone.sent_templates().count("visit_confirmed") == 1
    with phone.school_fixture.database.reading() as session:
        answers = session.scalars(select(ConsentEntry.answer).where(ConsentEntry.visit_id == visit_id)).all()
        assert answers == ["confirmed"]
    phone.send_text("3", after=timedelta(days=1))  # "reply 3 at any time"
    assert phone.visit_state(visit_id) == "cancelled_by_family"


def test_answer_after_three_days_matches_the_only_question(phone: Phone) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 13)
    phone.send_text("1", after=timedelta(hours=80))
    assert phone.visit_state(visit_id) == "confirmed"


def test_message_received_before_the_question_was_sent_does_not_answer_it(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    with school_fixture.session() as session:
        stored = processing.store_message(session, ReceivedMessage("SMearly", phone.number, "", "1"), phone.now)
    phone.now += timedelta(minutes=5)
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    assert stored is not None
    assert processing.process_waiting(school_fixture.database, POLICY, phone.now) == 1
    assert phone.visit_state(visit_id) == "scheduled"
    assert phone.last_received().needs_staff


def test_f21_liking_our_question_needs_a_person_and_does_not_confirm(phone: Phone) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    phone.send_text("Liked “Lincoln Elementary: Grace Test and Luis Test would like to visit you. Reply 1 to confirm”")
    row = phone.last_received()
    assert (row.intent, row.needs_staff, row.answers) == ("probable_yes", True, f"visit:{visit_id}")
    assert phone.visit_state(visit_id) == "scheduled"
    with phone.school_fixture.database.reading() as session:
        assert len(queries.messages_to_read(session, phone.school_fixture.actors["coordinator"])) == 1
    phone.send_text("1")  # the digit still counts, because the reaction was not an answer
    assert phone.visit_state(visit_id) == "confirmed"


@pytest.mark.parametrize("verb", ["Gefällt mir: „{}“", "点赞了“{}”", "Perhaps liked the message “{}”"])
def test_f21_reaction_in_an_unlisted_language_is_recognized_by_the_quoted_message(phone: Phone, verb: str) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    question = phone.last_body()
    phone.send_text(verb.format(question))
    phone.send_text(verb.format(f"{question[:60]}…"))
    assert phone.last_received().intent == "tapback"
    phone.send_text("She said “I would like to visit you some day” and left")
    assert phone.last_received().intent == "unclear"
    assert phone.visit_state(visit_id) == "scheduled"


def test_two_indistinguishable_invitations_need_a_person(shared_phone: Phone) -> None:
    send_invitation(shared_phone, shared_phone.school_fixture.invitations["Smith"], "Lincoln")
    send_invitation(shared_phone, shared_phone.school_fixture.invitations["Rivera"], "Lincoln Elementary")
    shared_phone.send_text("3")
    assert shared_phone.last_received().needs_staff
    assert "which" not in shared_phone.sent_templates()
    with shared_phone.school_fixture.database.reading() as session:
        assert session.scalars(select(PendingChoice)).all() == []


def test_trap_8_children_in_two_schools_are_distinguished_by_school_and_teacher(phone: Phone) -> None:
    other_invitation_id = invite_family_at_another_school(phone)
    send_invitation(phone, phone.school_fixture.invitations["Smith"], "Lincoln Elementary")
    send_invitation(phone, other_invitation_id, "Sunset High")
    phone.send_text("3")
    assert "1. Sunset High; 2. Grace Test, Lincoln Elementary." in phone.last_body()
    phone.send_text("1")
    assert phone.sent_templates()[-1] == "invitation_not_now"
    with phone.school_fixture.database.reading() as session:
        assert session.get_one(Invitation, other_invitation_id).closed_at is not None
        assert session.get_one(Invitation, phone.school_fixture.invitations["Smith"]).closed_at is None


def invite_family_at_another_school(phone: Phone) -> int:
    """Add a second family with the same phone and a child at another school; return its invitation."""
    with phone.school_fixture.session() as session:
        school = School(source_id="s2", name="Sunset High", timezone="America/Denver")
        family = Family(key="f-other", name="Otero", language="en")
        session.add_all([school, family])
        session.flush()
        session.add_all(
            [
                Caregiver(
                    source_id="g-o",
                    family_id=family.id,
                    given_name="Eva",
                    family_name="Otero",
                    relation="aunt",
                    phone=phone.number,
                ),
                Student(
                    source_id="st-o",
                    family_id=family.id,
                    school_id=school.id,
                    given_name="Kid",
                    family_name="Otero",
                    grade="9",
                ),
            ]
        )
        session.flush()
        coordinator = phone.school_fixture.actors["coordinator"]
        other_coordinator = replace(coordinator, grants=frozenset({Grant(Role.SITE_COORDINATOR, school.id)}))
        return invitations.record_request(
            session, other_coordinator, family.id, school.id, how="phone", now=phone.now
        ).id


def send_invitation(phone: Phone, invitation_id: int, school: str) -> None:
    """Send an invitation to the phone, a minute later."""
    phone.now += timedelta(minutes=1)
    with phone.school_fixture.session() as session:
        message = planned_message(
            "ask",
            to=phone.number,
            template="invitation",
            params={"school": school},
            question=f"invitation:{invitation_id}",
        )
        outbox.put(session, f"invitation:{invitation_id}", message, phone.now)
    phone.dispatch()


def test_wrong_number_answers_nothing_and_start_restores_nothing(phone: Phone) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    phone.send_text("Sorry, wrong number")
    assert phone.sent_templates()[-1] == "wrong_number_confirmed"
    assert phone.last_received().needs_staff
    for body in ("1", "3", "START", "Wrong number!", "STOP", "START"):
        phone.send_text(body)
    assert phone.visit_state(visit_id) == "scheduled"
    assert phone.sent_templates().count("wrong_number_confirmed") == 1
    assert not {"start_confirmed", "stop_confirmed", "visit_confirmed"} & set(phone.sent_templates())


def test_wrong_number_after_a_stop_is_not_undone_by_start(phone: Phone) -> None:
    phone.send_text("STOP")
    phone.send_text("wrong number")
    phone.send_text("START")
    assert phone.sent_templates() == ["stop_confirmed"]


def test_trap_10_auto_reply_does_not_cause_an_endless_loop(phone: Phone) -> None:
    arrange_visit(phone, "Smith", "Luis", 8)
    for _ in range(30):
        phone.send_text("Auto-reply: I am out of the office.", after=timedelta(seconds=20))
    assert phone.sent_templates() == ["visit_confirm"]
    with phone.school_fixture.database.reading() as session:
        assert list(session.scalars(select(Row.needs_staff).order_by(Row.id))).count(True) == 1


def test_f16_trap_10_machine_gets_at_most_four_replies_an_hour_and_raises_an_alert(phone: Phone) -> None:
    arrange_visit(phone, "Smith", "Luis", 8)
    for index in range(40):
        phone.send_text(("START", "9", "hmm", "STOP", "HELP", "1", "what", "2")[index % 8], after=timedelta(seconds=30))
    replies = [name for name in phone.sent_templates() if name != "visit_confirm"]
    assert len(replies) <= 4 + 1  # plus the single confirmation of a stop
    assert replies.count("stop_confirmed") == 1
    assert phone.last_received().needs_staff
    with phone.school_fixture.database.reading() as session:
        assert [alert.kind for alert in session.scalars(select(MessageAlert))] == ["loop"]
        assert session.scalars(select(Conversation.waiting_since)).one() is not None


def test_no_beyond_the_loop_limit_cancels_without_a_reply(phone: Phone) -> None:
    visit_id = arrange_visit(phone, "Smith", "Luis", 8)
    for body in ("1", "9", "HELP", "what?", "9", "who?", "1"):
        phone.send_text(body)
    before = phone.sent_templates()
    phone.send_text("3")
    assert phone.visit_state(visit_id) == "cancelled_by_family"
    assert phone.sent_templates() == before


def test_polite_stop_does_not_opt_out_and_needs_a_person(phone: Phone) -> None:
    arrange_visit(phone, "Smith", "Luis", 8)
    phone.send_text("I'd rather you call me instead of texting")
    row = phone.last_received()
    assert (row.intent, row.needs_staff) == ("polite_stop", True)
    assert phone.sent_templates()[-1] == "polite_stop"
    assert "STOP" in phone.last_body()
