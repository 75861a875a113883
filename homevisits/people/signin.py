"""Sign-in: passwords, the throttle, and which actor a session belongs to. No Flask, no clock, no commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import is_sqlite
from homevisits.core.problems import Problem, RulesBroken, refuse_if_any
from homevisits.people.models import Account, AccountGrant, SignInAttempt

WINDOW = timedelta(minutes=15)
TRIES_PER_ACCOUNT = 8
TRIES_PER_ADDRESS = 60  # a whole school may share one address
PASSWORD_LEAST, PASSWORD_MOST = 12, 256
LONGEST_EMAIL = 254


class TooManyTries(RulesBroken):
    """The throttle: no password is even looked at."""

    def __init__(self) -> None:
        super().__init__([Problem("too_many_tries", None, {"minutes": int(WINDOW.total_seconds() // 60)})])


@dataclass(frozen=True)
class Try:
    """One try to sign in, written down before the password is looked at."""

    attempt_ids: tuple[int, ...]
    account_id: int | None
    password_hash: str | None
    epoch: int = 0


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    # Verified for an unknown account, so that both answers take the same time.
    return _hasher().hash("nobody has this password")


def hash_password(password: str) -> str:
    """The argon2id hash to keep of a password."""
    return _hasher().hash(password)


def tidy_email(email: str) -> str:
    """An address as accounts keep it: trimmed, lower case."""
    return email.strip().lower()[:LONGEST_EMAIL]


def begin_try(session: Session, email: str, address: str, now: datetime) -> Try:
    """Write a try down (as failed) and find the account. Raises `TooManyTries` when there were too many lately.

    Written first and in its own transaction: many tries at once are counted as many.
    """
    subjects = {f"account:{tidy_email(email)}": TRIES_PER_ACCOUNT, f"address:{address}": TRIES_PER_ADDRESS}
    _forget_old(session, now)
    for subject, most in subjects.items():
        if not is_sqlite(session):  # SQLite writes one at a time; elsewhere, who tries the same waits here
            session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(subject, 0))))
        if _failed_lately(session, subject, now) >= most:
            raise TooManyTries
    rows = [{"subject": subject, "at": now, "succeeded": False} for subject in subjects]
    ids = session.scalars(insert(SignInAttempt).returning(SignInAttempt.id), rows).all()
    columns = select(Account.id, Account.password_hash, Account.session_epoch)
    found = session.execute(columns.where(Account.email == tidy_email(email), Account.active)).first()
    return Try(tuple(ids), *found) if found else Try(tuple(ids), None, None)


def _forget_old(session: Session, now: datetime) -> None:
    # A few of the oldest each time: their ids rise with time, so nothing has to be searched.
    oldest = select(SignInAttempt.id).order_by(SignInAttempt.id).limit(20).scalar_subquery()
    old = delete(SignInAttempt).where(SignInAttempt.id.in_(oldest), SignInAttempt.at < now - timedelta(days=1))
    session.execute(old.execution_options(synchronize_session=False))


def _failed_lately(session: Session, subject: str, now: datetime) -> int:
    query = select(func.count()).where(
        SignInAttempt.subject == subject, SignInAttempt.at > now - WINDOW, SignInAttempt.succeeded.is_(False)
    )
    return session.scalar(query) or 0


def password_fits(given: Try, password: str) -> bool:
    """Whether the password is the account's. Slow on purpose; call it with no transaction open."""
    fits = _verify(given.password_hash or _hash_of_nobody(), password)
    return fits and given.password_hash is not None


def _verify(kept: str, password: str) -> bool:
    try:
        return _hasher().verify(kept, password[: PASSWORD_MOST * 4])
    except (VerificationError, InvalidHashError):
        return False


def finish_try(session: Session, given: Try, password: str) -> int:
    """The password fitted: the try no longer counts against anyone. Returns the session epoch it was tried in.

    Changed meanwhile, the password that fitted opens nothing: its epoch is over.
    """
    session.execute(update(SignInAttempt).where(SignInAttempt.id.in_(given.attempt_ids)).values(succeeded=True))
    account = session.get_one(Account, given.account_id)
    if account.password_hash == given.password_hash and _hasher().check_needs_rehash(account.password_hash or ""):
        account.password_hash = hash_password(password)
    return given.epoch


def problems_of_password(password: str, again: str, about: str) -> list[Problem]:
    """What is wrong with a new password; `about` is the name and address it must not be."""
    found = []
    if len(password) < PASSWORD_LEAST:
        found.append(Problem("password_short", "password", {"least": PASSWORD_LEAST}))
    if len(password) > PASSWORD_MOST:
        found.append(Problem("password_long", "password", {"most": PASSWORD_MOST}))
    if password and password.lower() in about.lower().split("\n"):
        found.append(Problem("password_is_name", "password"))
    if password != again:
        found.append(Problem("passwords_differ", "again"))
    return found


def change_password(session: Session, actor: Actor, given: Try, current: str, password: str, again: str) -> int:
    """Change the actor's own password and end every session of theirs. Returns the new session epoch.

    `given` is the try that says whether the current one was right: who holds an open session may not guess for long.
    """
    account = session.get_one(Account, actor.account_id, with_for_update=True)
    problems = []
    if account.password_hash is not None:
        if given.password_hash != account.password_hash or not password_fits(given, current):
            problems.append(Problem("password_wrong", "current"))
        elif current == password:
            problems.append(Problem("password_same", "password"))
    refuse_if_any([*problems, *problems_of_password(password, again, f"{account.email}\n{account.name}")])
    session.execute(update(SignInAttempt).where(SignInAttempt.id.in_(given.attempt_ids)).values(succeeded=True))
    account.password_hash = hash_password(password)
    account.session_epoch += 1
    return account.session_epoch


def email_of(session: Session, actor: Actor) -> str:
    """The address the actor signs in with."""
    return session.scalars(select(Account.email).where(Account.id == actor.account_id)).one()


def set_password(session: Session, email: str, password: str) -> None:
    """Set an account's password from the command line, ending its sessions. Raises RulesBroken for a weak one."""
    account = session.scalars(select(Account).where(Account.email == tidy_email(email))).one()
    refuse_if_any(problems_of_password(password, password, f"{account.email}\n{account.name}"))
    account.password_hash = hash_password(password)
    account.session_epoch += 1


def choose_language(session: Session, actor: Actor, language: str) -> None:
    """Keep the language the actor reads in."""
    session.execute(update(Account).where(Account.id == actor.account_id).values(language=language))


# Asked by every page, so put together once.
_ACTOR = (
    select(Account.name, Account.educator_id, Account.language, AccountGrant.role, AccountGrant.school_id)
    .outerjoin(AccountGrant, AccountGrant.account_id == Account.id)
    .where(Account.id == bindparam("account"), Account.active, Account.session_epoch == bindparam("epoch"))
)


def actor_of(session: Session, account_id: int, epoch: int) -> Actor | None:
    """The actor of a session that began at `epoch`; None when the account is closed or its sessions were ended."""
    rows = session.execute(_ACTOR, {"account": account_id, "epoch": epoch}).all()
    if not rows:
        return None
    grants = frozenset(Grant(Role(row.role), row.school_id) for row in rows if row.role)
    return Actor(account_id, rows[0].educator_id, rows[0].name, rows[0].language, grants)


def epoch_of(session: Session, account_id: int) -> int:
    """The epoch a new session of the account begins at."""
    return session.scalars(select(Account.session_epoch).where(Account.id == account_id)).one()
