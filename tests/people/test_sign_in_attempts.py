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


def try_sign_in(
    database: Database, email: str = "a@example.org", address: str = "192.0.2.1", minutes: float = 0
) -> bool:
    try:
        with database.transaction() as session:
            attempts.begin_attempt(session, email, address, NOW + timedelta(minutes=minutes))
    except attempts.TooManyAttempts:
        return False
    return True


def test_concurrent_tries_are_all_counted(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(lambda _: try_sign_in(database), range(24)))
    assert passed.count(True) == attempts.MAX_ATTEMPTS_PER_ACCOUNT


def test_spelling_of_the_email_does_not_matter_for_the_limit(database: Database) -> None:
    passed = [try_sign_in(database, email) for email in ("A@example.org", " a@EXAMPLE.org ") for _ in range(6)]
    assert passed.count(True) == attempts.MAX_ATTEMPTS_PER_ACCOUNT


def test_tries_expire_after_the_window_and_are_deleted_after_a_day(database: Database) -> None:
    for _ in range(attempts.MAX_ATTEMPTS_PER_ACCOUNT):
        assert try_sign_in(database)
    assert not try_sign_in(database, minutes=14.9)
    assert try_sign_in(database, minutes=15.1)
    assert try_sign_in(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    assert try_sign_in(database, "other@example.org", "192.0.2.2", minutes=60 * 25)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInAttempt)) <= 4 + 2


def begin_attempt(database: Database, email: str = "union@example.org") -> attempts.StartedAttempt:
    with database.transaction() as session:
        return attempts.begin_attempt(session, email, "192.0.2.1", NOW)


def test_successful_try_does_not_count_for_the_limit(database: Database) -> None:
    create_account(
        database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=attempts.hash_password("x" * 12)
    )
    for _ in range(attempts.MAX_ATTEMPTS_PER_ACCOUNT + 2):
        sign_in_try = begin_attempt(database)
        with database.transaction() as session:
            assert attempts.finish_attempt(session, sign_in_try, "x" * 12, NOW)


def test_password_change_during_sign_in_starts_no_session(database: Database) -> None:
    create_account(
        database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=attempts.hash_password("x" * 12)
    )
    sign_in_try = begin_attempt(database)
    assert attempts.is_password_correct(sign_in_try, "x" * 12)
    with database.transaction() as session:
        attempts.set_password(session, "union@example.org", "another one of these", NOW)
    with pytest.raises(RulesBroken), database.transaction() as session:
        attempts.finish_attempt(session, sign_in_try, "x" * 12, NOW)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 0


def test_concurrent_sign_ins_with_an_old_hash_succeed(database: Database) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64).hash("x" * 12)
    create_account(database, "union", Grant(Role.UNION_COORDINATOR, None), password_hash=old)
    tries = [begin_attempt(database), begin_attempt(database)]
    for sign_in_try in tries:
        with database.transaction() as session:
            assert attempts.finish_attempt(session, sign_in_try, "x" * 12, NOW)


def test_actor_has_all_grants_of_the_account(database: Database) -> None:
    expected = create_account(database, "both", Grant(Role.UNION_COORDINATOR, None), Grant(Role.DISTRICT_LEAD, None))
    none = create_account(database, "none")
    with database.reading() as session:
        assert attempts.load_actor(session, expected.account_id) == expected
        actor = attempts.load_actor(session, none.account_id)
    assert actor is not None
    assert actor.roles == frozenset()


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
def test_all_problems_of_a_new_password_are_reported(password: str, again: str, codes: list[str]) -> None:
    problems = attempts.check_new_password(password, again, "some.body@example.org\nSome Body")
    assert [problem.code for problem in problems] == codes
