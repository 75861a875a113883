"""A family texts: its word is kept and done at once, a stop before all else, and what is unclear reaches a person."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from homevisits.core.problems import NotFound
from homevisits.draws.rules import Method
from homevisits.inbox import processing
from homevisits.inbox.parsing.keywords import Meaning
from homevisits.inbox.processing import ReceivedMessage
from homevisits.inbox.today import queries
from homevisits.invitations import actions as invitations
from homevisits.invitations import queue
from homevisits.invitations.models import Answer, ConsentEntry, Invitation
from homevisits.messages.dispatch import delivery
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import IncomingMessage as Row
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.providers.console import Console
from homevisits.messages.recipients import opt_outs
from homevisits.people.models import Caregiver, Family
from homevisits.visits import actions as visits
from homevisits.visits.actions import Wanted
from homevisits.visits.models import Visit
from tests.messages.conftest import make_sender
from tests.quarter import NOW, Quarter, phone_of
from tests.world import POLICY, Town

RULES = SendPolicy(Limits(per_day=1000, per_week=1000), "America/Denver")


def text(
    quarter: Quarter | Town, body: str, number: int = 2, provider_message_id: str = "", now: datetime = NOW
) -> Meaning:
    """Family `number` (or a phone of the town) texts `body`."""
    with quarter.database.transaction() as session:
        count = session.scalar(select(func.count()).select_from(Row)) or 0
        phone = phone_of(number) if isinstance(quarter, Quarter) else quarter.phones["Smith"]
        inbound = ReceivedMessage(provider_message_id or f"SM{count}", phone, "+15555550199", body)
        return processing.receive(session, inbound, POLICY, now)


def ask_everyone(quarter: Quarter) -> dict[str, int]:
    """Everyone is asked and every text has left: each family's invitation."""
    draw_id = quarter.draw(Method.EVERYONE, None)
    with quarter.database.transaction() as session:
        asked = invitations.ask_next(session, quarter.coordinator, draw_id, 50, NOW)
    leave(quarter)
    return {each.family: each.invitation_id for each in asked}


def leave(quarter: Quarter | Town, now: datetime = NOW) -> None:
    """Every text that is due leaves."""
    with quarter.database.transaction() as session:
        make_sender(session, "console", "console")
    delivery.tick(quarter.database, (Console(),), RULES, lambda: now)


def ledger(quarter: Quarter | Town) -> list[tuple[str, str, int | None]]:
    with quarter.database.reading() as session:
        rows = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id))
        return [(row.answer, row.how, row.recorded_by) for row in rows]


def got(quarter: Quarter, number: int = 2) -> list[str]:
    """The texts that family `number` got, or will get."""
    with quarter.database.reading() as session:
        rows = session.execute(
            select(OutgoingMessage.template, OutgoingMessage.state)
            .where(OutgoingMessage.phone == phone_of(number))
            .order_by(OutgoingMessage.id)
        )
        return [template for template, state in rows if state in ("queued", "accepted", "delivered")]


def test_a_reply_is_the_familys_word_in_the_ledger_and_gets_a_text_back(quarter: Quarter) -> None:
    asked = ask_everyone(quarter)
    said = {2: ("1", "yes"), 5: ("Sí", "yes"), 6: ("2", "other_time"), 7: ("3", "not_now"), 8: ("NO", "not_now")}
    said[9] = ("9", "call_me")
    for number, (body, _answer) in said.items():
        text(quarter, body, number)
    assert ledger(quarter) == [(answer, "text", None) for _body, answer in said.values()]
    for number, (_body, answer) in said.items():
        assert got(quarter, number) == ["invitation", f"invitation_{answer}"]
    with quarter.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id)).first()
        assert entry is not None
        assert (entry.invitation_id, entry.evidence) == (asked["Family 02"], "inbound:1")
        assert session.get_one(Caregiver, entry.caregiver_id).phone == phone_of(2)


def test_the_answer_comes_in_the_familys_language(quarter: Quarter) -> None:
    ask_everyone(quarter)
    text(quarter, "1", number=1)
    with quarter.database.reading() as session:
        reply = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "invitation_yes")).one()
        assert reply.body.startswith("¡Gracias!")


