"""Build the providers that the settings name."""

from homevisits.core.settings import Settings
from homevisits.messages.providers.base import Provider
from homevisits.messages.providers.console import Console


def configured_providers(settings: Settings) -> tuple[Provider, ...]:
    """The carriers the settings name: the first, and the second that stands in for it."""
    return tuple(_build(name, settings) for name in (settings.provider, settings.second_provider) if name)


def _build(name: str, settings: Settings) -> Provider:
    if name == "twilio":
        from homevisits.messages.providers.twilio import Twilio  # heavy: a second to import, of no use to the console

        return Twilio(settings)
    if name == "kannel":
        from homevisits.messages.providers.kannel import Kannel  # as heavy: it brings the HTTP library

        return Kannel(settings)
    return Console(private=settings.mode == "production")
