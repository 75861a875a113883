from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from homevisits.availability.models import Commitment
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.invitations.models import ConsentEntry
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Certification, Educator, School, SchoolClass, Teaching
from homevisits.practices.check_inputs import VisitKind
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
    """Book a visit as Grace and return its id."""
    request = BookingRequest(
        school_fixture.families[family],
        school_fixture.educators[partner],
        at or school_fixture.time_at(7, 16, 30),
        **more,
    )  # type: ignore[arg-type]
    with school_fixture.session() as session:
        return actions.book(
            session, school_fixture.actors["Grace"], request, school_fixture.policy, school_fixture.now
        ).id


def arrange(school_fixture: SchoolFixture, **more: object) -> int:
    """Book a visit as Grace, accept it as the partner, and return its id."""
    visit_id = book(school_fixture, **more)  # type: ignore[arg-type]
    with school_fixture.session() as session:
        partner = str(more.get("partner", "Luis"))
        actions.accept(session, school_fixture.actors[partner], visit_id, school_fixture.policy, school_fixture.now)
    return visit_id


def load_visit(school_fixture: SchoolFixture, visit_id: int) -> Visit:
    with school_fixture.database.reading() as session:
        visit = session.get_one(Visit, visit_id)
        session.expunge(visit)
        return visit


def problem_codes(refused: pytest.ExceptionInfo[RulesBroken]) -> set[str]:
    return {problem.code for problem in refused.value.problems}


def list_messages(school_fixture: SchoolFixture, visit_id: int) -> list[tuple[str, str]]:
    """Return (template, state) of the visit's messages in order of creation."""
    with school_fixture.database.reading() as session:
        statement = (
            select(OutgoingMessage).where(OutgoingMessage.subject == f"visit:{visit_id}").order_by(OutgoingMessage.id)
        )
        return [(row.template, row.state) for row in session.scalars(statement)]


def complete_visit(school_fixture: SchoolFixture, visit_id: int, first: str = "Grace", second: str = "Luis") -> None:
    """Complete a visit: the first educator reports that it took place and the second agrees."""
    visit = load_visit(school_fixture, visit_id)
    report = Report("met", True, visit.starts_at, visit.ends_at, "home", ("caregiver", "child"))
    after = visit.ends_at + timedelta(minutes=5)
    with school_fixture.session() as session:
        actions.attest(session, school_fixture.actors[first], visit_id, report, policy=school_fixture.policy, now=after)
    with school_fixture.session() as session:
        report_id = session.scalars(select(Attestation.id).where(Attestation.visit_id == visit_id)).one()
        actions.agree(
            session, school_fixture.actors[second], visit_id, report_id, policy=school_fixture.policy, now=after
        )


def test_booked_visit_is_proposed_and_reserves_both_schedules_with_travel(school_fixture: SchoolFixture) -> None:
    visit = load_visit(school_fixture, book(school_fixture))
    assert visit.state == "proposed"
    assert (str(visit.local_date), visit.local_start, visit.timezone) == ("2026-10-07", "16:30", "America/Denver")
    with school_fixture.database.reading() as session:
        commitments = session.scalars(select(Commitment)).all()
        session.expunge_all()
    assert {row.person_id for row in commitments} == {
        school_fixture.educators["Grace"],
        school_fixture.educators["Luis"],
    }
    assert {row.ends_at - row.starts_at for row in commitments} == {timedelta(minutes=75)}
    assert (
        list_messages(school_fixture, visit.id) == []
    )  # The family gets a message only after both educators have accepted.


