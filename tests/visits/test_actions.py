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
from homevisits.practices.facts import VisitKind
from homevisits.visits import actions
from homevisits.visits.actions import BookingRequest, Report
from homevisits.visits.models import Attestation, Visit, VisitMember
from tests.factories.school import SchoolFixture


def book(
    school_fixture: SchoolFixture,
    family: str = "Rivera",
    partner: str = "Luis",
    at: datetime | None = None,
    **more: object,
) -> int:
    """Grace books; the visit's id."""
    wanted = BookingRequest(
        school_fixture.families[family],
        school_fixture.educators[partner],
        at or school_fixture.time_at(7, 16, 30),
        **more,
    )  # type: ignore[arg-type]
    with school_fixture.session() as session:
        return actions.book(
            session, school_fixture.actors["Grace"], wanted, school_fixture.policy, school_fixture.now
        ).id


def arrange(school_fixture: SchoolFixture, **more: object) -> int:
    """Booked by Grace, accepted by the partner."""
    visit_id = book(school_fixture, **more)  # type: ignore[arg-type]
    with school_fixture.session() as session:
        partner = str(more.get("partner", "Luis"))
        actions.accept(session, school_fixture.actors[partner], visit_id, school_fixture.policy, school_fixture.now)
    return visit_id


def visit_of(school_fixture: SchoolFixture, visit_id: int) -> Visit:
    """The visit as it is stored."""
    with school_fixture.database.reading() as session:
        found = session.get_one(Visit, visit_id)
        session.expunge(found)
        return found


def codes(refused: pytest.ExceptionInfo[RulesBroken]) -> set[str]:
    """The codes of every reason."""
    return {problem.code for problem in refused.value.problems}


def texts(school_fixture: SchoolFixture, visit_id: int) -> list[tuple[str, str]]:
    """(template, state) of the visit's texts, in order."""
    with school_fixture.database.reading() as session:
        found = (
            select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}").order_by(OutgoingMessage.id)
        )
        return [(row.template, row.state) for row in session.scalars(found)]


def held(school_fixture: SchoolFixture, visit_id: int, first: str = "Grace", second: str = "Luis") -> None:
    """Both of the pair say they met, the day the visit was."""
    visit = visit_of(school_fixture, visit_id)
    said = Report("met", True, visit.starts_at, visit.ends_at, "home", ("caregiver", "child"))
    after = visit.ends_at + timedelta(minutes=5)
    with school_fixture.session() as session:
        actions.attest(session, school_fixture.actors[first], visit_id, said, policy=school_fixture.policy, now=after)
    with school_fixture.session() as session:
        account = session.scalars(select(Attestation.id).where(Attestation.visit_id == visit_id)).one()
        actions.agree(
            session, school_fixture.actors[second], visit_id, account, policy=school_fixture.policy, now=after
        )


def test_a_booked_visit_is_proposed_and_takes_both_people_s_time_with_the_road(school_fixture: SchoolFixture) -> None:
    visit = visit_of(school_fixture, book(school_fixture))
    assert visit.state == "proposed"
    assert (str(visit.local_date), visit.local_start, visit.timezone) == ("2026-10-07", "16:30", "America/Denver")
    with school_fixture.database.reading() as session:
        taken = session.scalars(select(Commitment)).all()
        session.expunge_all()
    assert {row.person_id for row in taken} == {school_fixture.educators["Grace"], school_fixture.educators["Luis"]}
    assert {row.ends_at - row.starts_at for row in taken} == {timedelta(minutes=75)}
    assert texts(school_fixture, visit.id) == []  # the family hears once both will come


def test_the_whole_life_of_a_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    assert visit_of(school_fixture, visit_id).state == "scheduled"
    assert texts(school_fixture, visit_id) == [
        ("visit_confirm", "queued"),
        ("visit_reminder", "queued"),
        ("visit_reminder", "queued"),
    ]
    with school_fixture.session() as session:
        heard = actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    assert heard == "confirmed"
    assert visit_of(school_fixture, visit_id).state == "confirmed"
    held(school_fixture, visit_id)
    done = visit_of(school_fixture, visit_id)
    assert done.state == "completed"
    after = done.ends_at + timedelta(hours=1)
    with school_fixture.session() as session:
        for who in ("Grace", "Luis"):
            actions.reflect(
                session,
                school_fixture.actors[who],
                visit_id,
                learned="They love maps.",
                strengths="",
                will_do="A map corner.",
                now=after,
            )
    with school_fixture.database.reading() as session:
        assert not session.scalars(select(Commitment).where(Commitment.active)).all()


