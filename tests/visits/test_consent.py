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
from tests.inbox.test_receive import leave, text
from tests.shell.doors import app_of, browser_of
from tests.visits.test_actions import arrange, book, codes, held, visit_of
from tests.visits.test_wanted import change, give_phones, second_caregiver, tidy, why
from tests.world import Town


def caregiver_moves(town: Town, family: str = "Rivera") -> None:
    change(town, Caregiver, Caregiver.id == town.caregivers[family], family_id=town.families["Nguyen"])


def caregiver_is_restricted(town: Town) -> None:
    change(town, Caregiver, Caregiver.id == town.caregivers["Rivera"], restricted=True)


def caregiver_leaves(town: Town) -> None:
    change(town, Caregiver, Caregiver.id == town.caregivers["Rivera"], left_on=town.now.date())


def yes_without_giver(town: Town) -> None:
    with town.session() as session:
        session.add(
            ConsentEntry(
                family_id=town.families["Rivera"],
                invitation_id=town.invitations["Rivera"],
                answer="yes",
                how="text",
                language="en",
                at=town.now,
            )
        )


def merge_with_withdrawal(town: Town) -> None:
    """Smith, whose newest answer is a withdrawal, becomes part of Rivera."""
    with town.session() as session:
        town.say(session, "Smith", "withdrawn")
    smith, rivera = town.families["Smith"], town.families["Rivera"]
    change(town, Student, Student.family_id == smith, family_id=rivera)
    change(town, Caregiver, Caregiver.family_id == smith, family_id=rivera)
    with town.session() as session:
        session.add(FamilyMerge(family_id=rivera, merged_id=smith, at=town.now - timedelta(minutes=1)))


LAPSES = pytest.mark.parametrize(
    "lapse",
    [caregiver_moves, caregiver_is_restricted, caregiver_leaves, yes_without_giver, merge_with_withdrawal],
    ids=lambda lapse: lapse.__name__,
)


def record(town: Town, answer: str, family: str = "Rivera") -> None:
    with town.session() as session:
        invitations.record(session, town.actors["coordinator"], town.invitations[family], answer, "phone", town.now)


def counts(town: Town, family: str = "Rivera") -> bool:
    with town.database.reading() as session:
        found = queries.standing(session, [town.families[family]], town.now.date())
        return found[town.families[family]].counts


def state(town: Town, family: str = "Rivera") -> str | None:
    with town.database.reading() as session:
        rows = families.my_families(session, town.actors["Grace"], town.now)
        return {row.name: row.state for row in rows}.get(family)


def listed(town: Town) -> list[tuple[str, int | None, str]]:
    """What Today lists: (family, booked visit, reason)."""
    with town.database.reading() as session:
        rows = lapsed_consents(session, town.actors["coordinator"], town.now)
        return [(row.family, row.visit_id, row.why) for row in rows]


@LAPSES
def test_booking_is_refused_when_the_yes_no_longer_counts(town: Town, lapse: Callable[[Town], None]) -> None:
    assert counts(town)
    lapse(town)
    assert not counts(town)
    assert state(town) == "yes_lapsed"
    with pytest.raises(RulesBroken) as refused:
        book(town)
    assert codes(refused) == {"family_yes_lapsed"}


def test_yes_without_giver_counts_for_a_family_without_caregivers(town: Town) -> None:
    caregiver_leaves(town)
    yes_without_giver(town)
    assert counts(town)
    assert listed(town) == []
    assert book(town)


def test_yes_without_giver_does_not_count_when_every_caregiver_is_restricted(town: Town) -> None:
    yes_without_giver(town)
    caregiver_is_restricted(town)
    assert not counts(town)
    with pytest.raises(RulesBroken) as refused:
        record(town, "yes")
    assert codes(refused) == {"no_caregiver_may_consent"}
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        family = town.families["Rivera"]
        invitations.request(session, town.actors["coordinator"], family, town.school_id, "phone", town.now)
    assert codes(refused) == {"no_caregiver_may_consent"}


def test_yes_counts_again_when_its_giver_returns(town: Town) -> None:
    caregiver_leaves(town)
    assert [row[0] for row in listed(town)] == ["Rivera"]
    change(town, Caregiver, Caregiver.id == town.caregivers["Rivera"], left_on=None)
    assert counts(town)
    assert listed(town) == []


def test_request_stores_its_giver(town: Town) -> None:
    with town.session() as session:
        family = town.families["Quiet"]
        made = invitations.request(session, town.actors["coordinator"], family, town.school_id, "phone", town.now)
        entry = session.scalars(select(ConsentEntry).where(ConsentEntry.invitation_id == made.id)).one()
        assert entry.caregiver_id == town.caregivers["Quiet"]
    assert counts(town, "Quiet")


def test_after_a_merge_only_a_person_lifts_the_withdrawal(town: Town) -> None:
    merge_with_withdrawal(town)
    with town.session() as session:
        town.say(session, "Rivera", "yes")  # by text, to a question from before the merge
    assert not counts(town)
    assert listed(town) == [("Rivera", None, "merged")]
    record(town, "yes")
    assert counts(town)
    assert listed(town) == []


