"""What can be wrong with a request, as values: every problem at once, each with its field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as with_default
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Problem:
    """One reason why something cannot be done.

    ``code`` identifies the reason; `homevisits.web.problem_wording` has its sentence. ``field`` is the form field it
    belongs to (None: the whole request). ``params`` fill the placeholders of the sentence (plain values only).
    """

    code: str
    field: str | None = None
    params: Mapping[str, object] = with_default(default_factory=lambda: _NOTHING, hash=False)


class RulesBroken(Exception):
    """An action was refused. Nothing was recorded. ``problems`` holds every reason, never only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(", ".join(problem.code for problem in self.problems))


class NotFound(Exception):
    """No such thing, or not one the asker may know of: the two look the same from outside (404)."""


class Refused(Exception):
    """The asker's roles do not allow this at all (403)."""


def refuse_if_any(problems: Iterable[Problem]) -> None:
    """Raise `RulesBroken` with all of `problems`, without repeats and in order, if there is any."""
    found = list(dict.fromkeys(problems))
    if found:
        raise RulesBroken(found)
