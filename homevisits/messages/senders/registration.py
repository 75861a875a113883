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

# Kinds of a provider's number or service. The kinds gateway and console cannot be changed.
SENDER_KINDS = ("long_code", "toll_free", "short_code", "service")
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
        kind=row.kind,
        registration=row.registration,
        brand_id=row.brand_id or "",
        campaign_id=row.campaign_id or "",
        segments_per_second=f"{row.segments_per_second:g}",
        segments_per_day=str(row.segments_per_day or ""),
        note=row.note or "",
    )


def validate_form(form: SenderForm, kinds: Sequence[str]) -> tuple[SenderChange | None, list[Problem]]:
    """Validate the form; return the change or all problems. `kinds`: allowed kinds. Pure."""
    problems: list[Problem] = []
    if form.kind not in kinds:
        problems.append(Problem("not_a_choice", "kind"))
    if form.registration not in REGISTRATIONS:
        problems.append(Problem("not_a_choice", "registration"))
    problems += _id_problems(form)
    if form.registration == "not_needed" and not form.note:
        problems.append(Problem("missing", "note"))
    if len(form.note) > MAX_NOTE_LENGTH:
        problems.append(Problem("too_long", "note", {"most": MAX_NOTE_LENGTH}))
    per_second = _parse_number(form.segments_per_second)
    if per_second is None or not 0 < per_second <= MAX_SEGMENTS_PER_SECOND:
        problems.append(Problem("sender_speed", "segments_per_second", {"most": int(MAX_SEGMENTS_PER_SECOND)}))
    per_day = _parse_number(form.segments_per_day) if form.segments_per_day else None
    if form.segments_per_day and (
        per_day is None or per_day != int(per_day) or not 1 <= per_day <= MAX_SEGMENTS_PER_DAY
    ):
        problems.append(Problem("sender_day", "segments_per_day"))
    if problems or per_second is None:
        return None, problems
    change = SenderChange(
        kind=form.kind,
        registration=form.registration,
        brand_id=form.brand_id or None,
        campaign_id=form.campaign_id or None,
        segments_per_second=per_second,
        segments_per_day=int(per_day) if per_day is not None else None,
        note=form.note or None,
    )
    return change, []


def _id_problems(form: SenderForm) -> list[Problem]:
    problems = []
    is_registered = form.registration == "registered"
    for name, is_required in (
        ("brand_id", is_registered and form.kind in KINDS_WITH_BRAND),
        ("campaign_id", is_registered and form.kind in (*KINDS_WITH_BRAND, "toll_free")),
    ):
        value = getattr(form, name)
        if value and not _REGISTRATION_ID.fullmatch(value):
            problems.append(Problem("sender_id", name))
        elif is_required and not value:
            problems.append(Problem("missing", name))
    return problems


def _parse_number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None  # not infinite and not NaN


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
    missing = [name for name, value in (("brand", row.brand_id), ("campaign", row.campaign_id)) if not value]
    return (*missing, "not_confirmed")


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


def change_sender(session: Session, actor: Actor, sender_id: int, form: SenderForm, now: datetime) -> None:
    """Store a district lead's changes to a sender. Raises `NotFound` and `RulesBroken`."""
    trial_allowlist.require_district_access(actor)
    row = get_sender(session, sender_id)
    change, problems = validate_form(form, allowed_kinds(row))
    if change is None:
        raise RulesBroken(problems)
    if change.registration in READY_REGISTRATIONS and row.registration not in READY_REGISTRATIONS:
        row.registered_at = now
    elif change.registration not in READY_REGISTRATIONS:
        row.registered_at = None
    if change.segments_per_second != row.segments_per_second:
        row.rate_now = None  # forget the slowdown
    row.kind, row.registration = change.kind, change.registration
    row.brand_id, row.campaign_id, row.note = change.brand_id, change.campaign_id, change.note
    row.segments_per_second, row.segments_per_day = change.segments_per_second, change.segments_per_day
    row.changed_by = actor.account_id
    session.flush()
