"""Error handling of webhooks: return 500, so that the provider retries, and raise an alert."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from flask import Response
from werkzeug.exceptions import HTTPException

from homevisits.messages.callbacks import delivery_status
from homevisits.messages.monitoring import alerts
from homevisits.web.context import now, transaction

log = structlog.get_logger("homevisits.webhooks")

EMPTY_TWIML = "<Response/>"  # replies are sent through the outbox, not in the webhook's response


def empty_twiml() -> Response:
    """Return the empty response that acknowledges a webhook."""
    return Response(EMPTY_TWIML, mimetype="text/xml")


def store_and_apply(report: delivery_status.DeliveryReport) -> None:
    """Store and apply a delivery report. If applying it fails, store it and re-raise the exception."""
    try:
        with transaction() as session:
            delivery_status.handle_report(session, report, now())
    except Exception:
        with transaction() as session:
            delivery_status.store_report(session, report, now())  # applied when the provider retries
        raise


def alert_on_failure(webhook: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Decorate a webhook: on failure raise an alert and return an empty 500 so that the provider retries.

    HTTP errors such as 403 and 400 are passed on.
    """

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Response:
            try:
                return view(*args, **kwargs)
            except HTTPException:
                raise
            except Exception as error:
                log.exception("webhook_failed", webhook=webhook)
                _raise_webhook_alert(webhook, type(error).__name__)
                return Response(status=500, mimetype="text/plain")  # a body could be sent as a message

        return wrapper

    return decorate


def _raise_webhook_alert(webhook: str, error_type: str) -> None:
    """Raise the alert in its own transaction, because that of the webhook was rolled back."""
    try:
        with transaction() as session:
            # Only the exception type: its message may contain personal data.
            alerts.raise_alert(session, "webhook", webhook, now(), error_type)
    except Exception:  # the database is not available, which /readyz reports
        log.exception("webhook_alert_not_stored", webhook=webhook)
