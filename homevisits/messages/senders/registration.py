"""Registration and rate of senders: validate and store the form of the Senders page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.messages.models import Sender
from homevisits.messages.recipients import trial_allowlist
from homevisits.messages.senders.selection import READY_REGISTRATIONS

SENDER_KINDS = ("long_code", "toll_free", "short_code", "service")
"""Kinds of a provider's number or service. Gateway and console cannot be changed."""
REGISTRATIONS = ("unregistered", "pending", "registered", "refused", "not_needed")
KINDS_WITH_BRAND = ("long_code", "service")
MAX_SEGMENTS_PER_SECOND = 500.0
MAX_SEGMENTS_PER_DAY = 1_000_000
MAX_NOTE_LENGTH = 300
_REGISTRATION_ID = re.compile(r"[A-Za-z0-9]{4,64}")


@dataclass(frozen=True)
class SenderForm:
    """The form as entered, to show it again with errors."""

    kind: str = ""
    registration: str = ""
    brand_id: str = ""
    campaign_id: str = ""
    segments_per_second: str = ""
    segments_per_day: str = ""
    note: str = ""


@dataclass(frozen=True)
class SenderChange:
    """Validated form. `segments_per_day` None: no daily cap."""

    kind: str
    registration: str
    brand_id: str | None
    campaign_id: str | None
    segments_per_second: float
    segments_per_day: int | None
    note: str | None


def read_form(form: Mapping[str, str]) -> SenderForm:
    """Return the fields of the form, stripped."""
    return SenderForm(**{name: form.get(name, "").strip() for name in SenderForm.__dataclass_fields__})


def form_of_sender(row: Sender) -> SenderForm:
    """Return the form values of a sender."""
    return SenderForm(
        row.kind,
        row.registration,
        row.brand_id or "",
        row.campaign_id or "",
        f"{row.segments_per_second:g}",
        str(row.segments_per_day or ""),
        row.note or "",
    )


def validate_form(given: SenderForm, kinds: Sequence[str]) -> tuple[SenderChange | None, list[Problem]]:
    """Validate the form; return the change or all problems. `kinds`: allowed kinds. Pure."""
    found: list[Problem] = []
    if given.kind not in kinds:
        found.append(Problem("not_a_choice", "kind"))
    if given.registration not in REGISTRATIONS:
        found.append(Problem("not_a_choice", "registration"))
    found += _id_problems(given)
    if given.registration == "not_needed" and not given.note:
        found.append(Problem("missing", "note"))
    if len(given.note) > MAX_NOTE_LENGTH:
        found.append(Problem("too_long", "note", {"most": MAX_NOTE_LENGTH}))
    speed = _parse_number(given.segments_per_second)
    if speed is None or not 0 < speed <= MAX_SEGMENTS_PER_SECOND:
        found.append(Problem("sender_speed", "segments_per_second", {"most": int(MAX_SEGMENTS_PER_SECOND)}))
    day = _parse_number(given.segments_per_day) if given.segments_per_day else None
    if given.segments_per_day and (day is None or day != int(day) or not 1 <= day <= MAX_SEGMENTS_PER_DAY):
        found.append(Problem("sender_day", "segments_per_day"))
    if found or speed is None:
        return None, found
    ids = given.brand_id or None, given.campaign_id or None
    whole = int(day) if day is not None else None
    return SenderChange(given.kind, given.registration, *ids, speed, whole, given.note or None), []


def _id_problems(given: SenderForm) -> list[Problem]:
    found = []
    needed = given.registration == "registered"
    for name, needs in (
        ("brand_id", needed and given.kind in KINDS_WITH_BRAND),
        ("campaign_id", needed and given.kind in (*KINDS_WITH_BRAND, "toll_free")),
    ):
        value = getattr(given, name)
        if value and not _REGISTRATION_ID.fullmatch(value):
            found.append(Problem("sender_id", name))
        elif needs and not value:
            found.append(Problem("missing", name))
    return found


def _parse_number(text: str) -> float | None:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        return None
    return found if abs(found) < 1e9 else None  # not infinite and not NaN


def missing_steps(row: Sender) -> tuple[str, ...]:
    """Return codes of what is missing before the sender can be used (texts in `labels.MISSING`). Pure."""
    if row.registration in READY_REGISTRATIONS:
        return ()
    if row.registration in ("pending", "refused"):
        return (row.registration,)
    if row.kind == "toll_free":
        return ("verification",)
    if row.kind == "short_code":
        return ("short_code",)
    found = [name for name, value in (("brand", row.brand_id), ("campaign", row.campaign_id)) if not value]
    return (*found, "not_said")


def list_senders(session: Session) -> Sequence[Sender]:
    """Return all senders, active senders first."""
    return session.scalars(select(Sender).order_by(Sender.active.desc(), Sender.provider, Sender.id)).all()


def get_sender(session: Session, sender_id: int) -> Sender:
    """Return a sender. Raises `NotFound`."""
    row = session.get(Sender, sender_id)
    if row is None:
        raise NotFound
    return row


def allowed_kinds(row: Sender) -> tuple[str, ...]:
    """Return the kinds that this sender can have."""
    if row.kind not in SENDER_KINDS:
        return (row.kind,)
    return ("service",) if row.address.startswith("MG") else tuple(kind for kind in SENDER_KINDS if kind != "service")


def change_sender(session: Session, actor: Actor, sender_id: int, given: SenderForm, now: datetime) -> None:
    """Store a district lead's changes to a sender. Raises `NotFound` and `RulesBroken`."""
    trial_allowlist.require_district_access(actor)
    row = get_sender(session, sender_id)
    wanted, wrong = validate_form(given, allowed_kinds(row))
    if wanted is None:
        raise RulesBroken(wrong)
    if wanted.registration in READY_REGISTRATIONS and row.registration not in READY_REGISTRATIONS:
        row.registered_at = now
    elif wanted.registration not in READY_REGISTRATIONS:
        row.registered_at = None
    if wanted.segments_per_second != row.segments_per_second:
        row.rate_now = None  # forget the slowdown
    row.kind, row.registration = wanted.kind, wanted.registration
    row.brand_id, row.campaign_id, row.note = wanted.brand_id, wanted.campaign_id, wanted.note
    row.segments_per_second, row.segments_per_day = wanted.segments_per_second, wanted.segments_per_day
    row.changed_by = actor.account_id
    session.flush()
