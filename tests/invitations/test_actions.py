from datetime import timedelta

import pytest
from sqlalchemy import select, update

from homevisits.core.problems import NotFound, RulesBroken
from homevisits.draws.models import DrawEntry
from homevisits.draws.rules import Method
from homevisits.invitations import actions, queries, queue
from homevisits.invitations.actions import AskedFamily
from homevisits.invitations.models import Answer, ConsentEntry, FamilyRequest, Invitation
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Family, School, Student
from tests.factories.large_school import NOW, LargeSchool, family_phone


def ask_next(large_school: LargeSchool, draw_id: int, count: int = 1) -> list[AskedFamily]:
    with large_school.database.transaction() as session:
        return actions.ask_next(session, large_school.coordinator, draw_id, count, NOW)


def record_answer(large_school: LargeSchool, invitation_id: int, answer: Answer) -> None:
    with large_school.database.transaction() as session:
        actions.record_answer(session, large_school.coordinator, invitation_id, answer, how="phone", now=NOW)


def list_drawn_families(large_school: LargeSchool, draw_id: int) -> list[int]:
    with large_school.database.reading() as session:
        return list(
            session.scalars(
                select(DrawEntry.family_id)
                .where(DrawEntry.draw_id == draw_id, DrawEntry.position.is_not(None))
                .order_by(DrawEntry.position)
            )
        )