def test_the_same_text_delivered_twice_is_one_answer(quarter: Quarter) -> None:
    ask_everyone(quarter)
    for _ in range(3):
        text(quarter, "1", provider_message_id="SMsame")
    assert len(ledger(quarter)) == 1
    assert got(quarter) == ["invitation", "invitation_yes"]


def test_a_stop_ends_texts_at_once_with_one_confirmation(quarter: Quarter) -> None:
    ask_everyone(quarter)
    stops = ("STOP", "stopall", "Unsubscribe", "CANCEL", "END", "ALTO", "Basta!", "no más")
    for number, word in enumerate(stops, start=5):
        text(quarter, "1", number)
        text(quarter, word, number)
        text(quarter, word, number)
        assert got(quarter, number) == ["invitation", "stop_confirmed"], word
    leave(quarter)
    with quarter.database.reading() as session:
        assert not any(opt_outs.may_text(session, phone_of(number)) for number in range(5, 13))
        assert opt_outs.may_text(session, phone_of(2))
        sent = session.scalars(select(OutgoingMessage.template).where(OutgoingMessage.state == "delivered")).all()
        assert list(sent).count("stop_confirmed") == len(stops)
    assert ledger(quarter) == [("yes", "text", None)] * len(stops)


def test_start_lifts_the_familys_own_stop(quarter: Quarter) -> None:
    ask_everyone(quarter)
    text(quarter, "STOP")
    text(quarter, "START")
    text(quarter, "START")
    assert got(quarter) == ["invitation", "stop_confirmed", "start_confirmed"]
    text(quarter, "1")
    assert got(quarter)[-1] == "invitation_yes"


def test_help_answers_once_in_a_while_even_after_a_stop(quarter: Quarter) -> None:
    ask_everyone(quarter)
    text(quarter, "STOP")
    for _ in range(3):
        text(quarter, "HELP")
    assert got(quarter) == ["invitation", "stop_confirmed", "help"]


def test_help_in_a_language_without_approved_texts_reaches_a_person(quarter: Quarter) -> None:
    with quarter.database.transaction() as session:
        session.execute(update(Family).values(language="so"))
    text(quarter, "HELP")
    with quarter.database.reading() as session:
        assert [row.body for row in queries.to_read(session, quarter.coordinator)] == ["HELP"]
    assert got(quarter) == []


def test_what_is_unclear_waits_for_a_person_and_a_machine_gets_no_endless_answers(quarter: Quarter) -> None:
    ask_everyone(quarter)
    for _ in range(5):
        text(quarter, "Who is this?")
    assert got(quarter) == ["invitation", "unclear"]
    with quarter.database.transaction() as session:
        waiting = queries.to_read(session, quarter.coordinator)
        assert [row.body for row in waiting] == ["Who is this?"] * 5
        assert waiting[0].families == ("Family 02",)
        assert queries.to_read(session, quarter.stranger) == []
        with pytest.raises(NotFound):
            processing.read_by(session, quarter.stranger, waiting[0].id, NOW)
        processing.read_by(session, quarter.coordinator, waiting[0].id, NOW)
        session.flush()
        assert len(queries.to_read(session, quarter.coordinator)) == 4


def test_an_answer_to_nothing_waits_for_a_person(quarter: Quarter) -> None:
    text(quarter, "1")
    assert ledger(quarter) == []
    with quarter.database.reading() as session:
        assert len(queries.to_read(session, quarter.coordinator)) == 1


def test_a_number_nobody_knows_reaches_every_coordinator(quarter: Quarter) -> None:
    with quarter.database.transaction() as session:
        processing.receive(session, ReceivedMessage("SMx", "+15555559999", "+15555550199", "Hello?"), POLICY, NOW)
        for who in (quarter.coordinator, quarter.stranger):
            assert [row.families for row in queries.to_read(session, who)] == [()]


