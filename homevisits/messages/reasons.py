"""The words for what happens to texts: why one may not be sent as written, waits or was lost, and what to do."""

from types import MappingProxyType

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.messages.codes import Kind, kind_of

FAULTS = MappingProxyType(
    {
        "empty": _l("It says nothing."),
        "names_too_much": _l("It names a child or a family: others may read over a shoulder."),
        "says_address": _l("It says an address: a text may reach a wrong phone."),
        "says_reason": _l("It gives a reason for the visit: a text says only who comes, and when."),
        "asks_for_a_word": _l("It asks for a word such as YES, NO or CANCEL: carriers take those for something else."),
        "half_a_choice": _l("It offers some of the digits 1, 2, 3, 9: a question offers them all."),
        "other_digits": _l("It offers other digits than the English text."),
        "control_characters": _l("It has a line break or another sign that is not printed."),
        "loose_brace": _l("It has a brace that belongs to no place to be filled."),
        "unknown_places": _l("It has a place to be filled that the English text does not have."),
        "too_long": _l("With long names it takes more than two parts."),
        "says_visit": _l("The discreet wording says nothing of a visit or a home: others may read the phone."),
    }
)
STATES = MappingProxyType(
    {
        "approved": _l("Approved"),
        "changed": _l("Changed since it was approved"),
        "waiting": _l("Awaiting approval"),
        "missing": _l("Not written yet"),
    }
)

HOLDS = MappingProxyType(
    {
        "quiet": _l("Outside the hours for texts, or a quiet day: they leave when the hours begin."),
        "cap": _l("The phone had as many texts as a day or a week allows: they leave when it has room."),
        "sender": _l("What texts go out from is full, paused or not registered: they leave when it is free."),
        "language": _l("There is no approved text in the family’s language: somebody calls with an interpreter."),
        "template": _l("Carriers took this text for spam, so it is paused until the district lead has seen to it."),
        "consent": _l("The family asked for no texts."),
        "phone": _l("The number cannot get texts, or another text to it is still on its way."),
    }
)
"""Why a text waits (``hold_reason``)."""
KINDS = MappingProxyType(
    {
        Kind.RETRY: (
            _l("The carrier could not be reached, or had too much to do."),
            _l("Nothing: it is tried again by itself."),
        ),
        Kind.UNKNOWN: (
            _l("The line broke while it was sent; it may have arrived."),
            _l("It is not sent twice. Call if it matters."),
        ),
        Kind.SAID_NO: (
            _l("This family asked the carrier for no texts."),
            _l("Call instead."),
        ),
        Kind.BAD_NUMBER: (
            _l("This number cannot get texts."),
            _l("Ask the family for another, or call."),
        ),
        Kind.TRANSIENT: (
            _l("The phone was off or out of reach."),
            _l("Send it again later, or call."),
        ),
        Kind.QUEUE_FULL: (
            _l("The carrier’s queue was full."),
            _l("Send it again, if it is still of use."),
        ),
        Kind.DAILY_CAP: (
            _l("The carrier’s limit for the day was reached."),
            _l("Send it again tomorrow, if it is still of use."),
        ),
        Kind.TOO_LATE: (
            _l("It could not be delivered while it was of use."),
            _l("Call if it still matters."),
        ),
        Kind.CONTENT: (
            _l("The carrier took it for spam."),
            _l("Call the family, and tell the district lead: the words may have to change."),
        ),
        Kind.ACCOUNT: (
            _l("Our own sender is not registered, not paid or not allowed."),
            _l("The district lead sees to it on the page Senders. Send it again then."),
        ),
        Kind.REJECTED: (
            _l("The carrier refused it."),
            _l("Call the family."),
        ),
    }
)
"""What a carrier's code means, and what a person can do."""
OWN = MappingProxyType(
    {
        "trial": (
            _l("This is a trial, and the phone is not a guest’s."),
            _l("Nothing: families get no texts in a trial."),
        ),
        "no_carrier": (_l("No carrier is set up, so nothing leaves."), _l("Tell whoever runs this installation.")),
        "repeated": (
            _l("The same words went to this phone twice within a day."),
            _l("Call if something is missing: a third would look like a fault."),
        ),
        "not_found": (
            _l("The line broke while it was sent, and the carrier does not know of it."),
            _l("Call: it most likely did not arrive."),
        ),
        "never_settled": (_l("Nobody could find out whether it arrived."), _l("Call if it matters.")),
        "too_many_attempts": (
            _l("It was tried several times, and the carrier never took it."),
            _l("Send it again, or call."),
        ),
        "stopped": (_l("The family asked for no texts."), _l("Call instead.")),
    }
)
"""What our own words (no carrier's code) mean."""
CALLED_OFF: MappingProxyType[str, LazyString] = MappingProxyType({})
"""Why a text that was no longer true was taken back."""
STATES_OF_TEXTS = MappingProxyType(
    {
        "held": _l("Waits"),
        "queued": _l("Waits"),
        "sending": _l("Being sent"),
        "accepted": _l("With the carrier"),
        "delivered": _l("Arrived"),
        "undelivered": _l("Did not arrive"),
        "unknown": _l("Not known"),
        "cancelled": _l("Taken back before it left"),
        "expired": _l("Too late to be of use"),
        "suppressed": _l("Held back"),
        "rejected": _l("Refused by the carrier"),
        "dead": _l("Given up"),
    }
)
ALERTS = MappingProxyType(
    {
        "code": _l("A carrier gave a reason that nobody here knows. Look it up, and tell the makers of this system."),
        "template_paused": _l("Carriers take this text for spam. It is paused. Change its words, then press Seen."),
        "breaker": _l("The carrier refuses everything from this sender. The texts wait; see the page Senders."),
        "contradiction": _l("The carrier first said one thing about a text and then another. The first word holds."),
        "repeated": _l("The same words were about to go to one phone a third time in a day. They were stopped."),
        "webhook": _l("A report or reply of the carrier could not be read."),
        "loop": _l("A phone answers by itself, again and again. It gets no more answers."),
    }
)
"""What a person must know, once."""

