"""Console provider: writes each message to the log and sends nothing."""

from homevisits.messages.providers.base import Accepted, ProviderWithoutLookup, log


class Console(ProviderWithoutLookup):
    """Write messages to the log instead of sending them, for the demo and trial mode.

    With real families (``private``) the log holds neither the number nor the words: the delivery page has both.
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
            log.info("text to a number ending in %s, %d characters", to[-2:], len(body))
        else:
            log.info("text to %s: %s", to, body)
        return Accepted(provider_message_id=f"console-{attempt_id}", status="delivered")