def test_a_second_visit_follows_a_completed_first_and_points_at_it(school_fixture: SchoolFixture) -> None:
    first = arrange(school_fixture)
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture, family="Smith", kind=VisitKind.SECOND, at=school_fixture.time_at(8, 16))
    assert codes(refused) == {"second_before_first"}
    held(school_fixture, first)
    school_fixture.now = school_fixture.time_at(8, 9)
    second = visit_of(school_fixture, book(school_fixture, at=school_fixture.time_at(12, 16)))
    assert (second.kind, second.first_visit_id) == ("second", first)


def test_every_reason_is_said_at_once(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture, family="Quiet", partner="Out", at=school_fixture.time_at(6, 8))
    assert codes(refused) == {
        "too_soon",
        "family_has_not_said_yes",
        "educator_not_opted_in",
        "outside_their_hours",
    }


def test_the_certificate_must_reach_the_visit_s_day(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture, partner="Soon", at=school_fixture.time_at(12, 16))
    assert codes(refused) == {"not_certified_on_the_day"}
    book(school_fixture, partner="Soon", at=school_fixture.time_at(9, 16))


def test_one_of_the_pair_may_be_untrained_where_the_policy_says_so(school_fixture: SchoolFixture) -> None:
    school_fixture.policy = replace(school_fixture.policy, min_trained=1)
    visit_id = arrange(school_fixture, partner="Soon", at=school_fixture.time_at(12, 16))
    held(school_fixture, visit_id, second="Soon")
    assert visit_of(school_fixture, visit_id).state == "completed"


def test_nobody_books_a_visit_with_themselves(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture, partner="Grace")
    assert codes(refused) == {"same_person_twice"}


def test_nobody_books_for_a_family_that_is_not_theirs(school_fixture: SchoolFixture) -> None:
    wanted = BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Grace"], school_fixture.time_at(7, 16, 30)
    )
    with school_fixture.session() as session, pytest.raises(NotFound):
        actions.book(session, school_fixture.actors["Luis"], wanted, school_fixture.policy, school_fixture.now)
    with school_fixture.session() as session, pytest.raises(NotFound):
        actions.book(session, school_fixture.actors["coordinator"], wanted, school_fixture.policy, school_fixture.now)


def test_no_two_visits_overlap_the_road_included(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    for start in (
        school_fixture.time_at(7, 16, 30),
        school_fixture.time_at(7, 17, 15),
        school_fixture.time_at(7, 17, 30),
    ):
        with pytest.raises(RulesBroken) as refused:
            book(school_fixture, family="Smith", at=start)
        assert codes(refused) == {"already_taken"}
    book(school_fixture, family="Smith", at=school_fixture.time_at(7, 17, 45))


def test_a_family_has_one_visit_ahead_at_a_time(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    with pytest.raises(RulesBroken) as refused:
        book(school_fixture, partner="Amina", at=school_fixture.time_at(8, 16))
    assert codes(refused) == {"family_has_a_visit"}


def test_a_doubled_tap_is_one_booking(school_fixture: SchoolFixture) -> None:
    assert book(school_fixture, key="k1") == book(school_fixture, key="k1")


def test_a_key_from_a_page_gone_back_to_does_not_pass_an_ended_visit_for_a_new_one(
    school_fixture: SchoolFixture,
) -> None:
    first = book(school_fixture, key="k1")
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], first, school_fixture.policy, school_fixture.now)
    again = book(school_fixture, key="k1")
    assert again != first
    assert visit_of(school_fixture, again).state == "proposed"


def test_two_accounts_with_the_same_key_book_two_visits(school_fixture: SchoolFixture) -> None:
    first = book(school_fixture, key="k1")
    with school_fixture.session() as session:
        session.add(
            Teaching(
                class_id=session.scalars(select(SchoolClass.id)).one(), educator_id=school_fixture.educators["Hoa"]
            )
        )
        session.flush()
        wanted = BookingRequest(
            school_fixture.families["Smith"],
            school_fixture.educators["Amina"],
            school_fixture.time_at(7, 16, 30),
            key="k1",
        )
        second = actions.book(
            session, school_fixture.actors["Hoa"], wanted, school_fixture.policy, school_fixture.now
        ).id
    assert second != first


