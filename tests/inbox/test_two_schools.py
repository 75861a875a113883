"""A phone shared by families of two schools: each school reads only its own part of the conversation."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import NotFound
from homevisits.inbox import processing
from homevisits.inbox.conversations import resolve_unclear
from homevisits.inbox.conversations.queries import listing
from homevisits.inbox.today import queries
from homevisits.messages import outbox
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Caregiver, Family, School, Student
from tests.factories.school import NOW, POLICY, ZONE, SchoolFixture
from tests.inbox.test_conversations import read_conversation, receive_message
from tests.shell.clients import create_account
from tests.visits.test_actions import arrange

LATER = NOW + timedelta(minutes=5)


@dataclass
class OtherSchool:
    """A second school with a coordinator and a family that shares the phone of the Riveras."""

    school: int
    coordinator: Actor


@pytest.fixture
def other_school(school_fixture: SchoolFixture) -> OtherSchool:
    with school_fixture.session() as session:
        school = School(source_id="s2", name="Elsewhere", timezone=ZONE)
        family = Family(key="f-Other", name="Otherly", language="es")
        session.add_all([school, family])
        session.flush()
        session.add(
            Caregiver(
                source_id="g-Other", family_id=family.id, given_name="Ana", family_name="Otherly",
                relation="mother", phone=school_fixture.phones["Rivera"],
            )
        )  # fmt: skip
        session.add(
            Student(
                source_id="st-Other", family_id=family.id, school_id=school.id, given_name="Kid",
                family_name="Otherly", grade="3",
            )
        )  # fmt: skip
        school_id = school.id
    return OtherSchool(
        school_id, create_account(school_fixture.database, "neighbour", Grant(Role.SITE_COORDINATOR, school_id))
    )


def store_sent_message(
    school_fixture: SchoolFixture, subject: str, school: int, body: str, phone: str | None = None
) -> None:
    """Store a delivered message to the phone on behalf of a school."""
    message = PlannedMessage(
        "k", phone or school_fixture.phones["Rivera"], "en", "written", {}, NOW, NOW + timedelta(days=1), body=body,
        school_id=school,
    )  # fmt: skip
    with school_fixture.session() as session:
        row = outbox.put(session, subject, message, NOW)
        row.state, row.sent_at = "delivered", NOW


def sent_bodies(school_fixture: SchoolFixture, actor: Actor, conversation_id: int) -> list[str]:
    return [
        message.body
        for message in read_conversation(school_fixture, actor, conversation_id, LATER).messages
        if message.is_outgoing
    ]


def test_waiting_messages_name_only_families_of_the_own_school(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    receive_message(school_fixture, "¿Puede venir mi abuela?")
    with school_fixture.session() as session:
        (own_message,) = queries.messages_to_read(session, school_fixture.actors["coordinator"])
        (other_message,) = queries.messages_to_read(session, other_school.coordinator)
    assert (own_message.families, other_message.families) == (("Rivera",), ("Otherly",))


def test_search_by_the_name_of_another_schools_family_finds_nothing(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    own_actors = (school_fixture.actors["coordinator"], school_fixture.actors["Grace"])
    with school_fixture.session() as session:
        for searcher, name, expected in (
            *((actor, "rivera", [conversation_id]) for actor in own_actors),
            *((actor, "otherly", []) for actor in own_actors),
            (other_school.coordinator, "otherly", [conversation_id]),
            (other_school.coordinator, "rivera", []),
        ):
            rows = listing.list_conversations(session, searcher, LATER, words=name).rows
            assert [row.id for row in rows] == expected, (searcher.name, name)


def test_busy_school_does_not_displace_replies_to_another_school(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    with school_fixture.session() as session:
        for number in range(250):
            session.add(
                Row(
                    provider_message_id=f"SMbusy{number}", phone=school_fixture.phones["Smith"],
                    to="+15555550199", body="Hm",
                    received_at=NOW,
                    processed_at=NOW, intent="unclear", needs_staff=True,
                )
            )  # fmt: skip
    receive_message(school_fixture, "¿Puede venir mi abuela?")
    with school_fixture.session() as session:
        assert [row.body for row in queries.messages_to_read(session, other_school.coordinator)] == [
            "¿Puede venir mi abuela?"
        ]


def test_coordinator_reads_no_visit_messages_of_another_school(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    store_sent_message(school_fixture, "visit:901", school_fixture.school_id, "Grace comes on Tuesday")
    store_sent_message(school_fixture, "visit:902", other_school.school, "Ada comes on Friday")
    store_sent_message(school_fixture, "thread:1", other_school.school, "See you")
    conversation_id = receive_message(school_fixture, "Hola", at=LATER)
    assert "Ada comes on Friday" not in sent_bodies(
        school_fixture, school_fixture.actors["coordinator"], conversation_id
    )
    assert "Grace comes on Tuesday" not in sent_bodies(school_fixture, other_school.coordinator, conversation_id)
    for actor in (school_fixture.actors["coordinator"], other_school.coordinator):
        assert "See you" in sent_bodies(school_fixture, actor, conversation_id)
    district_coordinator = create_account(school_fixture.database, "everywhere", Grant(Role.SITE_COORDINATOR, None))
    assert {"Ada comes on Friday", "Grace comes on Tuesday"} <= set(
        sent_bodies(school_fixture, district_coordinator, conversation_id)
    )


def test_pair_reads_no_answer_to_another_schools_question(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    receive_message(school_fixture, "No puedo el viernes", at=LATER)
    with school_fixture.session() as session:
        newest = session.query(Row).order_by(Row.id.desc()).first()
        assert newest is not None
        newest.answers = "invitation:999"
    grace = school_fixture.actors["Grace"]
    bodies = [
        message.body
        for message in read_conversation(school_fixture, grace, conversation_id, LATER).messages
        if not message.is_outgoing
    ]
    assert bodies == ["¿Puede venir mi abuela?"]
    with school_fixture.session() as session:
        (pair_row,) = listing.list_conversations(session, grace, LATER).rows
        (office_row,) = listing.list_conversations(session, school_fixture.actors["coordinator"], LATER).rows
    assert (pair_row.last_message, office_row.last_message) == ("¿Puede venir mi abuela?", "No puedo el viernes")


def test_number_without_a_family_stays_with_the_school_that_texted_it(
    school_fixture: SchoolFixture, other_school: OtherSchool
) -> None:
    store_sent_message(school_fixture, "visit:901", school_fixture.school_id, "Grace comes on Tuesday", "+15555550177")
    conversation_id = receive_message(school_fixture, "Hello?", phone="+15555550177")
    with school_fixture.session() as session:
        assert [row.id for row in listing.list_conversations(session, other_school.coordinator, NOW).rows] == []
        assert queries.messages_to_read(session, other_school.coordinator) == []
        waiting = queries.messages_to_read(session, school_fixture.actors["coordinator"])
        with pytest.raises(NotFound):
            processing.mark_handled(session, other_school.coordinator, waiting[0].id, NOW)
    assert (
        sent_bodies(school_fixture, school_fixture.actors["coordinator"], conversation_id)[0]
        == "Grace comes on Tuesday"
    )


def test_educator_cannot_decide_unreadable_messages_or_wrong_numbers(school_fixture: SchoolFixture) -> None:
    first_id = receive_message(school_fixture, "Please stop texting so much", at=NOW - timedelta(days=1))
    arrange(school_fixture)
    conversation_id = receive_message(school_fixture, "wrong number", at=LATER)
    assert first_id == conversation_id
    grace = school_fixture.actors["Grace"]
    with school_fixture.session() as session:
        rows = {row.intent: row.id for row in session.query(Row)}
        for intent, meaning in (("polite_stop", "stop"), ("wrong_number", "right")):
            with pytest.raises(NotFound):
                resolve_unclear.resolve_message(
                    session, grace, conversation_id, rows[intent], meaning, policy=POLICY, now=LATER
                )
        resolve_unclear.resolve_message(
            session,
            school_fixture.actors["coordinator"],
            conversation_id,
            rows["wrong_number"],
            "right",
            policy=POLICY,
            now=LATER,
        )
