"""Languages of the pages. Everything that needs the list derives it from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Language:
    """A language that pages can be shown in.

    name: in the language itself. locale: of its dates and numbers. day: CLDR patterns of a day in the current year and
    in any other year.
    """

    name: str
    locale: str
    day: tuple[str, str]


UI_LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "en": Language("English", "en_US", ("EEE, MMM d", "EEE, MMM d, y")),
        "es": Language("Español", "es_US", ("EEE d MMM", "EEE d MMM y")),
    }
)


def N_(message: str) -> str:  # noqa: N802 - the name that pybabel looks for
    """Mark a message for extraction; it is translated when it is shown."""
    return message
