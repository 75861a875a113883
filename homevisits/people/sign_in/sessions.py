"""Sign-in sessions. The browser's cookie holds a random token; length and idle time are judged by the row."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Grant, Role
from homevisits.people.models import Account, AccountGrant, SignInSession

REFRESH_AFTER = timedelta(minutes=1)  # last_seen_at is written at most this often, so that most requests only read
TOKEN_BYTES = 32


@dataclass(frozen=True)
class SessionLimits:
    """How long a session lasts in all, and how long without a request."""

    length: timedelta
    idle: timedelta


@dataclass(frozen=True)
class OpenSession:
    """A session that is valid now. ``needs_refresh``: its last_seen_at is more than a minute old."""

    actor: Actor
    needs_refresh: bool


# Every request runs this query, so it is built once. The session is joined to the account and its grants.
_FIND = (
    select(
        SignInSession.account_id,
        SignInSession.created_at,
        SignInSession.last_seen_at,
        Account.name,
        Account.educator_id,
        Account.language,
        AccountGrant.role,
        AccountGrant.school_id,
    )
    .join(Account, Account.id == SignInSession.account_id)
    .outerjoin(AccountGrant, AccountGrant.account_id == Account.id)
    .where(SignInSession.token_sha256 == bindparam("token"), SignInSession.ended_at.is_(None), Account.active)
)


def hash_token(token: str) -> str:
    """The hash under which a random token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin_session(session: Session, account_id: int, now: datetime) -> str:
    """Start a session of the account. Returns the token for the cookie."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = SignInSession(token_sha256=hash_token(token), account_id=account_id, created_at=now, last_seen_at=now)
    session.add(row)
    session.flush()
    return token


def find_session(session: Session, token: str, limits: SessionLimits | None, now: datetime) -> OpenSession | None:
    """Return the session of a token; None when it has ended or is too old. No ``limits``: it never gets too old."""
    rows = session.execute(_FIND, {"token": hash_token(token)}).all()
    if not rows:
        return None
    first = rows[0]
    if limits and (now - first.created_at > limits.length or now - first.last_seen_at > limits.idle):
        return None
    grants = frozenset(Grant(Role(row.role), row.school_id) for row in rows if row.role)
    actor = Actor(first.account_id, first.educator_id, first.name, first.language, grants)
    return OpenSession(actor, now - first.last_seen_at > REFRESH_AFTER)


def refresh_session(session: Session, token: str, now: datetime) -> None:
    """Record that the session is in use."""
    current = SignInSession.token_sha256 == hash_token(token), SignInSession.last_seen_at < now - REFRESH_AFTER
    session.execute(update(SignInSession).where(*current).values(last_seen_at=now))


def end_session(session: Session, token: str, now: datetime) -> None:
    """End a session, and with it every copy of its cookie."""
    conditions = SignInSession.token_sha256 == hash_token(token), SignInSession.ended_at.is_(None)
    session.execute(update(SignInSession).where(*conditions).values(ended_at=now))


def end_all_sessions(session: Session, account_id: int, now: datetime) -> None:
    """End every session of the account. The caller has locked the account's row, so that none begins meanwhile."""
    conditions = SignInSession.account_id == account_id, SignInSession.ended_at.is_(None)
    session.execute(update(SignInSession).where(*conditions).values(ended_at=now))


def delete_old_sessions(session: Session, limits: SessionLimits | None, now: datetime) -> int:
    """Delete sessions that have ended or are too old. Returns how many."""
    old: list[ColumnElement[bool]] = [SignInSession.ended_at.is_not(None)]
    if limits:
        old += [SignInSession.created_at < now - limits.length, SignInSession.last_seen_at < now - limits.idle]
    deleted = session.scalars(delete(SignInSession).where(or_(*old)).returning(SignInSession.id))
    return len(deleted.all())
