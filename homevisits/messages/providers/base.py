"""Provider interface and its exceptions."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from homevisits.messages.providers.error_codes import ErrorClass, error_class

log = logging.getLogger("homevisits.texts")


@dataclass(frozen=True)
class Accepted:
    """Result of an accepted message: the provider's ID, first status and number of segments."""

    provider_message_id: str
    status: str
    segments: int | None = None


@dataclass(frozen=True)
class ProviderMessage:
    """A message in the provider's records. `created_at` is timezone-aware, or None if unknown."""

    provider_message_id: str
    status: str
    code: str
    to: str
    body: str
    created_at: datetime | None
    outbound: bool = True


class ProviderUnavailable(Exception):
    """Certainly not sent, may be retried; after `retry_after` seconds if the provider gave a time."""

    def __init__(self, code: str, retry_after: float | None = None, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.http_status = http_status


class MessageRejected(Exception):
    """The provider rejected the message; for `code` see error_codes.py."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status

    @property
    def ends_texting(self) -> bool:
        """Whether the recipient has opted out at the provider."""
        return error_class(self.code) is ErrorClass.SAID_NO


class OutcomeUnknown(Exception):
    """Unknown whether the message was sent: look it up, never resend it directly."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status


class Provider(Protocol):
    """Interface of a message provider. All methods must be thread-safe.

    ``find``, ``status`` and ``on_day`` raise ProviderUnavailable or OutcomeUnknown when the lookup fails.
    """

    name: str
    can_find: bool
    """Whether the provider can look up a message without its ID."""

    def send(self, to: str, body: str, attempt_id: str, *, sender: str, valid_for: int) -> Accepted:
        """Send a message once, without retries. `attempt_id` is returned in delivery reports.

        `sender` is a sender's address (+1..., MG...); after `valid_for` seconds (60 to 36,000) the provider drops
        it. Raises ProviderUnavailable, MessageRejected or OutcomeUnknown.
        """
        ...

    def find(self, to: str) -> list[ProviderMessage]:
        """Return the latest messages to `to`, newest first; empty without lookup (`can_find`)."""
        ...

    def status(self, provider_message_id: str) -> ProviderMessage | None:
        """Return the current state of a message; None if the ID is unknown."""
        ...

    def on_day(self, day: date) -> Iterator[ProviderMessage]:
        """Iterate over all messages of `day` (UTC), loading pages as needed."""
        ...


class ProviderWithoutLookup:
    """Base class of providers without message lookup."""

    can_find = False

    def find(self, to: str) -> list[ProviderMessage]:
        """Return an empty list."""
        del to
        return []

    def status(self, provider_message_id: str) -> ProviderMessage | None:
        """Return None."""
        del provider_message_id
        return None

    def on_day(self, day: date) -> Iterator[ProviderMessage]:
        """Return an empty iterator."""
        del day
        return iter(())
