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

TEXTS: Mapping[str, object] = MappingProxyType({"visit": reason_not_to_send})


@dataclass
class Phone:
    """The Smiths' phone; each message advances the clock by a minute."""

    school_fixture: SchoolFixture
    now: datetime = NOW
    heard: list[int] = field(default_factory=list)

    @property
    def number(self) -> str:
        return self.school_fixture.phones["Smith"]

    def texts(self, body: str, *, after: timedelta = timedelta(minutes=1)) -> Intent:
        """Receive `body` from the phone and send the replies."""
        self.now += after
        text = ReceivedMessage(f"SM{len(self.heard)}", self.number, "+15555550199", body)
        self.heard.append(1)
        with self.school_fixture.session() as session:
            said = processing.receive_message(session, text, POLICY, self.now)
        self.leave()
        return said

    def leave(self) -> None:
        """Send the due messages with the checks of a worker."""
        with self.school_fixture.session() as session:
            make_sender(session, "console", "console")
        dispatcher.dispatch_due(
            self.school_fixture.database, (Console(),), make_send_policy(checks=TEXTS), lambda: self.now
        )

    def got(self) -> list[str]:
        """Templates of the messages sent to the phone, in order."""
        with self.school_fixture.database.reading() as session:
            found = select(OutgoingMessage.template).where(
                OutgoingMessage.phone == self.number, OutgoingMessage.sent_at.is_not(None)
            )
            return list(session.scalars(found.order_by(OutgoingMessage.sent_at, OutgoingMessage.id)))

    def newest(self) -> str:
        """Body of the last message sent to the phone."""
        with self.school_fixture.database.reading() as session:
            found = select(OutgoingMessage.body).where(
                OutgoingMessage.phone == self.number, OutgoingMessage.sent_at.is_not(None)
            )
            return (
                session.scalars(found.order_by(OutgoingMessage.sent_at.desc(), OutgoingMessage.id.desc())).first() or ""
            )

    def row(self) -> Row:
        """The last message received."""
        with self.school_fixture.database.reading() as session:
            found = session.scalars(select(Row).order_by(Row.id.desc()).limit(1)).one()
            session.expunge(found)
            return found

    def visit(self, visit_id: int) -> str:
        """State of a visit."""
        with self.school_fixture.database.reading() as session:
            return session.get_one(Visit, visit_id).state


def arranged(phone: Phone, family: str, partner: str, day: int, lead: str = "Grace") -> int:
    """Book a visit, accept it and send the family's message."""
    school_fixture = phone.school_fixture
    wanted = BookingRequest(
        school_fixture.families[family], school_fixture.educators[partner], school_fixture.time_at(day, 16, 30)
    )
    with school_fixture.session() as session:
        visit_id = visits.book(session, school_fixture.actors[lead], wanted, POLICY, phone.now).id
        visits.accept(session, school_fixture.actors[partner], visit_id, POLICY, phone.now)
    phone.leave()
    return visit_id


@pytest.fixture
def phone(school_fixture: SchoolFixture) -> Phone:
    return Phone(school_fixture)


@pytest.fixture
def shared(school_fixture: SchoolFixture) -> Phone:
    """One phone for two families: the Riveras have the Smiths' number."""
    with school_fixture.session() as session:
        same = update(Caregiver).where(Caregiver.id == school_fixture.caregivers["Rivera"])
        session.execute(same.values(phone=school_fixture.phones["Smith"]))
        session.execute(update(Family).values(language="en"))
    return Phone(school_fixture)


def test_trap_8_phone_with_two_open_questions_is_asked_which_and_answer_is_kept(shared: Phone) -> None:
    first = arranged(shared, "Smith", "Luis", 8)
    second = arranged(shared, "Rivera", "Amina", 12)
    shared.texts("1")
    assert shared.visit(first) == shared.visit(second) == "scheduled"
    assert shared.got()[-1] == "which"
    # The newest question is listed first, by teacher, school and day and without any family name.
    assert (
        "1. Grace Test, Lincoln Elementary, Mon, Oct 12; 2. Grace Test, Lincoln Elementary, Thu, Oct 8"
        in shared.newest()
    )
    shared.texts("2")
    assert shared.visit(first) == "confirmed"
    assert shared.visit(second) == "scheduled"
    assert shared.got()[-1] == "visit_confirmed"
    # The first question is answered, so the next answer belongs to the second.
    shared.texts("3")
    assert shared.visit(second) == "cancelled_by_family"
    assert shared.visit(first) == "confirmed"
    with shared.school_fixture.database.reading() as session:
        (choice,) = session.scalars(select(PendingChoice))
        assert (choice.said, choice.chosen, json.loads(choice.options)) == (
            "yes",
            f"visit:{first}",
            [f"visit:{second}", f"visit:{first}"],
        )
        entry = session.scalars(select(ConsentEntry).where(ConsentEntry.visit_id == first)).one()
        assert (entry.answer, entry.evidence) == ("confirmed", "inbound:1")  # the message that contained the answer