def test_visit_goes_from_booking_to_reflection(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    assert list_messages(school_fixture, visit_id) == [
        ("visit_confirm", "queued"),
        ("visit_reminder", "queued"),
        ("visit_reminder", "queued"),
    ]
    with school_fixture.session() as session:
        result = actions.record_family_answer(
            session, None, visit_id, "yes", policy=school_fixture.policy, now=school_fixture.now
        )
    assert result == "confirmed"
    assert load_visit(school_fixture, visit_id).state == "confirmed"
    complete_visit(school_fixture, visit_id)
    completed = load_visit(school_fixture, visit_id)
    assert completed.state == "completed"
    after = completed.ends_at + timedelta(hours=1)
    with school_fixture.session() as session:
        for name in ("Grace", "Luis"):
            actions.reflect(
                session,
                school_fixture.actors[name],
                visit_id,
                learned="They love maps.",
                strengths="",
                will_do="A map corner.",
                now=after,
            )
    with school_fixture.database.reading() as session:
        assert not session.scalars(select(Commitment).where(Commitment.active)).all()


def test_second_visit_requires_and_references_a_completed_first_visit(school_fixture: SchoolFixture) -> None:
    first = arrange(school_fixture)
    with pytest.raises(RulesBroken) as error:
        book(school_fixture, family="Smith", kind=VisitKind.SECOND, at=school_fixture.time_at(8, 16))
    assert problem_codes(error) == {"second_before_first"}
    complete_visit(school_fixture, first)
    school_fixture.now = school_fixture.time_at(8, 9)
    second = load_visit(school_fixture, book(school_fixture, at=school_fixture.time_at(12, 16)))
    assert (second.kind, second.first_visit_id) == ("second", first)


def test_refused_booking_lists_all_reasons(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as error:
        book(school_fixture, family="Quiet", partner="Out", at=school_fixture.time_at(6, 8))
    assert problem_codes(error) == {
        "too_soon",
        "family_has_not_said_yes",
        "educator_not_opted_in",
        "outside_their_hours",
    }


def test_certificate_must_be_valid_on_the_visit_day(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as error:
        book(school_fixture, partner="Soon", at=school_fixture.time_at(12, 16))
    assert problem_codes(error) == {"not_certified_on_the_day"}
    book(school_fixture, partner="Soon", at=school_fixture.time_at(9, 16))


def test_partner_may_be_untrained_if_the_policy_allows_it(school_fixture: SchoolFixture) -> None:
    school_fixture.policy = replace(school_fixture.policy, min_trained=1)
    visit_id = arrange(school_fixture, partner="Soon", at=school_fixture.time_at(12, 16))
    complete_visit(school_fixture, visit_id, second="Soon")
    assert load_visit(school_fixture, visit_id).state == "completed"


def test_booking_the_same_person_twice_is_refused(school_fixture: SchoolFixture) -> None:
    with pytest.raises(RulesBroken) as error:
        book(school_fixture, partner="Grace")
    assert problem_codes(error) == {"same_person_twice"}


def test_booking_for_the_family_of_another_class_is_not_found(school_fixture: SchoolFixture) -> None:
    request = BookingRequest(
        school_fixture.families["Rivera"], school_fixture.educators["Grace"], school_fixture.time_at(7, 16, 30)
    )
    with school_fixture.session() as session, pytest.raises(NotFound):
        actions.book(session, school_fixture.actors["Luis"], request, school_fixture.policy, school_fixture.now)
    with school_fixture.session() as session, pytest.raises(NotFound):
        actions.book(session, school_fixture.actors["coordinator"], request, school_fixture.policy, school_fixture.now)


def test_times_are_not_found_for_accounts_without_an_educator(school_fixture: SchoolFixture) -> None:
    family_id, coordinator = school_fixture.families["Rivera"], school_fixture.actors["coordinator"]
    with school_fixture.session() as session:
        with pytest.raises(NotFound):
            actions.find_times(session, coordinator, family_id, school_fixture.policy, school_fixture.now)
        with pytest.raises(NotFound):
            request = BookingRequest(family_id, school_fixture.educators["Luis"], school_fixture.time_at(7, 16, 30))
            actions.check_booking(session, coordinator, request, school_fixture.policy, school_fixture.now)


def test_booking_that_overlaps_a_visit_or_its_travel_is_refused(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    for start in (
        school_fixture.time_at(7, 16, 30),
        school_fixture.time_at(7, 17, 15),
        school_fixture.time_at(7, 17, 30),
    ):
        with pytest.raises(RulesBroken) as error:
            book(school_fixture, family="Smith", at=start)
        assert problem_codes(error) == {"already_taken"}
    book(school_fixture, family="Smith", at=school_fixture.time_at(7, 17, 45))


def test_family_with_an_upcoming_visit_cannot_be_booked_again(school_fixture: SchoolFixture) -> None:
    book(school_fixture)
    with pytest.raises(RulesBroken) as error:
        book(school_fixture, partner="Amina", at=school_fixture.time_at(8, 16))
    assert problem_codes(error) == {"family_has_a_visit"}


def test_double_submit_with_the_same_key_books_once(school_fixture: SchoolFixture) -> None:
    assert book(school_fixture, key="k1") == book(school_fixture, key="k1")


def test_key_of_a_cancelled_visit_books_a_new_visit(
    school_fixture: SchoolFixture,
) -> None:
    first = book(school_fixture, key="k1")
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], first, school_fixture.policy, school_fixture.now)
    again = book(school_fixture, key="k1")
    assert again != first
    assert load_visit(school_fixture, again).state == "proposed"


def test_two_accounts_with_the_same_key_book_two_visits(school_fixture: SchoolFixture) -> None:
    first = book(school_fixture, key="k1")
    with school_fixture.session() as session:
        session.add(
            Teaching(
                class_id=session.scalars(select(SchoolClass.id)).one(), educator_id=school_fixture.educators["Hoa"]
            )
        )
        session.flush()
        request = BookingRequest(
            school_fixture.families["Smith"],
            school_fixture.educators["Amina"],
            school_fixture.time_at(7, 16, 30),
            key="k1",
        )
        second = actions.book(
            session, school_fixture.actors["Hoa"], request, school_fixture.policy, school_fixture.now
        ).id
    assert second != first


def test_declining_partner_is_free_and_can_be_replaced(school_fixture: SchoolFixture) -> None:
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
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    arrange(school_fixture, family="Smith", partner="Luis", at=school_fixture.time_at(8, 16))


@pytest.mark.parametrize(("ill", "remaining"), [("Luis", "Grace"), ("Grace", "Luis")])
def test_visit_waits_for_a_replacement_when_a_member_cannot_come(
    school_fixture: SchoolFixture, ill: str, remaining: str
) -> None:
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
    assert load_visit(school_fixture, visit_id).state == "proposed"
    assert {state for _, state in list_messages(school_fixture, visit_id)} == {"cancelled"}
    short_before = school_fixture.time_at(7, 14)  # The minimum notice applied when the time was arranged.
    with school_fixture.session() as session:
        hoa = school_fixture.educators["Hoa"]
        actions.replace_partner(
            session, school_fixture.actors[remaining], visit_id, hoa, policy=school_fixture.policy, now=short_before
        )
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, short_before)
    visit = load_visit(school_fixture, visit_id)
    assert (visit.state, visit.lead_id, visit.partner_id) == ("scheduled", school_fixture.educators[remaining], hoa)
    complete_visit(school_fixture, visit_id, remaining, "Hoa")
    assert load_visit(school_fixture, visit_id).state == "completed"


def test_only_a_place_that_is_taken_can_be_given_up(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)

    def give_up(name: str) -> None:
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors["Grace"],
                visit_id,
                school_fixture.educators[name],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )

    with pytest.raises(NotFound):
        give_up("Hoa")
    give_up("Luis")
    with pytest.raises(RulesBroken) as error:
        give_up("Luis")
    assert problem_codes(error) == {"already_out"}


