"""What was planned is asked again at the claim, and goes elsewhere when who hears changes: on both engines."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.inbox.today import queries as inbox
from homevisits.invitations import actions as invitations
from homevisits.invitations import send_checks as invited
from homevisits.invitations.models import Answer
from homevisits.messages import outbox
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.templates.rendering import PlannedText
from homevisits.people.models import Caregiver, Educator, Family, School, Student
from homevisits.visits import actions, send_checks
from tests.visits.test_actions import arrange, book, held, texts, visit_of
from tests.world import Town

STAFF = {"Grace": "+15555550201", "Luis": "+15555550202", "Amina": "+15555550203"}


def change(town: Town, model: type[Any], *where: Any, **values: object) -> None:
    """Something is otherwise, as an import would leave it."""
    with town.session() as session:
        for row in session.scalars(select(model).where(*where)).all():
            for name, value in values.items():
                setattr(row, name, value)


def give_phones(town: Town, *names: str) -> None:
    for name in names:
        change(town, Educator, Educator.id == town.educators[name], phone=STAFF[name])


def why(town: Town, subject: str, at: datetime | None = None) -> dict[str, str | None]:
    """What the claim is told of each text, by its name; of several of a name the last."""
    with town.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.subject == subject).order_by(OutgoingMessage.id)
        ).all()
        check = send_checks.text_wanted if subject.startswith("visit") else invited.text_wanted
        return {row.template: check(session, row, at or town.now) for row in rows}


def waiting(town: Town, visit_id: int) -> list[tuple[str, str]]:
    """(phone's last digits, template) of what is still to leave about a visit."""
    with town.database.reading() as session:
        found = select(OutgoingMessage).where(
            OutgoingMessage.subject == f"visit:{visit_id}", OutgoingMessage.state == "queued"
        )
        return [(row.phone[-3:], row.template) for row in session.scalars(found.order_by(OutgoingMessage.id))]


def tidy(town: Town, now: datetime | None = None) -> int:
    with town.session() as session:
        return actions.tidy(session, town.policy, now or town.now)


def second_caregiver(town: Town, family: str) -> None:
    with town.session() as session:
        session.add(
            Caregiver(
                source_id=f"g2-{family}",
                family_id=town.families[family],
                given_name="Bo",
                family_name=family,
                relation="father",
                phone="+15555550191",
                contact_order=2,
            )
        )


def test_what_still_holds_may_leave(town: Town) -> None:
    give_phones(town, "Grace", "Luis")
    visit_id = arrange(town)
    assert why(town, f"visit:{visit_id}") == {
        "staff_asked": "visit_changed",  # he has answered
        "visit_confirm": None,
        "visit_reminder": None,
        "staff_reminder": None,
    }


def test_a_question_that_was_answered_is_not_asked_again(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.family_answers(session, None, visit_id, "yes", town.policy, town.now)
    said = why(town, f"visit:{visit_id}")
    assert (said["visit_confirm"], said["visit_reminder"], said["visit_confirmed"]) == ("visit_changed", None, None)


def test_a_text_of_an_older_version_is_not_true_any_more(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(8, 17), town.policy, town.now)
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    said = why(town, f"visit:{visit_id}")
    assert (said["visit_confirm"], said["visit_moved"]) == ("visit_changed", None)


def test_once_the_visit_has_begun_nobody_is_reminded_of_it(town: Town) -> None:
    visit_id = arrange(town)
    begun = visit_of(town, visit_id).starts_at
    assert set(why(town, f"visit:{visit_id}", begun).values()) == {"begun"}


def test_a_family_that_took_its_yes_back_hears_only_that_nobody_comes(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        town.say(session, "Rivera", "withdrawn", how="phone")
    assert set(why(town, f"visit:{visit_id}").values()) == {"consent_withdrawn"}
    with town.session() as session:
        actions.cancel(session, town.actors["Grace"], visit_id, town.policy, town.now)
    assert why(town, f"visit:{visit_id}")["visit_cancelled"] is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"restricted": True}, "restricted"),
        ({"left_on": date(2026, 10, 5)}, "left"),
        ({"phone": "+15555550177"}, "phone_changed"),
        ({"phone": None}, "phone_changed"),
    ],
)
def test_whoever_has_the_phone_is_looked_at_once_more(town: Town, values: dict[str, object], code: str) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.cancel(session, town.actors["Grace"], visit_id, town.policy, town.now)
    assert why(town, f"visit:{visit_id}")["visit_cancelled"] is None
    change(town, Caregiver, Caregiver.family_id == town.families["Rivera"], **values)
    assert why(town, f"visit:{visit_id}")["visit_cancelled"] == code