def test_families_are_asked_in_the_order_drawn(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    invited = [family.family_id for _ in range(4) for family in ask_next(large_school, draw_id, 5)]
    assert invited == list_drawn_families(large_school, draw_id)
    with pytest.raises(RulesBroken) as error:
        ask_next(large_school, draw_id)
    assert [problem.code for problem in error.value.problems] == ["nobody_left_to_ask"]


def test_only_the_next_family_can_be_asked(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    first, second, *_ = list_drawn_families(large_school, draw_id)
    with pytest.raises(RulesBroken), large_school.database.transaction() as session:
        actions.ask_one(session, large_school.coordinator, draw_id, second, NOW)
    with large_school.database.transaction() as session:
        assert actions.ask_one(session, large_school.coordinator, draw_id, first, NOW).family_id == first


def test_family_is_asked_in_its_language_or_by_phone_call(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    invited = {family.family: family for family in ask_next(large_school, draw_id, 20)}
    assert {name: family.call_reason for name, family in invited.items() if family.call_reason} == {
        "Family 03": "no_text",
        "Family 04": "no_phone",
    }
    with large_school.database.reading() as session:
        messages = {row.phone: row for row in session.scalars(select(OutgoingMessage))}
        assert len(messages) == 18
        assert messages[family_phone(1)].language == "es"
        assert messages[family_phone(1)].body.startswith("¡Hola de Lincoln Elementary!")
        assert messages[family_phone(2)].body.startswith("Hello from Lincoln Elementary!")
        assert messages[family_phone(1)].question == f"invitation:{invited['Family 01'].invitation_id}"
        waiting = [row for row in queue.list_open_invitations(session, large_school.coordinator, NOW) if row.needs_call]
        assert sorted(row.family for row in waiting) == ["Family 03", "Family 04"]


def test_next_family_of_the_stratum_replaces_a_refusal(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(sample_size=6)
    invited = ask_next(large_school, draw_id, 6)
    declined = invited[0]
    with large_school.database.reading() as session:
        assert queue.list_next_families(session, draw_id, 5, NOW) == []
    record_answer(large_school, declined.invitation_id, Answer.NOT_NOW)
    with large_school.database.reading() as session:
        stratum, family_id = session.execute(
            select(DrawEntry.stratum, DrawEntry.family_id).where(
                DrawEntry.draw_id == draw_id, DrawEntry.family_id == declined.family_id
            )
        ).one()
        expected = session.scalars(
            select(DrawEntry.family_id)
            .where(DrawEntry.draw_id == draw_id, DrawEntry.stratum == stratum, DrawEntry.position.is_(None))
            .order_by(DrawEntry.sha256)
        ).first()
        (following,) = queue.list_next_families(session, draw_id, 5, NOW)
        assert family_id == declined.family_id
        assert (following.family_id, following.replaces_id) == (expected, declined.invitation_id)
    assert [family.family_id for family in ask_next(large_school, draw_id, 5)] == [expected]
    with large_school.database.reading() as session:
        assert queue.list_next_families(session, draw_id, 5, NOW) == []


def test_refusal_excludes_a_family_from_other_draws_during_the_cooldown(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    declined = ask_next(large_school, draw_id)[0]
    record_answer(large_school, declined.invitation_id, Answer.NOT_NOW)
    new_draw_id = large_school.create_draw(Method.EVERYONE, None, seed="more", reason="New children came.")
    with large_school.database.reading() as session:
        assert queue.list_open_invitations(session, large_school.coordinator, NOW) == []
        families = {family.family_id for family in queue.list_next_families(session, new_draw_id, 50, NOW)}
        assert declined.family_id not in families
        assert len(families) == 19
        later = NOW + queue.REFUSAL_COOLDOWN + timedelta(days=1)
        assert len(queue.list_next_families(session, new_draw_id, 50, later)) == 20
        assert queue.load_progress(session, [draw_id])[draw_id].not_now == 1


def test_replaced_draw_cannot_ask_families(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    large_school.create_draw(Method.EVERYONE, None, seed="more", reason="New children came.")
    with pytest.raises(RulesBroken) as error:
        ask_next(large_school, draw_id)
    assert [problem.code for problem in error.value.problems] == ["draw_was_replaced"]


def test_phone_answer_is_stored_with_channel_and_author(large_school: LargeSchool) -> None:
    invited = ask_next(large_school, large_school.create_draw(Method.EVERYONE, None))[0]
    record_answer(large_school, invited.invitation_id, Answer.YES)
    with large_school.database.reading() as session:
        entry = session.scalars(select(ConsentEntry)).one()
        assert (entry.answer, entry.how, entry.recorded_by) == ("yes", "phone", large_school.coordinator.account_id)
        current = queries.load_current_answers(session, [invited.family_id], NOW.date())[invited.family_id]
        assert current.yes_id == entry.id


def test_invalid_answer_and_channel_are_reported_together(large_school: LargeSchool) -> None:
    invited = ask_next(large_school, large_school.create_draw(Method.EVERYONE, None))[0]
    with pytest.raises(RulesBroken) as error, large_school.database.transaction() as session:
        actions.record_answer(session, large_school.coordinator, invited.invitation_id, "maybe", how="text", now=NOW)
    assert {problem.code for problem in error.value.problems} == {"not_a_choice", "how_missing"}


def test_consent_can_be_withdrawn_and_given_again(large_school: LargeSchool) -> None:
    invited = ask_next(large_school, large_school.create_draw(Method.EVERYONE, None))[0]
    for answer, is_valid in ((Answer.YES, True), (Answer.WITHDRAWN, False), (Answer.YES, True)):
        record_answer(large_school, invited.invitation_id, answer)
        with large_school.database.reading() as session:
            assert (
                queries.load_current_answers(session, [invited.family_id], NOW.date())[invited.family_id].yes_id
                is not None
            ) is is_valid
            assert (session.get_one(Invitation, invited.invitation_id).closed_at is None) is is_valid


def test_not_now_cancels_the_unsent_message(large_school: LargeSchool) -> None:
    invited = ask_next(large_school, large_school.create_draw(Method.EVERYONE, None), 2)[0]
    record_answer(large_school, invited.invitation_id, Answer.NOT_NOW)
    with large_school.database.reading() as session:
        subject = OutgoingMessage.subject == f"invitation:{invited.invitation_id}"
        assert set(session.scalars(select(OutgoingMessage.state).where(subject))) <= {"cancelled"}


def test_family_can_request_a_visit_without_a_draw(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        family = session.scalars(select(Family).where(Family.key == "F07")).one()
        invitation = actions.record_request(
            session, large_school.coordinator, family.id, large_school.school_id, how="in_person", now=NOW
        )
        assert invitation.draw_id is None
        assert session.get_one(FamilyRequest, invitation.family_request_id).how == "in_person"
        assert queries.load_current_answers(session, [family.id], NOW.date())[family.id].yes_id is not None


def test_coordinator_of_another_school_cannot_ask_record_or_see(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    invited = ask_next(large_school, draw_id)[0]
    with large_school.database.transaction() as session:
        with pytest.raises(NotFound):
            actions.ask_next(session, large_school.other_coordinator, draw_id, 1, NOW)
        with pytest.raises(NotFound):
            actions.record_answer(
                session, large_school.other_coordinator, invited.invitation_id, Answer.YES, how="phone", now=NOW
            )
        with pytest.raises(NotFound):
            actions.record_request(
                session, large_school.other_coordinator, invited.family_id, large_school.school_id, how="phone", now=NOW
            )
        with pytest.raises(NotFound):
            queue.get_invitation(session, large_school.other_coordinator, invited.invitation_id, NOW)
        assert queue.list_open_invitations(session, large_school.other_coordinator, NOW) == []
        assert {row.school_id for row in queries.find_families(session, large_school.other_coordinator, "family")} == {
            large_school.school_id + 1
        }


def test_request_of_a_family_of_another_school_is_not_found(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        family = session.scalars(select(Family).where(Family.key == "F07")).one()
        other_school = session.scalars(select(School.id).where(School.id != large_school.school_id)).one()
        session.execute(update(Student).where(Student.family_id == family.id).values(school_id=other_school))
        with pytest.raises(NotFound):
            actions.record_request(
                session, large_school.coordinator, family.id, large_school.school_id, how="phone", now=NOW
            )
        assert session.scalars(select(FamilyRequest.id)).all() == []


def test_answer_by_message_is_recorded_without_a_reply_if_its_template_is_not_approved(
    large_school: LargeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    invited = ask_next(large_school, large_school.create_draw(Method.EVERYONE, None))[0]
    monkeypatch.setattr(actions.catalog, "is_approved", lambda _language, template: template != "invitation_yes")
    with large_school.database.transaction() as session:
        actions.record_text_answer(
            session, invited.invitation_id, Answer.YES, NOW, phone=family_phone(1), evidence="SM1"
        )
    with large_school.database.reading() as session:
        assert session.scalars(select(ConsentEntry.answer)).all() == ["yes"]
        assert "invitation_yes" not in session.scalars(select(OutgoingMessage.template)).all()


def test_answer_by_message_to_an_unknown_invitation_is_not_found(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session, pytest.raises(NotFound):
        actions.record_text_answer(session, 99_999, Answer.YES, NOW, phone=family_phone(1), evidence="SM1")
