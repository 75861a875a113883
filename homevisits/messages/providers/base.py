"""Who carries texts out of the building: the Protocol, what can go wrong, and the console that keeps everything in."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from homevisits.messages.providers.error_codes import ErrorClass, error_class

log = logging.getLogger("homevisits.texts")


@dataclass(frozen=True)
class Accepted:
    """A carrier took a text: its own id for it, the first status it gave, and how many segments it counted."""

    provider_message_id: str
    status: str
    segments: int | None = None


@dataclass(frozen=True)
class ProviderMessage:
    """A text as the carrier has it. ``status`` is its word; ``created_at`` is when it took it (aware), if it says."""

    provider_message_id: str
    status: str
    code: str
    to: str
    body: str
    created_at: datetime | None
    outbound: bool = True


class ProviderUnavailable(Exception):
    """The carrier did not take the text, surely, and may take it later, in `retry_after` seconds if it said so."""

    def __init__(self, code: str, retry_after: float | None = None, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.http_status = http_status


class MessageRejected(Exception):
    """The carrier will not take this text: ``code`` says why (codes.py)."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status

    @property
    def ends_texting(self) -> bool:
        """Whether the person at the number has told the carrier to stop."""
        return error_class(self.code) is ErrorClass.SAID_NO


class OutcomeUnknown(Exception):
    """Nobody knows whether the text left: it is looked for, never simply sent again."""

    def __init__(self, code: str, http_status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.http_status = http_status


class Provider(Protocol):
    """Anything that takes a text. Every method may be called from several threads at once.

    ``find``, ``status`` and ``on_day`` raise ProviderUnavailable or OutcomeUnknown when the carrier cannot be asked.
    """

    name: str
    can_find: bool
    """Whether the carrier can be asked about a text whose id we never learnt."""

    def send(self, to: str, body: str, attempt_id: str, *, sender: str, valid_for: int) -> Accepted:
        """Hand over one text, once. `token` is this attempt's own and comes back with what the carrier reports.

        `sender` is a sender's address (+1..., MG...); after `valid_for` seconds (60 to 36,000) it need not arrive any
        more. Raises ProviderUnavailable, MessageRejected or OutcomeUnknown.
        """
        ...

    def find(self, to: str) -> list[ProviderMessage]:
        """The newest texts to `to`, newest first; empty where the carrier cannot tell (``can_find``)."""
        ...

    def status(self, provider_message_id: str) -> ProviderMessage | None:
        """One text as the carrier has it now; None when it knows none by that id."""
        ...

    def on_day(self, day: date) -> Iterator[ProviderMessage]:
        """Every text the carrier sent on `day` (UTC), as it pages through them."""
        ...


class WithoutLookup:
    """A carrier that takes texts and cannot be asked about them: only what it reports by itself is known."""

    can_find = False

    def find(self, to: str) -> list[ProviderMessage]:
        """Nothing is found."""
        del to
        return []

    def status(self, provider_message_id: str) -> ProviderMessage | None:
        """Nothing is known."""
        del provider_message_id
        return None

    def on_day(self, day: date) -> Iterator[ProviderMessage]:
        """Nothing is listed."""
        del day
        return iter(())
