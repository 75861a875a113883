"""Queries of the pages My families and My day, and their number of SQL statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from homevisits.core.db import Database
from homevisits.visits import actions
from homevisits.visits.queries import families, summaries
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, complete_visit


def family_states(school_fixture: SchoolFixture, name: str = "Grace") -> dict[str, str]:
    with school_fixture.database.reading() as session:
        return {
            row.name: row.state
            for row in families.list_my_families(session, school_fixture.actors[name], school_fixture.now)
        }


@contextmanager
def count_statements(database: Database) -> Iterator[list[str]]:
    """Collect the SQL statements that run inside the block."""
    sent: list[str] = []

    def record_statement(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", record_statement)
    yield sent
    event.remove(database.engine, "before_cursor_execute", record_statement)


def test_family_list_shows_only_consenting_families_with_their_state(school_fixture: SchoolFixture) -> None:
    assert family_states(school_fixture) == {"Rivera": "yes", "Smith": "yes", "Nguyen": "yes"}
    visit_id = book(school_fixture)
    assert family_states(school_fixture)["Rivera"] == "proposed"
    with school_fixture.session() as session:
        actions.decline(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert family_states(school_fixture)["Rivera"] == "needs_partner"
    with school_fixture.session() as session:
        hoa = school_fixture.educators["Hoa"]
        actions.replace_partner(
            session, school_fixture.actors["Grace"], visit_id, hoa, policy=school_fixture.policy, now=school_fixture.now
        )
        actions.accept(session, school_fixture.actors["Hoa"], visit_id, school_fixture.policy, school_fixture.now)
    assert family_states(school_fixture)["Rivera"] == "scheduled"
    for answer, state in (("call_me", "call_me"), ("yes", "confirmed")):
        with school_fixture.session() as session:
            actions.record_family_answer(
                session, None, visit_id, answer, policy=school_fixture.policy, now=school_fixture.now
            )
        assert family_states(school_fixture)["Rivera"] == state
    school_fixture.now = school_fixture.time_at(7, 17)
    assert family_states(school_fixture)["Rivera"] == "to_write_up"
    complete_visit(school_fixture, visit_id, "Grace", "Hoa")
    assert family_states(school_fixture)["Rivera"] == "visited"
    with school_fixture.database.reading() as session:
        rows = {
            row.name: row
            for row in families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        }
    assert rows["Rivera"].at == school_fixture.time_at(7, 16, 30)  # The time of the visit, not of the consent.


def test_other_time_keeps_a_family_listed_and_not_now_removes_it(
    school_fixture: SchoolFixture,
) -> None:
    for family, answer in (("Rivera", "other_time"), ("Smith", "not_now")):
        visit_id = arrange(
            school_fixture,
            family=family,
            partner="Luis" if family == "Rivera" else "Hoa",
            at=school_fixture.time_at(7, 16),
        )
        with school_fixture.session() as session:
            actions.record_family_answer(
                session, None, visit_id, answer, policy=school_fixture.policy, now=school_fixture.now
            )
    assert family_states(school_fixture) == {"Rivera": "other_time", "Nguyen": "yes"}


def test_partner_sees_the_family_only_after_accepting(school_fixture: SchoolFixture) -> None:
    assert family_states(school_fixture, "Luis") == {}
    visit_id = book(school_fixture)
    assert family_states(school_fixture, "Luis") == {}  # Invited but not yet accepted: the family is not shown.
    with school_fixture.session() as session:
        actions.accept(session, school_fixture.actors["Luis"], visit_id, school_fixture.policy, school_fixture.now)
    assert family_states(school_fixture, "Luis") == {"Rivera": "scheduled"}


def test_number_of_statements_does_not_grow_with_the_rows(school_fixture: SchoolFixture) -> None:
    for family, partner in (("Rivera", "Luis"), ("Smith", "Hoa")):
        at = school_fixture.time_at(7, 16) if family == "Rivera" else school_fixture.time_at(8, 16)
        arrange(school_fixture, family=family, partner=partner, at=at)
    with school_fixture.database.reading() as session, count_statements(school_fixture.database) as sent:
        families.list_my_families(session, school_fixture.actors["Grace"], school_fixture.now)
        assert len([statement for statement in sent if not statement.startswith("BEGIN")]) == 1
        sent.clear()
        cards = summaries.list_live_visits(session, school_fixture.educators["Grace"], school_fixture.now)
        assert len(sent) == 1
    assert [card.family for card in cards] == ["Rivera", "Smith"]


def test_reflection_is_due_from_both_visitors_for_a_limited_time(school_fixture: SchoolFixture) -> None:
    visit_id = arrange(school_fixture)
    complete_visit(school_fixture, visit_id)
    later = school_fixture.time_at(7, 18)
    with school_fixture.database.reading() as session:
        for name in ("Grace", "Luis", "Hoa"):
            due = summaries.list_visits_without_reflection(session, school_fixture.educators[name], later)
            assert [card.id for card in due] == ([] if name == "Hoa" else [visit_id])
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