def test_stand_in_is_refused_unless_exactly_one_place_is_empty(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)

    def ask_stand_in() -> None:
        with school_fixture.session() as session:
            actions.replace_partner(
                session,
                school_fixture.actors["coordinator"],
                visit_id,
                school_fixture.educators["Hoa"],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )

    with pytest.raises(RulesBroken) as error:
        ask_stand_in()
    assert problem_codes(error) == {"nobody_to_replace"}
    for name in ("Luis", "Grace"):
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors[name],
                visit_id,
                school_fixture.educators[name],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
    with pytest.raises(RulesBroken) as error:
        ask_stand_in()
    assert problem_codes(error) == {"both_out"}


def test_partner_cannot_accept_after_the_minimum_notice(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    latest = load_visit(school_fixture, visit_id).starts_at - timedelta(
        hours=school_fixture.policy.minimum_notice_hours
    )
    too_late = latest + timedelta(minutes=1)
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, too_late)
    assert problem_codes(error) == {"too_soon"}
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, latest) == 0
        assert actions.apply_withdrawals(session, school_fixture.policy, too_late) == 1
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"
    assert list_messages(school_fixture, visit_id) == []  # The family was never informed of this time.


def test_partner_can_accept_until_the_minimum_notice(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    latest = load_visit(school_fixture, visit_id).starts_at - timedelta(
        hours=school_fixture.policy.minimum_notice_hours
    )
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, latest)
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def test_visit_stays_proposed_when_the_partner_accepts_after_the_lead_left(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture)
    with school_fixture.session() as session:
        actions.cannot_come(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.educators["Grace"],
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert load_visit(school_fixture, visit_id).state == "proposed"
    assert list_messages(school_fixture, visit_id) == []  # The family is asked once two educators come.
    with school_fixture.database.reading() as session:
        assert session.get_one(VisitMember, (visit_id, school_fixture.educators["Luis"])).state == "coming"


def test_second_move_to_the_same_time_changes_nothing(school_fixture: SchoolFixture) -> None:
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
    assert load_visit(school_fixture, visit_id).version == 1


def test_moved_visit_requires_the_minimum_notice_again(school_fixture: SchoolFixture) -> None:
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
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, too_late)
    assert problem_codes(error) == {"too_soon"}


