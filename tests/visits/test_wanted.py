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
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.people.models import Caregiver, Educator, Family, School, Student
from homevisits.visits import actions, send_checks
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, held, texts, visit_of

STAFF = {"Grace": "+15555550201", "Luis": "+15555550202", "Amina": "+15555550203"}


def change(school_fixture: SchoolFixture, model: type[Any], *where: Any, **values: object) -> None:
    """Something is otherwise, as an import would leave it."""
    with school_fixture.session() as session:
        for row in session.scalars(select(model).where(*where)).all():
            for name, value in values.items():
                setattr(row, name, value)


def give_phones(school_fixture: SchoolFixture, *names: str) -> None:
    for name in names:
        change(school_fixture, Educator, Educator.id == school_fixture.educators[name], phone=STAFF[name])


def why(school_fixture: SchoolFixture, subject: str, at: datetime | None = None) -> dict[str, str | None]:
    """What the claim is told of each text, by its name; of several of a name the last."""
    with school_fixture.database.reading() as session:
        rows = session.scalars(
            select(OutgoingMessage).where(OutgoingMessage.subject == subject).order_by(OutgoingMessage.id)
        ).all()
        check = send_checks.reason_not_to_send if subject.startswith("visit") else invited.reason_not_to_send
        return {row.template: check(session, row, at or school_fixture.now) for row in rows}


def waiting(school_fixture: SchoolFixture, visit_id: int) -> list[tuple[str, str]]:
    """(phone's last digits, template) of what is still to leave about a visit."""
    with school_fixture.database.reading() as session:
        found = select(OutgoingMessage).where(
            OutgoingMessage.subject == f"visit:{visit_id}", OutgoingMessage.state == "queued"
        )
        return [(row.phone[-3:], row.template) for row in session.scalars(found.order_by(OutgoingMessage.id))]


def tidy(school_fixture: SchoolFixture, now: datetime | None = None) -> int:
    with school_fixture.session() as session:
        return actions.apply_withdrawals(session, school_fixture.policy, now or school_fixture.now)


def second_caregiver(school_fixture: SchoolFixture, family: str) -> None:
    with school_fixture.session() as session:
        session.add(
            Caregiver(
                source_id=f"g2-{family}",
                family_id=school_fixture.families[family],
                given_name="Bo",
                family_name=family,
                relation="father",
                phone="+15555550191",
                contact_order=2,
            )
        )


