"""The one sentence of the page: are texts arriving? Pure."""

from datetime import datetime, timedelta

from homevisits.operations.delivery.queries import Became, Waiting

UNKNOWN_FOR = timedelta(minutes=15)
FEWEST = 3
"""Fewer lost texts are bad luck; see the light of the alert rules for shares."""
GOOD = 0.95


def verdict(
    found: Became, wait: Waiting, *, notice: str | None, down: bool, silent: bool, now: datetime
) -> tuple[str, str]:
    """The light of the page (done, wait, care or rest) and the code of its sentence. The worst comes first.

    ``down``: no sender may send; ``silent``: the worker has not been heard of.
    """
    total = found.total
    checks = (
        (notice == "no_carrier", "care", "no_carrier"),
        (wait.stuck(now) and silent, "care", "stuck"),
        (down, "care", "down"),
        (wait.stuck(now), "care", "late"),
        (total["failed"] >= FEWEST and (found.share or 0) < GOOD, "care", "failing"),
        (notice == "trial", "wait", "trial"),
        (wait.unknown_since is not None and now - wait.unknown_since > UNKNOWN_FOR, "wait", "unknown"),
        (total["failed"] > 0, "wait", "some_failed"),
        (total["delivered"] > 0, "done", "arriving"),
        (total["accepted"] > 0, "wait", "with_carrier"),
        (wait.due + wait.later + sum(each.number for each in wait.held) > 0, "rest", "waiting"),
    )
    return next(((light, code) for holds, light, code in checks if holds), ("rest", "nothing"))
