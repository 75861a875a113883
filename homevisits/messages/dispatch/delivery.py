"""Delivery: claim a text, send it with no transaction open, note the result. Any number of workers is safe.

A text leaves at most once. Each attempt has a fresh token, written down before anything leaves, and only the holder of
the token may note what became of it. When nobody can tell whether a text left (a time-out after it was sent, a worker
that died), it is ``unknown``: it is looked for at the carrier, and not sent again before somebody knows.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from homevisits.core.db import Database
from homevisits.messages.dispatch.dispatcher import Crew, again
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.results import lapse
from homevisits.messages.providers.base import Provider


def tick(
    database: Database,
    carriers: Sequence[Provider],
    rules: SendPolicy,
    now: Callable[[], datetime],
    limit: int = 200,
    *,
    stop: threading.Event | None = None,
) -> Counter[str]:
    """Send what is due, at most `limit` texts: how many attempts had each outcome.

    Begins nothing more once `stop` is set. With it, a sender that may send again within a second is waited for, with
    no transaction open; without it the tick ends there.
    """
    lapsed = again(database, lambda session: lapse(session, now()))
    counts = Crew(database, tuple(carriers), rules, now, limit, stop).work()
    counts["unclear"] += lapsed
    return +counts
