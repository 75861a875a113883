"""The verbs of a visit, on both engines: what each does, and what each refuses with every reason."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from homevisits.availability.models import Commitment
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Certification, Educator, School, SchoolClass, Teaching
from homevisits.practices.facts import Kind
from homevisits.visits import actions
from homevisits.visits.actions import Said, Wanted
from homevisits.visits.models import Attestation, Visit, VisitMember
from tests.world import Town


def book(town: Town, family: str = "Rivera", partner: str = "Luis", at: datetime | None = None, **more: object) -> int:
    """Grace books; the visit's id."""
    wanted = Wanted(town.families[family], town.educators[partner], at or town.at(7, 16, 30), **more)  # type: ignore[arg-type]
    with town.session() as session:
        return actions.book(session, town.actors["Grace"], wanted, town.policy, town.now).id


def arrange(town: Town, **more: object) -> int:
    """Booked by Grace, accepted by the partner."""
    visit_id = book(town, **more)  # type: ignore[arg-type]
    with town.session() as session:
        partner = str(more.get("partner", "Luis"))
        actions.accept(session, town.actors[partner], visit_id, town.policy, town.now)
    return visit_id


def visit_of(town: Town, visit_id: int) -> Visit:
    """The visit as it is stored."""
    with town.database.reading() as session:
        found = session.get_one(Visit, visit_id)
        session.expunge(found)
        return found


def codes(refused: pytest.ExceptionInfo[RulesBroken]) -> set[str]:
    """The codes of every reason."""
    return {problem.code for problem in refused.value.problems}


def texts(town: Town, visit_id: int) -> list[tuple[str, str]]:
    """(template, state) of the visit's texts, in order."""
    with town.database.reading() as session:
        found = (
            select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}").order_by(OutgoingMessage.id)
        )
        return [(row.template, row.state) for row in session.scalars(found)]


def held(town: Town, visit_id: int, first: str = "Grace", second: str = "Luis") -> None:
    """Both of the pair say they met, the day the visit was."""
    visit = visit_of(town, visit_id)
    said = Said("met", True, visit.starts_at, visit.ends_at, "home", ("caregiver", "child"))
    after = visit.ends_at + timedelta(minutes=5)
    with town.session() as session:
        actions.attest(session, town.actors[first], visit_id, said, town.policy, after)
    with town.session() as session:
        account = session.scalars(select(Attestation.id).where(Attestation.visit_id == visit_id)).one()
        actions.agree(session, town.actors[second], visit_id, account, town.policy, after)


def test_a_booked_visit_is_proposed_and_takes_both_people_s_time_with_the_road(town: Town) -> None:
    visit = visit_of(town, book(town))
    assert visit.state == "proposed"
    assert (str(visit.local_date), visit.local_start, visit.timezone) == ("2026-10-07", "16:30", "America/Denver")
    with town.database.reading() as session:
        taken = session.scalars(select(Commitment)).all()
        session.expunge_all()
    assert {row.person_id for row in taken} == {town.educators["Grace"], town.educators["Luis"]}
    assert {row.ends_at - row.starts_at for row in taken} == {timedelta(minutes=75)}
    assert texts(town, visit.id) == []  # the family hears once both will come


def test_the_whole_life_of_a_visit(town: Town) -> None:
    visit_id = arrange(town)
    assert visit_of(town, visit_id).state == "scheduled"
    assert texts(town, visit_id) == [
        ("visit_confirm", "queued"),
        ("visit_reminder", "queued"),
        ("visit_reminder", "queued"),
    ]
    with town.session() as session:
        heard = actions.family_answers(session, None, visit_id, "yes", town.policy, town.now)
    assert heard == "confirmed"
    assert visit_of(town, visit_id).state == "confirmed"
    held(town, visit_id)
    done = visit_of(town, visit_id)
    assert done.state == "completed"
    after = done.ends_at + timedelta(hours=1)
    with town.session() as session:
        for who in ("Grace", "Luis"):
            actions.reflect(session, town.actors[who], visit_id, "They love maps.", "", "A map corner.", after)
    with town.database.reading() as session:
        assert not session.scalars(select(Commitment).where(Commitment.active)).all()


def test_a_second_visit_follows_a_completed_first_and_points_at_it(town: Town) -> None:
    first = arrange(town)
    with pytest.raises(RulesBroken) as refused:
        book(town, family="Smith", kind=Kind.SECOND, at=town.at(8, 16))
    assert codes(refused) == {"second_before_first"}
    held(town, first)
    town.now = town.at(8, 9)
    second = visit_of(town, book(town, at=town.at(12, 16)))
    assert (second.kind, second.first_visit_id) == ("second", first)


