"""Count terms in comments and docstrings that plain technical English rarely needs.

Run it as ``python -m tests.architecture.prose`` to see the rates and the lines behind them.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("homevisits", "migrations", "tests", ".ci")
# Highest rate for each group of words, per 10,000 words. The code of warehouse, healthchecks, flask, notify and indico
# stays below these rates.
LIMITS = {
    ("say", "says", "said", "saying"): 8,
    ("nobody", "whoever", "whose"): 8,
    ("told", "tell", "tells", "telling"): 8,
    ("word", "words"): 8,
    ("stand", "stands", "stood"): 8,
    ("one", "ones"): 30,
}
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


def sources(folders: Iterable[str] = FOLDERS) -> list[Path]:
    """Return every Python file in the folders."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each comment and docstring of a file, with attribute docstrings."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for offset, line in enumerate(node.value.value.splitlines()):
                yield node.lineno + offset, line


def rates(paths: Iterable[Path]) -> dict[tuple[str, ...], float]:
    """Return how often each limited group of words occurs per 10,000 words of prose."""
    counts = Counter(word.lower() for path in paths for _, line in prose_of(path) for word in WORD.findall(line))
    total = sum(counts.values()) or 1
    return {group: 10_000 * sum(counts[word] for word in group) / total for group in LIMITS}


def _main() -> None:
    import sys

    chosen = [Path(name) for name in sys.argv[1:]]
    paths = [
        file for path in chosen for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))
    ] or sources()
    for group, rate in rates(paths).items():
        print(f"{'/'.join(group):32} {rate:6.1f}  (limit {LIMITS[group]})")
    listed = {word for group in LIMITS for word in group} - {"one", "ones"}
    for path in paths if chosen else ():
        for number, line in prose_of(path):
            if listed & {word.lower() for word in WORD.findall(line)}:
                print(f"{path}:{number}: {line.strip()}")


if __name__ == "__main__":
    _main()
