"""Refusals as values: an action reports all problems at once, each with its form field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from types import MappingProxyType

_NO_PARAMS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Problem:
    """A reason why an action is refused.

    code: identifies the reason; `homevisits.web.problem_wording` has a sentence for each code.
    field: the form field with the problem (None: the whole request).
    params: plain values for the placeholders of the sentence.
    """

    code: str
    field: str | None = None
    params: Mapping[str, object] = dataclass_field(default_factory=lambda: _NO_PARAMS, hash=False)


class RulesBroken(Exception):
    """An action was refused and nothing was recorded. `problems` holds all reasons, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(", ".join(problem.code for problem in self.problems))


class NotFound(Exception):
    """The object does not exist or the actor has no access. Both give status 404, to reveal nothing."""


class PermissionDenied(Exception):
    """The actor's roles do not allow this action (status 403)."""


def refuse_if_any(problems: Iterable[Problem]) -> None:
    """Raise `RulesBroken` with all `problems`, in order and without duplicates, if there are any."""
    unique = list(dict.fromkeys(problems))
    if unique:
        raise RulesBroken(unique)
