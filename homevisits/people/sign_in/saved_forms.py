"""Forms that were sent after their session had ended, kept until the person has signed in again.

Kept for an hour at most, for the account the form was made for; never passwords, tokens or files.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from homevisits.people.models import SavedForm
from homevisits.people.sign_in.sessions import hash_token

KEEP_FOR = timedelta(hours=1)
MAX_CHARACTERS = 200_000  # of a form as JSON; the longest text field allows a few thousand
MAX_PER_ACCOUNT = 20
TOKEN_BYTES = 16


@dataclass(frozen=True)
class TypedForm:
    """A form as it was sent: to which address, from which page, and the names and values of its fields."""

    path: str
    page: str
    fields: tuple[tuple[str, str], ...]


def save_form(session: Session, account_id: int, typed: TypedForm, now: datetime) -> str | None:
    """Keep a form for its account. Returns the token of its address; None when the form is too large."""
    fields = json.dumps(typed.fields, ensure_ascii=False)
    if len(fields) > MAX_CHARACTERS:
        return None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    of_account = select(SavedForm.id).where(SavedForm.account_id == account_id).order_by(SavedForm.id.desc())
    excess = session.scalars(of_account.offset(MAX_PER_ACCOUNT - 1)).all()
    session.execute(delete(SavedForm).where(SavedForm.id.in_(excess)))
    session.add(
        SavedForm(
            token_sha256=hash_token(token),
            account_id=account_id,
            path=typed.path,
            page=typed.page,
            fields=fields,
            created_at=now,
        )
    )
    return token


def find_saved_form(session: Session, account_id: int, token: str, now: datetime) -> TypedForm | None:
    """Return the form kept under a token. A form of another account is deleted and not returned."""
    row = session.scalar(select(SavedForm).where(SavedForm.token_sha256 == hash_token(token)))
    if row is None:
        return None
    if row.account_id != account_id or now - row.created_at > KEEP_FOR:
        session.delete(row)
        return None
    fields = tuple((str(name), str(value)) for name, value in json.loads(row.fields))
    return TypedForm(row.path, row.page, fields)


def discard_form(session: Session, account_id: int, token: str) -> None:
    """Delete a form of the account: it was sent, or is not wanted any more."""
    conditions = SavedForm.token_sha256 == hash_token(token), SavedForm.account_id == account_id
    session.execute(delete(SavedForm).where(*conditions))


def delete_old_forms(session: Session, now: datetime) -> int:
    """Delete forms older than an hour. Returns how many."""
    old = delete(SavedForm).where(SavedForm.created_at < now - KEEP_FOR).returning(SavedForm.id)
    return len(session.scalars(old).all())