def test_every_reason_is_said_at_once(town: Town) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(town, family="Quiet", partner="Out", at=town.at(6, 8))
    assert codes(refused) == {
        "too_soon",
        "family_has_not_said_yes",
        "educator_not_opted_in",
        "outside_their_hours",
    }


def test_the_certificate_must_reach_the_visit_s_day(town: Town) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(town, partner="Soon", at=town.at(12, 16))
    assert codes(refused) == {"not_certified_on_the_day"}
    book(town, partner="Soon", at=town.at(9, 16))


def test_one_of_the_pair_may_be_untrained_where_the_policy_says_so(town: Town) -> None:
    town.policy = replace(town.policy, min_trained=1)
    visit_id = arrange(town, partner="Soon", at=town.at(12, 16))
    held(town, visit_id, second="Soon")
    assert visit_of(town, visit_id).state == "completed"


def test_nobody_books_a_visit_with_themselves(town: Town) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(town, partner="Grace")
    assert codes(refused) == {"same_person_twice"}


def test_nobody_books_for_a_family_that_is_not_theirs(town: Town) -> None:
    wanted = Wanted(town.families["Rivera"], town.educators["Grace"], town.at(7, 16, 30))
    with town.session() as session, pytest.raises(NotFound):
        actions.book(session, town.actors["Luis"], wanted, town.policy, town.now)
    with town.session() as session, pytest.raises(NotFound):
        actions.book(session, town.actors["coordinator"], wanted, town.policy, town.now)


def test_no_two_visits_overlap_the_road_included(town: Town) -> None:
    book(town)
    for start in (town.at(7, 16, 30), town.at(7, 17, 15), town.at(7, 17, 30)):
        with pytest.raises(RulesBroken) as refused:
            book(town, family="Smith", at=start)
        assert codes(refused) == {"already_taken"}
    book(town, family="Smith", at=town.at(7, 17, 45))


def test_a_family_has_one_visit_ahead_at_a_time(town: Town) -> None:
    book(town)
    with pytest.raises(RulesBroken) as refused:
        book(town, partner="Amina", at=town.at(8, 16))
    assert codes(refused) == {"family_has_a_visit"}


def test_a_doubled_tap_is_one_booking(town: Town) -> None:
    assert book(town, key="k1") == book(town, key="k1")


def test_a_key_from_a_page_gone_back_to_does_not_pass_an_ended_visit_for_a_new_one(town: Town) -> None:
    first = book(town, key="k1")
    with town.session() as session:
        actions.cancel(session, town.actors["Grace"], first, town.policy, town.now)
    again = book(town, key="k1")
    assert again != first
    assert visit_of(town, again).state == "proposed"


def test_two_accounts_with_the_same_key_book_two_visits(town: Town) -> None:
    first = book(town, key="k1")
    with town.session() as session:
        session.add(Teaching(class_id=session.scalars(select(SchoolClass.id)).one(), educator_id=town.educators["Hoa"]))
        session.flush()
        wanted = Wanted(town.families["Smith"], town.educators["Amina"], town.at(7, 16, 30), key="k1")
        second = actions.book(session, town.actors["Hoa"], wanted, town.policy, town.now).id
    assert second != first


def test_a_partner_who_declines_is_free_and_someone_else_takes_the_place(town: Town) -> None:
    visit_id = book(town)
    with town.session() as session:
        actions.decline(session, town.actors["Luis"], visit_id, town.policy, town.now)
    with pytest.raises(RulesBroken), town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    with town.session() as session:
        amina = town.educators["Amina"]
        actions.replace_partner(session, town.actors["Grace"], visit_id, amina, town.policy, town.now)
    with town.session() as session:
        actions.accept(session, town.actors["Amina"], visit_id, town.policy, town.now)
    assert visit_of(town, visit_id).state == "scheduled"
    arrange(town, family="Smith", partner="Luis", at=town.at(8, 16))


