"""My families and My day: what they show, whom they leave out, and that they stay a few statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from homevisits.core.db import Database
from homevisits.visits import actions
from homevisits.visits.queries import families, summaries
from tests.visits.test_actions import arrange, book, held
from tests.world import Town


def states(town: Town, who: str = "Grace") -> dict[str, str]:
    with town.database.reading() as session:
        return {row.name: row.state for row in families.my_families(session, town.actors[who], town.now)}


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements sent within."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_family_is_shown_by_its_state_and_only_after_its_yes(town: Town) -> None:
    assert states(town) == {"Rivera": "yes", "Smith": "yes", "Nguyen": "yes"}
    visit_id = book(town)
    assert states(town)["Rivera"] == "proposed"
    with town.session() as session:
        actions.decline(session, town.actors["Luis"], visit_id, town.policy, town.now)
    assert states(town)["Rivera"] == "needs_partner"
    with town.session() as session:
        hoa = town.educators["Hoa"]
        actions.replace_partner(session, town.actors["Grace"], visit_id, hoa, town.policy, town.now)
        actions.accept(session, town.actors["Hoa"], visit_id, town.policy, town.now)
    assert states(town)["Rivera"] == "scheduled"
    for said, state in (("call_me", "call_me"), ("yes", "confirmed")):
        with town.session() as session:
            actions.family_answers(session, None, visit_id, said, town.policy, town.now)
        assert states(town)["Rivera"] == state
    town.now = town.at(7, 17)
    assert states(town)["Rivera"] == "to_write_up"
    held(town, visit_id, "Grace", "Hoa")
    assert states(town)["Rivera"] == "visited"
    with town.database.reading() as session:
        rows = {row.name: row for row in families.my_families(session, town.actors["Grace"], town.now)}
    assert rows["Rivera"].at == town.at(7, 16, 30)  # the day of the visit, not of the yes


def test_a_family_that_wants_another_time_waits_and_one_that_said_not_now_is_in_no_list(town: Town) -> None:
    for family, said in (("Rivera", "other_time"), ("Smith", "not_now")):
        visit_id = arrange(town, family=family, partner="Luis" if family == "Rivera" else "Hoa", at=town.at(7, 16))
        with town.session() as session:
            actions.family_answers(session, None, visit_id, said, town.policy, town.now)
    assert states(town) == {"Rivera": "other_time", "Nguyen": "yes"}


def test_others_families_are_not_mine_until_i_go_there(town: Town) -> None:
    assert states(town, "Luis") == {}
    visit_id = book(town)
    assert states(town, "Luis") == {}  # asked, not coming yet: no name
    with town.session() as session:
        actions.accept(session, town.actors["Luis"], visit_id, town.policy, town.now)
    assert states(town, "Luis") == {"Rivera": "scheduled"}


def test_a_list_is_a_few_statements_however_many_rows_it_has(town: Town) -> None:
    for family, partner in (("Rivera", "Luis"), ("Smith", "Hoa")):
        at = town.at(7, 16) if family == "Rivera" else town.at(8, 16)
        arrange(town, family=family, partner=partner, at=at)
    with town.database.reading() as session, counted(town.database) as sent:
        families.my_families(session, town.actors["Grace"], town.now)
        assert len([each for each in sent if not each.startswith("BEGIN")]) == 1
        sent.clear()
        found = summaries.live_cards(session, town.educators["Grace"], town.now)
        assert len(sent) == 1
    assert [card.family for card in found] == ["Rivera", "Smith"]


def test_a_reflection_is_due_from_those_who_went_for_a_while(town: Town) -> None:
    visit_id = arrange(town)
    held(town, visit_id)
    later = town.at(7, 18)
    with town.database.reading() as session:
        for who in ("Grace", "Luis", "Hoa"):
            due = summaries.to_reflect(session, town.educators[who], later)
            assert [card.id for card in due] == ([] if who == "Hoa" else [visit_id])
        assert summaries.to_reflect(session, town.educators["Grace"], later + timedelta(days=31)) == []
    with town.session() as session:
        actions.reflect(session, town.actors["Grace"], visit_id, "a", "", "b", later)
    with town.database.reading() as session:
        assert summaries.to_reflect(session, town.educators["Grace"], later) == []
