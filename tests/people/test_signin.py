"""The throttle and the sessions' epoch, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.people import signin
from homevisits.people.models import SignInAttempt
from tests.shell.doors import account
from tests.world import NOW


def tried(database: Database, email: str = "a@example.org", address: str = "192.0.2.1", minutes: float = 0) -> bool:
    try:
        with database.transaction() as session:
            signin.begin_try(session, email, address, NOW + timedelta(minutes=minutes))
    except signin.TooManyTries:
        return False
    return True


def test_many_tries_at_once_are_counted_as_many(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(lambda _: tried(database), range(24)))
    assert passed.count(True) == signin.TRIES_PER_ACCOUNT


def test_an_address_spelled_differently_is_the_same_account(database: Database) -> None:
    passed = [tried(database, email) for email in ("A@example.org", " a@EXAMPLE.org ") for _ in range(6)]
    assert passed.count(True) == signin.TRIES_PER_ACCOUNT


def test_tries_are_forgotten_after_the_window_and_their_rows_after_a_day(database: Database) -> None:
    for _ in range(signin.TRIES_PER_ACCOUNT):
        assert tried(database)
    assert not tried(database, minutes=14.9)
    assert tried(database, minutes=15.1)
    assert tried(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    assert tried(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInAttempt)) <= 4 + 2


def test_a_try_that_succeeds_counts_against_nobody(database: Database) -> None:
    account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=signin.hash_password("x" * 12))
    for _ in range(signin.TRIES_PER_ACCOUNT + 2):
        with database.transaction() as session:
            given = signin.begin_try(session, "union@example.org", "192.0.2.1", NOW)
        with database.transaction() as session:
            assert signin.finish_try(session, given, "x" * 12) == 0


def test_a_password_that_fitted_just_before_it_was_changed_opens_nothing(database: Database) -> None:
    account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=signin.hash_password("x" * 12))
    with database.transaction() as session:
        given = signin.begin_try(session, "union@example.org", "192.0.2.1", NOW)
    assert signin.password_fits(given, "x" * 12)
    with database.transaction() as session:
        signin.set_password(session, "union@example.org", "another one of these")
    with database.transaction() as session:
        epoch = signin.finish_try(session, given, "x" * 12)
        assert given.account_id is not None
        assert signin.actor_of(session, given.account_id, epoch) is None


def test_the_actor_has_every_grant_and_no_other_epoch(database: Database) -> None:
    who = account(database, "both", Grant(Role.UNION_COORDINATOR, None), Grant(Role.DISTRICT_LEAD, None))
    none = account(database, "none")
    with database.reading() as session:
        assert signin.actor_of(session, who.account_id, 0) == who
        assert signin.actor_of(session, who.account_id, 1) is None
        found = signin.actor_of(session, none.account_id, 0)
    assert found is not None
    assert found.roles == frozenset()


@pytest.mark.parametrize(
    ("password", "again", "codes"),
    [
        ("a short sentence", "a short sentence", []),
        ("short", "short", ["password_short"]),
        ("Some Body Else!", "other", ["passwords_differ"]),
        ("x" * 257, "x" * 257, ["password_long"]),
        ("some.body@example.org", "some.body@example.org", ["password_is_name"]),
    ],
)
def test_a_new_password_says_everything_that_is_missing(password: str, again: str, codes: list[str]) -> None:
    found = signin.problems_of_password(password, again, "some.body@example.org\nSome Body")
    assert [problem.code for problem in found] == codes
