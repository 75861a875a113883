"""Write requirements.lock and requirements-dev.lock: the closure of what pyproject.toml names, as installed here."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def closure(wanted: list[str]) -> dict[str, str]:
    """Every distribution that `wanted` needs, itself included: canonical name -> its pin."""
    pins: dict[str, str] = {}
    todo, seen = [Requirement(text) for text in wanted], set()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found = importlib.metadata.distribution(requirement.name)
        pins[key[0]] = f"{found.metadata['Name']}=={found.version}"
        extras = {"", *requirement.extras}
        for text in found.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)
    return pins


def main() -> None:
    """Read pyproject.toml, write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = closure(project["project"]["dependencies"])
    development = closure(project["dependency-groups"]["dev"] + project["build-system"]["requires"])
    extra = {name: pin for name, pin in development.items() if name not in runtime}
    for file, what, pins in (
        ("requirements.lock", "What Homevisits is installed and runs with", runtime),
        ("requirements-dev.lock", "What it is checked and tested with, on top of requirements.lock", extra),
    ):
        lines = [f"# {what}. Made from pyproject.toml by `make lock`.", *(pins[name] for name in sorted(pins))]
        (ROOT / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
