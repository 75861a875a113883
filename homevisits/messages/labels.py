"""Labels for message states, errors and alerts on the staff pages."""

from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.messages import message_types
from homevisits.messages.providers.error_codes import ErrorClass, error_class
from homevisits.messages.templates.files import DISCREET_SUFFIX

TEMPLATE_PROBLEMS = MappingProxyType(
    {
        "empty": _l("It is empty."),
        "names_too_much": _l("It names a child or a family: other people may see the phone."),
        "says_address": _l("It has an address: a text may reach the wrong phone."),
        "says_reason": _l("It gives a reason for the visit: a text gives only who is coming, and when."),
        "asks_for_a_word": _l("It asks for a word such as YES, NO or CANCEL. Phone companies treat those as commands."),
        "half_a_choice": _l("It offers only some of the digits 1, 2, 3, 9. A question must offer them all."),
        "other_digits": _l("It offers other digits than the English text."),
        "control_characters": _l("It has a line break or another character that cannot be printed."),
        "loose_brace": _l("It has a brace that is not part of a placeholder."),
        "unknown_places": _l("It has a placeholder that the English text does not have."),
        "drops_accents": _l("It has á, í, ó or ú, which are sent without the accent. Use other words."),
        "too_long": _l("With long names it takes more than two parts."),
        "says_visit": _l("The discreet wording must not mention a visit or a home: other people may see the phone."),
    }
)
APPROVAL_STATES = MappingProxyType(
    {
        "approved": _l("Approved"),
        "changed": _l("Changed since it was approved"),
        "waiting": _l("Waiting for approval"),
        "missing": _l("Not written yet"),
    }
)