@pytest.mark.parametrize(("ill", "stays"), [("Luis", "Grace"), ("Grace", "Luis")])
def test_when_one_falls_ill_the_visit_waits_for_a_stand_in(town: Town, ill: str, stays: str) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.cannot_come(
            session, town.actors[ill], visit_id, town.educators[ill], town.policy, town.now + timedelta(hours=1)
        )
    assert visit_of(town, visit_id).state == "proposed"
    assert {state for _, state in texts(town, visit_id)} == {"cancelled"}
    short_before = town.at(7, 14)  # the family's notice was kept when the time was arranged
    with town.session() as session:
        hoa = town.educators["Hoa"]
        actions.replace_partner(session, town.actors[stays], visit_id, hoa, town.policy, short_before)
    with town.session() as session:
        actions.accept(session, town.actors["Hoa"], visit_id, town.policy, short_before)
    visit = visit_of(town, visit_id)
    assert (visit.state, visit.lead_id, visit.partner_id) == ("scheduled", town.educators[stays], hoa)
    held(town, visit_id, stays, "Hoa")
    assert visit_of(town, visit_id).state == "completed"


def test_the_familys_notice_begins_when_it_is_told_not_when_a_partner_was_asked(town: Town) -> None:
    visit_id = book(town)
    latest = visit_of(town, visit_id).starts_at - timedelta(hours=town.policy.minimum_notice_hours)
    too_late = latest + timedelta(minutes=1)
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, too_late)
    assert codes(refused) == {"too_soon"}
    with town.session() as session:
        assert actions.tidy(session, town.policy, latest) == 0
        assert actions.tidy(session, town.policy, too_late) == 1
    assert visit_of(town, visit_id).state == "cancelled_by_educator"
    assert texts(town, visit_id) == []  # it never heard of this time


def test_a_partner_may_accept_up_to_the_notice(town: Town) -> None:
    visit_id = book(town)
    latest = visit_of(town, visit_id).starts_at - timedelta(hours=town.policy.minimum_notice_hours)
    with town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, latest)
    assert visit_of(town, visit_id).state == "scheduled"


def test_moving_twice_to_the_same_time_asks_nobody_again(town: Town) -> None:
    visit_id = arrange(town)
    for _tap in range(2):
        with town.session() as session:
            actions.move(session, town.actors["Grace"], visit_id, town.at(7, 17), town.policy, town.now)
    assert visit_of(town, visit_id).version == 1


def test_a_moved_visit_needs_its_notice_anew(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(7, 17), town.policy, town.now)
    too_late = town.at(7, 17) - timedelta(hours=1, minutes=30)
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, too_late)
    assert codes(refused) == {"too_soon"}


def test_a_visit_without_a_stand_in_is_not_held_by_one(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.cannot_come(session, town.actors["Luis"], visit_id, town.educators["Luis"], town.policy, town.now)
    with pytest.raises(RulesBroken):
        held(town, visit_id)
    with town.session() as session:
        actions.tidy(session, town.policy, town.at(7, 16, 30))
    assert visit_of(town, visit_id).state == "cancelled_by_educator"


def test_a_family_that_waits_is_told_an_hour_before_when_nobody_stands_in(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.cannot_come(session, town.actors["Luis"], visit_id, town.educators["Luis"], town.policy, town.now)
        assert actions.tidy(session, town.policy, town.at(7, 15, 29)) == 0
        assert actions.tidy(session, town.policy, town.at(7, 15, 30)) == 1
    assert [template for template, state in texts(town, visit_id) if state == "queued"] == ["visit_cancelled"]


def test_where_neither_comes_the_visit_ends_and_whoever_is_out_has_no_more_say(town: Town) -> None:
    visit_id = arrange(town)
    for who in ("Luis", "Grace"):
        with town.session() as session:
            actions.cannot_come(session, town.actors[who], visit_id, town.educators[who], town.policy, town.now)
        if who == "Luis":
            with pytest.raises(RulesBroken) as refused, town.session() as session:
                actions.cancel(session, town.actors["Luis"], visit_id, town.policy, town.now)
            assert codes(refused) == {"not_asked"}
    with town.session() as session:
        assert actions.tidy(session, town.policy, town.now) == 1
    assert visit_of(town, visit_id).state == "cancelled_by_educator"


def test_moving_keeps_pair_and_history_and_asks_everyone_again_once(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.family_answers(session, None, visit_id, "yes", town.policy, town.now)
    with town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(7, 17), town.policy, town.now)
    moved = visit_of(town, visit_id)
    assert (moved.state, moved.local_start, moved.version) == ("proposed", "17:00", 1)
    with town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    queued = [template for template, state in texts(town, visit_id) if state == "queued"]
    assert queued.count("visit_moved") == 1
    assert "visit_confirm" not in queued


def test_a_visit_moves_by_a_little_though_it_then_overlaps_itself(town: Town) -> None:
    visit_id = book(town)
    with town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(7, 16, 45), town.policy, town.now)


def test_a_move_past_the_end_of_a_certificate_is_refused(town: Town) -> None:
    visit_id = book(town, partner="Soon", at=town.at(9, 16))
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(12, 16), town.policy, town.now)
    assert codes(refused) == {"not_certified_on_the_day"}


