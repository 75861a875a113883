"""The whole way of a text in a test: outbox, worker, the SDK, a fake Twilio, our webhooks; one clock for all."""

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
from tests.messages.conftest import NOW, made_settings, planned, put, rows, rules, states
from tests.messages.fake_twilio import FakeTwilio


class Line:
    """One installation and its provider. Time passes only by ``later``; callbacks come in when a test reports."""

    def __init__(self, database: Database, twilio: FakeTwilio) -> None:
        self.database, self.twilio, self.moment = database, twilio, NOW
        settings = made_settings(twilio.url, database.url)
        self.providers = registry.configured_providers(settings)
        self.web = create_app(settings, database).test_client()
        twilio.callbacks.post = self._post
        twilio.clock = self.now
        twilio.stall_seconds = 1.3  # the provider's timeout is one second here
        clock.set_source(self.now)

    def now(self) -> datetime:
        """What all clocks show."""
        return self.moment

    def later(self, **duration: float) -> None:
        """Time passes."""
        self.moment += timedelta(**duration)

    def put(self, *texts: PlannedMessage) -> None:
        """Texts to send; one when none is given."""
        put(self.database, *(texts or (planned(),)))

    def send(self) -> Counter[str]:
        """What the worker does once a second."""
        return dispatcher.dispatch_due(self.database, self.providers, rules(), self.now)

    def look(self) -> int:
        """What the worker does for texts nobody knows of."""
        return unconfirmed.look_up_unclear(self.database, self.providers, self.now)

    def poll(self) -> int:
        """What it does for texts the provider is silent about."""
        return unconfirmed.poll_accepted(self.database, self.providers, self.now)

    def report(self, status: str, code: int | None = None, number: int = -1) -> int:
        """Twilio tells a status of a message (the last one): our answer."""
        return self.twilio.report(self.twilio.sent[number]["Sid"], status, code)

    def tell(self, provider_message_id: str, status: str, code: int | None = None) -> int:
        """A callback as it was made then, whatever the message is by now."""
        return self.twilio.callbacks.send(self.twilio.messages[provider_message_id], status, code)

    @property
    def taken(self) -> int:
        """How many messages the provider really took: the judge."""
        return len(self.twilio.sent)

    @property
    def states(self) -> list[str]:
        """Of every text, in order."""
        return states(self.database)

    @property
    def text(self) -> OutgoingMessage:
        """The only text."""
        (row,) = rows(self.database)
        return row

    def attempts(self) -> list[DeliveryAttempt]:
        """Every attempt, oldest first."""
        return self._all(DeliveryAttempt, DeliveryAttempt.started_at, DeliveryAttempt.n)

    def alerts(self) -> list[tuple[str, str]]:
        """Kind and key of every alert."""
        return [(row.kind, row.key) for row in self._all(MessageAlert, MessageAlert.id)]

    def events(self) -> list[ProviderEvent]:
        """Every callback kept."""
        return self._all(ProviderEvent, ProviderEvent.id)

    def _all(self, table: type, *order: object) -> list:  # type: ignore[type-arg]
        with self.database.reading() as session:
            found = list(session.scalars(select(table).order_by(*order)))
            session.expunge_all()
            return found

    def _post(self, address: str, form: Mapping[str, str], headers: Mapping[str, str]) -> int:
        return self.web.post(urlsplit(address).path, data=dict(form), headers=dict(headers)).status_code
