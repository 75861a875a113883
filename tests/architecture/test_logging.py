"""Product code logs with structlog: events are snake_case names, and values are fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "homevisits"
MAY_IMPORT_LOGGING = {"core/log_config.py"}  # sets up the standard library's handler, which libraries log to
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def _is_log_call(node: ast.AST) -> bool:
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
    return is_method and ast.unparse(node.func.value).rpartition(".")[2] == "log"


def _faults(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if any(name.partition(".")[0] == "logging" for name in _imported(node)):
            yield f"{node.lineno}: imports logging"
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("app.logger"):
            yield f"{node.lineno}: uses Flask's logger"
        if _is_log_call(node) and [bool(EVENT.fullmatch(str(getattr(a, "value", "")))) for a in node.args] != [True]:
            yield f"{node.lineno}: the only positional argument must be a snake_case event name"


@pytest.mark.parametrize(
    "source",
    [
        "import logging",
        "import logging.handlers",
        "from logging import getLogger",
        "current_app.logger.info('x')",
        "log.info('text sent')",
        "log.warning('text_sent %s', code)",
        "errors.log.error(f'text_{code}')",
    ],
)
def test_other_ways_to_log_are_found(source: str) -> None:
    assert list(_faults(source))


def test_events_are_allowed() -> None:
    assert not list(_faults("import structlog\nlog.warning('text_sent', code=code, exc_info=error)"))


def test_modules_log_with_structlog() -> None:
    violations = [
        f"{module.relative_to(PACKAGE)}:{fault}"
        for module in sorted(PACKAGE.rglob("*.py"))
        if str(module.relative_to(PACKAGE)) not in MAY_IMPORT_LOGGING
        for fault in _faults(module.read_text(encoding="utf-8"))
    ]
    assert not violations
