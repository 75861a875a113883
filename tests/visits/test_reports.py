"""Reports and reflections: who may write them, and what a second one changes."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.visits import actions
from homevisits.visits.actions import Report
from homevisits.visits.models import Attestation, Reflection, Visit, VisitMember
from tests.factories.school import POLICY, SchoolFixture
from tests.visits.test_actions import arrange, complete_visit, load_visit, problem_codes

Write = Callable[[Session, Actor, Visit, datetime], object]


def submit_report(school_fixture: SchoolFixture, visit_id: int, name: str, late_minutes: int = 0) -> int:
    """Report that the visit took place and ended late; return the id of the report."""
    visit = load_visit(school_fixture, visit_id)
    report = Report("met", True, visit.starts_at, visit.ends_at + timedelta(minutes=late_minutes), "home")
    now = visit.ends_at + timedelta(hours=1)
    with school_fixture.session() as session:
        actions.attest(session, school_fixture.actors[name], visit_id, report, policy=school_fixture.policy, now=now)
    with school_fixture.database.reading() as session:
        return session.scalars(select(Attestation.id).order_by(Attestation.id.desc())).first() or 0


def agree(school_fixture: SchoolFixture, visit_id: int, name: str, report_id: int) -> None:
    now = load_visit(school_fixture, visit_id).ends_at + timedelta(hours=1)
    with school_fixture.session() as session:
        actions.agree(session, school_fixture.actors[name], visit_id, report_id, policy=school_fixture.policy, now=now)


def on_the_way_at(school_fixture: SchoolFixture, visit_id: int, name: str) -> datetime | None:
    with school_fixture.database.reading() as session:
        return session.get_one(VisitMember, (visit_id, school_fixture.educators[name])).on_the_way_at


def test_on_the_way_keeps_the_first_time(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    first = school_fixture.time_at(7, 16, 10)
    for now in (first, first + timedelta(minutes=5)):
        with school_fixture.session() as session:
            actions.on_the_way(session, school_fixture.actors["Luis"], visit_id, now)
    assert on_the_way_at(school_fixture, visit_id, "Luis") == first
    assert on_the_way_at(school_fixture, visit_id, "Grace") is None


def test_on_the_way_to_a_cancelled_visit_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    with school_fixture.session() as session:
        actions.cancel(session, school_fixture.actors["Grace"], visit_id, school_fixture.policy, school_fixture.now)
    with pytest.raises(RulesBroken) as error, school_fixture.session() as session:
        actions.on_the_way(session, school_fixture.actors["Luis"], visit_id, school_fixture.now)
    assert problem_codes(error) == {"visit_moved_on"}
    assert on_the_way_at(school_fixture, visit_id, "Luis") is None


def test_agreement_with_a_corrected_report_is_refused(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    old_id = submit_report(school_fixture, visit_id, "Luis")
    new_id = submit_report(school_fixture, visit_id, "Luis", late_minutes=10)
    with pytest.raises(RulesBroken) as error:
        agree(school_fixture, visit_id, "Grace", old_id)
    assert problem_codes(error) == {"account_changed"}
    assert load_visit(school_fixture, visit_id).state == "scheduled"
    agree(school_fixture, visit_id, "Grace", new_id)
    assert load_visit(school_fixture, visit_id).attestation_id == new_id


def test_educator_cannot_agree_with_their_own_report(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    report_id = submit_report(school_fixture, visit_id, "Luis")
    with pytest.raises(RulesBroken) as error:
        agree(school_fixture, visit_id, "Luis", report_id)
    assert problem_codes(error) == {"account_changed"}
    assert load_visit(school_fixture, visit_id).state == "scheduled"


def replace_luis(school_fixture: SchoolFixture, visit_id: int) -> None:
    """Let Hoa take the place of Luis, who cannot come."""
    grace, luis, hoa = (school_fixture.actors[name] for name in ("Grace", "Luis", "Hoa"))
    with school_fixture.session() as session:
        for act, actor, educator in (
            (actions.cannot_come, luis, luis.educator_id),
            (actions.replace_partner, grace, hoa.educator_id),
        ):
            act(session, actor, visit_id, educator or 0, policy=school_fixture.policy, now=school_fixture.now)
        actions.accept(session, hoa, visit_id, school_fixture.policy, school_fixture.now)


def write_report(session: Session, actor: Actor, visit: Visit, now: datetime) -> None:
    report = Report("met", True, visit.starts_at, visit.ends_at, "home")
    actions.attest(session, actor, visit.id, report, policy=POLICY, now=now)


def write_reflection(session: Session, actor: Actor, visit: Visit, now: datetime, learned: str = "They sing.") -> None:
    actions.reflect(session, actor, visit.id, learned=learned, strengths="", will_do="A song.", now=now)


@pytest.mark.parametrize("write", [write_report, write_reflection])
def test_replaced_educator_cannot_write_about_the_visit(school_fixture: SchoolFixture, write: Write) -> None:
    visit_id = arrange(school_fixture)
    replace_luis(school_fixture, visit_id)
    if write is write_reflection:
        complete_visit(school_fixture, visit_id, second="Hoa")
    visit = load_visit(school_fixture, visit_id)
    now = visit.ends_at + timedelta(hours=1)
    with pytest.raises(NotFound), school_fixture.session() as session:
        write(session, school_fixture.actors["Luis"], visit, now)
    with school_fixture.session() as session:
        write(session, school_fixture.actors["Hoa"], visit, now)


def test_second_reflection_replaces_only_ones_own(school_fixture: SchoolFixture) -> None:
    complete_visit(school_fixture, visit_id := arrange(school_fixture))
    visit = load_visit(school_fixture, visit_id)
    now = visit.ends_at + timedelta(hours=1)
    for name, learned in (("Grace", "They sing."), ("Luis", "They paint."), ("Luis", " They paint at night. ")):
        with school_fixture.session() as session:
            write_reflection(session, school_fixture.actors[name], visit, now, learned)
    with school_fixture.database.reading() as session:
        rows = session.execute(select(Reflection.educator_id, Reflection.learned)).all()
    assert {(educator_id, learned) for educator_id, learned in rows} == {
        (school_fixture.educators["Grace"], "They sing."),
        (school_fixture.educators["Luis"], "They paint at night."),
    }