# Labels of `hold_reason`.
HOLD_REASONS = MappingProxyType(
    {
        "quiet": _l("Outside texting hours, or a quiet day. They go out when texting hours begin."),
        "cap": _l("The phone reached its limit of texts for a day or a week. They go out when the limit allows."),
        "sender": _l("The sender is at its limit, paused or not registered. They go out when it is available."),
        "language": _l("There is no approved text in the family’s language. Call with an interpreter."),
        "template": _l(
            "Phone companies marked this text as spam. It is paused until the district lead takes care of it."
        ),
        "consent": _l("The family asked us not to text."),
        "phone": _l("The number cannot get texts, or another text to it is still being sent."),
        "fault": _l(
            "We could not check this text because of an error on our side. We will try again and created an alert."
        ),
    }
)
# Meaning of provider error codes, with advice for staff.
ERROR_CLASSES = MappingProxyType(
    {
        ErrorClass.RETRY: (
            _l("The provider could not be reached or was too busy."),
            _l("Nothing to do: we will try again automatically."),
        ),
        ErrorClass.UNKNOWN: (
            _l("The connection failed while it was being sent. It may have arrived."),
            _l("We do not send it twice. Call if it is important."),
        ),
        ErrorClass.OPTED_OUT: (
            _l("This family told the provider to stop texts."),
            _l("Call instead."),
        ),
        ErrorClass.BAD_NUMBER: (
            _l("This number cannot get texts."),
            _l("Ask the family for another number, or call."),
        ),
        ErrorClass.TRANSIENT: (
            _l("The phone was off or had no signal."),
            _l("Send it again later, or call."),
        ),
        ErrorClass.QUEUE_FULL: (
            _l("The provider’s queue was full."),
            _l("Send it again if it still makes sense."),
        ),
        ErrorClass.DAILY_CAP: (
            _l("The provider’s daily limit was reached."),
            _l("Send it again tomorrow if it still makes sense."),
        ),
        ErrorClass.TOO_LATE: (
            _l("It could not be delivered in time."),
            _l("Call if it is still important."),
        ),
        ErrorClass.CONTENT: (
            _l("The phone company marked it as spam."),
            _l("Call the family, and tell the district lead: the wording may need to change."),
        ),
        ErrorClass.ACCOUNT: (
            _l("Our sender is not registered, not paid for or not allowed."),
            _l("The district lead can fix this on the Senders page. Then send it again."),
        ),
        ErrorClass.REJECTED: (
            _l("The provider rejected it."),
            _l("Call the family."),
        ),
    }
)
# Meaning of internal error codes, with advice for staff.
OWN_CODES = MappingProxyType(
    {
        "trial": (
            _l("This is a trial, and this is not a test phone."),
            _l("Nothing to do: families get no texts during a trial."),
        ),
        "no_provider": (_l("No text provider is set up, so nothing is sent."), _l("Tell your IT administrator.")),
        "repeated": (
            _l("The same text already went to this phone within a day."),
            _l("Call if something is missing: a repeat would look like a mistake."),
        ),
        "cap": (
            _l("The phone reached its limit of texts for a day or a week, and this text could not wait."),
            _l("Call the family."),
        ),
        "not_found": (
            _l("The connection failed while it was being sent, and the provider has no record of it."),
            _l("Call: it probably did not arrive."),
        ),
        "stopped": (_l("The family asked us not to text."), _l("Call instead.")),
        "wrong_number": (
            _l("The person with this number said it is a wrong number."),
            _l("Ask the family for another number."),
        ),
        "landline": (_l("This number is a landline."), _l("Call it, or ask the family for a mobile number.")),
        "bad_number": ERROR_CLASSES[ErrorClass.BAD_NUMBER],
        "withdrawn": (_l("It was canceled because its information changed."), _l("Nothing to do.")),
        "expired": (_l("It waited too long to still make sense."), _l("Call if it is still important.")),
        "quiet": (_l("Texting hours begin too late for this text."), _l("Call if it is important.")),
        "loop": (_l("This phone sends automatic replies, so we stopped replying to it."), _l("Read the conversation.")),
        **dict.fromkeys(
            ("undelivered", "failed"), (_l("The phone company could not deliver it."), _l("Call the family."))
        ),
        "canceled": (_l("The provider canceled it."), _l("Send it again, or call.")),
        "unregistered": (
            _l("Our sender is not registered."),
            _l("The district lead can fix this on the Senders page."),
        ),
        "no_sender": (_l("No sender is set up."), _l("Tell your IT administrator.")),
        "breaker": ERROR_CLASSES[ErrorClass.ACCOUNT],
        "rate": (_l("The provider asked us to pause."), _l("Nothing to do: it continues automatically.")),
        "paused": (_l("The sender is paused."), _l("Nothing to do: it continues automatically.")),
        "queue_full": ERROR_CLASSES[ErrorClass.QUEUE_FULL],
        "daily_cap": ERROR_CLASSES[ErrorClass.DAILY_CAP],
    }
)
# Why a message was cancelled just before it would have been sent.
CANCEL_REASONS = MappingProxyType(
    {
        "visit_changed": _l("The visit has changed or ended since then."),
        "recently_announced": _l("The family had just been told."),
        "visit_started": _l("The visit had started."),
        "consent_withdrawn": _l("The family changed its mind."),
        "consent_lapsed": _l("The family’s yes no longer counts. A coordinator will ask again."),
        "partner_changed": _l("Someone else is going on the visit."),
        "closed": _l("The invitation was closed."),
        "answered": _l("The family had already answered."),
        "phone_changed": _l("No one in the family has this number anymore."),
        "family_left": _l("The family’s children now go to another school."),
        "left": _l("The person with this number has left."),
        "restricted": _l("The roster says not to contact the person with this number."),
        "withdrawn": _l("Its information has changed."),
    }
)
MESSAGE_STATES = MappingProxyType(
    {
        "held": _l("Waiting"),
        "queued": _l("Waiting"),
        "sending": _l("Being sent"),
        "accepted": _l("With the provider"),
        "delivered": _l("Arrived"),
        "undelivered": _l("Did not arrive"),
        "unknown": _l("No report"),
        "cancelled": _l("Canceled before it was sent"),
        "expired": _l("Too late to send"),
        "suppressed": _l("On hold"),
        "rejected": _l("Rejected by the provider"),
        "dead": _l("Gave up trying"),
    }
)
# Labels of alerts, by kind.
ALERTS = MappingProxyType(
    {
        "code": _l(
            "The provider gave an error code that is not known here. Look it up, and tell the Homevisits developers."
        ),
        "content": _l("Phone companies marked a text as spam. Its wording may need to change."),
        "template_paused": _l(
            "Phone companies mark this text as spam. It is paused. Change its wording, then press Seen."
        ),
        "breaker": _l("The provider rejects everything from this sender. Its texts are on hold; see the Senders page."),
        "contradiction": _l("The provider reported two different results for a text. The first one counts."),
        "repeated": _l("The same text was about to go to one phone twice in a day. It was stopped."),
        "webhook": _l("A delivery report or a reply could not be read. Tell your IT administrator."),
        "loop": _l("A phone keeps sending automatic replies. We stopped replying to it."),
        "fault": _l("A text could not be checked because of an error on our side. Tell the Homevisits developers."),
        "no_status": _l("For days we could not find out whether the provider has a text. Ask its support team."),
        "no_final_status": _l(
            "For three days the provider has sent no delivery report for a text it accepted. Ask its support team."
        ),
        "foreign": _l(
            "The provider lists a text from our number that we did not send. Is someone else using the number?"
        ),
        "missing": _l("The provider does not list a text that it accepted from us. Ask its support team."),
    }
)