def test_a_phone_that_two_of_a_family_share_stays_one_of_theirs(town: Town) -> None:
    second_caregiver(town, "Rivera")
    phone = town.phones["Rivera"]
    change(town, Caregiver, Caregiver.source_id == "g2-Rivera", phone=phone, restricted=True)
    visit_id = arrange(town)
    assert set(why(town, f"visit:{visit_id}").values()) == {None}


def test_an_invitation_is_not_sent_after_its_answer_or_its_end(town: Town) -> None:
    made = town.invitations["Quiet"]
    subject = f"invitation:{made}"
    text = PlannedText(
        key="ask",
        to=town.phones["Quiet"],
        language="en",
        template="invitation",
        params={"school": "Lincoln"},
        not_before=town.now,
        expires_at=town.now + timedelta(days=1),
        question=subject,
    )
    with town.session() as session:
        outbox.put(session, subject, text, town.now)
    assert why(town, subject) == {"invitation": None}
    with town.session() as session:
        invitations.record(session, town.actors["coordinator"], made, "yes", "phone", town.now)
    assert why(town, subject) == {"invitation": "answered"}
    with town.session() as session:
        invitations.note(session, made, Answer.NOT_NOW, "text", town.now)
    assert why(town, subject) == {"invitation": "closed"}


def test_an_answer_to_the_family_s_own_word_always_goes(town: Town) -> None:
    made = town.invitations["Quiet"]
    with town.session() as session:
        invitations.answer(session, made, Answer.NOT_NOW, town.now, phone=town.phones["Quiet"], evidence="inbound:1")
    assert why(town, f"invitation:{made}") == {"invitation_not_now": None}


def test_an_invitation_carries_its_school_s_hours(town: Town) -> None:
    with town.session() as session:
        invitations.answer(session, town.invitations["Quiet"], Answer.YES, town.now, phone="+15555550104", evidence="i")
    with town.database.reading() as session:
        row = session.scalars(select(OutgoingMessage)).one()
        assert (row.zone, row.school_id) == ("America/Denver", town.school_id)


def test_the_pair_s_texts_follow_the_visit(town: Town) -> None:
    give_phones(town, *STAFF)
    visit_id = book(town)
    assert waiting(town, visit_id) == [("202", "staff_asked")]
    with town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    assert [one for one in waiting(town, visit_id) if "staff" in one[1]] == [
        ("201", "staff_reminder"),
        ("202", "staff_reminder"),
    ]
    with town.session() as session:
        actions.cannot_come(
            session, town.actors["Luis"], visit_id, town.educators["Luis"], town.policy, town.now + timedelta(minutes=1)
        )
    assert waiting(town, visit_id) == [("201", "staff_stand_in")]
    with town.session() as session:
        actions.replace_partner(session, town.actors["Grace"], visit_id, town.educators["Amina"], town.policy, town.now)
    assert waiting(town, visit_id) == [("203", "staff_asked")]
    with town.session() as session:
        actions.decline(session, town.actors["Amina"], visit_id, town.policy, town.now)
    assert waiting(town, visit_id) == [("201", "staff_stand_in")]
    with town.session() as session:
        actions.cancel(session, town.actors["Grace"], visit_id, town.policy, town.now)
    assert [one for one in waiting(town, visit_id) if "staff" in one[1]] == []


