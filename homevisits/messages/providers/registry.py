"""Build the providers that the settings name."""

from homevisits.core.settings import Settings
from homevisits.messages.providers.base import Provider
from homevisits.messages.providers.console import Console


def configured_providers(settings: Settings) -> tuple[Provider, ...]:
    """Return the primary provider of the settings and its fallback, if any."""
    return tuple(_build(name, settings) for name in (settings.provider, settings.second_provider) if name)


def _build(name: str, settings: Settings) -> Provider:
    if name == "twilio":
        from homevisits.messages.providers.twilio import Twilio  # imported only if needed: it takes a second

        return Twilio(settings)
    if name == "kannel":
        from homevisits.messages.providers.kannel import Kannel  # imported only if needed: loads requests

        return Kannel(settings)
    return Console(private=settings.mode == "production")
