"""Why a text may not be sent as it is written: the linter's codes in words."""

from types import MappingProxyType

from flask_babel import lazy_gettext as _l

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
