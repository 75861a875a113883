"""Passwords and the throttle, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from homevisits.core.access import Grant, Role
from homevisits.core.db import Database
from homevisits.core.problems import RulesBroken
from homevisits.people.models import SignInAttempt, SignInSession
from homevisits.people.sign_in import attempts
from tests.factories.school import NOW
from tests.shell.clients import create_account


def tried(database: Database, email: str = "a@example.org", address: str = "192.0.2.1", minutes: float = 0) -> bool:
    try:
        with database.transaction() as session:
            attempts.begin_try(session, email, address, NOW + timedelta(minutes=minutes))
    except attempts.TooManyTries:
        return False
    return True


def test_many_tries_at_once_are_counted_as_many(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(lambda _: tried(database), range(24)))
    assert passed.count(True) == attempts.MAX_TRIES_PER_ACCOUNT


def test_an_address_spelled_differently_is_the_same_account(database: Database) -> None:
    passed = [tried(database, email) for email in ("A@example.org", " a@EXAMPLE.org ") for _ in range(6)]
    assert passed.count(True) == attempts.MAX_TRIES_PER_ACCOUNT


def test_tries_are_forgotten_after_the_window_and_their_rows_after_a_day(database: Database) -> None:
    for _ in range(attempts.MAX_TRIES_PER_ACCOUNT):
        assert tried(database)
    assert not tried(database, minutes=14.9)
    assert tried(database, minutes=15.1)
    assert tried(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    assert tried(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInAttempt)) <= 4 + 2


def begun(database: Database, email: str = "union@example.org") -> attempts.SignInTry:
    with database.transaction() as session:
        return attempts.begin_try(session, email, "192.0.2.1", NOW)


def test_a_try_that_succeeds_counts_against_nobody(database: Database) -> None:
    create_account(
        database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=attempts.hash_password("x" * 12)
    )
    for _ in range(attempts.MAX_TRIES_PER_ACCOUNT + 2):
        given = begun(database)
        with database.transaction() as session:
            assert attempts.finish_try(session, given, "x" * 12, NOW)


def test_a_password_that_is_changed_during_sign_in_starts_no_session(database: Database) -> None:
    create_account(
        database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=attempts.hash_password("x" * 12)
    )
    given = begun(database)
    assert attempts.is_password_correct(given, "x" * 12)
    with database.transaction() as session:
        attempts.set_password(session, "union@example.org", "another one of these", NOW)
    with pytest.raises(RulesBroken), database.transaction() as session:
        attempts.finish_try(session, given, "x" * 12, NOW)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 0


def test_two_sign_ins_that_both_renew_an_old_hash_succeed(database: Database) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64).hash("x" * 12)
    create_account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=old)
    tries = [begun(database), begun(database)]
    for given in tries:
        with database.transaction() as session:
            assert attempts.finish_try(session, given, "x" * 12, NOW)


def test_the_actor_has_every_grant(database: Database) -> None:
    who = create_account(database, "both", Grant(Role.UNION_COORDINATOR, None), Grant(Role.DISTRICT_LEAD, None))
    none = create_account(database, "none")
    with database.reading() as session:
        assert attempts.load_actor(session, who.account_id) == who
        found = attempts.load_actor(session, none.account_id)
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
    found = attempts.check_new_password(password, again, "some.body@example.org\nSome Body")
    assert [problem.code for problem in found] == codes