SENDER_KINDS = MappingProxyType(
    {
        "long_code": _l("A number (10DLC)"),
        "toll_free": _l("A toll-free number"),
        "short_code": _l("A short code"),
        "service": _l("A Messaging Service (10DLC)"),
        "gateway": _l("Our own gateway"),
        "console": _l("No provider: texts are only logged"),
    }
)
REGISTRATIONS = MappingProxyType(
    {
        "unregistered": _l("Not registered"),
        "pending": _l("Submitted, waiting for approval"),
        "registered": _l("Registered"),
        "refused": _l("Rejected"),
        "not_needed": _l("No registration needed"),
    }
)
# Labels of missing steps of a sender's registration.
MISSING_STEPS = MappingProxyType(
    {
        "brand": _l("The brand: your organization, as Government or US Non Profit."),
        "campaign": _l("The campaign: what the texts are for, with the samples from the page What families read."),
        "verification": _l("The verification of the toll-free number."),
        "short_code": _l("The phone companies’ approval of the short code."),
        "not_confirmed": _l("Your confirmation here that it is registered, once the provider confirms it."),
        "pending": _l("The phone companies’ approval. Record it here when you have it."),
        "refused": _l("A new registration: the last one was rejected. The rejection notice gives the reason."),
    }
)


def template_title(name: str) -> str:
    """Return the title of a template, with or without discreet wording; its name if its type is not registered."""
    message_type = message_types.find(name.removesuffix(DISCREET_SUFFIX))
    return str(gettext(message_type.label)) if message_type is not None else name


def explain_code(code: str) -> LazyString:
    """Return the meaning of an error code; for rejections it includes the code."""
    if code in OWN_CODES:
        return OWN_CODES[code][0]
    kind = error_class(code)
    if kind is ErrorClass.REJECTED and code:
        return _l("The provider rejected it (code %(code)s).", code=code)
    return ERROR_CLASSES[kind][0]


def advise_on_code(code: str) -> LazyString:
    """Return the advice for an error code."""
    return OWN_CODES[code][1] if code in OWN_CODES else ERROR_CLASSES[error_class(code)][1]


def group_by_explanation(failures: Iterable[tuple[str, int]]) -> list[tuple[str, str, int]]:
    """Group counts by code into counts by explanation and advice, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for code, count in failures:
        counts[str(explain_code(code)), str(advise_on_code(code))] += count
    return [(explanation, advice, count) for (explanation, advice), count in counts.most_common()]
