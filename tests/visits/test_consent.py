"""Consent is valid only while its giver is a current, unrestricted caregiver of the family."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from homevisits.core import clock
from homevisits.core.access import Actor, Grant, Role
from homevisits.core.problems import RulesBroken
from homevisits.inbox.today.lapsed_consents import lapsed_consents
from homevisits.invitations import actions as invitations
from homevisits.invitations import queries
from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import IncomingMessage
from homevisits.people.models import Caregiver, FamilyMerge, Student
from homevisits.visits import actions
from homevisits.visits.models import VisitState
from homevisits.visits.queries import families
from tests.factories.school import SchoolFixture
from tests.inbox.test_receive import dispatch, receive_text
from tests.shell.clients import create_client, create_test_app
from tests.visits.test_actions import arrange, book, complete_visit, load_visit, problem_codes
from tests.visits.test_send_checks import (
    add_second_caregiver,
    apply_withdrawals,
    check_messages,
    give_phones,
    update_rows,
)


def caregiver_moves(school_fixture: SchoolFixture, family: str = "Rivera") -> None:
    update_rows(
        school_fixture,
        Caregiver,
        Caregiver.id == school_fixture.caregivers[family],
        family_id=school_fixture.families["Nguyen"],
    )


def caregiver_is_restricted(school_fixture: SchoolFixture) -> None:
    update_rows(school_fixture, Caregiver, Caregiver.id == school_fixture.caregivers["Rivera"], restricted=True)


def caregiver_leaves(school_fixture: SchoolFixture) -> None:
    update_rows(
        school_fixture,
        Caregiver,
        Caregiver.id == school_fixture.caregivers["Rivera"],
        left_on=school_fixture.now.date(),
    )


def yes_without_giver(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        session.add(
            ConsentEntry(
                family_id=school_fixture.families["Rivera"],
                invitation_id=school_fixture.invitations["Rivera"],
                answer="yes",
                how="text",
                language="en",
                at=school_fixture.now,
            )
        )


def merge_with_withdrawal(school_fixture: SchoolFixture) -> None:
    """Merge the Smith family (newest answer: withdrawn) into the Rivera family."""
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Smith", "withdrawn")
    smith, rivera = school_fixture.families["Smith"], school_fixture.families["Rivera"]
    update_rows(school_fixture, Student, Student.family_id == smith, family_id=rivera)
    update_rows(school_fixture, Caregiver, Caregiver.family_id == smith, family_id=rivera)
    with school_fixture.session() as session:
        session.add(FamilyMerge(family_id=rivera, merged_id=smith, at=school_fixture.now - timedelta(minutes=1)))


LAPSES = pytest.mark.parametrize(
    "lapse",
    [caregiver_moves, caregiver_is_restricted, caregiver_leaves, yes_without_giver, merge_with_withdrawal],
    ids=lambda lapse: lapse.__name__,
)


def record_answer(school_fixture: SchoolFixture, answer: str, family: str = "Rivera") -> None:
    with school_fixture.session() as session:
        invitations.record_answer(
            session,
            school_fixture.actors["coordinator"],
            school_fixture.invitations[family],
            answer,
            how="phone",
            now=school_fixture.now,
        )


def has_valid_yes(school_fixture: SchoolFixture, family: str = "Rivera") -> bool:
    with school_fixture.database.reading() as session:
        answers = queries.load_current_answers(session, [school_fixture.families[family]], school_fixture.now.date())
        return answers[school_fixture.families[family]].is_valid_yes


def family_state(school_fixture: SchoolFixture, family: str = "Rivera") -> str | None:
    with school_fixture.database.reading() as session:
        rows = families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        return {row.name: row.state for row in rows}.get(family)


def list_lapsed_consents(school_fixture: SchoolFixture) -> list[tuple[str, int | None, str]]:
    """Return the lapsed consents on Today as (family, booked visit, reason)."""
    with school_fixture.database.reading() as session:
        rows = lapsed_consents(session, school_fixture.actors["coordinator"], school_fixture.now)
        return [(row.family, row.visit_id, row.reason) for row in rows]


@LAPSES
def test_booking_is_refused_when_the_yes_no_longer_counts(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    assert has_valid_yes(school_fixture)
    lapse(school_fixture)
    assert not has_valid_yes(school_fixture)
    assert family_state(school_fixture) == "yes_lapsed"
    with pytest.raises(RulesBroken) as error:
        book(school_fixture)
    assert problem_codes(error) == {"family_yes_lapsed"}


def test_yes_without_giver_counts_for_a_family_without_caregivers(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    yes_without_giver(school_fixture)
    assert has_valid_yes(school_fixture)
    assert list_lapsed_consents(school_fixture) == []
    assert book(school_fixture)


def test_yes_without_giver_does_not_count_when_every_caregiver_is_restricted(school_fixture: SchoolFixture) -> None:
    yes_without_giver(school_fixture)
    caregiver_is_restricted(school_fixture)
    assert not has_valid_yes(school_fixture)
    with pytest.raises(RulesBroken) as error:
        record_answer(school_fixture, "yes")
    assert problem_codes(error) == {"no_caregiver_may_consent"}
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        family = school_fixture.families["Rivera"]
        invitations.record_request(
            session,
            school_fixture.actors["coordinator"],
            family,
            school_fixture.school_id,
            how="phone",
            now=school_fixture.now,
        )
    assert problem_codes(error) == {"no_caregiver_may_consent"}


def test_yes_counts_again_when_its_giver_returns(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    assert [row[0] for row in list_lapsed_consents(school_fixture)] == ["Rivera"]
    update_rows(school_fixture, Caregiver, Caregiver.id == school_fixture.caregivers["Rivera"], left_on=None)
    assert has_valid_yes(school_fixture)
    assert list_lapsed_consents(school_fixture) == []


def test_request_stores_its_giver(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        family = school_fixture.families["Quiet"]
        invitation = invitations.record_request(
            session,
            school_fixture.actors["coordinator"],
            family,
            school_fixture.school_id,
            how="phone",
            now=school_fixture.now,
        )
        entry = session.scalars(select(ConsentEntry).where(ConsentEntry.invitation_id == invitation.id)).one()
        assert entry.caregiver_id == school_fixture.caregivers["Quiet"]
    assert has_valid_yes(school_fixture, "Quiet")


def test_withdrawal_of_a_merged_family_is_lifted_only_by_a_recorded_answer(school_fixture: SchoolFixture) -> None:
    merge_with_withdrawal(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "yes")  # a text reply to a question from before the merge
    assert not has_valid_yes(school_fixture)
    assert list_lapsed_consents(school_fixture) == [("Rivera", None, "merged")]
    record_answer(school_fixture, "yes")
    assert has_valid_yes(school_fixture)
    assert list_lapsed_consents(school_fixture) == []


@LAPSES
def test_messages_wait_and_are_planned_again_after_a_new_yes(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    add_second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    lapse(school_fixture)
    refused = check_messages(school_fixture, f"visit:{visit_id}")
    family_texts = {refused["visit_confirm"], refused["visit_reminder"], refused["staff_reminder"]}
    assert family_texts == {"consent_lapsed"}
    record_answer(school_fixture, "yes")
    with school_fixture.session() as session:
        actions.plan_messages_after_new_yes(
            session, school_fixture.invitations["Rivera"], school_fixture.policy, school_fixture.now
        )
    results = check_messages(school_fixture, f"visit:{visit_id}")
    assert (results["visit_confirm"], results["visit_reminder"], results["staff_reminder"]) == (None, None, None)


@LAPSES
def test_booked_visit_waits_for_the_coordinator(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    visit_id = arrange(school_fixture)
    lapse(school_fixture)
    apply_withdrawals(school_fixture)
    assert load_visit(school_fixture, visit_id).state == VisitState.SCHEDULED
    with school_fixture.session() as session:
        result = actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    assert result == actions.ResponseResult.NOT_EXPECTED
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.record_family_answer(
            session,
            school_fixture.actors["coordinator"],
            visit_id,
            "yes",
            policy=school_fixture.policy,
            now=school_fixture.now,
            how="phone",
        )
    assert problem_codes(error) == {"family_yes_lapsed"}
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert problem_codes(error) == {"family_yes_lapsed"}
    assert (load_visit(school_fixture, visit_id).state, family_state(school_fixture)) == ("scheduled", "yes_lapsed")
    assert [(name, visit) for name, visit, _reason in list_lapsed_consents(school_fixture)] == [("Rivera", visit_id)]
    with school_fixture.session() as session:
        actions.cancel(
            session, school_fixture.actors["coordinator"], visit_id, school_fixture.policy, school_fixture.now
        )
    assert [visit for _name, visit, _reason in list_lapsed_consents(school_fixture)] == [None]


def test_partner_cannot_accept_while_the_yes_does_not_count(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    caregiver_moves(school_fixture)
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert problem_codes(error) == {"family_yes_lapsed"}


def test_visit_of_a_merged_family_is_listed_until_it_is_cancelled(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    smith, rivera = school_fixture.families["Smith"], school_fixture.families["Rivera"]
    update_rows(school_fixture, Student, Student.family_id == rivera, family_id=smith)
    update_rows(school_fixture, Caregiver, Caregiver.family_id == rivera, family_id=smith)
    with school_fixture.session() as session:
        session.add(FamilyMerge(family_id=smith, merged_id=rivera, at=school_fixture.now))
    apply_withdrawals(school_fixture)
    assert load_visit(school_fixture, visit_id).state == VisitState.SCHEDULED
    assert list_lapsed_consents(school_fixture) == [("Rivera", visit_id, "merged")]
    with school_fixture.session() as session:
        actions.cancel(
            session, school_fixture.actors["coordinator"], visit_id, school_fixture.policy, school_fixture.now
        )
    assert list_lapsed_consents(school_fixture) == []


def test_completed_visit_is_unchanged_when_the_giver_leaves(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    school_fixture.now = school_fixture.time_at(7, 17)
    complete_visit(school_fixture, visit_id)
    before = load_visit(school_fixture, visit_id)
    caregiver_moves(school_fixture)
    apply_withdrawals(school_fixture)
    after = load_visit(school_fixture, visit_id)
    assert (after.state, after.consent_id) == ("completed", before.consent_id)


@pytest.mark.parametrize("body", ["1", "2", "3"])
def test_reply_of_a_caregiver_who_moved_to_another_family_needs_a_person(
    school_fixture: SchoolFixture, body: str
) -> None:
    visit_id = arrange(school_fixture, family="Smith")
    dispatch(school_fixture)
    caregiver_moves(school_fixture, "Smith")
    receive_text(school_fixture, body, now=school_fixture.now + timedelta(minutes=5))
    assert load_visit(school_fixture, visit_id).state == VisitState.SCHEDULED
    with school_fixture.database.reading() as session:
        assert session.scalars(select(IncomingMessage.needs_staff)).all() == [True]
        about_visit = select(ConsentEntry.id).where(ConsentEntry.visit_id == visit_id)
        assert session.scalars(about_visit).all() == []


def get_page(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.text[-1500:]
    return response.text


def test_pages_show_a_lapsed_yes_until_an_answer_is_recorded(school_fixture: SchoolFixture) -> None:
    add_second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    app = create_test_app(school_fixture.database)
    clock.set_source(lambda: school_fixture.time_at(7, 9))  # On the day of the visit the address would be visible.
    coordinator, grace = (
        create_client(app, school_fixture.actors["coordinator"]),
        create_client(app, school_fixture.actors["Grace"]),
    )
    assert "1 Main Street" in get_page(grace, f"/visits/{visit_id}")
    assert "Families to ask again" not in get_page(coordinator, "/today")
    caregiver_is_restricted(school_fixture)
    today = get_page(coordinator, "/today")
    assert "Families to ask again" in today
    assert f"/asking/{school_fixture.invitations['Rivera']}/answer" in today
    assert f"/visits/{visit_id}/office" in today
    assert "Ana Rivera" not in today  # A restricted caregiver is not named.
    assert "The family must be asked again" in get_page(coordinator, f"/visits/{visit_id}/office")
    assert "Ask again: the yes no longer counts" in get_page(coordinator, "/asking")
    grace_page = get_page(grace, f"/visits/{visit_id}")
    assert "Please wait: the family must be asked again" in grace_page
    assert "1 Main Street" not in grace_page
    assert "Must be asked again" in get_page(grace, "/families")
    assert "Please wait: the family must be asked again" in get_page(grace, "/my-day")
    form = {"answer": "yes", "how": "phone"}
    assert coordinator.post(f"/asking/{school_fixture.invitations['Rivera']}/answer", data=form).status_code == 303
    assert "Families to ask again" not in get_page(coordinator, "/today")
    assert "1 Main Street" in get_page(grace, f"/visits/{visit_id}")


def test_today_lists_only_families_of_the_coordinators_schools(school_fixture: SchoolFixture) -> None:
    caregiver_moves(school_fixture)
    other_coordinator = Actor(
        0, None, "x", "en", frozenset({Grant(Role.SITE_COORDINATOR, school_fixture.school_id + 1)})
    )
    with school_fixture.database.reading() as session:
        assert lapsed_consents(session, other_coordinator, school_fixture.now) == []
    assert [name for name, _visit, _reason in list_lapsed_consents(school_fixture)] == ["Rivera"]


def test_family_that_left_the_school_is_not_listed(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    gone = date(2026, 10, 1)
    update_rows(school_fixture, Student, Student.family_id == school_fixture.families["Rivera"], enrolled_to=gone)
    assert list_lapsed_consents(school_fixture) == []
