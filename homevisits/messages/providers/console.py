"""Console provider: writes each message to the log and sends nothing."""

import structlog

from homevisits.messages.providers.base import Accepted, ProviderWithoutLookup

log = structlog.get_logger("homevisits.texts")


class Console(ProviderWithoutLookup):
    """Write messages to the log instead of sending them, for the demo and trial mode.

    private: log neither the phone number nor the text, because families are real. The delivery page shows both.
    """

    name = "console"

    def __init__(self, *, private: bool = False) -> None:
        self.private = private

    def send(
        self, to: str, body: str, attempt_id: str, *, sender: str = "console", valid_for: int = 36_000
    ) -> Accepted:
        """Accept any message."""
        del sender, valid_for
        if self.private:
            log.info("message_sent_to_console", phone_ends_in=to[-2:], characters=len(body))
        else:
            log.info("message_sent_to_console", phone=to, body=body)
        return Accepted(provider_message_id=f"console-{attempt_id}", status="delivered")
