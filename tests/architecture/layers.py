"""Layer of a module, derived from its path, and the code that each layer must not contain."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

PURE_NAMES = frozenset({"practices", "rules", "states"})  # path parts of modules that must have the PURE marker
LAYERS = ("models", "queries", "actions", "forms", "labels", "web", "providers")
SERVICE = "service"  # the layer of a module if its path names no other layer
RANKS = {
    "pure": 0,
    "models": 1,
    "queries": 2,
    "actions": 3,
    "service": 3,
    "providers": 3,
    "labels": 3,
    "forms": 4,
    "web": 5,
}
WRITING_METHODS = frozenset({"add", "add_all", "delete", "merge", "flush", "commit"})
WRITING_FUNCTIONS = frozenset({"insert", "update", "delete", "insert_new"})
READING_METHODS = frozenset({"execute", "scalar", "scalars"})
CLOCK_READS = frozenset(
    {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("clock", "now")}
)
WEB_LIBRARIES = ("flask", "flask_login", "flask_wtf")
WITHOUT_FEATURES = ("core", "web", "cli", "demo")  # the shell and the demo around the features


@dataclass(frozen=True)
class Violation:
    """A line of code that the layer of its module does not allow."""

    line: int
    reason: str


def layer_of(path: PurePath) -> str:
    """Return the layer of a module: the last part of its path in the package that names a layer.

    ``visits/actions/cancel.py`` is an action, ``operations/senders_web.py`` is web, ``messages/outbox.py`` a service.
    """
    for part in reversed(path.with_suffix("").parts):
        if part == "web" or part.endswith("_web"):
            return "web"
        if part in LAYERS:
            return part
        if part in PURE_NAMES:
            return "pure"
    return SERVICE


def is_marked_pure(tree: ast.Module) -> bool:
    """Return whether the module declares ``PURE = True`` at its top level."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "PURE" for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value is True
        for node in tree.body
    )


def find_violations(path: PurePath, source: str) -> list[Violation]:
    """Return every line of a module (path relative to the package) that its layer does not allow."""
    if path.parts[0] in WITHOUT_FEATURES or len(path.parts) == 1 or path.name == "__init__.py":
        return []
    tree = ast.parse(source)
    layer = layer_of(path)
    violations: list[Violation] = []
    if layer == "pure" and not is_marked_pure(tree):
        violations.append(Violation(1, "a pure module needs PURE = True"))
    if layer in ("pure", "models", "queries", "actions", "forms", "labels", SERVICE):
        violations += _clock_reads(tree)
    if layer in ("pure", "models", "queries", "actions", SERVICE):
        violations += _web_imports(tree)
    if layer == "queries":
        violations += _writes(tree)
    if layer == "web":
        violations += _sql(tree)
    if layer == "forms":
        violations += _session_calls(tree, READING_METHODS | WRITING_METHODS)
    return violations


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _clock_reads(tree: ast.Module) -> Iterator[Violation]:
    for call in _calls(tree):
        function = call.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            continue
        if (function.value.id, function.attr) in CLOCK_READS:
            yield Violation(call.lineno, "reads the clock: take `now` as an argument")


def _imported(tree: ast.Module) -> Iterator[tuple[int, str, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, set()
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", {alias.name for alias in node.names}


def _web_imports(tree: ast.Module) -> Iterator[Violation]:
    for line, module, _ in _imported(tree):
        if module.split(".")[0] in WEB_LIBRARIES:
            yield Violation(line, f"imports {module}: only web modules may")


def _session_calls(tree: ast.Module, methods: frozenset[str]) -> Iterator[Violation]:
    for call in _calls(tree):
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in methods:
            continue
        if getattr(function.value, "id", "") == "session":
            yield Violation(call.lineno, f"calls session.{function.attr}")


def _writes(tree: ast.Module) -> Iterator[Violation]:
    yield from _session_calls(tree, WRITING_METHODS)
    for call in _calls(tree):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in WRITING_FUNCTIONS:
            yield Violation(call.lineno, f"calls {name}(): queries only read")


def _sql(tree: ast.Module) -> Iterator[Violation]:
    for line, module, names in _imported(tree):
        # A web module may name the type of the session that it passes on.
        if (module.split(".")[0] == "sqlalchemy" or "sqlalchemy" in names) and names != {"Session"}:
            yield Violation(line, "imports SQLAlchemy: queries and actions use the database")
    yield from _session_calls(tree, READING_METHODS | WRITING_METHODS)