def test_visit_without_replacement_cannot_be_completed_and_is_cancelled(school_fixture: SchoolFixture) -> None:
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
        complete_visit(school_fixture, visit_id)
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.time_at(7, 16, 30))
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"


def test_family_gets_a_cancellation_an_hour_before_without_replacement(school_fixture: SchoolFixture) -> None:
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
    assert [template for template, state in list_messages(school_fixture, visit_id) if state == "queued"] == [
        "visit_cancelled"
    ]


def test_visit_is_cancelled_when_neither_member_can_come(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for name in ("Luis", "Grace"):
        with school_fixture.session() as session:
            actions.cannot_come(
                session,
                school_fixture.actors[name],
                visit_id,
                school_fixture.educators[name],
                policy=school_fixture.policy,
                now=school_fixture.now,
            )
        if name == "Luis":
            with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
                actions.cancel(
                    session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now
                )
            assert problem_codes(error) == {"not_asked"}
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"


def test_moved_visit_asks_partner_and_family_again_once(school_fixture: SchoolFixture) -> None:
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
    moved = load_visit(school_fixture, visit_id)
    assert (moved.state, moved.local_start, moved.version) == ("proposed", "17:00", 1)
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    queued = [template for template, state in list_messages(school_fixture, visit_id) if state == "queued"]
    assert queued.count("visit_moved") == 1
    assert "visit_confirm" not in queued


def test_visit_can_move_to_a_time_that_overlaps_its_old_time(school_fixture: SchoolFixture) -> None:
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


def test_move_past_the_end_of_a_certificate_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = book(school_fixture, partner="Soon", at=school_fixture.time_at(9, 16))
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.move(
            session,
            school_fixture.actors["Grace"],
            visit_id,
            school_fixture.time_at(12, 16),
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    assert problem_codes(error) == {"not_certified_on_the_day"}


@pytest.mark.parametrize("answer", ["other_time", "not_now", "withdrawn"])
def test_negative_family_answer_cancels_the_visit(school_fixture: SchoolFixture, answer: str) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, visit_id, answer, policy=school_fixture.policy, now=school_fixture.now
            )
            == "ended"
        )
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_family"
    unsent = [template for template, state in list_messages(school_fixture, visit_id) if state == "queued"]
    assert unsent == ["visit_other_time" if answer == "other_time" else "visit_ended_by_family"]
    if answer == "other_time":
        book(school_fixture, at=school_fixture.time_at(8, 16))  # The consent is still valid; only the time changes.
    else:
        with pytest.raises(RulesBroken) as error:
            book(school_fixture, at=school_fixture.time_at(8, 16))
        assert problem_codes(error) == {"family_has_not_said_yes"}


def test_call_request_keeps_the_visit_scheduled(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, visit_id, "call_me", policy=school_fixture.policy, now=school_fixture.now
            )
            == "call"
        )
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def test_yes_to_an_old_time_does_not_confirm_the_moved_visit(school_fixture: SchoolFixture) -> None:
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
    assert load_visit(school_fixture, visit_id).state == "proposed"


def test_yes_recorded_by_a_coordinator_is_refused_while_the_time_is_not_arranged(
    school_fixture: SchoolFixture,
) -> None:
    visit_id = book(school_fixture)
    with school_fixture.database.reading() as session:
        before = session.scalar(select(func.count()).select_from(ConsentEntry))
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
    assert problem_codes(error) == {"visit_moved_on"}
    with school_fixture.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ConsentEntry)) == before


def test_answer_to_an_unknown_visit_is_not_found(school_fixture: SchoolFixture) -> None:
    unknown = arrange(school_fixture) + 1
    with school_fixture.session() as session:
        with pytest.raises(NotFound):
            actions.record_family_answer(
                session, None, unknown, "yes", policy=school_fixture.policy, now=school_fixture.now
            )
        with pytest.raises(NotFound):
            actions.send_current_time(session, unknown, school_fixture.policy, school_fixture.now)


