"""What our own code writes about a text: every hold, error and alert, found in the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import homevisits

PACKAGE = Path(homevisits.__file__).parent


def _calls(name: str) -> Iterator[list[str | None]]:
    """The words among the arguments of each call of `name`, in order; None for what is worked out."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                yield [_word(each) for each in node.args]


def _word(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _given(name: str) -> set[str]:
    """Words set as a field or given by keyword: `error="stopped"`, `row.state, row.error = "dead", "not_found"`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == name:
                found.add(_word(node.value))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else []
                pairs = zip(node.targets[0].elts, values, strict=False)
                found |= {_word(value) for place, value in pairs if getattr(place, "attr", "") == name}
    return {word for word in found if word}


def _returned(*places: str) -> set[str]:
    found = set()
    for place in places:
        for node in ast.walk(ast.parse((PACKAGE / place).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in ("text_wanted", "unreachable", "_staff", "_family"):
                returns = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
                for value in returns:
                    branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                    found |= {_word(each) for each in branches}
    return {word for word in found if word}


def holds() -> set[str]:
    """Every reason for which a text is held."""
    asides = {words[1] for words in _calls("Hold") if words[0] == "held" and words[1]}
    return {str(word) for word in asides} | _given("hold_reason")


def errors() -> set[str]:
    """Every error a text can end with that is not a provider's."""
    asides = {str(words[1]) for words in _calls("Hold") if words[0] != "held" and words[1]}
    checks = _returned("visits/send_checks.py", "invitations/send_checks.py")
    own = {"landline", "bad_number"}  # the two that `judge` chooses between
    return asides | checks | own | _given("error")


def alerts() -> set[str]:
    """Every kind of alert."""
    return {words[1] for words in _calls("raise_alert") if len(words) > 1 and words[1]}
