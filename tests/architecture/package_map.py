"""The list of modules in homevisits/README.md, generated from the tree.

``python -m tests.architecture.package_map`` updates the list.
"""

import ast
from pathlib import Path

from tests.architecture.layers import WITHOUT_FEATURES, is_marked_pure, layer_of

PACKAGE = Path(__file__).resolve().parent.parent.parent / "homevisits"
README = PACKAGE / "README.md"
BEGIN = "<!-- begin of the generated list: make map -->"
END = "<!-- end of the generated list -->"


def _summary(path: Path) -> str:
    """Return the first line of the docstring of a module, or an empty string."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0] if docstring else ""


def _layer(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    if is_marked_pure(ast.parse(path.read_text(encoding="utf-8"))):
        return "pure"
    return "" if relative.parts[0] in WITHOUT_FEATURES or len(relative.parts) == 1 else layer_of(relative)


def _lines(folder: Path, depth: int) -> list[str]:
    indent = "  " * depth
    lines = []
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            layer = _layer(path)
            lines.append(f"{indent}{path.name:<{30 - len(indent)}}{layer}".rstrip())
    for package in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        lines.append(f"{indent}{package.name + '/':<{30 - len(indent)}}{_summary(package / '__init__.py')}".rstrip())
        lines += _lines(package, depth + 1)
    return lines


def render() -> str:
    """Return the generated list with its markers."""
    return "\n".join([BEGIN, "```", *_lines(PACKAGE, 0), "```", END])


def read() -> str:
    """Return the list in the README with its markers."""
    text = README.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


if __name__ == "__main__":
    README.write_text(README.read_text(encoding="utf-8").replace(read(), render()), encoding="utf-8")