def test_nine_and_two_and_a_language_without_text_are_calls_for_a_person_until_heard(quarter: Quarter) -> None:
    asked = ask_everyone(quarter)
    text(quarter, "9", number=2)
    text(quarter, "2", number=5)
    text(quarter, "1", number=6)
    with quarter.database.transaction() as session:
        calls = {row.family: row.why for row in queries.to_call(session, quarter.coordinator, NOW)}
        assert calls == {
            "Family 02": "call_me",
            "Family 05": "other_time",
            "Family 03": "no_text",
            "Family 04": "no_text",
        }
        assert queries.to_call(session, quarter.stranger, NOW) == []
        invitations.record(session, quarter.coordinator, asked["Family 02"], "yes", "phone", NOW)
        invitations.record(session, quarter.coordinator, asked["Family 03"], "not_now", "phone", NOW)
        session.flush()
        left = {row.family for row in queries.to_call(session, quarter.coordinator, NOW)}
        assert left == {"Family 04", "Family 05"}


def arranged(town: Town) -> int:
    """A visit of Grace and Luis to the Smiths, of which they have been told."""
    wanted = Wanted(town.families["Smith"], town.educators["Luis"], town.at(8, 16, 30))
    with town.session() as session:
        visit_id = visits.book(session, town.actors["Grace"], wanted, POLICY, NOW).id
        visits.accept(session, town.actors["Luis"], visit_id, POLICY, NOW)
    leave(town)
    return visit_id


def state(town: Town, visit_id: int) -> str:
    with town.database.reading() as session:
        return session.get_one(Visit, visit_id).state


@pytest.mark.parametrize(
    ("body", "becomes", "reply"),
    [
        ("1", "confirmed", "visit_confirmed"),
        ("2", "cancelled_by_family", "visit_other_time"),
        ("3", "cancelled_by_family", "visit_ended_by_family"),
        ("9", "scheduled", "visit_call_me"),
    ],
)
def test_a_reply_to_a_visits_time_is_done_at_once(town: Town, body: str, becomes: str, reply: str) -> None:
    visit_id = arranged(town)
    text(town, body)
    assert state(town, visit_id) == becomes
    with town.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        assert entry is not None
        assert entry.visit_id == visit_id
        assert reply in session.scalars(select(OutgoingMessage.template)).all()
        closed = session.get_one(Invitation, entry.invitation_id).closed_at
        assert (closed is not None) is (body == "3")


def test_a_legal_stop_word_never_moves_a_visit_but_becomes_a_call(town: Town) -> None:
    visit_id = arranged(town)
    text(town, "CANCEL")
    assert state(town, visit_id) == "scheduled"
    with town.database.reading() as session:
        (waiting,) = queries.to_read(session, town.actors["coordinator"])
        assert waiting.stopped
        queued = select(OutgoingMessage.template).where(OutgoingMessage.state == "queued")
        assert session.scalars(queued).all() == ["stop_confirmed"]


def test_a_late_yes_to_a_visit_that_is_off_waits_for_a_person(town: Town) -> None:
    visit_id = arranged(town)
    with town.session() as session:
        visits.cancel(session, town.actors["Grace"], visit_id, POLICY, NOW)
    text(town, "1", now=NOW + timedelta(minutes=1))
    assert state(town, visit_id) == "cancelled_by_educator"
    with town.database.reading() as session:
        assert len(queries.to_read(session, town.actors["coordinator"])) == 1


def test_a_no_after_the_visit_is_off_is_thanked_for_and_closes_the_asking(town: Town) -> None:
    arranged(town)
    text(town, "2", now=NOW + timedelta(minutes=1))
    text(town, "3", now=NOW + timedelta(minutes=2))
    with town.database.reading() as session:
        entry = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        assert entry is not None
        assert entry.answer == "not_now"
        assert session.get_one(Invitation, entry.invitation_id).closed_at is not None
        sent = session.scalars(select(OutgoingMessage.template).order_by(OutgoingMessage.id)).all()
        assert sent[-1] == "invitation_not_now"
        assert "unclear" not in sent
        assert queries.to_read(session, town.actors["coordinator"]) == []


def test_a_no_told_to_a_person_ends_the_visit_at_once(town: Town) -> None:
    visit_id = arranged(town)
    with town.session() as session:
        coordinator = town.actors["coordinator"]
        invitations.record(session, coordinator, town.invitations["Smith"], Answer.WITHDRAWN, "phone", NOW)
        visits.tidy(session, POLICY, NOW)
        assert queue.one_asked(session, coordinator, town.invitations["Smith"], NOW).answer == "withdrawn"
    assert state(town, visit_id) == "cancelled_by_family"


