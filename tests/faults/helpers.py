"""Reminders and a test provider that runs a callback during a send."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from homevisits.core.db import Database
from homevisits.messages.dispatch import transitions
from homevisits.messages.models import DeliveryAttempt
from homevisits.messages.providers.base import Accepted
from homevisits.messages.templates.rendering import PlannedMessage
from tests.messages.conftest import NOW, Recorder, planned_message

REMINDER = {"school": "Lincoln", "people": "Grace and Luis", "day": "Tue, Oct 13", "time": "6:15 pm"}
NIGHT = datetime.fromisoformat("2026-10-05T21:30:00-06:00")
MORNING = datetime.fromisoformat("2026-10-06T09:00:00-06:00")


def reminder(key: str = "one", **more: object) -> PlannedMessage:
    """Plan an automatic message, which is subject to quiet hours, quiet days and caps."""
    values: dict[str, object] = {
        "template": "visit_reminder", "params": REMINDER, "expires_at": NOW + timedelta(days=9), **more,
    }  # fmt: skip
    return planned_message(key, **values)


class CallbackProvider(Recorder):
    """A provider that runs a callback during its first send."""

    def __init__(self, callback: Callable[[], object], *fails: Exception) -> None:
        super().__init__(*fails)
        self.callback = callback

    def send(self, to: str, body: str, token: str, *, sender: str = "", valid_for: int = 36_000) -> Accepted:
        """Run the callback once, then accept the message."""
        callback, self.callback = self.callback, lambda: None
        callback()
        return super().send(to, body, token, sender=sender, valid_for=valid_for)


def record_not_found(database: Database) -> None:
    """Record that the provider has no trace of the unclear attempts."""
    with database.transaction() as session:
        for attempt in session.scalars(select(DeliveryAttempt).where(DeliveryAttempt.outcome == "unclear")):
            transitions.mark_not_found(session, attempt, NOW + timedelta(minutes=11))
