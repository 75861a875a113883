"""Sync the sender table with the settings; deactivate removed senders."""

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from homevisits.core.db import savepoint
from homevisits.core.settings import Settings
from homevisits.messages.models import Sender

TOLL_FREE_PREFIXES = tuple(f"+1{code}" for code in (800, 833, 844, 855, 866, 877, 888))
# Initial segments per second by kind of sender: the minimum of each kind. Editable on the Senders page.
INITIAL_RATES = {
    "long_code": 1.0,
    "toll_free": 3.0,
    "short_code": 10.0,
    "service": 1.0,
    "gateway": 10.0,
    "console": 1000.0,
}


def sync_senders(session: Session, settings: Settings) -> None:
    """Insert senders that are new in the settings and deactivate those that were removed."""
    configured = set(_configured_senders(settings))
    rows = {(row.provider, row.address): row for row in session.scalars(select(Sender).order_by(Sender.id))}
    for provider, address in sorted(configured - rows.keys()):
        kind = guess_kind(provider, address)
        row = Sender(
            provider=provider, address=address, kind=kind, segments_per_second=INITIAL_RATES[kind],
            registration="unregistered" if provider == "twilio" else "not_needed",
        )  # fmt: skip
        try:
            with savepoint(session):
                session.add(row)
        except IntegrityError:  # inserted by another worker
            continue
    for key, row in rows.items():
        if row.active != (key in configured):
            session.execute(update(Sender).where(Sender.id == row.id).values(active=key in configured))
    session.flush()


def _configured_senders(settings: Settings) -> list[tuple[str, str]]:
    addresses = {
        "twilio": settings.twilio_messaging_service_sid or settings.twilio_from,
        "kannel": settings.kannel_from,
        "console": "console",
    }
    return [(provider, addresses[provider]) for provider in (settings.provider, settings.second_provider) if provider]


def guess_kind(provider: str, address: str) -> str:
    """Guess the kind of sender from its address."""
    if provider != "twilio":
        return {"kannel": "gateway"}.get(provider, "console")
    if address.startswith("MG"):
        return "service"
    if address.startswith(TOLL_FREE_PREFIXES):
        return "toll_free"
    return "short_code" if len(address.lstrip("+")) <= 6 else "long_code"
