"""Hold reasons, error codes and alert kinds that the source code writes, collected from its syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import homevisits

PACKAGE = Path(homevisits.__file__).parent
CHECK_FUNCTIONS = (
    "reason_not_to_send",
    "find_unreachable_reason",
    "_check_staff",
    "_check_family",
)  # their results are stored as errors


def _calls(name: str) -> Iterator[list[str | None]]:
    """Yield the positional arguments of each call of `name`; None for an argument that is not a string literal."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                yield [_string_literal(argument) for argument in node.args]


def _string_literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _assigned(name: str) -> set[str]:
    """Return literals of a keyword or field: `error="stopped"`, `row.state, row.error = "dead", "not_found"`."""
    literals = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == name:
                literals.add(_string_literal(node.value))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else []
                pairs = zip(node.targets[0].elts, values, strict=False)
                literals |= {_string_literal(value) for target, value in pairs if getattr(target, "attr", "") == name}
    return {literal for literal in literals if literal}


def _returned(*modules: str) -> set[str]:
    """Return the literals that the check functions of these modules return."""
    literals = set()
    for module in modules:
        for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in CHECK_FUNCTIONS:
                returns = [child.value for child in ast.walk(node) if isinstance(child, ast.Return) and child.value]
                for value in returns:
                    branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                    literals |= {_string_literal(branch) for branch in branches}
    return {literal for literal in literals if literal}


def hold_reasons() -> set[str]:
    """Return every reason for holding a message."""
    reasons = {arguments[1] for arguments in _calls("Hold") if arguments[0] == "held" and arguments[1]}
    return {str(reason) for reason in reasons} | _assigned("hold_reason")


def error_codes() -> set[str]:
    """Return every error code of a message that does not come from a provider."""
    final = {str(arguments[1]) for arguments in _calls("Hold") if arguments[0] != "held" and arguments[1]}
    checks = _returned("visits/send_checks.py", "invitations/send_checks.py")
    conditional = {"landline", "bad_number"}  # chosen by a conditional expression, so not a literal argument
    return final | checks | conditional | _assigned("error")


def alert_kinds() -> set[str]:
    """Return every kind of alert."""
    return {arguments[1] for arguments in _calls("raise_alert") if len(arguments) > 1 and arguments[1]}