def test_trap_8_which_question_contains_no_child_or_family_name(shared: Phone) -> None:
    arranged(shared, "Smith", "Luis", 8)
    arranged(shared, "Rivera", "Amina", 12)
    shared.texts("2")
    for name in ("Kid", "Rivera", "Smith", "Ana"):
        assert name not in shared.newest()


def test_message_that_is_not_a_choice_number_is_parsed_as_usual(shared: Phone) -> None:
    first = arranged(shared, "Smith", "Luis", 8)
    second = arranged(shared, "Rivera", "Amina", 12)
    shared.texts("1")
    shared.texts("What do you mean?")
    assert shared.row().needs_person
    shared.texts("9")  # a call request needs no choice
    assert shared.got()[-1] == "visit_call_me"
    assert shared.visit(first) == shared.visit(second) == "scheduled"


def test_newer_answer_replaces_the_stored_answer(shared: Phone) -> None:
    first = arranged(shared, "Smith", "Luis", 8)
    arranged(shared, "Rivera", "Amina", 12)
    shared.texts("1")
    shared.texts("3")  # "3" is not a choice here, so it is a new answer
    assert shared.got()[-2:] == ["which", "which"]
    shared.texts("2")
    assert shared.visit(first) == "cancelled_by_family"


def test_choice_unanswered_for_a_day_needs_a_person(shared: Phone) -> None:
    first = arranged(shared, "Smith", "Luis", 8)
    arranged(shared, "Rivera", "Amina", 12)
    shared.texts("1")
    later = shared.now + timedelta(hours=25)
    assert processing.process_waiting(shared.school_fixture.database, POLICY, shared.now + timedelta(hours=23)) == 0
    assert processing.process_waiting(shared.school_fixture.database, POLICY, later) == 1
    assert processing.process_waiting(shared.school_fixture.database, POLICY, later) == 0
    with shared.school_fixture.database.reading() as session:
        assert session.scalars(select(Row.needs_person)).all() == [True]
        assert session.scalars(select(Conversation.waiting_since)).one() is not None
    assert shared.visit(first) == "scheduled"


def test_trap_7_stop_during_a_choice_opts_out_and_stored_answer_needs_a_person(shared: Phone) -> None:
    first = arranged(shared, "Smith", "Luis", 8)
    arranged(shared, "Rivera", "Amina", 12)
    shared.texts("3")
    shared.texts("STOP")
    assert shared.got().count("stop_confirmed") == 1
    assert shared.visit(first) == "scheduled"
    with shared.school_fixture.database.reading() as session:
        first_said = session.scalars(select(Row).order_by(Row.id)).first()
        assert first_said is not None
        assert first_said.needs_person
        assert session.scalars(select(PendingChoice.resolved_at)).one() is not None


