"""Sign-in: passwords and the throttle. Sessions are in sessions.py. No Flask, no clock, no commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import is_sqlite
from homevisits.core.problems import Problem, RulesBroken, refuse_if_any
from homevisits.people.models import Account, AccountGrant, SignInAttempt
from homevisits.people.sign_in import sessions

THROTTLE_WINDOW = timedelta(minutes=15)
MAX_ATTEMPTS_PER_ACCOUNT = 8
MAX_ATTEMPTS_PER_ADDRESS = 60  # a whole school may share an address
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 256
MAX_EMAIL_LENGTH = 254


class TooManyAttempts(RulesBroken):
    """Too many failed attempts; the password is not checked."""

    def __init__(self) -> None:
        super().__init__([Problem("too_many_attempts", None, {"minutes": int(THROTTLE_WINDOW.total_seconds() // 60)})])


@dataclass(frozen=True)
class StartedAttempt:
    """A sign-in attempt, recorded before the password is checked."""

    attempt_ids: tuple[int, ...]
    account_id: int | None
    password_hash: str | None


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _dummy_hash() -> str:
    # Verified for an unknown account, so that both answers take the same time.
    return _hasher().hash("nobody has this password")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    return _hasher().hash(password)


def normalize_email(email: str) -> str:
    """Trim an e-mail address and convert it to lower case."""
    return email.strip().lower()[:MAX_EMAIL_LENGTH]


def begin_attempt(session: Session, email: str, address: str, now: datetime) -> StartedAttempt:
    """Record an attempt as failed and find the account. Raises `TooManyAttempts`.

    It runs in its own transaction before the password check, so parallel attempts are all counted.
    """
    subjects = {
        f"account:{normalize_email(email)}": MAX_ATTEMPTS_PER_ACCOUNT,
        f"address:{address}": MAX_ATTEMPTS_PER_ADDRESS,
    }
    _delete_old_attempts(session, now)
    for subject, most in subjects.items():
        if not is_sqlite(session):  # SQLite has a single writer; PostgreSQL needs a lock for each subject
            session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(subject, 0))))
        if _count_recent_failures(session, subject, now) >= most:
            raise TooManyAttempts
    rows = [{"subject": subject, "at": now, "succeeded": False} for subject in subjects]
    ids = session.scalars(insert(SignInAttempt).returning(SignInAttempt.id), rows).all()
    columns = select(Account.id, Account.password_hash)
    row = session.execute(columns.where(Account.email == normalize_email(email), Account.active)).first()
    return StartedAttempt(tuple(ids), *row) if row else StartedAttempt(tuple(ids), None, None)


def _delete_old_attempts(session: Session, now: datetime) -> None:
    # Ids grow with time, so the oldest rows are found without a search.
    oldest = select(SignInAttempt.id).order_by(SignInAttempt.id).limit(20).scalar_subquery()
    old = delete(SignInAttempt).where(SignInAttempt.id.in_(oldest), SignInAttempt.at < now - timedelta(days=1))
    session.execute(old.execution_options(synchronize_session=False))


def _count_recent_failures(session: Session, subject: str, now: datetime) -> int:
    query = select(func.count()).where(
        SignInAttempt.subject == subject, SignInAttempt.at > now - THROTTLE_WINDOW, SignInAttempt.succeeded.is_(False)
    )
    return session.scalar(query) or 0


def is_password_correct(attempt: StartedAttempt, password: str) -> bool:
    """Return whether the password is correct. Slow on purpose; call it outside transactions."""
    is_correct = _verify(attempt.password_hash or _dummy_hash(), password)
    return is_correct and attempt.password_hash is not None


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password[: MAX_PASSWORD_LENGTH * 4])
    except (VerificationError, InvalidHashError):
        return False


def finish_attempt(session: Session, attempt: StartedAttempt, password: str, now: datetime) -> str:
    """Sign in after `is_password_correct`: the attempt no longer counts against anyone. Return the session's token.

    Raises RulesBroken when the password was changed or the account closed meanwhile.
    """
    # Locked, so that a change of the password either sees this session or is seen here.
    account = session.get_one(Account, attempt.account_id, with_for_update=True, populate_existing=True)
    password_hash = account.password_hash
    if (
        not account.active
        or password_hash is None
        or (password_hash != attempt.password_hash and not _verify(password_hash, password))
    ):
        raise RulesBroken([Problem("sign_in_failed", "email")])
    session.execute(update(SignInAttempt).where(SignInAttempt.id.in_(attempt.attempt_ids)).values(succeeded=True))
    if _hasher().check_needs_rehash(password_hash):
        account.password_hash = hash_password(password)
    return sessions.begin_session(session, account.id, now)


def check_new_password(password: str, again: str, subject: str) -> list[Problem]:
    """Return the problems of a new password. It must differ from the lines of `subject` (e-mail address, name)."""
    problems = []
    if len(password) < MIN_PASSWORD_LENGTH:
        problems.append(Problem("password_short", "password", {"least": MIN_PASSWORD_LENGTH}))
    if len(password) > MAX_PASSWORD_LENGTH:
        problems.append(Problem("password_long", "password", {"most": MAX_PASSWORD_LENGTH}))
    if password and password.lower() in subject.lower().split("\n"):
        problems.append(Problem("password_is_name", "password"))
    if password != again:
        problems.append(Problem("passwords_differ", "again"))
    return problems


@dataclass(frozen=True)
class NewPassword:
    """Field values of the password form."""

    current: str
    password: str
    again: str


def change_password(session: Session, actor: Actor, attempt: StartedAttempt, typed: NewPassword, now: datetime) -> str:
    """Change the actor's own password and end all their sessions. Returns the token of a new session.

    `attempt` is the attempt that counts a wrong current password: an open session is no way around the throttle.
    """
    account = session.get_one(Account, actor.account_id, with_for_update=True)
    problems = []
    if account.password_hash is not None:
        if attempt.password_hash != account.password_hash or not is_password_correct(attempt, typed.current):
            problems.append(Problem("password_wrong", "current"))
        elif typed.current == typed.password:
            problems.append(Problem("password_same", "password"))
    subject = f"{account.email}\n{account.name}"
    refuse_if_any([*problems, *check_new_password(typed.password, typed.again, subject)])
    session.execute(update(SignInAttempt).where(SignInAttempt.id.in_(attempt.attempt_ids)).values(succeeded=True))
    account.password_hash = hash_password(typed.password)
    sessions.end_all_sessions(session, account.id, now)
    return sessions.begin_session(session, account.id, now)


def get_email(session: Session, actor: Actor) -> str:
    """Return the e-mail address of the actor's account."""
    return session.scalars(select(Account.email).where(Account.id == actor.account_id)).one()


def set_password(session: Session, email: str, password: str, now: datetime) -> None:
    """Set an account's password from the command line, ending its sessions. Raises RulesBroken if it is weak."""
    account = session.scalars(select(Account).where(Account.email == normalize_email(email)).with_for_update()).one()
    refuse_if_any(check_new_password(password, password, f"{account.email}\n{account.name}"))
    account.password_hash = hash_password(password)
    sessions.end_all_sessions(session, account.id, now)


def choose_language(session: Session, actor: Actor, language: str) -> None:
    """Set the actor's language."""
    session.execute(update(Account).where(Account.id == actor.account_id).values(language=language))


def load_actor(session: Session, account_id: int) -> Actor | None:
    """Return the actor of an account for jobs and commands, or None if it is closed."""
    query = (
        select(Account.name, Account.educator_id, Account.language, AccountGrant.role, AccountGrant.school_id)
        .outerjoin(AccountGrant, AccountGrant.account_id == Account.id)
        .where(Account.id == account_id, Account.active)
    )
    rows = session.execute(query).all()
    if not rows:
        return None
    grants = frozenset(Grant(Role(row.role), row.school_id) for row in rows if row.role)
    return Actor(account_id, rows[0].educator_id, rows[0].name, rows[0].language, grants)
