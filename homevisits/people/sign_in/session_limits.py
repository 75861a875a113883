"""How long sign-in sessions last in this installation, from its settings."""

from datetime import timedelta

from homevisits.core.settings import Settings
from homevisits.people.sign_in.sessions import SessionLimits


def session_limits(settings: Settings) -> SessionLimits | None:
    """The limits of this installation. Sessions of the demo have none: its clock jumps days ahead."""
    if settings.demo:
        return None
    return SessionLimits(timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes))