def test_late_1_to_a_moved_visit_gets_the_new_time_and_does_not_confirm(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arranged(phone, "Smith", "Luis", 8)
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
    phone.texts("1")
    assert phone.got()[-1] == "visit_new_time_soon"
    assert phone.visit(visit_id) == "proposed"
    with school_fixture.session() as session:
        visits.accept(session, school_fixture.actors["Luis"], visit_id, POLICY, phone.now)
    # The question about the new time has not been sent, so "1" can only mean the old time.
    phone.texts("1")
    assert phone.visit(visit_id) == "scheduled"
    assert phone.got()[-1] == "visit_now_at"
    assert "Mon, Oct 12" in phone.newest()
    assert "5:00 pm" in phone.newest()
    assert phone.got().count("visit_moved") == 0  # the reply asked instead
    with school_fixture.database.reading() as session:
        assert "confirmed" not in session.scalars(select(ConsentEntry.answer)).all()
    phone.texts("1")
    assert phone.visit(visit_id) == "confirmed"
    assert phone.got()[-1] == "visit_confirmed"


def test_late_2_gets_the_new_time_and_late_3_still_cancels(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arranged(phone, "Smith", "Luis", 8)
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
    phone.texts("2")
    assert phone.visit(visit_id) == "scheduled"
    assert phone.got()[-1] == "visit_now_at"
    phone.texts("3")
    assert phone.visit(visit_id) == "cancelled_by_family"


def test_1_to_the_question_about_the_new_time_confirms_it(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arranged(phone, "Smith", "Luis", 8)
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
    phone.leave()
    assert phone.got()[-1] == "visit_moved"
    phone.texts("1")
    assert phone.visit(visit_id) == "confirmed"


def test_replaced_partner_at_the_same_time_does_not_make_a_yes_late(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    visit_id = arranged(phone, "Smith", "Luis", 8)
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
    phone.texts("1")
    assert phone.visit(visit_id) == "confirmed"
    assert "visit_now_at" not in phone.got()


def test_repeated_answer_adds_nothing_and_changed_answer_counts(phone: Phone) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 8)
    for _ in range(3):
        phone.texts("1")
    assert phone.got().count("visit_confirmed") == 1
    with phone.school_fixture.database.reading() as session:
        said = session.scalars(select(ConsentEntry.answer).where(ConsentEntry.visit_id == visit_id)).all()
        assert said == ["confirmed"]
    phone.texts("3", after=timedelta(days=1))  # "reply 3 at any time"
    assert phone.visit(visit_id) == "cancelled_by_family"


def test_answer_after_three_days_matches_the_only_question(phone: Phone) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 13)
    phone.texts("1", after=timedelta(hours=80))
    assert phone.visit(visit_id) == "confirmed"


def test_message_received_before_the_question_was_sent_does_not_answer_it(phone: Phone) -> None:
    school_fixture = phone.school_fixture
    with school_fixture.session() as session:
        kept = processing.store_message(session, ReceivedMessage("SMearly", phone.number, "", "1"), phone.now)
    phone.now += timedelta(minutes=5)
    visit_id = arranged(phone, "Smith", "Luis", 8)
    assert kept is not None
    assert processing.process_waiting(school_fixture.database, POLICY, phone.now) == 1
    assert phone.visit(visit_id) == "scheduled"
    assert phone.row().needs_person


def test_f21_liking_our_question_needs_a_person_and_does_not_confirm(phone: Phone) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 8)
    phone.texts("Liked “Lincoln Elementary: Grace Test and Luis Test would like to visit you. Reply 1 to confirm”")
    row = phone.row()
    assert (row.intent, row.needs_person, row.answers) == ("probable_yes", True, f"visit:{visit_id}")
    assert phone.visit(visit_id) == "scheduled"
    with phone.school_fixture.database.reading() as session:
        assert len(queries.messages_to_read(session, phone.school_fixture.actors["coordinator"])) == 1
    phone.texts("1")  # the digit still counts, because the reaction was not an answer
    assert phone.visit(visit_id) == "confirmed"


@pytest.mark.parametrize("verb", ["Gefällt mir: „{}“", "点赞了“{}”", "Perhaps liked the message “{}”"])
def test_f21_reaction_in_an_unlisted_language_is_recognized_by_the_quoted_message(phone: Phone, verb: str) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 8)
    ours = phone.newest()
    phone.texts(verb.format(ours))
    phone.texts(verb.format(f"{ours[:60]}…"))
    assert phone.row().intent == "tapback"
    phone.texts("She said “I would like to visit you some day” and left")
    assert phone.row().intent == "unclear"
    assert phone.visit(visit_id) == "scheduled"


def test_two_indistinguishable_invitations_need_a_person(shared: Phone) -> None:
    asked(shared, shared.school_fixture.invitations["Smith"], "Lincoln")
    asked(shared, shared.school_fixture.invitations["Rivera"], "Lincoln Elementary")
    shared.texts("3")
    assert shared.row().needs_person
    assert "which" not in shared.got()
    with shared.school_fixture.database.reading() as session:
        assert session.scalars(select(PendingChoice)).all() == []