def test_both_hear_from_a_coordinator_that_the_visit_moved_or_is_off(town: Town) -> None:
    give_phones(town, "Grace", "Luis")
    visit_id = arrange(town)
    who = town.actors["coordinator"]
    with town.session() as session:
        actions.move(session, who, visit_id, town.at(8, 17), town.policy, town.now)
    assert waiting(town, visit_id) == [("201", "staff_moved"), ("202", "staff_moved")]
    with town.session() as session:
        actions.cancel(session, who, visit_id, town.policy, town.now)
    assert [one for one in waiting(town, visit_id) if "staff" in one[1]] == [
        ("201", "staff_cancelled"),
        ("202", "staff_cancelled"),
    ]


def test_a_text_to_staff_says_no_family_no_child_and_no_address(town: Town) -> None:
    give_phones(town, "Grace", "Luis")
    visit_id = arrange(town)
    with town.database.reading() as session:
        bodies = session.scalars(select(OutgoingMessage.body).where(OutgoingMessage.category == "staff")).all()
    assert bodies
    for body in bodies:
        assert f"/visits/{visit_id}" in body
        assert not any(word in body for word in ("Rivera", "Ana", "Kid", "Main Street"))


@pytest.mark.parametrize(
    ("values", "code"), [({"phone": "+15555550299"}, "phone_changed"), ({"left_on": date(2026, 10, 6)}, "left")]
)
def test_a_text_to_staff_goes_to_the_number_they_have_now(town: Town, values: dict[str, object], code: str) -> None:
    give_phones(town, "Grace")
    visit_id = arrange(town)
    assert why(town, f"visit:{visit_id}")["staff_reminder"] is None
    change(town, Educator, Educator.id == town.educators["Grace"], **values)
    assert why(town, f"visit:{visit_id}")["staff_reminder"] == code


def test_a_family_is_thanked_the_morning_after_if_it_still_wants_visits(town: Town) -> None:
    visit_id = arrange(town)
    held(town, visit_id)
    assert waiting(town, visit_id)[-1] == ("101", "visit_thanks")
    assert why(town, f"visit:{visit_id}")["visit_thanks"] is None
    with town.session() as session:
        town.say(session, "Rivera", "withdrawn", how="phone")
    assert why(town, f"visit:{visit_id}")["visit_thanks"] == "consent_withdrawn"


def test_what_the_policy_switched_off_is_not_planned(town: Town) -> None:
    give_phones(town, "Luis")
    town.policy = replace(town.policy, texts_off=("visit_reminder", "visit_thanks", "staff_asked", "staff_reminder"))
    visit_id = arrange(town)
    assert texts(town, visit_id) == [("visit_confirm", "queued")]
    held(town, visit_id)
    assert waiting(town, visit_id) == []


def test_a_family_whose_last_child_left_is_told_kindly_and_everyone_has_their_time(town: Town) -> None:
    give_phones(town, "Grace")
    visit_id = arrange(town)
    change(town, Student, Student.family_id == town.families["Rivera"], enrolled_to=date(2026, 10, 4))
    assert why(town, f"visit:{visit_id}")["visit_confirm"] == "family_left"
    assert tidy(town) == 1
    visit = visit_of(town, visit_id)
    assert visit.state == "cancelled_by_educator"
    assert waiting(town, visit_id) == [("101", "visit_off"), ("201", "staff_cancelled")]
    assert why(town, f"visit:{visit_id}")["visit_off"] is None
    assert tidy(town) == 0


def test_a_sibling_who_stays_keeps_the_visit(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        session.add(
            Student(
                source_id="sib",
                family_id=town.families["Rivera"],
                school_id=town.school_id,
                given_name="Sib",
                family_name="R",
                grade="1",
            )
        )
    change(town, Student, Student.source_id == "st-Rivera", enrolled_to=date(2026, 10, 4))
    assert tidy(town) == 0
    assert visit_of(town, visit_id).state == "scheduled"


def test_when_a_school_year_ends_nobody_has_left(town: Town) -> None:
    visit_id = arrange(town)
    change(town, Student, Student.school_id == town.school_id, enrolled_to=date(2026, 10, 4))
    assert tidy(town) == 0
    assert why(town, f"visit:{visit_id}")["visit_confirm"] is None


@pytest.mark.parametrize("values", [{"restricted": True}, {"left_on": date(2026, 10, 5)}])
def test_texts_of_a_caregiver_who_may_no_longer_be_texted_go_to_another(town: Town, values: dict[str, object]) -> None:
    second_caregiver(town, "Rivera")
    visit_id = arrange(town)
    with town.session() as session:  # the question has left; the reminders wait
        leave(session, visit_id, "visit_confirm")
    change(town, Caregiver, Caregiver.source_id == "g-Rivera", **values)
    assert tidy(town) == 1
    assert waiting(town, visit_id) == [("191", "visit_confirm"), ("191", "visit_reminder"), ("191", "visit_reminder")]
    assert tidy(town) == 0


def leave(session: Session, visit_id: int, template: str) -> None:
    subject = f"visit:{visit_id}"
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.subject == subject, OutgoingMessage.template == template)
        .values(state="delivered")
    )


