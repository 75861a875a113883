"""Who carries texts out of the building: the Protocol, what can go wrong, and the console that keeps everything in."""

import logging
from dataclasses import dataclass
from typing import Protocol

from homevisits.settings import Settings

log = logging.getLogger("homevisits.texts")


@dataclass(frozen=True)
class Receipt:
    """A carrier took a text: its own id for it, and the first status it gave."""

    sid: str
    status: str


class CarrierDown(Exception):
    """The carrier did not take the text, surely, and may take it later."""

    def __init__(self, code: str, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class CarrierRefused(Exception):
    """The carrier will not take this text. ``ends_texting``: the person at the number has told the carrier to stop."""

    def __init__(self, code: str, *, ends_texting: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.ends_texting = ends_texting


class CarrierUnclear(Exception):
    """Nobody knows whether the text left: it is not sent again."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Carrier(Protocol):
    """Anything that takes a text. ``token`` is this attempt's own and comes back with what the carrier reports."""

    name: str

    def send(self, to: str, body: str, token: str) -> Receipt:
        """Hand over one text. Raises CarrierDown, CarrierRefused or CarrierUnclear."""
        ...


class Console:
    """Writes to the log that a text would leave; nothing leaves. For the demo and for a trial.

    With real families (``private``) the log holds neither the number nor the words: the delivery page has both.
    """

    name = "console"

    def __init__(self, *, private: bool = False) -> None:
        self.private = private

    def send(self, to: str, body: str, token: str) -> Receipt:
        """Take any text."""
        if self.private:
            log.info("text to a number ending in %s, %d characters", to[-2:], len(body))
        else:
            log.info("text to %s: %s", to, body)
        return Receipt(sid=f"console-{token}", status="delivered")


def chosen(settings: Settings) -> Carrier:
    """The carrier the settings name."""
    if settings.carrier == "twilio":
        from homevisits.messages.twilio import Twilio  # heavy: a second to import, of no use to the console

        return Twilio(settings)
    return Console(private=settings.mode == "production")
