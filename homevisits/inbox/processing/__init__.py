"""Processing of incoming messages: store, classify, then apply opt-outs and answers.

==============  =============================================================================
receive         store and process messages; retry unprocessed messages (worker job)
context         state of the message being processed; automatic replies and their language
opt_out         opt-out, opt-in, help and wrong-number messages
match_question  find the question that an answer belongs to
disambiguate    ask which of two open questions is meant; apply the stored answer
apply_answer    apply an answer to its invitation or visit
reply_limits    limit automatic replies per hour and suppress repetitions
answer_staff    messages from phones of staff
mark_handled    mark a message as handled by staff
queries         language, caregiver, families and visits of a phone
==============  =============================================================================
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
