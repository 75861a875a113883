"""What every webhook of a carrier shares: one that fails is heard again, and a person learns of it."""

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

HEARD = "<Response/>"
"""All that a carrier is told: no text of ours travels in an answer to a webhook."""


def heard() -> Response:
    """What the carrier told is kept."""
    return Response(HEARD, mimetype="text/xml")


def keep_and_apply(told: delivery_status.Report) -> None:
    """Take in what a carrier reports. When it cannot be applied it is kept all the same, and the failure goes on."""
    try:
        with transaction() as session:
            delivery_status.report(session, told, now())
    except Exception:
        with transaction() as session:
            delivery_status.keep(session, told, now())  # applied when it is told again
        raise


def watched(name: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """A webhook called `name`: when it fails the carrier gets a bare 500 and tells it again, and an alert is raised.

    What refuses a request (403, 400) passes as it is: that is not a failure of ours.
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
                _tell(name, type(error).__name__)
                return Response(status=500, mimetype="text/plain")  # carriers read what stands here as a text

        return guarded

    return mark


def _tell(name: str, kind: str) -> None:
    """Raise the alert in a transaction of its own: what the webhook wrote is undone."""
    try:
        with transaction() as session:
            # The kind of failure only: a message may quote a number or a text.
            alerts.raise_alert(session, "webhook", name, now(), kind)
    except Exception:  # the database is what failed: the log has it, and /readyz says so too
        log.exception("webhook %s: could not store its alert", name)