def test_a_visit_that_lost_one_of_its_two_waits_on_today(town: Town) -> None:
    visit_id = arranged(town)
    with town.session() as session:
        assert queries.need_partner(session, town.actors["coordinator"]) == []
        visits.cannot_come(session, town.actors["Luis"], visit_id, town.educators["Luis"], POLICY, NOW)
    with town.database.reading() as session:
        assert [row.visit_id for row in queries.need_partner(session, town.actors["coordinator"])] == [visit_id]


def test_a_question_that_never_reached_the_family_becomes_a_call(quarter: Quarter) -> None:
    asked = ask_everyone(quarter)
    ends = {"Family 02": "rejected", "Family 05": "expired", "Family 06": "suppressed", "Family 07": "unknown"}
    with quarter.database.transaction() as session:
        for family, ended in ends.items():
            subject = f"invitation:{asked[family]}"
            session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == subject)).one().state = ended
    with quarter.database.reading() as session:
        calls = {row.family for row in queries.to_call(session, quarter.coordinator, NOW)}
        assert calls == {*ends, "Family 03", "Family 04"}


def test_a_call_about_a_visit_ahead_names_the_visit(town: Town) -> None:
    visit_id = arranged(town)
    text(town, "9")
    with town.database.reading() as session:
        (call,) = queries.to_call(session, town.actors["coordinator"], NOW)
        assert (call.visit_id, call.why, call.phone) == (visit_id, "call_me", town.phones["Smith"])


def test_a_visit_of_which_no_text_could_tell_is_told_by_a_person(town: Town) -> None:
    visit_id = arranged(town)
    coordinator = town.actors["coordinator"]
    with town.session() as session:
        assert queries.need_telling(session, coordinator, NOW) == []
        for row in session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}")):
            row.state = "suppressed"
    with town.database.reading() as session:
        assert [row.visit_id for row in queries.need_telling(session, coordinator, NOW)] == [visit_id]
        assert queries.need_telling(session, coordinator, NOW + timedelta(days=30)) == []


@pytest.mark.parametrize(
    ("state", "next_in", "told"),
    [
        ("delivered", 0, True),
        ("queued", 0, True),
        ("held", 30, False),  # until after the visit: quiet days lie between
        ("suppressed", 0, False),
        ("expired", 0, False),
        ("dead", 0, True),  # it stands among the lost ones
    ],
)
def test_a_family_that_does_not_hear_in_time_that_nobody_comes_is_told_by_a_person(
    town: Town, state: str, next_in: int, told: bool
) -> None:
    visit_id = arranged(town)
    with town.session() as session:
        visits.cancel(session, town.actors["coordinator"], visit_id, POLICY, NOW)
        row = session.scalars(select(OutgoingMessage).where(OutgoingMessage.template == "visit_cancelled")).one()
        row.state, row.next_at = state, NOW + timedelta(days=next_in)
        assert row.expires_at >= session.get_one(Visit, visit_id).starts_at
    with town.database.reading() as session:
        found = queries.need_telling(session, town.actors["coordinator"], NOW)
        assert [(row.visit_id, row.off) for row in found] == ([] if told else [(visit_id, True)])
        assert queries.need_telling(session, town.actors["coordinator"], NOW + timedelta(days=30)) == []


@pytest.mark.parametrize("gone", [{"restricted": True}, {"left_on": NOW.date()}])
def test_the_yes_of_somebody_we_may_not_speak_to_reaches_a_person_and_books_nothing(
    quarter: Quarter, gone: dict[str, object]
) -> None:
    ask_everyone(quarter)
    with quarter.database.transaction() as session:
        session.execute(update(Caregiver).where(Caregiver.phone == phone_of(2)).values(**gone))
    text(quarter, "1")
    assert ledger(quarter) == []
    with quarter.database.reading() as session:
        assert session.scalars(select(Row.needs_person)).all() == [True]
    text(quarter, "3")
    assert [said for said, *_ in ledger(quarter)] == ["not_now"]
