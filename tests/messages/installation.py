"""Complete installation for tests: outbox, dispatcher, Twilio SDK, fake Twilio and webhooks on the same clock."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import select

from homevisits.app import create_app
from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import DeliveryAttempt, MessageAlert, OutgoingMessage, ProviderEvent
from homevisits.messages.providers import registry
from homevisits.messages.reconciliation import unconfirmed
from homevisits.messages.templates.rendering import PlannedMessage
from tests.messages.conftest import (
    NOW,
    enqueue,
    load_messages,
    make_send_policy,
    make_settings,
    planned_message,
    states,
)
from tests.messages.fake_twilio import FakeTwilio


class Installation:
    """An installation and its fake Twilio. A test advances the clock and triggers the callbacks."""

    def __init__(self, database: Database, twilio: FakeTwilio) -> None:
        self.database, self.twilio, self.moment = database, twilio, NOW
        settings = make_settings(twilio.url, database.url)
        self.providers = registry.configured_providers(settings)
        self.web = create_app(settings, database).test_client()
        twilio.callbacks.post = self._post
        twilio.clock = self.now
        twilio.stall_seconds = 1.3  # longer than the timeout of one second in the settings
        clock.set_source(self.now)

    def now(self) -> datetime:
        """Return the time of all clocks."""
        return self.moment

    def advance_clock(self, **duration: float) -> None:
        """Advance the clock."""
        self.moment += timedelta(**duration)

    def enqueue(self, *messages: PlannedMessage) -> None:
        """Put messages into the outbox, by default a single message."""
        enqueue(self.database, *(messages or (planned_message(),)))

    def send(self) -> Counter[str]:
        """Run the dispatcher once."""
        return dispatcher.dispatch_due(self.database, self.providers, make_send_policy(), self.now)

    def look_up_unclear(self) -> int:
        """Look up messages with unclear outcome."""
        return unconfirmed.look_up_unclear(self.database, self.providers, self.now)

    def poll_accepted(self) -> int:
        """Poll accepted messages without a final status."""
        return unconfirmed.poll_accepted(self.database, self.providers, self.now)

    def report(self, status: str, code: int | None = None, index: int = -1) -> int:
        """Set the status of a message, by default the last, and return the HTTP status of its callback."""
        return self.twilio.report(self.twilio.sent[index]["Sid"], status, code)

    def post_callback(self, provider_message_id: str, status: str, code: int | None = None) -> int:
        """Post a callback without changing the status at Twilio; return its HTTP status."""
        return self.twilio.callbacks.send(self.twilio.messages[provider_message_id], status, code)

    @property
    def sent_count(self) -> int:
        """Number of messages that Twilio accepted."""
        return len(self.twilio.sent)

    @property
    def states(self) -> list[str]:
        """States of all messages, oldest first."""
        return states(self.database)

    @property
    def message(self) -> OutgoingMessage:
        """The only message."""
        (row,) = load_messages(self.database)
        return row

    def attempts(self) -> list[DeliveryAttempt]:
        """Return all attempts, oldest first."""
        return self._all(DeliveryAttempt, DeliveryAttempt.started_at, DeliveryAttempt.n)

    def alerts(self) -> list[tuple[str, str]]:
        """Return kind and key of all alerts."""
        return [(row.kind, row.key) for row in self._all(MessageAlert, MessageAlert.id)]

    def events(self) -> list[ProviderEvent]:
        """Return all stored callbacks."""
        return self._all(ProviderEvent, ProviderEvent.id)

    def _all(self, table: type, *order: object) -> list:  # type: ignore[type-arg]
        with self.database.reading() as session:
            rows = list(session.scalars(select(table).order_by(*order)))
            session.expunge_all()
            return rows

    def _post(self, address: str, form: Mapping[str, str], headers: Mapping[str, str]) -> int:
        return self.web.post(urlsplit(address).path, data=dict(form), headers=dict(headers)).status_code
