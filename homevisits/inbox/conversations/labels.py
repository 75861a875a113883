"""The words of conversations: what a text was understood as, how one of ours stands, ready answers, who told how."""

from types import MappingProxyType

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

UNDERSTOOD = MappingProxyType(
    {
        "yes": _l("Understood as yes"),
        "other_time": _l("Understood as: another time"),
        "not_now": _l("Understood as: not now"),
        "call_me": _l("Understood as: please call"),
        "stop": _l("Understood as: no more texts"),
        "start": _l("Understood as: texts again"),
        "help": _l("Asked what these texts are"),
        "polite_stop": _l("Perhaps: no more texts"),
        "wrong_number": _l("Perhaps a wrong number"),
        "probable_yes": _l("Perhaps a yes: a tap on our text"),
        "tapback": _l("A tap on our text"),
        "robot": _l("Written by a machine"),
        "picture": _l("A picture without words"),
        "unclear": _l("For a person to read"),
    }
)
"""What a family's text was understood as."""
STANDS = MappingProxyType(
    {
        "held": _l("Waits"),
        "queued": _l("Leaves in a moment"),
        "sending": _l("Being sent"),
        "accepted": _l("Sent"),
        "delivered": _l("Arrived"),
        "undelivered": _l("Did not arrive"),
        "unknown": _l("Not known whether it arrived"),
        "cancelled": _l("Taken back before it left"),
        "expired": _l("Came too late to be of use"),
        "suppressed": _l("Not sent"),
        "rejected": _l("Refused by the carrier"),
        "dead": _l("Did not leave"),
    }
)
"""How one of our texts stands."""
SIGNS = MappingProxyType(
    {
        **dict.fromkeys(("held", "queued", "sending"), "clock"),
        "accepted": "check2",
        "delivered": "check2-all",
        "cancelled": "dash",
        "unknown": "question-circle",
    }
)
"""The icon beside it; anything else is a loss and gets the sign of attention."""
CANNED = MappingProxyType(
    {
        "canned_thanks": _l("Thank you for telling us"),
        "canned_will_call": _l("We will call you"),
        "canned_what_time": _l("Which days and times suit you?"),
        "canned_who_comes": _l("Who comes"),
        "canned_nothing_to_prepare": _l("There is nothing to prepare"),
        "canned_your_place": _l("At home, or somewhere else"),
        "canned_your_choice": _l("It is your choice"),
    }
)
"""What each ready answer is for, in the order they are shown."""
HOWS = MappingProxyType(
    {
        "phone": _l("By phone"),
        "in_person": _l("In person"),
        "letter": _l("By letter"),
        "web": _l("On the web, or by e-mail"),
    }
)
"""How a person of ours was told."""
UNREACHABLE = MappingProxyType(
    {
        "landline": _l("The number is a landline"),
        "bad": _l("The number gets no texts"),
        "wrong_number": _l("It may be a wrong number"),
        "stopped": _l("They asked for no texts"),
    }
)
"""Why no text reaches a family."""


def stopped(reason: str, how: str | None) -> str:
    """Why texting ended, in a sentence."""
    if reason == "staff" and how in HOWS:
        return str(_("The family told the school so (%(how)s).", how=HOWS[str(how)]))
    known = {
        "family": _("The family asked for no more texts."),
        "carrier": _("The carrier says that the family asked for no more texts."),
        "wrong_number": _("The number seems to belong to somebody else."),
    }
    return str(known.get(reason, _("The family told the school so.")))
