from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent / "homevisits"
MAX_MODULES = 15
# Module names of an earlier version that do not describe their content.
BANNED_NAMES = frozenset(
    {
        "crew", "shelf", "judge", "verdict", "ranks", "keyed", "lost", "waits", "days", "notes", "facts", "settle",
        "packs", "guests", "quiet", "reach", "look", "tidy", "seats", "record", "wanted", "words", "threads",
    }
)  # fmt: skip
BANNED_IN = ("messages", "inbox", "visits", "invitations", "pay", "reports")


def test_no_package_has_too_many_modules() -> None:
    sizes = {}
    for folder in (file.parent for file in PACKAGE.rglob("__init__.py")):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        packages = [path for path in folder.iterdir() if (path / "__init__.py").is_file()]
        # The top-level package contains one package per feature, so only its own modules are counted.
        sizes[str(folder.relative_to(PACKAGE.parent))] = len(modules) + (0 if folder == PACKAGE else len(packages))
    assert {name: size for name, size in sizes.items() if size > MAX_MODULES} == {}


def test_no_module_has_a_banned_name() -> None:
    violations = [
        str(path.relative_to(PACKAGE))
        for name in BANNED_IN
        for path in (PACKAGE / name).rglob("*.py")
        if path.stem in BANNED_NAMES
    ]
    assert not violations
