"""Labels of the conversation pages: intent, message status, reply templates, opt-out channels."""

from types import MappingProxyType

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from homevisits.inbox.message_types import QUICK_REPLIES

INTENTS = MappingProxyType(
    {
        "yes": _l("Understood as: yes"),
        "other_time": _l("Understood as: another time"),
        "not_now": _l("Understood as: not now"),
        "call_me": _l("Understood as: please call"),
        "stop": _l("Understood as: no more texts"),
        "start": _l("Understood as: texts again"),
        "help": _l("Asked what these texts are"),
        "polite_stop": _l("Possibly: no more texts"),
        "wrong_number": _l("Possibly a wrong number"),
        "probable_yes": _l("Possibly a yes: a reaction to our text"),
        "tapback": _l("A reaction to our text"),
        "robot": _l("Automatic reply"),
        "picture": _l("A picture without text"),
        "unclear": _l("Needs a person to read it"),
    }
)
"""Labels for the intent of an incoming message."""
STATUSES = MappingProxyType(
    {
        "held": _l("Waiting"),
        "queued": _l("About to be sent"),
        "sending": _l("Being sent"),
        "accepted": _l("Sent"),
        "delivered": _l("Arrived"),
        "undelivered": _l("Did not arrive"),
        "unknown": _l("No delivery report"),
        "cancelled": _l("Canceled before it was sent"),
        "expired": _l("Too late to send"),
        "suppressed": _l("Not sent"),
        "rejected": _l("Rejected by the provider"),
        "dead": _l("Could not be sent"),
    }
)
"""Labels for the status of an outgoing message."""
STATUS_ICONS = MappingProxyType(
    {
        **dict.fromkeys(("held", "queued", "sending"), "clock"),
        "accepted": "check2",
        "delivered": "check2-all",
        "cancelled": "dash",
        "unknown": "question-circle",
    }
)
"""Icon for each status; any other status is a failure and gets the warning icon."""
# Titles of the quick replies, in the order in which they are shown.
QUICK_REPLY_TITLES = MappingProxyType({reply.name: _l(reply.choice) for reply in QUICK_REPLIES})
CHANNELS = MappingProxyType(
    {
        "phone": _l("By phone"),
        "in_person": _l("In person"),
        "letter": _l("By letter"),
        "web": _l("Online or by e-mail"),
    }
)
"""Labels for the channel through which a family informed staff."""
UNREACHABLE_REASONS = MappingProxyType(
    {
        "landline": _l("The number is a landline"),
        "bad": _l("The number cannot get texts"),
        "wrong_number": _l("It may be a wrong number"),
        "stopped": _l("They asked us not to text"),
    }
)
"""Reasons why a family cannot be reached by message."""


def describe_opt_out(reason: str, how: str | None) -> str:
    """Describe the reason for an opt-out in a sentence."""
    if reason == "staff" and how in CHANNELS:
        return str(_("The family told the school (%(how)s).", how=CHANNELS[str(how)]))
    labels = {
        "family": _("The family asked for no more texts."),
        "provider": _("The provider reports that the family asked for no more texts."),
        "wrong_number": _("The number seems to belong to someone else."),
    }
    return str(labels.get(reason, _("The family told the school.")))
