"""Contract types for import-linter (see ``contract_types`` in pyproject.toml)."""

import ast
from pathlib import Path, PurePath

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain.contract import Contract, ContractCheck

from tests.architecture.layers import RANKS, WITHOUT_FEATURES, is_marked_pure, layer_of

ROOT = Path(__file__).resolve().parent.parent.parent
IMPURE = (
    "alembic", "apscheduler", "click", "flask", "flask_babel", "flask_login", "flask_wtf", "gunicorn", "requests",
    "sqlalchemy", "structlog", "twilio",
    "homevisits.core.clock", "homevisits.core.db", "homevisits.core.settings", "homevisits.web",
)  # fmt: skip


def _path(module: str) -> PurePath:
    return PurePath(*module.split(".")[1:]).with_suffix(".py")


def _is_pure(module: str) -> bool:
    file = ROOT / Path(*module.split(".")).with_suffix(".py")
    return file.is_file() and is_marked_pure(ast.parse(file.read_text(encoding="utf-8")))


def _own_modules(graph: ImportGraph) -> list[str]:
    return sorted(module for module in graph.modules if module.startswith("homevisits."))


class _Contract(Contract):
    """Base class that prints a line for each problem."""

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print every problem."""
        for problem in check.metadata["problems"]:
            output.print_error(problem, bold=False)

    def _result(self, problems: list[str]) -> ContractCheck:
        return ContractCheck(kept=not problems, metadata={"problems": problems})


class FeatureLayers(_Contract):
    """Within a feature: web > forms > actions and services > queries > models > pure modules."""

    type_name = "feature_layers"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find every import from a lower layer to a higher one of the same feature."""
        del verbose
        problems = []
        for module in _own_modules(graph):
            feature = module.split(".")[1]
            if feature in WITHOUT_FEATURES:
                continue
            own = "pure" if _is_pure(module) else layer_of(_path(module))
            for target in sorted(graph.find_modules_directly_imported_by(module)):
                if not target.startswith(f"homevisits.{feature}."):
                    continue
                other = "pure" if _is_pure(target) else layer_of(_path(target))
                if RANKS[other] > RANKS[own]:
                    problems.append(f"{module} ({own}) imports {target} ({other})")
        return self._result(problems)


class PureModules(_Contract):
    """Modules marked ``PURE = True`` reach no framework, database, clock or settings, not even indirectly."""

    type_name = "pure_modules"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the impure modules that each pure module reaches."""
        del verbose
        problems = []
        for module in filter(_is_pure, _own_modules(graph)):
            for name in IMPURE:
                chain = graph.find_shortest_chain(module, name) if name in graph.modules else None
                if chain:
                    problems.append(" -> ".join(chain))
        return self._result(problems)


class NoCycles(_Contract):
    """No import cycle between modules, imports inside functions counted."""

    type_name = "no_cycles"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find modules that import themselves indirectly."""
        del verbose
        problems = []
        for module in _own_modules(graph):
            for target in sorted(graph.find_modules_directly_imported_by(module)):
                if target.startswith("homevisits.") and graph.find_shortest_chain(target, module):
                    problems.append(f"{module} -> {target} -> ... -> {module}")
        return self._result(problems)
