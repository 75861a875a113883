"""Error handling of webhooks: return 500, so that the provider retries, and raise an alert."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.monitoring import alerts
from homevisits.web.context import now, transaction

log = logging.getLogger("homevisits.webhooks")

EMPTY_TWIML = "<Response/>"
"""Empty TwiML response: no reply is sent in a webhook response."""


def empty_twiml() -> Response:
    """Return the empty response that acknowledges a webhook."""
    return Response(EMPTY_TWIML, mimetype="text/xml")


def store_and_apply(told: delivery_status.DeliveryReport) -> None:
    """Store and apply a delivery report. If applying fails, store it and re-raise the exception."""
    try:
        with transaction() as session:
            delivery_status.handle_report(session, told, now())
    except Exception:
        with transaction() as session:
            delivery_status.store_report(session, told, now())  # applied when the provider retries
        raise


def alert_on_failure(name: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Decorate a webhook: on failure raise an alert and return an empty 500 so that the provider retries.

    HTTP errors such as 403 and 400 are passed on.
    """

    def mark(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Response:
            try:
                return view(*args, **kwargs)
            except HTTPException:
                raise
            except Exception as error:
                log.exception("webhook %s failed", name)
                _raise_webhook_alert(name, type(error).__name__)
                return Response(status=500, mimetype="text/plain")  # a body could be sent as a message

        return guarded

    return mark


def _raise_webhook_alert(name: str, kind: str) -> None:
    """Raise the alert in its own transaction, because that of the webhook was rolled back."""
    try:
        with transaction() as session:
            # Only the exception type: its message may contain personal data.
            alerts.raise_alert(session, "webhook", name, now(), kind)
    except Exception:  # the database failed, as /readyz shows
        log.exception("webhook %s: could not store its alert", name)
