"""Account actions for the command line."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from homevisits.core.access import Role
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.people.models import Account, AccountGrant, Educator, School
from homevisits.people.sign_in import sessions
from homevisits.people.sign_in.attempts import check_new_password, hash_password, normalize_email


@dataclass(frozen=True)
class NewAccount:
    """Values of a new account. `school` and `educator` are roster ids; without a school the role is district-wide."""

    email: str
    name: str
    role: Role
    school: str | None = None
    educator: str | None = None
    language: str = "en"
    password: str | None = None


@dataclass(frozen=True)
class AccountRow:
    """An account with its grants as "role" or "role@school"."""

    email: str
    name: str
    active: bool
    grants: tuple[str, ...]


def add_account(session: Session, new_account: NewAccount) -> str | None:
    """Create an account with one role. Return the generated password, or None if a password was given."""
    email = normalize_email(new_account.email)
    generated = None if new_account.password else secrets.token_urlsafe(12)
    password = new_account.password or generated or ""
    school = _find_school(session, new_account.school)
    educator = (
        session.scalar(select(Educator).where(Educator.source_id == new_account.educator))
        if new_account.educator
        else None
    )
    problems = check_new_password(password, password, f"{email}\n{new_account.name}")
    if "@" not in email:
        problems.append(Problem("email_wrong", "email"))
    if session.scalar(select(Account.id).where(Account.email == email)):
        problems.append(Problem("account_exists", "email", {"email": email}))
    if new_account.educator and educator is None:
        problems.append(Problem("educator_unknown", "educator", {"found": new_account.educator}))
    if new_account.role is Role.EDUCATOR and not new_account.educator:
        problems.append(Problem("educator_missing", "educator"))
    if educator and session.scalar(select(Account.id).where(Account.educator_id == educator.id)):
        problems.append(Problem("educator_has_account", "educator", {"found": new_account.educator}))
    if new_account.school and school is None:
        problems.append(Problem("school_unknown", "school", {"found": new_account.school}))
    refuse_if_any(problems)
    account = Account(
        email=email,
        name=new_account.name,
        password_hash=hash_password(password),
        educator_id=educator.id if educator else None,
        language=new_account.language,
    )
    session.add(account)
    session.flush()
    session.add(
        AccountGrant(account_id=account.id, role=new_account.role.value, school_id=school.id if school else None)
    )
    return generated


def grant_role(session: Session, email: str, role: Role, school: str | None) -> None:
    """Grant an account another role. A role that it already has stays unchanged."""
    account, place = _get_account(session, email), _find_school(session, school)
    if school and place is None:
        refuse_if_any([Problem("school_unknown", "school", {"found": school})])
    where = place.id if place else None
    held = select(AccountGrant.id).where(
        AccountGrant.account_id == account.id,
        AccountGrant.role == role.value,
        AccountGrant.school_id.is_not_distinct_from(where),
    )
    if session.scalar(held) is None:
        session.add(AccountGrant(account_id=account.id, role=role.value, school_id=where))


def revoke_role(session: Session, email: str, role: Role) -> None:
    """Revoke a role at all schools; open sessions lose it with their next request."""
    account = _get_account(session, email)
    session.execute(delete(AccountGrant).where(AccountGrant.account_id == account.id, AccountGrant.role == role.value))


def set_account_active(session: Session, email: str, now: datetime, *, active: bool = False) -> None:
    """Close or reopen an account and end its sessions. Its records are kept."""
    account = _get_account(session, email)
    session.refresh(account, with_for_update=True)  # prevents a new session in the meantime
    account.active = active
    sessions.end_all_sessions(session, account.id, now)


def list_accounts(session: Session) -> list[AccountRow]:
    """Return all accounts, ordered by e-mail address."""
    rows = session.execute(
        select(Account, AccountGrant.role, School.source_id)
        .outerjoin(AccountGrant, AccountGrant.account_id == Account.id)
        .outerjoin(School, School.id == AccountGrant.school_id)
        .order_by(Account.email, AccountGrant.role, School.source_id)
    ).all()
    grants: dict[str, list[str]] = {}
    accounts: dict[str, Account] = {}
    for account, role, school in rows:
        accounts[account.email] = account
        grants.setdefault(account.email, []).extend([f"{role}@{school}" if school else role] if role else [])
    return [AccountRow(email, a.name, a.active, tuple(grants[email])) for email, a in accounts.items()]


def _get_account(session: Session, email: str) -> Account:
    account = session.scalar(select(Account).where(Account.email == normalize_email(email)))
    if account is None:
        raise NotFound
    return account


def _find_school(session: Session, source_id: str | None) -> School | None:
    return session.scalar(select(School).where(School.source_id == source_id)) if source_id else None