def test_current_time_is_sent_until_the_visit_starts_or_ends(school_fixture: SchoolFixture) -> None:
    started, cancelled = (
        arrange(school_fixture),
        arrange(school_fixture, family="Smith", partner="Hoa", at=school_fixture.time_at(8, 16)),
    )
    start = load_visit(school_fixture, started).starts_at

    def send(visit_id: int, now: datetime) -> str:
        with school_fixture.session() as session:
            return actions.send_current_time(session, visit_id, school_fixture.policy, now)

    assert send(started, start) == "not_waiting"
    assert send(started, start - timedelta(minutes=1)) == "time_sent"
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], cancelled, school_fixture.policy, school_fixture.now)
    before = list_messages(school_fixture, cancelled)
    assert send(cancelled, school_fixture.now) == "not_waiting"
    assert list_messages(school_fixture, cancelled) == before


def test_refusal_after_the_start_is_recorded_and_changes_no_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    before, start = list_messages(school_fixture, visit_id), load_visit(school_fixture, visit_id).starts_at
    with school_fixture.session() as session:
        result = actions.record_family_answer(
            session, None, visit_id, "not_now", policy=school_fixture.policy, now=start
        )
    assert result == "not_waiting"
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    assert list_messages(school_fixture, visit_id) == before
    with school_fixture.database.reading() as session:
        newest = select(ConsentEntry.answer).where(ConsentEntry.visit_id == visit_id)
        assert session.scalars(newest).all() == ["not_now"]


def test_new_yes_plans_no_messages_for_a_visit_that_has_started(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    before, start = list_messages(school_fixture, visit_id), load_visit(school_fixture, visit_id).starts_at
    with school_fixture.session() as session:
        invitation_id = school_fixture.invitations["Rivera"]
        actions.plan_messages_after_new_yes(session, invitation_id, school_fixture.policy, start)
    assert list_messages(school_fixture, visit_id) == before


def test_family_answer_recorded_by_a_coordinator_keeps_channel_and_author(school_fixture: SchoolFixture) -> None:
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


def test_cancellation_is_sent_only_to_families_that_knew_of_the_visit(school_fixture: SchoolFixture) -> None:
    unknown, known = (
        book(school_fixture),
        arrange(school_fixture, family="Smith", partner="Hoa", at=school_fixture.time_at(8, 16)),
    )
    with school_fixture.session() as session:
        for visit_id in (unknown, known):
            actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    assert list_messages(school_fixture, unknown) == []
    assert [t for t, state in list_messages(school_fixture, known) if state == "queued"] == ["visit_cancelled"]
    with pytest.raises(RulesBroken), school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], known, school_fixture.policy, school_fixture.now)


