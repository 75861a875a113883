"""Summary of message delivery: a traffic light and the code of its sentence."""

from datetime import datetime, timedelta

from homevisits.operations.delivery.queries import DeliveryResults, PendingMessages

UNKNOWN_NOTICE_AFTER = timedelta(minutes=15)
MIN_FAILURES = 3  # below this, the light stays off red whatever the share; alerts.yml has rules on shares
MIN_DELIVERED_SHARE = 0.95


def assess_delivery(
    results: DeliveryResults, wait: PendingMessages, *, notice: str | None, down: bool, silent: bool, now: datetime
) -> tuple[str, str]:
    """Return the light (done, wait, care or rest) and sentence code of the most serious problem.

    `down`: no sender can send. `silent`: the worker has no recent heartbeat.
    """
    total = results.total
    checks = (
        (notice == "no_provider", "care", "no_provider"),
        (wait.is_stuck(now) and silent, "care", "stuck"),
        (down, "care", "down"),
        (wait.is_stuck(now), "care", "late"),
        (total["failed"] >= MIN_FAILURES and (results.share or 0) < MIN_DELIVERED_SHARE, "care", "failing"),
        (notice == "trial", "wait", "trial"),
        (wait.unknown_since is not None and now - wait.unknown_since > UNKNOWN_NOTICE_AFTER, "wait", "unknown"),
        (total["failed"] > 0, "wait", "some_failed"),
        (total["delivered"] > 0, "done", "arriving"),
        (total["accepted"] > 0, "wait", "with_provider"),
        (wait.due + wait.later + sum(held.number for held in wait.held) > 0, "rest", "waiting"),
    )
    return next(((light, code) for holds, light, code in checks if holds), ("rest", "nothing"))
