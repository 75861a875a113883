"""Calls in product code pass at most five positional arguments; ruff (PLR0917) limits the parameters of functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "homevisits"
MAX_POSITIONAL_ARGUMENTS = 5
# Functions that take any number of equivalent arguments.
VARIADIC = {"select", "where", "_allow_values"}


def _long_calls(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            positional = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
            if name not in VARIADIC and len(positional) > MAX_POSITIONAL_ARGUMENTS:
                yield f"{module.relative_to(PACKAGE)}:{node.lineno}: {name} has {len(positional)} positional arguments"


def test_no_call_has_more_than_five_positional_arguments() -> None:
    assert [call for module in sorted(PACKAGE.rglob("*.py")) for call in _long_calls(module)] == []
