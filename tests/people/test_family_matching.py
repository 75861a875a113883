"""Match the households of a new roster to stored families, and keep or drop their earlier answers."""

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
ONE_DAY = timedelta(days=1)


def build_household(students: str, caregivers: str) -> Household:
    return Household(students[0], tuple(students), tuple(caregivers))


@pytest.mark.parametrize(
    ("households", "of_student", "of_caregiver", "families", "merged"),
    [
        # A child moves to a new caregiver: the family stays with the old caregiver.
        ([build_household("a", "n"), build_household("b", "g")], {"a": 1, "b": 1}, {"g": 1}, {"b": 1}, ()),
        # Both new households have a caregiver of the family: the household of the first child keeps it.
        ([build_household("a", "g"), build_household("b", "h")], {"a": 1, "b": 1}, {"g": 1, "h": 1}, {"a": 1}, ()),
        # Two families are merged: the older family is kept.
        ([build_household("ab", "gh")], {"a": 1, "b": 2}, {"g": 1, "h": 2}, {"a": 1}, ((1, 2),)),
        # Two families are merged without the caregiver of the older: the other family is kept.
        ([build_household("ab", "h")], {"a": 1, "b": 2}, {"g": 1, "h": 2}, {"a": 2}, ((2, 1),)),
        # A child joins another family while a sibling stays in the old family: no merge.
        (
            [build_household("a", "g"), build_household("bc", "h")],
            {"a": 1, "b": 1, "c": 2},
            {"g": 1, "h": 2},
            {"a": 1, "b": 2},
            (),
        ),
        # A child without caregivers, and a new child.
        ([build_household("a", ""), build_household("z", "")], {"a": 1}, {}, {"a": 1}, ()),
    ],
)
def test_family_stays_with_its_caregivers(
    households: list[Household],
    of_student: dict[str, int],
    of_caregiver: dict[str, int],
    families: dict[str, int],
    merged: tuple[tuple[int, int], ...],
) -> None:
    matches = match_families(households, of_student, of_caregiver)
    assert (dict(matches.families), matches.merged) == (families, merged)


class District:
    """An imported roster with a coordinator who records answers; later rosters can be imported."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.now = database, folder, NOW
        self.import_roster("first", {})
        with database.transaction() as session:
            self.school_id = session.scalars(select(School.id)).one()
            account = Account(email="c@example.org", name="c")
            session.add(account)
            session.flush()
            grant = Grant(Role.SITE_COORDINATOR, self.school_id)
            self.coordinator = Actor(account.id, None, "c", "en", frozenset({grant}))

    def import_roster(self, name: str, changes: dict[tuple[str, int, str], str], extra: bytes = b"") -> None:
        files = rosters.build_files(changes)
        files["users.csv"] += extra
        assert import_oneroster(self.database, rosters.write_folder(self.folder / name, files), self.now).errors == ()
        self.now += ONE_DAY

    def family_id_of(self, child: str) -> int:
        with self.database.reading() as session:
            return session.scalars(select(Student.family_id).where(Student.source_id == child)).one()

    def record_request(self, family_id: int) -> int:
        with self.database.transaction() as session:
            invitation = invitations.record_request(
                session, self.coordinator, family_id, self.school_id, how="phone", now=self.now
            )
            return invitation.id

    def record_answer(self, invitation_id: int, answer: str) -> None:
        with self.database.transaction() as session:
            invitations.record_answer(session, self.coordinator, invitation_id, answer, how="phone", now=self.now)

    def current_answer(self, family_id: int) -> tuple[str, bool] | None:
        with self.database.reading() as session:
            current = queries.load_current_answers(session, [family_id], self.now.date()).get(family_id)
            return None if current is None else (current.answer, current.is_valid_yes)


@pytest.fixture
def district(database: Database, tmp_path: Path) -> District:
    return District(database, tmp_path)


MERGED = {("users.csv", 5, "agentSourcedIds"): "k,g"}


def test_new_household_after_a_split_has_no_answer(district: District) -> None:
    vega = district.family_id_of("a")
    district.record_request(vega)
    assert district.current_answer(vega) == ("yes", True)
    split = {
        ("users.csv", 3, "agentSourcedIds"): "n",
        ("users.csv", 4, "agentSourcedIds"): "g",
        ("users.csv", 7, "status"): "tobedeleted",
    }
    district.import_roster("split", split, b"n,,,,s,parent,,,Nils,Vega,,,,(303) 555-0109,,,,\r\n")
    assert (district.family_id_of("b"), district.current_answer(vega)) == (vega, ("yes", True))
    assert district.family_id_of("a") != vega
    assert district.current_answer(district.family_id_of("a")) is None
    with district.database.reading() as session:
        caregiver = session.execute(
            select(Caregiver.family_id, Caregiver.phone).where(Caregiver.source_id == "g")
        ).one()
    assert tuple(caregiver) == (vega, "+13035550101")


def test_withdrawal_of_a_merged_family_counts_until_a_new_answer(district: District) -> None:
    vega, yates = district.family_id_of("a"), district.family_id_of("c")
    invitation_id = district.record_request(vega)
    district.record_answer(district.record_request(yates), "withdrawn")
    assert district.current_answer(vega) == ("yes", True)
    district.import_roster("merged", MERGED)
    assert district.family_id_of("c") == vega
    assert district.current_answer(vega) == ("yes", False)
    with district.database.reading() as session:
        assert session.execute(select(FamilyMerge.family_id, FamilyMerge.merged_id)).all() == [(vega, yates)]
    district.import_roster("again", MERGED)
    assert district.current_answer(vega) == ("yes", False)
    district.record_answer(invitation_id, "yes")
    assert district.current_answer(vega) == ("yes", True)


def test_yes_of_a_merged_family_is_not_used(district: District) -> None:
    vega, yates = district.family_id_of("a"), district.family_id_of("c")
    district.record_answer(district.record_request(vega), "withdrawn")
    district.record_request(yates)
    district.import_roster("merged", MERGED)
    assert district.current_answer(vega) == ("withdrawn", False)
    assert district.current_answer(yates) == ("yes", False)