def test_a_partner_who_declines_is_free_and_someone_else_takes_the_place(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with school_fixture.session() as session:
        actions.decline(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    with pytest.raises(RulesBroken), school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    with school_fixture.session() as session:
        amina = school_fixture.educators["Amina"]
        actions.replace_partner(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            amina,
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Amina"], visit_id, school_fixture.policy, school_fixture.now)
    assert visit_of(school_fixture, visit_id).state == "scheduled"
    arrange(school_fixture, family="Smith", partner="Luis", at=school_fixture.time_at(8, 16))


@pytest.mark.parametrize(("ill", "stays"), [("Luis", "Grace"), ("Grace", "Luis")])
def test_when_one_falls_ill_the_visit_waits_for_a_stand_in(school_fixture: SchoolFixture, ill: str, stays: str) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors[ill],
            visit_id,
            school_fixture.educators[ill],
            policy=school_fixture.policy,
            now=school_fixture.now + timedelta(hours=1),
        )
    assert visit_of(school_fixture, visit_id).state == "proposed"
    assert {state for _, state in texts(school_fixture, visit_id)} == {"cancelled"}
    short_before = school_fixture.time_at(7, 14)  # the family's notice was kept when the time was arranged
    with school_fixture.session() as session:
        hoa = school_fixture.educators["Hoa"]
        actions.replace_partner(
            session, school_fixture.actors[stays], visit_id, hoa, policy=school_fixture.policy, now=short_before
        )
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, short_before)
    visit = visit_of(school_fixture, visit_id)
    assert (visit.state, visit.lead_id, visit.partner_id) == ("scheduled", school_fixture.educators[stays], hoa)
    held(school_fixture, visit_id, stays, "Hoa")
    assert visit_of(school_fixture, visit_id).state == "completed"


def test_the_familys_notice_begins_when_it_is_told_not_when_a_partner_was_asked(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    latest = visit_of(school_fixture, visit_id).starts_at - timedelta(hours=school_fixture.policy.minimum_notice_hours)
    too_late = latest + timedelta(minutes=1)
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, too_late)
    assert codes(refused) == {"too_soon"}
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, latest) == 0
        assert actions.apply_withdrawals(session, school_fixture.policy, too_late) == 1
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"
    assert texts(school_fixture, visit_id) == []  # it never heard of this time


def test_a_partner_may_accept_up_to_the_notice(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    latest = visit_of(school_fixture, visit_id).starts_at - timedelta(hours=school_fixture.policy.minimum_notice_hours)
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, latest)
    assert visit_of(school_fixture, visit_id).state == "scheduled"


def test_moving_twice_to_the_same_time_asks_nobody_again(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for _tap in range(2):
        with school_fixture.session() as session:
            actions.move(
                session,
                school_fixture.actors["Grace"],
                visit_id,
                school_fixture.time_at(7, 17),
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
    assert visit_of(school_fixture, visit_id).version == 1


def test_a_moved_visit_needs_its_notice_anew(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(7, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    too_late = school_fixture.time_at(7, 17) - timedelta(hours=1, minutes=30)
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, too_late)
    assert codes(refused) == {"too_soon"}


def test_a_visit_without_a_stand_in_is_not_held_by_one(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    with pytest.raises(RulesBroken):
        held(school_fixture, visit_id)
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.time_at(7, 16, 30))
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"


def test_a_family_that_waits_is_told_an_hour_before_when_nobody_stands_in(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            school_fixture.educators["Luis"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.time_at(7, 15, 29)) == 0
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.time_at(7, 15, 30)) == 1
    assert [template for template, state in texts(school_fixture, visit_id) if state == "queued"] == ["visit_cancelled"]


def test_where_neither_comes_the_visit_ends_and_whoever_is_out_has_no_more_say(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for who in ("Luis", "Grace"):
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors[who],
                visit_id,
                school_fixture.educators[who],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
        if who == "Luis":
            with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
                actions.cancel(
                    session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now
                )
            assert codes(refused) == {"not_asked"}
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"


def test_moving_keeps_pair_and_history_and_asks_everyone_again_once(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(7, 17),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    moved = visit_of(school_fixture, visit_id)
    assert (moved.state, moved.local_start, moved.version) == ("proposed", "17:00", 1)
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    queued = [template for template, state in texts(school_fixture, visit_id) if state == "queued"]
    assert queued.count("visit_moved") == 1
    assert "visit_confirm" not in queued


def test_a_visit_moves_by_a_little_though_it_then_overlaps_itself(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(7, 16, 45),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )


def test_a_move_past_the_end_of_a_certificate_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture, partner="Soon", at=school_fixture.time_at(9, 16))
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(12, 16),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert codes(refused) == {"not_certified_on_the_day"}


@pytest.mark.parametrize("answer", ["other_time", "not_now", "withdrawn"])
def test_a_family_ends_a_visit_with_one_digit_and_no_reason(school_fixture: SchoolFixture, answer: str) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, visit_id, answer, policy=school_fixture.policy, now=school_fixture.now
            )
            == "ended"
        )
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_family"
    unsent = [template for template, state in texts(school_fixture, visit_id) if state == "queued"]
    assert unsent == ["visit_other_time" if answer == "other_time" else "visit_ended_by_family"]
    if answer == "other_time":
        book(school_fixture, at=school_fixture.time_at(8, 16))  # the yes stands, another time is looked for
    else:
        with pytest.raises(RulesBroken) as refused:
            book(school_fixture, at=school_fixture.time_at(8, 16))
        assert codes(refused) == {"family_has_not_said_yes"}


def test_a_family_that_asks_for_a_call_keeps_its_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, visit_id, "call_me", policy=school_fixture.policy, now=school_fixture.now
            )
            == "call"
        )
    assert visit_of(school_fixture, visit_id).state == "scheduled"


