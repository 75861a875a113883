"""What a district says about what its texts go out from: registered or not, how fast; read from a form and kept."""

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
from homevisits.messages.senders.selection import READY

KINDS = ("long_code", "toll_free", "short_code", "service")
"""What a carrier's number or service can be; a gateway or the console is what it is."""
REGISTRATIONS = ("unregistered", "pending", "registered", "refused", "not_needed")
BY_BRAND = ("long_code", "service")
FASTEST = 500.0
MOST_A_DAY = 1_000_000
LONGEST_NOTE = 300
_NAME = re.compile(r"[A-Za-z0-9]{4,64}")


@dataclass(frozen=True)
class Typed:
    """The form as it was typed: shown again as it stands when something is to change."""

    kind: str = ""
    registration: str = ""
    brand_id: str = ""
    campaign_id: str = ""
    segments_per_second: str = ""
    segments_per_day: str = ""
    note: str = ""


@dataclass(frozen=True)
class Change:
    """What a person says of a sender. Speed in segments a second; ``segments_per_day`` None: no limit of our own."""

    kind: str
    registration: str
    brand_id: str | None
    campaign_id: str | None
    segments_per_second: float
    segments_per_day: int | None
    note: str | None


def typed(form: Mapping[str, str]) -> Typed:
    """The fields of the form, without blanks around."""
    return Typed(**{name: form.get(name, "").strip() for name in Typed.__dataclass_fields__})


def as_typed(row: Sender) -> Typed:
    """A sender as its form shows it."""
    return Typed(
        row.kind,
        row.registration,
        row.brand_id or "",
        row.campaign_id or "",
        f"{row.segments_per_second:g}",
        str(row.segments_per_day or ""),
        row.note or "",
    )


def read(given: Typed, kinds: Sequence[str]) -> tuple[Change | None, list[Problem]]:
    """What was meant, or every reason why it cannot be. ``kinds``: those this sender may be. Pure."""
    found: list[Problem] = []
    if given.kind not in kinds:
        found.append(Problem("not_a_choice", "kind"))
    if given.registration not in REGISTRATIONS:
        found.append(Problem("not_a_choice", "registration"))
    found += _ids(given)
    if given.registration == "not_needed" and not given.note:
        found.append(Problem("missing", "note"))
    if len(given.note) > LONGEST_NOTE:
        found.append(Problem("too_long", "note", {"most": LONGEST_NOTE}))
    speed = _number(given.segments_per_second)
    if speed is None or not 0 < speed <= FASTEST:
        found.append(Problem("sender_speed", "segments_per_second", {"most": int(FASTEST)}))
    day = _number(given.segments_per_day) if given.segments_per_day else None
    if given.segments_per_day and (day is None or day != int(day) or not 1 <= day <= MOST_A_DAY):
        found.append(Problem("sender_day", "segments_per_day"))
    if found or speed is None:
        return None, found
    ids = given.brand_id or None, given.campaign_id or None
    whole = int(day) if day is not None else None
    return Change(given.kind, given.registration, *ids, speed, whole, given.note or None), []


def _ids(given: Typed) -> list[Problem]:
    found = []
    needed = given.registration == "registered"
    for name, needs in (
        ("brand_id", needed and given.kind in BY_BRAND),
        ("campaign_id", needed and given.kind in (*BY_BRAND, "toll_free")),
    ):
        value = getattr(given, name)
        if value and not _NAME.fullmatch(value):
            found.append(Problem("sender_id", name))
        elif needs and not value:
            found.append(Problem("missing", name))
    return found


def _number(text: str) -> float | None:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        return None
    return found if abs(found) < 1e9 else None  # neither infinite nor no number at all


def missing(row: Sender) -> tuple[str, ...]:
    """What still stands between this sender and its first text: codes that `reasons.MISSING` words. Pure."""
    if row.registration in READY:
        return ()
    if row.registration in ("pending", "refused"):
        return (row.registration,)
    if row.kind == "toll_free":
        return ("verification",)
    if row.kind == "short_code":
        return ("short_code",)
    found = [name for name, value in (("brand", row.brand_id), ("campaign", row.campaign_id)) if not value]
    return (*found, "not_said")


def all_senders(session: Session) -> Sequence[Sender]:
    """What texts go out from: those the settings name first."""
    return session.scalars(select(Sender).order_by(Sender.active.desc(), Sender.carrier, Sender.id)).all()


def one(session: Session, sender_id: int) -> Sender:
    """A sender. Raises `NotFound`."""
    row = session.get(Sender, sender_id)
    if row is None:
        raise NotFound
    return row


def kinds_of(row: Sender) -> tuple[str, ...]:
    """What this sender can be."""
    if row.kind not in KINDS:
        return (row.kind,)
    return ("service",) if row.address.startswith("MG") else tuple(kind for kind in KINDS if kind != "service")


def change(session: Session, actor: Actor, sender_id: int, given: Typed, now: datetime) -> None:
    """Keep what a district lead says of a sender, and who said it. Raises `NotFound` and `RulesBroken`."""
    trial_allowlist.refuse_unless_district(actor)
    row = one(session, sender_id)
    wanted, wrong = read(given, kinds_of(row))
    if wanted is None:
        raise RulesBroken(wrong)
    if wanted.registration in READY and row.registration not in READY:
        row.registered_at = now
    elif wanted.registration not in READY:
        row.registered_at = None
    if wanted.segments_per_second != row.segments_per_second:
        row.rate_now = None  # a new speed is tried anew
    row.kind, row.registration = wanted.kind, wanted.registration
    row.brand_id, row.campaign_id, row.note = wanted.brand_id, wanted.campaign_id, wanted.note
    row.segments_per_second, row.segments_per_day = wanted.segments_per_second, wanted.segments_per_day
    row.changed_by = actor.account_id
    session.flush()