@LAPSES
def test_messages_wait_and_are_planned_again_after_a_new_yes(town: Town, lapse: Callable[[Town], None]) -> None:
    give_phones(town, "Grace", "Luis")
    second_caregiver(town, "Rivera")
    visit_id = arrange(town)
    lapse(town)
    refused = why(town, f"visit:{visit_id}")
    family_texts = {refused["visit_confirm"], refused["visit_reminder"], refused["staff_reminder"]}
    assert family_texts == {"consent_lapsed"}
    record(town, "yes")
    with town.session() as session:
        actions.plan_after_new_yes(session, town.invitations["Rivera"], town.policy, town.now)
    again = why(town, f"visit:{visit_id}")
    assert (again["visit_confirm"], again["visit_reminder"], again["staff_reminder"]) == (None, None, None)


@LAPSES
def test_booked_visit_waits_for_the_coordinator(town: Town, lapse: Callable[[Town], None]) -> None:
    visit_id = arrange(town)
    lapse(town)
    tidy(town)
    assert visit_of(town, visit_id).state == VisitState.SCHEDULED
    with town.session() as session:
        heard = actions.family_answers(session, None, visit_id, "yes", town.policy, town.now)
    assert heard == actions.Heard.NOT_WAITING
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.family_answers(session, town.actors["coordinator"], visit_id, "yes", town.policy, town.now, how="phone")
    assert codes(refused) == {"family_yes_lapsed"}
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(8, 17), town.policy, town.now)
    assert codes(refused) == {"family_yes_lapsed"}
    assert (visit_of(town, visit_id).state, state(town)) == ("scheduled", "yes_lapsed")
    assert [(name, visit) for name, visit, _why in listed(town)] == [("Rivera", visit_id)]
    with town.session() as session:
        actions.cancel(session, town.actors["coordinator"], visit_id, town.policy, town.now)
    assert [visit for _name, visit, _why in listed(town)] == [None]


def test_partner_cannot_accept_while_the_yes_does_not_count(town: Town) -> None:
    visit_id = book(town)
    caregiver_moves(town)
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    assert codes(refused) == {"family_yes_lapsed"}


def test_visit_of_a_merged_family_is_listed_until_it_is_called_off(town: Town) -> None:
    visit_id = arrange(town)
    smith, rivera = town.families["Smith"], town.families["Rivera"]
    change(town, Student, Student.family_id == rivera, family_id=smith)
    change(town, Caregiver, Caregiver.family_id == rivera, family_id=smith)
    with town.session() as session:
        session.add(FamilyMerge(family_id=smith, merged_id=rivera, at=town.now))
    tidy(town)
    assert visit_of(town, visit_id).state == VisitState.SCHEDULED
    assert listed(town) == [("Rivera", visit_id, "merged")]
    with town.session() as session:
        actions.cancel(session, town.actors["coordinator"], visit_id, town.policy, town.now)
    assert listed(town) == []


def test_completed_visit_is_unchanged_when_the_giver_leaves(town: Town) -> None:
    visit_id = arrange(town)
    town.now = town.at(7, 17)
    held(town, visit_id)
    before = visit_of(town, visit_id)
    caregiver_moves(town)
    tidy(town)
    after = visit_of(town, visit_id)
    assert (after.state, after.consent_id) == ("completed", before.consent_id)


@pytest.mark.parametrize("body", ["1", "2", "3"])
def test_reply_of_a_caregiver_who_moved_to_another_family_goes_to_a_person(town: Town, body: str) -> None:
    visit_id = arrange(town, family="Smith")
    leave(town)
    caregiver_moves(town, "Smith")
    text(town, body, now=town.now + timedelta(minutes=5))
    assert visit_of(town, visit_id).state == VisitState.SCHEDULED
    with town.database.reading() as session:
        assert session.scalars(select(IncomingMessage.needs_person)).all() == [True]
        about_visit = select(ConsentEntry.id).where(ConsentEntry.visit_id == visit_id)
        assert session.scalars(about_visit).all() == []


def page(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[-1500:]
    return answer.text


def test_pages_show_a_lapsed_yes_until_an_answer_is_recorded(town: Town) -> None:
    second_caregiver(town, "Rivera")
    visit_id = arrange(town)
    app = app_of(town.database)
    clock.use(lambda: town.at(7, 9))  # the day of the visit: the address would show
    coordinator, grace = browser_of(app, town.actors["coordinator"]), browser_of(app, town.actors["Grace"])
    assert "1 Main Street" in page(grace, f"/visits/{visit_id}")
    assert "Families to ask again" not in page(coordinator, "/today")
    caregiver_is_restricted(town)
    today = page(coordinator, "/today")
    assert "Families to ask again" in today
    assert f"/asking/{town.invitations['Rivera']}/answer" in today
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
    assert coordinator.post(f"/asking/{town.invitations['Rivera']}/answer", data=form).status_code == 303
    assert "Families to ask again" not in page(coordinator, "/today")
    assert "1 Main Street" in page(grace, f"/visits/{visit_id}")


def test_today_lists_only_families_of_the_coordinators_schools(town: Town) -> None:
    caregiver_moves(town)
    stranger = Actor(0, None, "x", "en", frozenset({Grant(Role.SITE_COORDINATOR, town.school_id + 1)}))
    with town.database.reading() as session:
        assert lapsed_consents(session, stranger, town.now) == []
    assert [name for name, _visit, _why in listed(town)] == ["Rivera"]


def test_family_that_left_the_school_is_not_listed(town: Town) -> None:
    caregiver_leaves(town)
    gone = date(2026, 10, 1)
    change(town, Student, Student.family_id == town.families["Rivera"], enrolled_to=gone)
    assert listed(town) == []
