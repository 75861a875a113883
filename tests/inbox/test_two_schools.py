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
from tests.inbox.test_conversations import talk, writes
from tests.shell.clients import create_account
from tests.visits.test_actions import arrange

LATER = NOW + timedelta(minutes=5)


@dataclass
class Neighbour:
    """A second school with a coordinator and a family that shares the phone of the Riveras."""

    school: int
    coordinator: Actor


@pytest.fixture
def neighbour(school_fixture: SchoolFixture) -> Neighbour:
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
        number = school.id
    return Neighbour(number, create_account(school_fixture.database, "neighbour", Grant(Role.SITE_COORDINATOR, number)))


def told(school_fixture: SchoolFixture, subject: str, school: int, body: str, phone: str | None = None) -> None:
    """Store a delivered message to the phone on behalf of a school."""
    text = PlannedMessage(
        "k", phone or school_fixture.phones["Rivera"], "en", "written", {}, NOW, NOW + timedelta(days=1), body=body,
        school_id=school,
    )  # fmt: skip
    with school_fixture.session() as session:
        row = outbox.put(session, subject, text, NOW)
        row.state, row.sent_at = "delivered", NOW


def ours(school_fixture: SchoolFixture, who: Actor, thread: int) -> list[str]:
    return [one.body for one in talk(school_fixture, who, thread, LATER).messages if one.ours]


def test_waiting_messages_name_only_families_of_the_own_school(
    school_fixture: SchoolFixture, neighbour: Neighbour
) -> None:
    writes(school_fixture, "¿Puede venir mi abuela?")
    with school_fixture.session() as session:
        (mine,) = queries.messages_to_read(session, school_fixture.actors["coordinator"])
        (theirs,) = queries.messages_to_read(session, neighbour.coordinator)
    assert (mine.families, theirs.families) == (("Rivera",), ("Otherly",))


def test_search_by_the_name_of_another_schools_family_finds_nothing(
    school_fixture: SchoolFixture, neighbour: Neighbour
) -> None:
    arrange(school_fixture)
    thread = writes(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    mine = (school_fixture.actors["coordinator"], school_fixture.actors["Grace"])
    with school_fixture.session() as session:
        for who, name, found in (
            *((each, "rivera", [thread]) for each in mine),
            *((each, "otherly", []) for each in mine),
            (neighbour.coordinator, "otherly", [thread]),
            (neighbour.coordinator, "rivera", []),
        ):
            rows = listing.list_conversations(session, who, LATER, words=name).rows
            assert [row.id for row in rows] == found, (who.name, name)


def test_busy_school_does_not_displace_replies_to_another_school(
    school_fixture: SchoolFixture, neighbour: Neighbour
) -> None:
    with school_fixture.session() as session:
        for number in range(250):
            session.add(
                Row(
                    provider_message_id=f"SMbusy{number}", phone=school_fixture.phones["Smith"],
                    to="+15555550199", body="Hm",
                    received_at=NOW,
                    taken_at=NOW, intent="unclear", needs_person=True,
                )
            )  # fmt: skip
    writes(school_fixture, "¿Puede venir mi abuela?")
    with school_fixture.session() as session:
        assert [row.body for row in queries.messages_to_read(session, neighbour.coordinator)] == [
            "¿Puede venir mi abuela?"
        ]


def test_coordinator_reads_no_visit_messages_of_another_school(
    school_fixture: SchoolFixture, neighbour: Neighbour
) -> None:
    told(school_fixture, "visit:901", school_fixture.school_id, "Grace comes on Tuesday")
    told(school_fixture, "visit:902", neighbour.school, "Ada comes on Friday")
    told(school_fixture, "thread:1", neighbour.school, "See you")
    thread = writes(school_fixture, "Hola", at=LATER)
    assert "Ada comes on Friday" not in ours(school_fixture, school_fixture.actors["coordinator"], thread)
    assert "Grace comes on Tuesday" not in ours(school_fixture, neighbour.coordinator, thread)
    for who in (school_fixture.actors["coordinator"], neighbour.coordinator):
        assert "See you" in ours(school_fixture, who, thread)
    everywhere = create_account(school_fixture.database, "everywhere", Grant(Role.SITE_COORDINATOR, None))
    assert {"Ada comes on Friday", "Grace comes on Tuesday"} <= set(ours(school_fixture, everywhere, thread))


def test_pair_reads_no_answer_to_another_schools_question(school_fixture: SchoolFixture, neighbour: Neighbour) -> None:
    arrange(school_fixture)
    thread = writes(school_fixture, "¿Puede venir mi abuela?", at=LATER)
    writes(school_fixture, "No puedo el viernes", at=LATER)
    with school_fixture.session() as session:
        newest = session.query(Row).order_by(Row.id.desc()).first()
        assert newest is not None
        newest.answers = "invitation:999"
    grace = school_fixture.actors["Grace"]
    said = [one.body for one in talk(school_fixture, grace, thread, LATER).messages if not one.ours]
    assert said == ["¿Puede venir mi abuela?"]
    with school_fixture.session() as session:
        (row,) = listing.list_conversations(session, grace, LATER).rows
        (all_,) = listing.list_conversations(session, school_fixture.actors["coordinator"], LATER).rows
    assert (row.last_message, all_.last_message) == ("¿Puede venir mi abuela?", "No puedo el viernes")


def test_number_without_a_family_stays_with_the_school_that_texted_it(
    school_fixture: SchoolFixture, neighbour: Neighbour
) -> None:
    told(school_fixture, "visit:901", school_fixture.school_id, "Grace comes on Tuesday", "+15555550177")
    thread = writes(school_fixture, "Hello?", phone="+15555550177")
    with school_fixture.session() as session:
        assert [row.id for row in listing.list_conversations(session, neighbour.coordinator, NOW).rows] == []
        assert queries.messages_to_read(session, neighbour.coordinator) == []
        waiting = queries.messages_to_read(session, school_fixture.actors["coordinator"])
        with pytest.raises(NotFound):
            processing.mark_handled(session, neighbour.coordinator, waiting[0].id, NOW)
    assert ours(school_fixture, school_fixture.actors["coordinator"], thread)[0] == "Grace comes on Tuesday"


def test_educator_cannot_decide_unreadable_messages_or_wrong_numbers(school_fixture: SchoolFixture) -> None:
    before = writes(school_fixture, "Please stop texting so much", at=NOW - timedelta(days=1))
    arrange(school_fixture)
    thread = writes(school_fixture, "wrong number", at=LATER)
    assert before == thread
    grace = school_fixture.actors["Grace"]
    with school_fixture.session() as session:
        rows = {row.intent: row.id for row in session.query(Row)}
        for intent, said in (("polite_stop", "stop"), ("wrong_number", "right")):
            with pytest.raises(NotFound):
                resolve_unclear.settle_meaning(session, grace, thread, rows[intent], said, policy=POLICY, now=LATER)
        resolve_unclear.settle_meaning(
            session,
            school_fixture.actors["coordinator"],
            thread,
            rows["wrong_number"],
            "right",
            policy=POLICY,
            now=LATER,
        )
