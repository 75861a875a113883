from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core import settings as app_settings
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.messages import outbox
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import OutgoingMessage, Sender
from homevisits.messages.providers.base import Accepted, Provider, ProviderMessage
from homevisits.messages.templates.rendering import PlannedMessage
from tests.messages import fake_twilio

NOW = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
PHONE = "+15555550101"


class Recorder:
    """Provider that accepts every message, or raises the given failures first."""

    name = "recorder"
    supports_lookup = False

    def __init__(self, *failures: Exception) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.failures = list(failures)

    def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
        """Record a message, or raise the next failure."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((to, body, token))
        return Accepted(provider_message_id=f"R{token}", status="queued")

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """Return nothing: lookups are not supported."""
        return []

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """Return nothing: lookups are not supported."""
        return None

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Return nothing: lookups are not supported."""
        return iter(())


def make_send_policy(**more: object) -> SendPolicy:
    """Return a policy for live sending in Denver with limits that these tests do not reach."""
    limits = Limits(per_day=1000, per_week=1000)
    return SendPolicy(**{"limits": limits, "zone": "America/Denver", **more})  # type: ignore[arg-type]


def dispatch(database: Database, provider: Provider, moment: datetime | None = None, **more: object) -> Counter[str]:
    """Run the dispatcher once at a fixed time."""
    return dispatcher.dispatch_due(database, (provider,), make_send_policy(**more), fixed_clock(moment or NOW))


def make_sender(session: Session, provider: str = "recorder", address: str = "+15555550199", **more: object) -> None:
    """Add a ready sender without a practical rate limit, unless it exists."""
    query = select(Sender.id).where(Sender.provider == provider, Sender.address == address)
    if session.scalar(query) is None:
        values = {"segments_per_second": 10_000.0, "registration": "not_needed", **more}
        session.add(Sender(provider=provider, address=address, **values))


def planned_message(key: str = "one", **more: object) -> PlannedMessage:
    """Return a message that is due now."""
    values: dict[str, object] = {
        "to": PHONE,
        "language": "en",
        "template": "invitation_call_me",
        "params": {"school": "Lincoln"},
        "not_before": NOW,
        "expires_at": NOW + timedelta(hours=2),
        **more,
    }
    return PlannedMessage(key=key, **values)  # type: ignore[arg-type]


def enqueue(database: Database, *messages: PlannedMessage, subject: str = "invitation:1") -> None:
    """Add senders and put messages into the outbox."""
    with database.transaction() as session:
        make_sender(session)
        make_sender(session, "twilio")
        for message in messages:
            outbox.put(session, subject, message, NOW)


def states(database: Database) -> list[str]:
    """Return the states of all messages, oldest first."""
    with database.reading() as session:
        return list(session.scalars(select(OutgoingMessage.state).order_by(OutgoingMessage.id)))


def load_messages(database: Database) -> list[OutgoingMessage]:
    """Return all messages, oldest first."""
    with database.reading() as session:
        messages = list(session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id)))
        session.expunge_all()
        return messages


def fixed_clock(moment: datetime = NOW) -> Callable[[], datetime]:
    """Return a clock that always shows `moment`."""
    return lambda: moment


@pytest.fixture
def twilio() -> Iterator[fake_twilio.FakeTwilio]:
    """Run a fake Twilio."""
    with fake_twilio.running() as server:
        yield server


@pytest.fixture
def twilio_settings(twilio: fake_twilio.FakeTwilio, database_url: str) -> Settings:
    """Settings for sending through the fake Twilio."""
    return make_settings(twilio.url, database_url)


def make_settings(twilio_url: str, database_url: str) -> Settings:
    """Return settings for sending through the Twilio API at `twilio_url`."""
    return app_settings.load_settings(
        {},
        mode="development",
        database_url=database_url,
        secret_key="a secret of thirty-two characters!",
        public_url="https://visits.example.org",
        provider="twilio",
        texting="live",
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="token",
        twilio_from="+15555550199",
        twilio_base_url=twilio_url,
        provider_timeout_seconds=1,
    )