SENDER_KINDS = MappingProxyType(
    {
        "long_code": _l("A number (10DLC)"),
        "toll_free": _l("A toll-free number"),
        "short_code": _l("A short code"),
        "service": _l("A Messaging Service (10DLC)"),
        "gateway": _l("A gateway of our own"),
        "console": _l("No carrier: texts are only written down"),
    }
)
REGISTRATIONS = MappingProxyType(
    {
        "unregistered": _l("Not registered"),
        "pending": _l("Handed in, waiting for approval"),
        "registered": _l("Registered"),
        "refused": _l("Refused"),
        "not_needed": _l("Needs no registration"),
    }
)
MISSING = MappingProxyType(
    {
        "brand": _l("The brand: who you are, as Government or US Non Profit."),
        "campaign": _l("The campaign: what the texts are for, with the samples from the page What families read."),
        "verification": _l("The verification of the toll-free number."),
        "short_code": _l("The approval of the short code by the carriers."),
        "not_said": _l("Saying here that it is registered, once the carrier says so."),
        "pending": _l("The carriers’ approval. Say here when it is there."),
        "refused": _l("A new registration: the carriers refused the last one. Their letter says why."),
    }
)
"""What still stands between a sender and its first text."""


def why(code: str) -> LazyString:
    """What went wrong, in words; a carrier's code that has no rule is named."""
    if code in OWN:
        return OWN[code][0]
    kind = kind_of(code)
    if kind is Kind.REJECTED and code:
        return _l("The carrier refused it (code %(code)s).", code=code)
    return KINDS[kind][0]


def what_to_do(code: str) -> LazyString:
    """What a person can do about it, in words."""
    return OWN[code][1] if code in OWN else KINDS[kind_of(code)][1]
