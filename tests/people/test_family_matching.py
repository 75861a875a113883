"""Which stored family a household of a new roster is; and what an import does to answers given before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.invitations import actions as invitations
from homevisits.invitations import queries
from homevisits.people.importing.apply import import_oneroster
from homevisits.people.importing.family_matching import match_families
from homevisits.people.importing.households import Household
from homevisits.people.models import Account, Caregiver, FamilyMerge, School, Student
from tests.people import rosters

NOW = datetime(2026, 10, 5, 15, tzinfo=UTC)
A_DAY = timedelta(days=1)


def home(students: str, caregivers: str) -> Household:
    return Household(students[0], tuple(students), tuple(caregivers))


@pytest.mark.parametrize(
    ("homes", "of_student", "of_caregiver", "families", "merged"),
    [
        # a child moves to a new caregiver: the family stays with its old one
        ([home("a", "n"), home("b", "g")], {"a": 1, "b": 1}, {"g": 1}, {"b": 1}, ()),
        # both new households have a caregiver of the family: the first child's household keeps it
        ([home("a", "g"), home("b", "h")], {"a": 1, "b": 1}, {"g": 1, "h": 1}, {"a": 1}, ()),
        # two families become one: the older stays
        ([home("ab", "gh")], {"a": 1, "b": 2}, {"g": 1, "h": 2}, {"a": 1}, ((1, 2),)),
        # two become one without the caregiver of the older: the family of the caregiver who remains stays
        ([home("ab", "h")], {"a": 1, "b": 2}, {"g": 1, "h": 2}, {"a": 2}, ((2, 1),)),
        # a child joins another family, and its own goes on with a sibling: no merge
        ([home("a", "g"), home("bc", "h")], {"a": 1, "b": 1, "c": 2}, {"g": 1, "h": 2}, {"a": 1, "b": 2}, ()),
        # a child without caregivers, and a new child
        ([home("a", ""), home("z", "")], {"a": 1}, {}, {"a": 1}, ()),
    ],
)
def test_family_stays_with_its_caregivers(
    homes: list[Household],
    of_student: dict[str, int],
    of_caregiver: dict[str, int],
    families: dict[str, int],
    merged: tuple[tuple[int, int], ...],
) -> None:
    found = match_families(homes, of_student, of_caregiver)
    assert (dict(found.families), found.merged) == (families, merged)


class District:
    """An imported roster, a coordinator who records answers, and later rosters."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.now = database, folder, NOW
        self.bring("first", {})
        with database.transaction() as session:
            self.school_id = session.scalars(select(School.id)).one()
            account = Account(email="c@example.org", name="c")
            session.add(account)
            session.flush()
            grant = Grant(Role.SITE_COORDINATOR, self.school_id)
            self.coordinator = Actor(account.id, None, "c", "en", frozenset({grant}))

    def bring(self, name: str, changes: dict[tuple[str, int, str], str], extra: bytes = b"") -> None:
        files = rosters.files(changes)
        files["users.csv"] += extra
        assert import_oneroster(self.database, rosters.folder(self.folder / name, files), self.now).errors == ()
        self.now += A_DAY

    def family(self, child: str) -> int:
        with self.database.reading() as session:
            return session.scalars(select(Student.family_id).where(Student.source_id == child)).one()

    def request(self, family_id: int) -> int:
        with self.database.transaction() as session:
            made = invitations.record_request(
                session, self.coordinator, family_id, self.school_id, how="phone", now=self.now
            )
            return made.id

    def record(self, invitation_id: int, answer: str) -> None:
        with self.database.transaction() as session:
            invitations.record_answer(session, self.coordinator, invitation_id, answer, how="phone", now=self.now)

    def answer(self, family_id: int) -> tuple[str, bool] | None:
        with self.database.reading() as session:
            found = queries.load_current_answers(session, [family_id], self.now.date()).get(family_id)
            return None if found is None else (found.answer, found.is_valid_yes)


@pytest.fixture
def district(database: Database, tmp_path: Path) -> District:
    return District(database, tmp_path)


MERGED = {("users.csv", 5, "agentSourcedIds"): "k,g"}


def test_after_a_split_the_new_household_has_not_said_yes(district: District) -> None:
    vega = district.family("a")
    district.request(vega)
    assert district.answer(vega) == ("yes", True)
    split = {
        ("users.csv", 3, "agentSourcedIds"): "n",
        ("users.csv", 4, "agentSourcedIds"): "g",
        ("users.csv", 7, "status"): "tobedeleted",
    }
    district.bring("split", split, b"n,,,,s,parent,,,Nils,Vega,,,,(303) 555-0109,,,,\r\n")
    assert (district.family("b"), district.answer(vega)) == (vega, ("yes", True))
    assert district.family("a") != vega
    assert district.answer(district.family("a")) is None
    with district.database.reading() as session:
        giver = session.execute(select(Caregiver.family_id, Caregiver.phone).where(Caregiver.source_id == "g")).one()
    assert tuple(giver) == (vega, "+13035550101")


def test_after_a_merge_the_withdrawal_stands_until_a_person_records_an_answer(district: District) -> None:
    vega, yates = district.family("a"), district.family("c")
    kept = district.request(vega)
    district.record(district.request(yates), "withdrawn")
    assert district.answer(vega) == ("yes", True)
    district.bring("merged", MERGED)
    assert district.family("c") == vega
    assert district.answer(vega) == ("yes", False)
    with district.database.reading() as session:
        assert session.execute(select(FamilyMerge.family_id, FamilyMerge.merged_id)).all() == [(vega, yates)]
    district.bring("again", MERGED)
    assert district.answer(vega) == ("yes", False)
    district.record(kept, "yes")
    assert district.answer(vega) == ("yes", True)


def test_after_a_merge_the_yes_of_the_merged_family_is_not_used(district: District) -> None:
    vega, yates = district.family("a"), district.family("c")
    district.record(district.request(vega), "withdrawn")
    district.request(yates)
    district.bring("merged", MERGED)
    assert district.answer(vega) == ("withdrawn", False)
    assert district.answer(yates) == ("yes", False)