def test_trap_8_children_in_two_schools_are_distinguished_by_school_and_teacher(phone: Phone) -> None:
    elsewhere = at_another_school(phone)
    asked(phone, phone.school_fixture.invitations["Smith"], "Lincoln Elementary")
    asked(phone, elsewhere, "Sunset High")
    phone.texts("3")
    assert "1. Sunset High; 2. Grace Test, Lincoln Elementary." in phone.newest()
    phone.texts("1")
    assert phone.got()[-1] == "invitation_not_now"
    with phone.school_fixture.database.reading() as session:
        assert session.get_one(Invitation, elsewhere).closed_at is not None
        assert session.get_one(Invitation, phone.school_fixture.invitations["Smith"]).closed_at is None


def at_another_school(phone: Phone) -> int:
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
        mine = phone.school_fixture.actors["coordinator"]
        there = replace(mine, grants=frozenset({Grant(Role.SITE_COORDINATOR, school.id)}))
        return invitations.record_request(session, there, family.id, school.id, how="phone", now=phone.now).id


def asked(phone: Phone, number: int, school: str) -> None:
    """Send an invitation to the phone, a minute later."""
    phone.now += timedelta(minutes=1)
    with phone.school_fixture.session() as session:
        text = planned_message(
            "ask", to=phone.number, template="invitation", params={"school": school}, question=f"invitation:{number}"
        )
        outbox.put(session, f"invitation:{number}", text, phone.now)
    phone.leave()


def test_wrong_number_answers_nothing_and_start_restores_nothing(phone: Phone) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 8)
    phone.texts("Sorry, wrong number")
    assert phone.got()[-1] == "wrong_number_confirmed"
    assert phone.row().needs_person
    for body in ("1", "3", "START", "Wrong number!", "STOP", "START"):
        phone.texts(body)
    assert phone.visit(visit_id) == "scheduled"
    assert phone.got().count("wrong_number_confirmed") == 1
    assert not {"start_confirmed", "stop_confirmed", "visit_confirmed"} & set(phone.got())


def test_wrong_number_after_a_stop_is_not_undone_by_start(phone: Phone) -> None:
    phone.texts("STOP")
    phone.texts("wrong number")
    phone.texts("START")
    assert phone.got() == ["stop_confirmed"]


def test_trap_10_auto_reply_does_not_cause_an_endless_loop(phone: Phone) -> None:
    arranged(phone, "Smith", "Luis", 8)
    for _ in range(30):
        phone.texts("Auto-reply: I am out of the office.", after=timedelta(seconds=20))
    assert phone.got() == ["visit_confirm"]
    with phone.school_fixture.database.reading() as session:
        assert list(session.scalars(select(Row.needs_person).order_by(Row.id))).count(True) == 1


def test_f16_trap_10_machine_gets_at_most_four_replies_an_hour_and_raises_an_alert(phone: Phone) -> None:
    arranged(phone, "Smith", "Luis", 8)
    for turn in range(40):
        phone.texts(("START", "9", "hmm", "STOP", "HELP", "1", "what", "2")[turn % 8], after=timedelta(seconds=30))
    replies = [name for name in phone.got() if name != "visit_confirm"]
    assert len(replies) <= 4 + 1  # plus the single confirmation of a stop
    assert replies.count("stop_confirmed") == 1
    assert phone.row().needs_person
    with phone.school_fixture.database.reading() as session:
        assert [alert.kind for alert in session.scalars(select(MessageAlert))] == ["loop"]
        assert session.scalars(select(Conversation.waiting_since)).one() is not None


def test_no_beyond_the_loop_limit_cancels_without_a_reply(phone: Phone) -> None:
    visit_id = arranged(phone, "Smith", "Luis", 8)
    for body in ("1", "9", "HELP", "what?", "9", "who?", "1"):
        phone.texts(body)
    before = phone.got()
    phone.texts("3")
    assert phone.visit(visit_id) == "cancelled_by_family"
    assert phone.got() == before


def test_polite_stop_does_not_opt_out_and_needs_a_person(phone: Phone) -> None:
    arranged(phone, "Smith", "Luis", 8)
    phone.texts("I'd rather you call me instead of texting")
    row = phone.row()
    assert (row.intent, row.needs_person) == ("polite_stop", True)
    assert phone.got()[-1] == "polite_stop"
    assert "STOP" in phone.newest()