def test_partner_can_correct_a_report_and_the_lead_agrees(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = load_visit(school_fixture, visit_id)
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
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    with school_fixture.session() as session:
        luis_report_id = session.scalars(
            select(Attestation.id).where(Attestation.educator_id == school_fixture.educators["Luis"])
        ).one()
        actions.agree(
            session, school_fixture.actors["Grace"], visit_id, luis_report_id, policy=school_fixture.policy, now=after
        )
    assert load_visit(school_fixture, visit_id).attestation_id == luis_report_id


def test_two_equal_reports_complete_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = load_visit(school_fixture, visit_id)
    report = Report("met", True, visit.starts_at, visit.ends_at, "home")
    for name in ("Grace", "Luis"):
        with school_fixture.session() as session:
            actions.attest(
                session, school_fixture.actors[name], visit_id, report, policy=school_fixture.policy, now=visit.ends_at
            )
    assert load_visit(school_fixture, visit_id).state == "completed"


def test_two_family_away_reports_set_the_family_away_state(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = load_visit(school_fixture, visit_id)
    report = Report("family_away", True, visit.starts_at, visit.starts_at + timedelta(minutes=15), "home")
    for name in ("Luis", "Grace"):
        with school_fixture.session() as session:
            actions.attest(
                session, school_fixture.actors[name], visit_id, report, policy=school_fixture.policy, now=visit.ends_at
            )
    assert load_visit(school_fixture, visit_id).state == "family_away"


def test_report_of_a_visit_made_alone_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = load_visit(school_fixture, visit_id)
    alone = Report("met", False, visit.starts_at, visit.ends_at, "home")
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.attest(
            session, school_fixture.actors["Grace"], visit_id, alone, policy=school_fixture.policy, now=visit.ends_at
        )
    assert problem_codes(error) == {"never_alone"}


def test_reflection_during_the_visit_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    during = load_visit(school_fixture, visit_id).starts_at + timedelta(minutes=20)
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.reflect(
            session, school_fixture.actors["Grace"], visit_id, learned="x", strengths="", will_do="y", now=during
        )
    assert "visit_is_running" in problem_codes(error)


def test_visit_is_not_found_for_other_educators(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    for act in (actions.accept, actions.cancel):
        with pytest.raises(NotFound), school_fixture.session() as session:
            act(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, school_fixture.now)


def test_withdrawn_consent_cancels_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_consent(session, "Rivera", "withdrawn", how="phone")
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 1
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_family"


def test_not_now_to_an_old_question_cancels_the_upcoming_visit(school_fixture: SchoolFixture) -> None:
    complete_visit(school_fixture, old := arrange(school_fixture))
    school_fixture.now = school_fixture.time_at(8, 9)
    ahead = arrange(school_fixture, at=school_fixture.time_at(12, 16))
    with school_fixture.session() as session:
        assert (
            actions.record_family_answer(
                session, None, old, "not_now", policy=school_fixture.policy, now=school_fixture.now
            )
            == "ended"
        )
    assert (load_visit(school_fixture, old).state, load_visit(school_fixture, ahead).state) == (
        "completed",
        "cancelled_by_family",
    )


def test_educator_who_opts_out_is_withdrawn_from_the_team(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        school_fixture.record_opt_in(session, "Luis", "out")
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    assert load_visit(school_fixture, visit_id).state == "proposed"
    with school_fixture.database.reading() as session:
        assert session.get_one(VisitMember, (visit_id, school_fixture.educators["Luis"])).state == "withdrawn"
    with school_fixture.session() as session:
        school_fixture.record_opt_in(session, "Grace", "out")
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"


def test_revoked_certificate_returns_the_visit_to_proposed(
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
    assert load_visit(school_fixture, visit_id).state == "proposed"


def revoke_certificate(school_fixture: SchoolFixture, name: str) -> None:
    with school_fixture.session() as session:
        session.execute(
            update(Certification)
            .where(Certification.educator_id == school_fixture.educators[name])
            .values(revoked_on=date(2026, 10, 6))
        )


@pytest.mark.parametrize("first", ["Grace", "Luis"])
def test_visit_needs_as_many_certificates_as_the_policy_says(school_fixture: SchoolFixture, first: str) -> None:
    school_fixture.policy = replace(school_fixture.policy, min_trained=1)
    visit_id = arrange(school_fixture)
    revoke_certificate(school_fixture, first)
    with school_fixture.session() as session:
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 0
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    revoke_certificate(school_fixture, "Luis" if first == "Grace" else "Grace")
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    assert load_visit(school_fixture, visit_id).state == "cancelled_by_educator"


def test_certificate_of_an_educator_who_left_the_team_does_not_count(school_fixture: SchoolFixture) -> None:
    school_fixture.policy = replace(school_fixture.policy, min_trained=1)
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        luis = school_fixture.educators["Luis"]
        actions.cannot_come(
            session,
            school_fixture.actors["Luis"],
            visit_id,
            luis,
            policy=school_fixture.policy,
            now=school_fixture.now,
        )
    revoke_certificate(school_fixture, "Grace")
    with school_fixture.session() as session:
        actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now)
    with school_fixture.database.reading() as session:
        assert session.get_one(VisitMember, (visit_id, school_fixture.educators["Grace"])).state == "withdrawn"


def test_consent_withdrawn_after_the_start_does_not_cancel_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    visit = load_visit(school_fixture, visit_id)
    with school_fixture.session() as session:
        school_fixture.now = visit.ends_at
        school_fixture.record_consent(session, "Rivera", "not_now")
        assert actions.apply_withdrawals(session, school_fixture.policy, school_fixture.now) == 0
    complete_visit(school_fixture, visit_id)
    assert load_visit(school_fixture, visit_id).state == "completed"


def test_educator_of_another_school_cannot_join_the_team(school_fixture: SchoolFixture) -> None:
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