def test_where_nobody_is_left_to_text_the_texts_end(town: Town) -> None:
    visit_id = arrange(town)
    change(town, Caregiver, Caregiver.source_id == "g-Rivera", restricted=True)
    assert tidy(town) == 1
    assert waiting(town, visit_id) == []
    assert {state for _template, state in texts(town, visit_id)} == {"cancelled"}
    assert tidy(town) == 0


def test_a_corrected_number_gets_what_the_old_one_would_have_got(town: Town) -> None:
    visit_id = arrange(town)
    change(town, Caregiver, Caregiver.source_id == "g-Rivera", phone="+15555550177")
    assert tidy(town) == 1
    assert {phone for phone, _template in waiting(town, visit_id)} == {"177"}


def test_a_school_elsewhere_tells_its_own_hours(town: Town) -> None:
    change(town, School, School.id == town.school_id, timezone="America/Chicago")
    visit_id = arrange(town, at=town.at(7, 16))
    with town.database.reading() as session:
        found = session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}")).all()
        assert {(row.zone, row.school_id) for row in found} == {("America/Chicago", town.school_id)}
        assert {row.params.count("5:00 pm") for row in found} == {1}


def to_tell(town: Town) -> list[int]:
    with town.database.reading() as session:
        return [row.visit_id for row in inbox.need_telling(session, town.actors["coordinator"], town.now)]


def test_a_family_no_approved_text_speaks_to_is_called_also_about_its_visit(town: Town) -> None:
    change(town, Family, Family.id == town.families["Smith"], language="so")
    visit_id = arrange(town, family="Smith")
    assert texts(town, visit_id) == []
    assert to_tell(town) == [visit_id]


def test_a_text_to_the_pair_tells_the_family_nothing(town: Town) -> None:
    give_phones(town, "Grace", "Luis")
    change(town, Caregiver, Caregiver.source_id == "g-Smith", phone=None)
    visit_id = arrange(town, family="Smith")
    assert {phone for phone, _template in waiting(town, visit_id)} == {"201", "202"}
    assert to_tell(town) == [visit_id]


def test_what_was_said_of_an_older_time_tells_nothing_of_the_new_one(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        leave(session, visit_id, "visit_confirm")
        actions.move(session, town.actors["Grace"], visit_id, town.at(8, 17), town.policy, town.now)
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    assert to_tell(town) == []
    change(town, OutgoingMessage, OutgoingMessage.template == "visit_moved", state="dead")
    assert to_tell(town) == [visit_id]


@pytest.mark.parametrize(("reason", "calls"), [("language", True), ("template", True), ("quiet", False)])
def test_a_text_held_until_somebody_approves_its_words_is_a_call_meanwhile(
    town: Town, reason: str, calls: bool
) -> None:
    visit_id = arrange(town)
    change(town, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="held", hold_reason=reason)
    assert (to_tell(town) == [visit_id]) is calls


def test_a_reminder_does_not_follow_a_question_that_a_quiet_day_held_back(town: Town) -> None:
    visit_id = arrange(town)
    subject, later = f"visit:{visit_id}", town.now + timedelta(hours=20)
    change(town, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="accepted", sent_at=later)
    assert why(town, subject, later + timedelta(minutes=2))["visit_reminder"] == "just_told"
    assert why(town, subject, later + timedelta(minutes=61))["visit_reminder"] is None