@pytest.mark.parametrize("answer", ["other_time", "not_now", "withdrawn"])
def test_a_family_ends_a_visit_with_one_digit_and_no_reason(town: Town, answer: str) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        assert actions.family_answers(session, None, visit_id, answer, town.policy, town.now) == "ended"
    assert visit_of(town, visit_id).state == "cancelled_by_family"
    unsent = [template for template, state in texts(town, visit_id) if state == "queued"]
    assert unsent == ["visit_other_time" if answer == "other_time" else "visit_ended_by_family"]
    if answer == "other_time":
        book(town, at=town.at(8, 16))  # the yes stands, another time is looked for
    else:
        with pytest.raises(RulesBroken) as refused:
            book(town, at=town.at(8, 16))
        assert codes(refused) == {"family_has_not_said_yes"}


def test_a_family_that_asks_for_a_call_keeps_its_visit(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        assert actions.family_answers(session, None, visit_id, "call_me", town.policy, town.now) == "call"
    assert visit_of(town, visit_id).state == "scheduled"


def test_a_yes_to_a_time_that_is_no_longer_the_time_confirms_nothing(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        actions.move(session, town.actors["Grace"], visit_id, town.at(8, 16), town.policy, town.now)
    with town.session() as session:
        assert actions.family_answers(session, None, visit_id, "yes", town.policy, town.now) == "not_waiting"
    assert visit_of(town, visit_id).state == "proposed"


def test_a_person_records_what_a_family_without_a_phone_said(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        coordinator = town.actors["coordinator"]
        actions.family_answers(session, coordinator, visit_id, "confirmed", town.policy, town.now, how="phone")
    with town.database.reading() as session:
        newest = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        session.expunge_all()
    assert newest is not None
    assert (newest.answer, newest.how, newest.recorded_by) == ("confirmed", "phone", coordinator.account_id)


def test_cancelling_tells_a_family_that_knew_and_only_those(town: Town) -> None:
    unknown, known = book(town), arrange(town, family="Smith", partner="Hoa", at=town.at(8, 16))
    with town.session() as session:
        for visit_id in (unknown, known):
            actions.cancel(session, town.actors["Grace"], visit_id, town.policy, town.now)
    assert texts(town, unknown) == []
    assert [t for t, state in texts(town, known) if state == "queued"] == ["visit_cancelled"]
    with pytest.raises(RulesBroken), town.session() as session:
        actions.cancel(session, town.actors["Grace"], known, town.policy, town.now)


def test_the_second_may_correct_and_then_the_first_agrees(town: Town) -> None:
    visit_id = arrange(town)
    visit = visit_of(town, visit_id)
    after = visit.ends_at + timedelta(hours=1)
    longer = Said("met", True, visit.starts_at, visit.ends_at + timedelta(minutes=10), "home")
    with town.session() as session:
        planned = replace(longer, ended_at=visit.ends_at)
        actions.attest(session, town.actors["Grace"], visit_id, planned, town.policy, after)
    with town.session() as session:
        actions.attest(session, town.actors["Luis"], visit_id, longer, town.policy, after)
    assert visit_of(town, visit_id).state == "scheduled"
    with town.session() as session:
        theirs = session.scalars(select(Attestation.id).where(Attestation.educator_id == town.educators["Luis"])).one()
        actions.agree(session, town.actors["Grace"], visit_id, theirs, town.policy, after)
    assert visit_of(town, visit_id).attestation_id == theirs


def test_saying_the_same_is_agreeing(town: Town) -> None:
    visit_id = arrange(town)
    visit = visit_of(town, visit_id)
    said = Said("met", True, visit.starts_at, visit.ends_at, "home")
    for who in ("Grace", "Luis"):
        with town.session() as session:
            actions.attest(session, town.actors[who], visit_id, said, town.policy, visit.ends_at)
    assert visit_of(town, visit_id).state == "completed"


def test_nobody_home_is_a_state_of_its_own_once_both_say_so(town: Town) -> None:
    visit_id = arrange(town)
    visit = visit_of(town, visit_id)
    said = Said("family_away", True, visit.starts_at, visit.starts_at + timedelta(minutes=15), "home")
    for who in ("Luis", "Grace"):
        with town.session() as session:
            actions.attest(session, town.actors[who], visit_id, said, town.policy, visit.ends_at)
    assert visit_of(town, visit_id).state == "family_away"


def test_one_person_alone_attests_no_visit(town: Town) -> None:
    visit_id = arrange(town)
    visit = visit_of(town, visit_id)
    alone = Said("met", False, visit.starts_at, visit.ends_at, "home")
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.attest(session, town.actors["Grace"], visit_id, alone, town.policy, visit.ends_at)
    assert codes(refused) == {"never_alone"}


def test_nothing_is_written_before_the_check_out(town: Town) -> None:
    visit_id = arrange(town)
    during = visit_of(town, visit_id).starts_at + timedelta(minutes=20)
    with pytest.raises(RulesBroken) as refused, town.session() as session:
        actions.reflect(session, town.actors["Grace"], visit_id, "x", "", "y", during)
    assert "visit_is_running" in codes(refused)


def test_strangers_find_no_visit(town: Town) -> None:
    visit_id = arrange(town)
    for act in (actions.accept, actions.cancel):
        with pytest.raises(NotFound), town.session() as session:
            act(session, town.actors["Hoa"], visit_id, town.policy, town.now)


def test_a_family_s_later_no_ends_the_visit_by_any_channel(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        town.say(session, "Rivera", "withdrawn", how="phone")
        assert actions.tidy(session, town.policy, town.now) == 1
    assert visit_of(town, visit_id).state == "cancelled_by_family"


def test_a_not_now_to_an_old_question_ends_the_visit_that_is_ahead(town: Town) -> None:
    held(town, old := arrange(town))
    town.now = town.at(8, 9)
    ahead = arrange(town, at=town.at(12, 16))
    with town.session() as session:
        assert actions.family_answers(session, None, old, "not_now", town.policy, town.now) == "ended"
    assert (visit_of(town, old).state, visit_of(town, ahead).state) == ("completed", "cancelled_by_family")


def test_an_educator_who_leaves_is_out_of_the_team_at_once(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        town.opt(session, "Luis", "out")
        actions.tidy(session, town.policy, town.now)
    assert visit_of(town, visit_id).state == "proposed"
    with town.database.reading() as session:
        assert session.get_one(VisitMember, (visit_id, town.educators["Luis"])).state == "withdrawn"
    with town.session() as session:
        town.opt(session, "Grace", "out")
        actions.tidy(session, town.policy, town.now)
    assert visit_of(town, visit_id).state == "cancelled_by_educator"


def test_a_certificate_withdrawn_between_booking_and_visit_leaves_the_place_empty(town: Town) -> None:
    visit_id = arrange(town)
    with town.session() as session:
        session.execute(
            update(Certification)
            .where(Certification.educator_id == town.educators["Luis"])
            .values(revoked_on=date(2026, 10, 7))
        )
        assert actions.tidy(session, town.policy, town.now) == 1
        assert actions.tidy(session, town.policy, town.now) == 0
    assert visit_of(town, visit_id).state == "proposed"


def test_a_withdrawal_after_the_visit_began_does_not_undo_that_it_was_held(town: Town) -> None:
    visit_id = arrange(town)
    visit = visit_of(town, visit_id)
    with town.session() as session:
        town.now = visit.ends_at
        town.say(session, "Rivera", "not_now")
        assert actions.tidy(session, town.policy, town.now) == 0
    held(town, visit_id)
    assert visit_of(town, visit_id).state == "completed"


def test_a_number_from_outside_puts_nobody_of_another_school_in_a_team(town: Town) -> None:
    visit_id = book(town, family="Smith", partner="Amina", at=town.at(8, 16))
    with town.session() as session:
        other = School(source_id="s2", name="Garfield", timezone="America/Denver")
        session.add(other)
        session.flush()
        session.get_one(Educator, town.educators["Luis"]).school_id = other.id
        actions.decline(session, town.actors["Amina"], visit_id, town.policy, town.now)
    with pytest.raises(NotFound):
        book(town)
    with pytest.raises(NotFound), town.session() as session:
        luis = town.educators["Luis"]
        actions.replace_partner(session, town.actors["Grace"], visit_id, luis, town.policy, town.now)
