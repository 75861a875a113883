"""The words for what happens to texts: why one may not be sent as written, waits or was lost, and what to do."""

from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.messages.providers.error_codes import ErrorClass, error_class

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
        "fault": _l("This text could not be judged, for a fault of ours. It is tried again; an alert says so."),
    }
)
"""Why a text waits (``hold_reason``)."""
KINDS = MappingProxyType(
    {
        ErrorClass.RETRY: (
            _l("The carrier could not be reached, or had too much to do."),
            _l("Nothing: it is tried again by itself."),
        ),
        ErrorClass.UNKNOWN: (
            _l("The line broke while it was sent; it may have arrived."),
            _l("It is not sent twice. Call if it matters."),
        ),
        ErrorClass.SAID_NO: (
            _l("This family asked the carrier for no texts."),
            _l("Call instead."),
        ),
        ErrorClass.BAD_NUMBER: (
            _l("This number cannot get texts."),
            _l("Ask the family for another, or call."),
        ),
        ErrorClass.TRANSIENT: (
            _l("The phone was off or out of reach."),
            _l("Send it again later, or call."),
        ),
        ErrorClass.QUEUE_FULL: (
            _l("The carrier’s queue was full."),
            _l("Send it again, if it is still of use."),
        ),
        ErrorClass.DAILY_CAP: (
            _l("The carrier’s limit for the day was reached."),
            _l("Send it again tomorrow, if it is still of use."),
        ),
        ErrorClass.TOO_LATE: (
            _l("It could not be delivered while it was of use."),
            _l("Call if it still matters."),
        ),
        ErrorClass.CONTENT: (
            _l("The carrier took it for spam."),
            _l("Call the family, and tell the district lead: the words may have to change."),
        ),
        ErrorClass.ACCOUNT: (
            _l("Our own sender is not registered, not paid or not allowed."),
            _l("The district lead sees to it on the page Senders. Send it again then."),
        ),
        ErrorClass.REJECTED: (
            _l("The carrier refused it."),
            _l("Call the family."),
        ),
    }
)
"""What a carrier's code means, and what a person can do."""
OWN = MappingProxyType(
    {
        "trial": (_l("This is a trial, and the phone is not a guest’s."), _l("Nothing: families get no texts in it.")),
        "no_carrier": (_l("No carrier is set up, so nothing leaves."), _l("Tell whoever runs this installation.")),
        "repeated": (
            _l("The same words went to this phone within a day."),
            _l("Call if something is missing: the same again would look like a fault."),
        ),
        "cap": (
            _l("The phone had as many texts as a day or a week allows, and this one could not wait."),
            _l("Call the family."),
        ),
        "not_found": (
            _l("The line broke while it was sent, and the carrier does not know of it."),
            _l("Call: it most likely did not arrive."),
        ),
        "stopped": (_l("The family asked for no texts."), _l("Call instead.")),
        "wrong_number": (_l("Whoever has the number said that it is wrong."), _l("Ask the family for another.")),
        "landline": (_l("This number is a landline."), _l("Call it, or ask the family for a mobile number.")),
        "bad_number": KINDS[ErrorClass.BAD_NUMBER],
        "withdrawn": (_l("It was taken back: what it was about has changed."), _l("Nothing.")),
        "expired": (_l("It waited longer than it was of use."), _l("Call if it still matters.")),
        "quiet": (_l("The hours for texts begin too late for it to be of use."), _l("Call if it matters.")),
        "loop": (_l("The phone answers by itself, so it gets no more answers."), _l("Read the conversation.")),
        **dict.fromkeys(("undelivered", "failed"), (_l("The carrier could not deliver it."), _l("Call the family."))),
        "canceled": (_l("The carrier took it back."), _l("Send it again, or call.")),
        "unregistered": (_l("Our sender is not registered."), _l("The district lead sees to it on the page Senders.")),
        "no_sender": (_l("No sender is set up."), _l("Tell whoever runs this installation.")),
        "breaker": KINDS[ErrorClass.ACCOUNT],
        "rate": (_l("The carrier asked for a pause."), _l("Nothing: it goes on by itself.")),
        "paused": (_l("The sender pauses."), _l("Nothing: it goes on by itself.")),
        "queue_full": KINDS[ErrorClass.QUEUE_FULL],
        "daily_cap": KINDS[ErrorClass.DAILY_CAP],
    }
)
"""What our own words (no carrier's code) mean."""
CALLED_OFF = MappingProxyType(
    {
        "visit_changed": _l("The visit has changed or ended since."),
        "just_told": _l("The family had just been told."),
        "begun": _l("The visit had begun."),
        "consent_withdrawn": _l("The family took its yes back."),
        "consent_lapsed": _l("The family’s yes no longer counts. A coordinator asks again."),
        "partner_changed": _l("Somebody else goes on the visit."),
        "closed": _l("The invitation was closed."),
        "answered": _l("The family had answered already."),
        "phone_changed": _l("Nobody of the family has this number any more."),
        "family_left": _l("The family’s children go to school elsewhere now."),
        "left": _l("Whoever has this number has left."),
        "restricted": _l("The roster says not to write to whoever has this number."),
        "withdrawn": _l("What it was about has changed."),
    }
)
"""Why a text that was no longer true was taken back at the last moment."""
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
        "content": _l("Carriers took a text for spam. Its words may have to change."),
        "template_paused": _l("Carriers take this text for spam. It is paused. Change its words, then press Seen."),
        "breaker": _l("The carrier refuses everything from this sender. The texts wait; see the page Senders."),
        "contradiction": _l("The carrier first said one thing about a text and then another. The first word holds."),
        "repeated": _l("The same words were about to go to one phone twice in a day. They were stopped."),
        "webhook": _l("A report or a reply could not be read. Tell whoever runs this installation."),
        "loop": _l("A phone answers by itself, again and again. It gets no more answers."),
        "fault": _l("A text could not be judged, for a fault of ours. Tell the makers of this system."),
        "not_asked": _l("For days the carrier did not say whether it knows of a text. Ask its support."),
        "no_last_word": _l("For three days the carrier has not said what became of a text it took. Ask its support."),
        "foreign": _l("The carrier lists a text from our number that we did not send. Is somebody else using it?"),
        "missing": _l("The carrier does not list a text that it took from us. Ask its support."),
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
    kind = error_class(code)
    if kind is ErrorClass.REJECTED and code:
        return _l("The carrier refused it (code %(code)s).", code=code)
    return KINDS[kind][0]


def what_to_do(code: str) -> LazyString:
    """What a person can do about it, in words."""
    return OWN[code][1] if code in OWN else KINDS[error_class(code)][1]


def in_words(failures: Iterable[tuple[str, int]]) -> list[tuple[str, str, int]]:
    """Failures by code, made failures by what they mean: why, what to do, how many; the most first."""
    found: Counter[tuple[str, str]] = Counter()
    for code, number in failures:
        found[str(why(code)), str(what_to_do(code))] += number
    return [(*words, number) for words, number in found.most_common()]