def test_a_yes_to_a_time_that_is_no_longer_the_time_confirms_nothing(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(8, 16),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
            )
            == "not_waiting"
        )
    assert visit_of(school_fixture, visit_id).state == "proposed"


def test_a_person_records_what_a_family_without_a_phone_said(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        coordinator = school_fixture.actors["coordinator"]
        actions.record_family_answer(
            session,
            coordinator,
            visit_id,
            "confirmed",
            policy=school_fixture.policy,
            now=school_fixture.now,
            how="phone",
        )
    with school_fixture.database.reading() as session:
        newest = session.scalars(select(ConsentEntry).order_by(ConsentEntry.id.desc())).first()
        session.expunge_all()
    assert newest is not None
    assert (newest.answer, newest.how, newest.recorded_by) == ("confirmed", "phone", coordinator.account_id)


def test_cancelling_tells_a_family_that_knew_and_only_those(school_fixture: SchoolFixture) -> None:
    unknown, known = (
        book(school_fixture),
        arrange(school_fixture, family="Smith", partner="Hoa", at=school_fixture.time_at(8, 16)),
    )
    with school_fixture.session() as session:
        for visit_id in (unknown, known):
            actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert texts(school_fixture, unknown) == []
    assert [t for t, state in texts(school_fixture, known) if state == "queued"] == ["visit_cancelled"]
    with pytest.raises(RulesBroken), school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], known, school_fixture.policy, school_fixture.now)


