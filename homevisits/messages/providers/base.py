"""Provider interface and its exceptions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from homevisits.messages.providers.error_codes import ErrorClass, error_class


@dataclass(frozen=True)
class Accepted:
    """Result of an accepted message: the provider's ID, first status and number of segments."""

    provider_message_id: str
    status: str
    segments: int | None = None


@dataclass(frozen=True)
class ProviderMessage:
    """A message in the provider's records."""

    provider_message_id: str
    status: str
    code: str
    to: str
    body: str
    created_at: datetime | None  # timezone-aware
    outbound: bool = True


class ProviderUnavailable(Exception):
    """The message was certainly not sent and may be retried, after `retry_after` seconds if given."""

    def __init__(self, code: str, retry_after: float | None = None, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.http_status = http_status


class MessageRejected(Exception):
    """The provider rejected the message. The codes are in `error_codes`."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status

    @property
    def recipient_opted_out(self) -> bool:
        """Whether the recipient has opted out at the provider."""
        return error_class(self.code) is ErrorClass.OPTED_OUT


class OutcomeUnknown(Exception):
    """It is unknown whether the message was sent. Look it up before it is sent again."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status


class Provider(Protocol):
    """Interface of a message provider. All methods must be thread-safe.

    The lookup methods raise ProviderUnavailable or OutcomeUnknown if the lookup fails.
    """

    name: str
    supports_lookup: bool  # whether messages can be looked up without their ID

    def send(self, to: str, body: str, attempt_id: str, *, sender: str, valid_for: int) -> Accepted:
        """Send a message once, without retries.

        attempt_id: returned in delivery reports. sender: address such as +1... or MG.... valid_for: seconds (60 to
        36,000) after which the provider discards the message. Raises ProviderUnavailable, MessageRejected or
        OutcomeUnknown.
        """
        ...

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """Return the latest messages to `to`, newest first; empty unless `supports_lookup`."""
        ...

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """Return the current state of a message; None if the ID is unknown."""
        ...

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Iterate over all messages of `day` (UTC), loading pages as needed."""
        ...


class ProviderWithoutLookup:
    """Base class of providers without message lookup."""

    supports_lookup = False

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """Return an empty list."""
        del to
        return []

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """Return None."""
        del provider_message_id
        return None

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Return an empty iterator."""
        del day
        return iter(())