def test_what_still_holds_may_leave(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    assert why(school_fixture, f"visit:{visit_id}") == {
        "staff_asked": "visit_changed",  # he has answered
        "visit_confirm": None,
        "visit_reminder": None,
        "staff_reminder": None,
    }


def test_a_question_that_was_answered_is_not_asked_again(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    said = why(school_fixture, f"visit:{visit_id}")
    assert (said["visit_confirm"], said["visit_see_you"], said["visit_confirmed"]) == ("visit_changed", None, None)


def test_a_text_of_an_older_version_is_not_true_any_more(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    said = why(school_fixture, f"visit:{visit_id}")
    assert (said["visit_confirm"], said["visit_moved"]) == ("visit_changed", None)


def test_once_the_visit_has_begun_nobody_is_reminded_of_it(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    start = visit_of(school_fixture, visit_id).starts_at
    assert set(why(school_fixture, f"visit:{visit_id}", start).values()) == {"visit_started"}


def test_a_family_that_took_its_yes_back_hears_only_that_nobody_comes(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
    assert set(why(school_fixture, f"visit:{visit_id}").values()) == {"consent_withdrawn"}
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert why(school_fixture, f"visit:{visit_id}")["visit_cancelled"] is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"restricted": True}, "restricted"),
        ({"left_on": date(2026, 10, 5)}, "left"),
        ({"phone": "+15555550177"}, "phone_changed"),
        ({"phone": None}, "phone_changed"),
    ],
)
def test_whoever_has_the_phone_is_looked_at_once_more(
    school_fixture: SchoolFixture, values: dict[str, object], code: str
) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert why(school_fixture, f"visit:{visit_id}")["visit_cancelled"] is None
    change(school_fixture, Caregiver, Caregiver.family_id == school_fixture.families["Rivera"], **values)
    assert why(school_fixture, f"visit:{visit_id}")["visit_cancelled"] == code


def test_a_phone_that_two_of_a_family_share_stays_one_of_theirs(school_fixture: SchoolFixture) -> None:
    second_caregiver(school_fixture, "Rivera")
    phone = school_fixture.phones["Rivera"]
    change(school_fixture, Caregiver, Caregiver.source_id == "g2-Rivera", phone=phone, restricted=True)
    visit_id = arrange(school_fixture)
    assert set(why(school_fixture, f"visit:{visit_id}").values()) == {None}


def test_an_invitation_is_not_sent_after_its_answer_or_its_end(school_fixture: SchoolFixture) -> None:
    made = school_fixture.invitations["Quiet"]
    subject = f"invitation:{made}"
    text = PlannedMessage(
        key="ask",
        to=school_fixture.phones["Quiet"],
        language="en",
        template="invitation",
        params={"school": "Lincoln"},
        not_before=school_fixture.now,
        expires_at=school_fixture.now + timedelta(days=1),
        question=subject,
    )
    with school_fixture.session() as session:
        outbox.put(session, subject, text, school_fixture.now)
    assert why(school_fixture, subject) == {"invitation": None}
    with school_fixture.session() as session:
        invitations.record_answer(
            session, school_fixture.actors["coordinator"], made, "yes", how="phone", now=school_fixture.now
        )
    assert why(school_fixture, subject) == {"invitation": "answered"}
    with school_fixture.session() as session:
        invitations.append_answer(session, made, Answer.NOT_NOW, "text", school_fixture.now)
    assert why(school_fixture, subject) == {"invitation": "closed"}


def test_an_answer_to_the_family_s_own_word_always_goes(school_fixture: SchoolFixture) -> None:
    made = school_fixture.invitations["Quiet"]
    with school_fixture.session() as session:
        invitations.record_text_answer(
            session,
            made,
            Answer.NOT_NOW,
            school_fixture.now,
            phone=school_fixture.phones["Quiet"],
            evidence="inbound:1",
        )
    assert why(school_fixture, f"invitation:{made}") == {"invitation_not_now": None}


def test_an_invitation_carries_its_school_s_hours(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        invitations.record_text_answer(
            session,
            school_fixture.invitations["Quiet"],
            Answer.YES,
            school_fixture.now,
            phone="+15555550104",
            evidence="i",
        )
    with school_fixture.database.reading() as session:
        row = session.scalars(select(OutgoingMessage)).one()
        assert (row.zone, row.school_id) == ("America/Denver", school_fixture.school_id)


def test_the_pair_s_texts_follow_the_visit(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, *STAFF)
    visit_id = book(school_fixture)
    assert waiting(school_fixture, visit_id) == [("202", "staff_asked")]
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert [one for one in waiting(school_fixture, visit_id) if "staff" in one[1]] == [
        ("201", "staff_reminder"),
        ("202", "staff_reminder"),
    ]
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now + timedelta(minutes=1),
        )
    assert waiting(school_fixture, visit_id) == [("201", "staff_stand_in")]
    with school_fixture.session() as session:
        actions.replace_partner(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.educators["Amina"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert waiting(school_fixture, visit_id) == [("203", "staff_asked")]
    with school_fixture.session() as session:
        actions.decline(session, school_fixture.actors["Amina"], visit_id, school_fixture.policy, school_fixture.now)
    assert waiting(school_fixture, visit_id) == [("201", "staff_stand_in")]
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert [one for one in waiting(school_fixture, visit_id) if "staff" in one[1]] == []


def test_both_hear_from_a_coordinator_that_the_visit_moved_or_is_off(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    who = school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        actions.move(
            session, who, visit_id, school_fixture.time_at(8, 17), policy=school_fixture.policy, now=school_fixture.now
        )
    assert waiting(school_fixture, visit_id) == [("201", "staff_moved"), ("202", "staff_moved")]
    with school_fixture.session() as session:
        actions.cancel(session, who, visit_id, school_fixture.policy, school_fixture.now)
    assert [one for one in waiting(school_fixture, visit_id) if "staff" in one[1]] == [
        ("201", "staff_cancelled"),
        ("202", "staff_cancelled"),
    ]


def test_a_text_to_staff_says_no_family_no_child_and_no_address(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    visit_id = arrange(school_fixture)
    with school_fixture.database.reading() as session:
        bodies = session.scalars(select(OutgoingMessage.body).where(OutgoingMessage.category == "staff")).all()
    assert bodies
    for body in bodies:
        assert f"/visits/{visit_id}" in body
        assert not any(word in body for word in ("Rivera", "Ana", "Kid", "Main Street"))


@pytest.mark.parametrize(
    ("values", "code"), [({"phone": "+15555550299"}, "phone_changed"), ({"left_on": date(2026, 10, 6)}, "left")]
)
def test_a_text_to_staff_goes_to_the_number_they_have_now(
    school_fixture: SchoolFixture, values: dict[str, object], code: str
) -> None:
    give_phones(school_fixture, "Grace")
    visit_id = arrange(school_fixture)
    assert why(school_fixture, f"visit:{visit_id}")["staff_reminder"] is None
    change(school_fixture, Educator, Educator.id == school_fixture.educators["Grace"], **values)
    assert why(school_fixture, f"visit:{visit_id}")["staff_reminder"] == code


def test_a_family_is_thanked_the_morning_after_if_it_still_wants_visits(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    held(school_fixture, visit_id)
    assert waiting(school_fixture, visit_id)[-1] == ("101", "visit_thanks")
    assert why(school_fixture, f"visit:{visit_id}")["visit_thanks"] is None
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
    assert why(school_fixture, f"visit:{visit_id}")["visit_thanks"] == "consent_withdrawn"


def test_what_the_policy_switched_off_is_not_planned(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Luis")
    school_fixture.policy = replace(
        school_fixture.policy, texts_off=("visit_reminder", "visit_thanks", "staff_asked", "staff_reminder")
    )
    visit_id = arrange(school_fixture)
    assert texts(school_fixture, visit_id) == [("visit_confirm", "queued")]
    held(school_fixture, visit_id)
    assert waiting(school_fixture, visit_id) == []


def test_a_family_whose_last_child_left_is_told_kindly_and_everyone_has_their_time(
    school_fixture: SchoolFixture,
) -> None:
    give_phones(school_fixture, "Grace")
    visit_id = arrange(school_fixture)
    change(
        school_fixture, Student, Student.family_id == school_fixture.families["Rivera"], enrolled_to=date(2026, 10, 4)
    )
    assert why(school_fixture, f"visit:{visit_id}")["visit_confirm"] == "family_left"
    assert tidy(school_fixture) == 1
    visit = visit_of(school_fixture, visit_id)
    assert visit.state == "cancelled_by_educator"
    assert waiting(school_fixture, visit_id) == [("101", "visit_off"), ("201", "staff_cancelled")]
    assert why(school_fixture, f"visit:{visit_id}")["visit_off"] is None
    assert tidy(school_fixture) == 0


def test_a_sibling_who_stays_keeps_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        session.add(
            Student(
                source_id="sib",
                family_id=school_fixture.families["Rivera"],
                school_id=school_fixture.school_id,
                given_name="Sib",
                family_name="R",
                grade="1",
            )
        )
    change(school_fixture, Student, Student.source_id == "st-Rivera", enrolled_to=date(2026, 10, 4))
    assert tidy(school_fixture) == 0
    assert visit_of(school_fixture, visit_id).state == "scheduled"


def test_when_a_school_year_ends_nobody_has_left(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    change(school_fixture, Student, Student.school_id == school_fixture.school_id, enrolled_to=date(2026, 10, 4))
    assert tidy(school_fixture) == 0
    assert why(school_fixture, f"visit:{visit_id}")["visit_confirm"] is None


@pytest.mark.parametrize("values", [{"restricted": True}, {"left_on": date(2026, 10, 5)}])
def test_texts_of_a_caregiver_who_may_no_longer_be_texted_go_to_another(
    school_fixture: SchoolFixture, values: dict[str, object]
) -> None:
    second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:  # the question has left; the reminders wait
        leave(session, visit_id, "visit_confirm")
    change(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", **values)
    assert tidy(school_fixture) == 1
    assert waiting(school_fixture, visit_id) == [
        ("191", "visit_confirm"),
        ("191", "visit_reminder"),
        ("191", "visit_reminder"),
    ]
    assert tidy(school_fixture) == 0


def leave(session: Session, visit_id: int, template: str) -> None:
    subject = f"visit:{visit_id}"
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.subject == subject, OutgoingMessage.template == template)
        .values(state="delivered")
    )


def test_where_nobody_is_left_to_text_the_texts_end(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    change(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", restricted=True)
    assert tidy(school_fixture) == 1
    assert waiting(school_fixture, visit_id) == []
    assert {state for _template, state in texts(school_fixture, visit_id)} == {"cancelled"}
    assert tidy(school_fixture) == 0


def test_a_corrected_number_gets_what_the_old_one_would_have_got(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    change(school_fixture, Caregiver, Caregiver.source_id == "g-Rivera", phone="+15555550177")
    assert tidy(school_fixture) == 1
    assert {phone for phone, _template in waiting(school_fixture, visit_id)} == {"177"}


def test_a_school_elsewhere_tells_its_own_hours(school_fixture: SchoolFixture) -> None:
    change(school_fixture, School, School.id == school_fixture.school_id, timezone="America/Chicago")
    visit_id = arrange(school_fixture, at=school_fixture.time_at(7, 16))
    with school_fixture.database.reading() as session:
        found = session.scalars(select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}")).all()
        assert {(row.zone, row.school_id) for row in found} == {("America/Chicago", school_fixture.school_id)}
        assert {row.params.count("5:00 pm") for row in found} == {1}


def to_tell(school_fixture: SchoolFixture) -> list[int]:
    with school_fixture.database.reading() as session:
        return [
            row.visit_id
            for row in inbox.visits_not_communicated(session, school_fixture.actors["coordinator"], school_fixture.now)
        ]


def test_a_family_no_approved_text_speaks_to_is_called_also_about_its_visit(school_fixture: SchoolFixture) -> None:
    change(school_fixture, Family, Family.id == school_fixture.families["Smith"], language="so")
    visit_id = arrange(school_fixture, family="Smith")
    assert texts(school_fixture, visit_id) == []
    assert to_tell(school_fixture) == [visit_id]


def test_a_text_to_the_pair_tells_the_family_nothing(school_fixture: SchoolFixture) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    change(school_fixture, Caregiver, Caregiver.source_id == "g-Smith", phone=None)
    visit_id = arrange(school_fixture, family="Smith")
    assert {phone for phone, _template in waiting(school_fixture, visit_id)} == {"201", "202"}
    assert to_tell(school_fixture) == [visit_id]


def test_what_was_said_of_an_older_time_tells_nothing_of_the_new_one(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        leave(session, visit_id, "visit_confirm")
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert to_tell(school_fixture) == []
    change(school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_moved", state="dead")
    assert to_tell(school_fixture) == [visit_id]


@pytest.mark.parametrize(("reason", "calls"), [("language", True), ("template", True), ("quiet", False)])
def test_a_text_held_until_somebody_approves_its_words_is_a_call_meanwhile(
    school_fixture: SchoolFixture, reason: str, calls: bool
) -> None:
    visit_id = arrange(school_fixture)
    change(
        school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="held", hold_reason=reason
    )
    assert (to_tell(school_fixture) == [visit_id]) is calls


def test_a_reminder_does_not_follow_a_question_that_a_quiet_day_held_back(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    subject, later = f"visit:{visit_id}", school_fixture.now + timedelta(hours=20)
    change(
        school_fixture, OutgoingMessage, OutgoingMessage.template == "visit_confirm", state="accepted", sent_at=later
    )
    assert why(school_fixture, subject, later + timedelta(minutes=2))["visit_reminder"] == "recently_announced"
    assert why(school_fixture, subject, later + timedelta(minutes=61))["visit_reminder"] is None