def test_the_second_may_correct_and_then_the_first_agrees(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = visit_of(school_fixture, visit_id)
    after = visit.ends_at + timedelta(hours=1)
    longer = Report("met", True, visit.starts_at, visit.ends_at + timedelta(minutes=10), "home")
    with school_fixture.session() as session:
        planned = replace(longer, ended_at=visit.ends_at)
        actions.attest(
            session, school_fixture.actors["Grace"], visit_id, planned, policy=school_fixture.policy, now=after
        )
    with school_fixture.session() as session:
        actions.attest(
            session, school_fixture.actors["Luis"], visit_id, longer, policy=school_fixture.policy, now=after
        )
    assert visit_of(school_fixture, visit_id).state == "scheduled"
    with school_fixture.session() as session:
        theirs = session.scalars(
            select(Attestation.id).where(Attestation.educator_id == school_fixture.educators["Luis"])
        ).one()
        actions.agree(
            session, school_fixture.actors["Grace"], visit_id, theirs, policy=school_fixture.policy, now=after
        )
    assert visit_of(school_fixture, visit_id).attestation_id == theirs


def test_saying_the_same_is_agreeing(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = visit_of(school_fixture, visit_id)
    said = Report("met", True, visit.starts_at, visit.ends_at, "home")
    for who in ("Grace", "Luis"):
        with school_fixture.session() as session:
            actions.attest(
                session, school_fixture.actors[who], visit_id, said, policy=school_fixture.policy, now=visit.ends_at
            )
    assert visit_of(school_fixture, visit_id).state == "completed"


def test_nobody_home_is_a_state_of_its_own_once_both_say_so(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = visit_of(school_fixture, visit_id)
    said = Report("family_away", True, visit.starts_at, visit.starts_at + timedelta(minutes=15), "home")
    for who in ("Luis", "Grace"):
        with school_fixture.session() as session:
            actions.attest(
                session, school_fixture.actors[who], visit_id, said, policy=school_fixture.policy, now=visit.ends_at
            )
    assert visit_of(school_fixture, visit_id).state == "family_away"


def test_one_person_alone_attests_no_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = visit_of(school_fixture, visit_id)
    alone = Report("met", False, visit.starts_at, visit.ends_at, "home")
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.attest(
            session, school_fixture.actors["Grace"], visit_id, alone, policy=school_fixture.policy, now=visit.ends_at
        )
    assert codes(refused) == {"never_alone"}


def test_nothing_is_written_before_the_check_out(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    during = visit_of(school_fixture, visit_id).starts_at + timedelta(minutes=20)
    with pytest.raises(RulesBroken) as refused, school_fixture.session() as session:
        actions.reflect(
            session, school_fixture.actors["Grace"], visit_id, learned="x", strengths="", will_do="y", now=during
        )
    assert "visit_is_running" in codes(refused)


def test_strangers_find_no_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for act in (actions.accept, actions.cancel):
        with pytest.raises(NotFound), school_fixture.session() as session:
            act(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, school_fixture.now)


def test_a_family_s_later_no_ends_the_visit_by_any_channel(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_family"


def test_a_not_now_to_an_old_question_ends_the_visit_that_is_ahead(school_fixture: SchoolFixture) -> None:
    held(school_fixture, old := arrange(school_fixture))
    school_fixture.now = school_fixture.time_at(8, 9)
    ahead = arrange(school_fixture, at=school_fixture.time_at(12, 16))
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, old, "not_now", policy=school_fixture.policy, now=school_fixture.now
            )
            == "ended"
        )
    assert (visit_of(school_fixture, old).state, visit_of(school_fixture, ahead).state) == (
        "completed",
        "cancelled_by_family",
    )


def test_an_educator_who_leaves_is_out_of_the_team_at_once(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_opt_in(session, "Luis", "out")
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    assert visit_of(school_fixture, visit_id).state == "proposed"
    with school_fixture.database.reading() as session:
        assert session.get_one(VisitMember, (visit_id, school_fixture.educators["Luis"])).state == "withdrawn"
    with school_fixture.session() as session:
        school_fixture.record_opt_in(session, "Grace", "out")
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    assert visit_of(school_fixture, visit_id).state == "cancelled_by_educator"


def test_a_certificate_withdrawn_between_booking_and_visit_leaves_the_place_empty(
    school_fixture: SchoolFixture,
) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        session.execute(
            update(Certification)
            .where(Certification.educator_id == school_fixture.educators["Luis"])
            .values(revoked_on=date(2026, 10, 7))
        )
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 0
    assert visit_of(school_fixture, visit_id).state == "proposed"


def test_a_withdrawal_after_the_visit_began_does_not_undo_that_it_was_held(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = visit_of(school_fixture, visit_id)
    with school_fixture.session() as session:
        school_fixture.now = visit.ends_at
        school_fixture.record_consent(session, "Rivera", "not_now")
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 0
    held(school_fixture, visit_id)
    assert visit_of(school_fixture, visit_id).state == "completed"


def test_a_number_from_outside_puts_nobody_of_another_school_in_a_team(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(8, 16))
    with school_fixture.session() as session:
        other = School(source_id="s2", name="Garfield", timezone="America/Denver")
        session.add(other)
        session.flush()
        session.get_one(Educator, school_fixture.educators["Luis"]).school_id = other.id
        actions.decline(session, school_fixture.actors["Amina"], visit_id, school_fixture.policy, school_fixture.now)
    with pytest.raises(NotFound):
        book(school_fixture)
    with pytest.raises(NotFound), school_fixture.session() as session:
        luis = school_fixture.educators["Luis"]
        actions.replace_partner(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            luis,
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
