"""Write requirements.lock and requirements-dev.lock: pyproject.toml's dependencies with all installed versions."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def resolve_pins(requirements: list[str]) -> dict[str, str]:
    """Return the pins of `requirements` and of all their dependencies, by canonical name."""
    pins: dict[str, str] = {}
    pending, seen = [Requirement(text) for text in requirements], set()
    while pending:
        requirement = pending.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(requirement.name)
        pins[key[0]] = f"{distribution.metadata['Name']}=={distribution.version}"
        extras = {"", *requirement.extras}
        for text in distribution.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                pending.append(needed)
    return pins


def main() -> None:
    """Write both lock files from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = resolve_pins(project["project"]["dependencies"])
    development = resolve_pins(project["dependency-groups"]["dev"] + project["build-system"]["requires"])
    extra = {name: pin for name, pin in development.items() if name not in runtime}
    for file, title, pins in (
        ("requirements.lock", "Packages that Homevisits needs to run", runtime),
        ("requirements-dev.lock", "Packages for checks and tests, in addition to requirements.lock", extra),
    ):
        lines = [f"# {title}. Generated from pyproject.toml by `make lock`.", *(pins[name] for name in sorted(pins))]
        (ROOT / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
