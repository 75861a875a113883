"""A yes counts only while its giver is a present, unrestricted caregiver of the family: on both engines."""

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
from tests.inbox.test_receive import leave, text
from tests.shell.clients import create_client, create_test_app
from tests.visits.test_actions import arrange, book, codes, held, visit_of
from tests.visits.test_wanted import change, give_phones, second_caregiver, tidy, why


def caregiver_moves(school_fixture: SchoolFixture, family: str = "Rivera") -> None:
    change(
        school_fixture,
        Caregiver,
        Caregiver.id == school_fixture.caregivers[family],
        family_id=school_fixture.families["Nguyen"],
    )


def caregiver_is_restricted(school_fixture: SchoolFixture) -> None:
    change(school_fixture, Caregiver, Caregiver.id == school_fixture.caregivers["Rivera"], restricted=True)


def caregiver_leaves(school_fixture: SchoolFixture) -> None:
    change(
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
    """Smith, whose newest answer is a withdrawal, becomes part of Rivera."""
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Smith", "withdrawn")
    smith, rivera = school_fixture.families["Smith"], school_fixture.families["Rivera"]
    change(school_fixture, Student, Student.family_id == smith, family_id=rivera)
    change(school_fixture, Caregiver, Caregiver.family_id == smith, family_id=rivera)
    with school_fixture.session() as session:
        session.add(FamilyMerge(family_id=rivera, merged_id=smith, at=school_fixture.now - timedelta(minutes=1)))


LAPSES = pytest.mark.parametrize(
    "lapse",
    [caregiver_moves, caregiver_is_restricted, caregiver_leaves, yes_without_giver, merge_with_withdrawal],
    ids=lambda lapse: lapse.__name__,
)


def record(school_fixture: SchoolFixture, answer: str, family: str = "Rivera") -> None:
    with school_fixture.session() as session:
        invitations.record_answer(
            session,
            school_fixture.actors["coordinator"],
            school_fixture.invitations[family],
            answer,
            how="phone",
            now=school_fixture.now,
        )


def counts(school_fixture: SchoolFixture, family: str = "Rivera") -> bool:
    with school_fixture.database.reading() as session:
        found = queries.load_current_answers(session, [school_fixture.families[family]], school_fixture.now.date())
        return found[school_fixture.families[family]].is_valid_yes


def state(school_fixture: SchoolFixture, family: str = "Rivera") -> str | None:
    with school_fixture.database.reading() as session:
        rows = families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        return {row.name: row.state for row in rows}.get(family)


def listed(school_fixture: SchoolFixture) -> list[tuple[str, int | None, str]]:
    """What Today lists: (family, booked visit, reason)."""
    with school_fixture.database.reading() as session:
        rows = lapsed_consents(session, school_fixture.actors["coordinator"], school_fixture.now)
        return [(row.family, row.visit_id, row.why) for row in rows]


@LAPSES
def test_booking_is_refused_when_the_yes_no_longer_counts(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    assert counts(school_fixture)
    lapse(school_fixture)
    assert not counts(school_fixture)
    assert state(school_fixture) == "yes_lapsed"
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture)
    assert codes(refused) == {"family_yes_lapsed"}


def test_yes_without_giver_counts_for_a_family_without_caregivers(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    yes_without_giver(school_fixture)
    assert counts(school_fixture)
    assert listed(school_fixture) == []
    assert book(school_fixture)


def test_yes_without_giver_does_not_count_when_every_caregiver_is_restricted(school_fixture: SchoolFixture) -> None:
    yes_without_giver(school_fixture)
    caregiver_is_restricted(school_fixture)
    assert not counts(school_fixture)
    with pytest.raises(RulesBroken) as refused:
        record(school_fixture, "yes")
    assert codes(refused) == {"no_caregiver_may_consent"}
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        family = school_fixture.families["Rivera"]
        invitations.record_request(
            session,
            school_fixture.actors["coordinator"],
            family,
            school_fixture.school_id,
            how="phone",
            now=school_fixture.now,
        )
    assert codes(refused) == {"no_caregiver_may_consent"}


def test_yes_counts_again_when_its_giver_returns(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    assert [row[0] for row in listed(school_fixture)] == ["Rivera"]
    change(school_fixture, Caregiver, Caregiver.id == school_fixture.caregivers["Rivera"], left_on=None)
    assert counts(school_fixture)
    assert listed(school_fixture) == []


def test_request_stores_its_giver(school_fixture: SchoolFixture) -> None:
    with school_fixture.session() as session:
        family = school_fixture.families["Quiet"]
        made = invitations.record_request(
            session,
            school_fixture.actors["coordinator"],
            family,
            school_fixture.school_id,
            how="phone",
            now=school_fixture.now,
        )
        entry = session.scalars(select(ConsentEntry).where(ConsentEntry.invitation_id == made.id)).one()
        assert entry.caregiver_id == school_fixture.caregivers["Quiet"]
    assert counts(school_fixture, "Quiet")


def test_after_a_merge_only_a_person_lifts_the_withdrawal(school_fixture: SchoolFixture) -> None:
    merge_with_withdrawal(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "yes")  # by text, to a question from before the merge
    assert not counts(school_fixture)
    assert listed(school_fixture) == [("Rivera", None, "merged")]
    record(school_fixture, "yes")
    assert counts(school_fixture)
    assert listed(school_fixture) == []


@LAPSES
def test_messages_wait_and_are_planned_again_after_a_new_yes(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    give_phones(school_fixture, "Grace", "Luis")
    second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    lapse(school_fixture)
    refused = why(school_fixture, f"visit:{visit_id}")
    family_texts = {refused["visit_confirm"], refused["visit_reminder"], refused["staff_reminder"]}
    assert family_texts == {"consent_lapsed"}
    record(school_fixture, "yes")
    with school_fixture.session() as session:
        actions.plan_messages_after_new_yes(
            session, school_fixture.invitations["Rivera"], school_fixture.policy, school_fixture.now
        )
    again = why(school_fixture, f"visit:{visit_id}")
    assert (again["visit_confirm"], again["visit_reminder"], again["staff_reminder"]) == (None, None, None)


@LAPSES
def test_booked_visit_waits_for_the_coordinator(
    school_fixture: SchoolFixture, lapse: Callable[[SchoolFixture], None]
) -> None:
    visit_id = arrange(school_fixture)
    lapse(school_fixture)
    tidy(school_fixture)
    assert visit_of(school_fixture, visit_id).state == VisitState.SCHEDULED
    with school_fixture.session() as session:
        heard = actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    assert heard == actions.ResponseResult.NOT_EXPECTED
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.record_family_answer(
            session,
            school_fixture.actors["coordinator"],
            visit_id,
            "yes",
            policy=school_fixture.policy,
            now=school_fixture.now,
            how="phone",
        )
    assert codes(refused) == {"family_yes_lapsed"}
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert codes(refused) == {"family_yes_lapsed"}
    assert (visit_of(school_fixture, visit_id).state, state(school_fixture)) == ("scheduled", "yes_lapsed")
    assert [(name, visit) for name, visit, _why in listed(school_fixture)] == [("Rivera", visit_id)]
    with school_fixture.session() as session:
        actions.cancel(
            session, school_fixture.actors["coordinator"], visit_id, school_fixture.policy, school_fixture.now
        )
    assert [visit for _name, visit, _why in listed(school_fixture)] == [None]


def test_partner_cannot_accept_while_the_yes_does_not_count(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    caregiver_moves(school_fixture)
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert codes(refused) == {"family_yes_lapsed"}


def test_visit_of_a_merged_family_is_listed_until_it_is_called_off(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    smith, rivera = school_fixture.families["Smith"], school_fixture.families["Rivera"]
    change(school_fixture, Student, Student.family_id == rivera, family_id=smith)
    change(school_fixture, Caregiver, Caregiver.family_id == rivera, family_id=smith)
    with school_fixture.session() as session:
        session.add(FamilyMerge(family_id=smith, merged_id=rivera, at=school_fixture.now))
    tidy(school_fixture)
    assert visit_of(school_fixture, visit_id).state == VisitState.SCHEDULED
    assert listed(school_fixture) == [("Rivera", visit_id, "merged")]
    with school_fixture.session() as session:
        actions.cancel(
            session, school_fixture.actors["coordinator"], visit_id, school_fixture.policy, school_fixture.now
        )
    assert listed(school_fixture) == []


def test_completed_visit_is_unchanged_when_the_giver_leaves(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    school_fixture.now = school_fixture.time_at(7, 17)
    held(school_fixture, visit_id)
    before = visit_of(school_fixture, visit_id)
    caregiver_moves(school_fixture)
    tidy(school_fixture)
    after = visit_of(school_fixture, visit_id)
    assert (after.state, after.consent_id) == ("completed", before.consent_id)


@pytest.mark.parametrize("body", ["1", "2", "3"])
def test_reply_of_a_caregiver_who_moved_to_another_family_goes_to_a_person(
    school_fixture: SchoolFixture, body: str
) -> None:
    visit_id = arrange(school_fixture, family="Smith")
    leave(school_fixture)
    caregiver_moves(school_fixture, "Smith")
    text(school_fixture, body, now=school_fixture.now + timedelta(minutes=5))
    assert visit_of(school_fixture, visit_id).state == VisitState.SCHEDULED
    with school_fixture.database.reading() as session:
        assert session.scalars(select(IncomingMessage.needs_person)).all() == [True]
        about_visit = select(ConsentEntry.id).where(ConsentEntry.visit_id == visit_id)
        assert session.scalars(about_visit).all() == []


def page(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[-1500:]
    return answer.text


def test_pages_show_a_lapsed_yes_until_an_answer_is_recorded(school_fixture: SchoolFixture) -> None:
    second_caregiver(school_fixture, "Rivera")
    visit_id = arrange(school_fixture)
    app = create_test_app(school_fixture.database)
    clock.set_source(lambda: school_fixture.time_at(7, 9))  # the day of the visit: the address would show
    coordinator, grace = (
        create_client(app, school_fixture.actors["coordinator"]),
        create_client(app, school_fixture.actors["Grace"]),
    )
    assert "1 Main Street" in page(grace, f"/visits/{visit_id}")
    assert "Families to ask again" not in page(coordinator, "/today")
    caregiver_is_restricted(school_fixture)
    today = page(coordinator, "/today")
    assert "Families to ask again" in today
    assert f"/asking/{school_fixture.invitations['Rivera']}/answer" in today
    assert f"/visits/{visit_id}/office" in today
    assert "Ana Rivera" not in today  # a restricted caregiver is not mentioned
    assert "The family must be asked again" in page(coordinator, f"/visits/{visit_id}/office")
    assert "Ask again: the yes no longer counts" in page(coordinator, "/asking")
    mine = page(grace, f"/visits/{visit_id}")
    assert "Please wait: the family must be asked again" in mine
    assert "1 Main Street" not in mine
    assert "Must be asked again" in page(grace, "/families")
    assert "Please wait: the family must be asked again" in page(grace, "/my-day")
    form = {"answer": "yes", "how": "phone"}
    assert coordinator.post(f"/asking/{school_fixture.invitations['Rivera']}/answer", data=form).status_code == 303
    assert "Families to ask again" not in page(coordinator, "/today")
    assert "1 Main Street" in page(grace, f"/visits/{visit_id}")


def test_today_lists_only_families_of_the_coordinators_schools(school_fixture: SchoolFixture) -> None:
    caregiver_moves(school_fixture)
    stranger = Actor(0, None, "x", "en", frozenset({Grant(Role.SITE_COORDINATOR, school_fixture.school_id + 1)}))
    with school_fixture.database.reading() as session:
        assert lapsed_consents(session, stranger, school_fixture.now) == []
    assert [name for name, _visit, _why in listed(school_fixture)] == ["Rivera"]


def test_family_that_left_the_school_is_not_listed(school_fixture: SchoolFixture) -> None:
    caregiver_leaves(school_fixture)
    gone = date(2026, 10, 1)
    change(school_fixture, Student, Student.family_id == school_fixture.families["Rivera"], enrolled_to=gone)
    assert listed(school_fixture) == []
