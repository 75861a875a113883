"""What happens when a family texts: kept raw first, then understood; a stop before all else, answers to their question.

=========  ==================================================================================
intake     keep a text raw; take it in; look after those nobody took in (the worker's sweep)
hearing    one text as it is being taken in, and what we say back: who, in which language
stops      stop, start, a wrong number: the ledger of texting
binding    which question of ours an answer belongs to
choice     two open questions: asked by digit which one is meant, and the kept answer applied
answers    an answer done to the invitation or the visit it belongs to
loops      no endless talk with a machine: so many replies an hour, never the same twice
handled    a person has read a text and done what it asked for
=========  ==================================================================================
"""

from homevisits.inbox.processing.mark_handled import mark_handled
from homevisits.inbox.processing.receive import (
    ReceivedMessage,
    process_message,
    process_waiting,
    receive_message,
    record_failure,
    store_message,
)

__all__ = [
    "ReceivedMessage",
    "mark_handled",
    "process_message",
    "process_waiting",
    "receive_message",
    "record_failure",
    "store_message",
]
