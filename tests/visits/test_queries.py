"""My families and My day: what they show, whom they leave out, and that they stay a few statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from homevisits.core.db import Database
from homevisits.visits import actions
from homevisits.visits.queries import families, summaries
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, held


def states(school_fixture: SchoolFixture, who: str = "Grace") -> dict[str, str]:
    with school_fixture.database.reading() as session:
        return {
            row.name: row.state
            for row in families.list_my_families(session, school_fixture.actors[who], school_fixture.now)
        }


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements sent within."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_family_is_shown_by_its_state_and_only_after_its_yes(school_fixture: SchoolFixture) -> None:
    assert states(school_fixture) == {"Rivera": "yes", "Smith": "yes", "Nguyen": "yes"}
    visit_id = book(school_fixture)
    assert states(school_fixture)["Rivera"] == "proposed"
    with school_fixture.session() as session:
        actions.decline(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert states(school_fixture)["Rivera"] == "needs_partner"
    with school_fixture.session() as session:
        hoa = school_fixture.educators["Hoa"]
        actions.replace_partner(
            session, school_fixture.actors["Grace"], visit_id, hoa, policy=school_fixture.policy, now=school_fixture.now
        )
        actions.accept(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, school_fixture.now)
    assert states(school_fixture)["Rivera"] == "scheduled"
    for said, state in (("call_me", "call_me"), ("yes", "confirmed")):
        with school_fixture.session() as session:
            actions.record_family_answer(
                session, None, visit_id, said, policy=school_fixture.policy, now=school_fixture.now
            )
        assert states(school_fixture)["Rivera"] == state
    school_fixture.now = school_fixture.time_at(7, 17)
    assert states(school_fixture)["Rivera"] == "to_write_up"
    held(school_fixture, visit_id, "Grace", "Hoa")
    assert states(school_fixture)["Rivera"] == "visited"
    with school_fixture.database.reading() as session:
        rows = {
            row.name: row
            for row in families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        }
    assert rows["Rivera"].at == school_fixture.time_at(7, 16, 30)  # the day of the visit, not of the yes


def test_a_family_that_wants_another_time_waits_and_one_that_said_not_now_is_in_no_list(
    school_fixture: SchoolFixture,
) -> None:
    for family, said in (("Rivera", "other_time"), ("Smith", "not_now")):
        visit_id = arrange(
            school_fixture,
            family=family,
            partner="Luis" if family == "Rivera" else "Hoa",
            at=school_fixture.time_at(7, 16),
        )
        with school_fixture.session() as session:
            actions.record_family_answer(
                session, None, visit_id, said, policy=school_fixture.policy, now=school_fixture.now
            )
    assert states(school_fixture) == {"Rivera": "other_time", "Nguyen": "yes"}


def test_others_families_are_not_mine_until_i_go_there(school_fixture: SchoolFixture) -> None:
    assert states(school_fixture, "Luis") == {}
    visit_id = book(school_fixture)
    assert states(school_fixture, "Luis") == {}  # asked, not coming yet: no name
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert states(school_fixture, "Luis") == {"Rivera": "scheduled"}


def test_a_list_is_a_few_statements_however_many_rows_it_has(school_fixture: SchoolFixture) -> None:
    for family, partner in (("Rivera", "Luis"), ("Smith", "Hoa")):
        at = school_fixture.time_at(7, 16) if family == "Rivera" else school_fixture.time_at(8, 16)
        arrange(school_fixture, family=family, partner=partner, at=at)
    with school_fixture.database.reading() as session, counted(school_fixture.database) as sent:
        families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        assert len([each for each in sent if not each.startswith("BEGIN")]) == 1
        sent.clear()
        found = summaries.list_live_visits(session, school_fixture.educators["Grace"], school_fixture.now)
        assert len(sent) == 1
    assert [card.family for card in found] == ["Rivera", "Smith"]


def test_a_reflection_is_due_from_those_who_went_for_a_while(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    held(school_fixture, visit_id)
    later = school_fixture.time_at(7, 18)
    with school_fixture.database.reading() as session:
        for who in ("Grace", "Luis", "Hoa"):
            due = summaries.list_visits_without_reflection(session, school_fixture.educators[who], later)
            assert [card.id for card in due] == ([] if who == "Hoa" else [visit_id])
        assert (
            summaries.list_visits_without_reflection(
                session, school_fixture.educators["Grace"], later + timedelta(days=31)
            )
            == []
        )
    with school_fixture.session() as session:
        actions.reflect(
            session, school_fixture.actors["Grace"], visit_id, learned="a", strengths="", will_do="b", now=later
        )
    with school_fixture.database.reading() as session:
        assert summaries.list_visits_without_reflection(session, school_fixture.educators["Grace"], later) == []
