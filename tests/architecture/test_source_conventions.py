"""Rules for the source code: commits, clock, routes, sentences, sizes, links."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from homevisits.app import create_app
from homevisits.core import paths
from homevisits.core.languages import UI_LANGUAGES
from homevisits.core.settings import Settings, load_settings
from homevisits.web import problem_wording, security

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "homevisits"
FILE_CAP, FUNCTION_CAP = 300, 40


def sources(*folders: str) -> list[Path]:
    """Return the Python files of the project."""
    names = folders or ("homevisits", "migrations", "tests", ".ci")
    return sorted(path for folder in names for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """Return the files that a clone contains."""
    run = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in run.stdout.splitlines() if (ROOT / name).is_file()]


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Yield the calls of methods or functions with one of `names`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in names:
                yield node


def parse_file(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def location(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_only_core_db_commits() -> None:
    violations = [
        location(path, call.lineno)
        for path in sources("homevisits")
        if path != PACKAGE / "core" / "db.py"
        for call in calls(parse_file(path), "commit")
    ]
    assert not violations


def test_only_core_clock_reads_the_clock() -> None:
    banned = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
    violations = [
        location(path, call.lineno)
        for path in sources("homevisits")
        if path != PACKAGE / "core" / "clock.py"
        for call in calls(parse_file(path), "now", "utcnow", "today", "time")
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr) in banned
    ]
    assert not violations


def test_every_route_declares_its_permissions(tmp_path: Path) -> None:
    for mode in ("production", "demo"):
        address = f"sqlite:///{tmp_path / mode}.sqlite"
        app_settings = load_settings(
            {}, mode=mode, database_url=address, secret_key="k" * 40, public_url="http://127.0.0.1:1"
        )
        app = create_app(app_settings)
        undeclared = []
        for rule in app.url_map.iter_rules():
            if rule.endpoint == "static" or rule.endpoint.endswith(".static"):
                continue
            try:
                security.permissions_of(app.view_functions[rule.endpoint])
            except KeyError:
                undeclared.append(str(rule))
        assert not undeclared
        assert (mode == "demo") is any(str(rule).startswith("/demo") for rule in app.url_map.iter_rules())


def test_files_and_functions_are_short() -> None:
    long = []
    for path in sources("homevisits"):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > FILE_CAP:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(parse_file(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > FUNCTION_CAP:
                    long.append(f"{location(path, node.lineno)}: {node.name} has {size} lines")
    assert not long


def test_every_problem_code_has_a_sentence() -> None:
    used: dict[str, str] = {}
    for path in sources("homevisits"):
        for call in calls(parse_file(path), "Problem"):
            if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
                used.setdefault(call.args[0].value, location(path, call.lineno))
    assert used
    missing = {code: first_use for code, first_use in used.items() if code not in problem_wording.SENTENCES}
    assert not missing


@pytest.mark.parametrize("language", [code for code in UI_LANGUAGES if code != "en"])
def test_every_sentence_is_translated(language: str) -> None:
    path = PACKAGE / "translations" / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    missing = [message.id for message in catalog if message.id and (not message.string or message.fuzzy)]
    assert not missing
    absent = [text for text in problem_wording.SENTENCES.values() if catalog.get(str(text)) is None]
    assert not absent


def test_every_setting_is_documented() -> None:
    text = (paths.config() / "defaults.toml").read_text(encoding="utf-8")
    documented = tomllib.loads(text).keys()
    assert set(documented) == Settings.model_fields.keys()
    comment_since = False
    unexplained = []
    for line in text.splitlines():
        if line.startswith("#"):
            comment_since = True
        elif not line.strip():
            comment_since = False
        elif "=" in line and not comment_since:
            unexplained.append(line)
    assert not unexplained


def test_commands_of_the_readme_exist() -> None:
    from homevisits.cli.main import main

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    targets = set(re.findall(r"\bmake ([a-z]+)", blocks))
    commands = set(re.findall(r"\bhomevisits ([a-z]+)", blocks))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test"} <= targets
    assert not {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)}
    assert commands
    assert commands <= set(main.commands)


def test_links_in_the_documentation_resolve() -> None:
    broken = []
    for path in (p for p in tracked_files() if p.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} -> {target}")
    assert not broken


def test_no_leftover_marks_and_no_machine_paths() -> None:
    # The patterns are split, so that this file does not match.
    words = (r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", r"\bHA" + r"CK\b")
    machine_paths = ("/wo" + r"rk/\w", "/ho" + r"me/\w", "/ro" + r"ot/\w", "/User" + r"s/\w")
    banned = re.compile("|".join(words + machine_paths))
    violations = []
    for path in tracked_files():
        if path.suffix in (".png", ".mo", ".ico", ".woff2", ".lock") or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if banned.search(line):
                violations.append(f"{location(path, number)}: {line.strip()[:80]}")
    assert not violations


def test_templates_have_no_inline_scripts_or_styles() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", re.IGNORECASE)
    violations = [
        f"{location(path, number)}: {line.strip()[:80]}"
        for path in sorted(paths.templates().rglob("*.html"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if inline.search(line)
    ]
    assert not violations


def test_every_family_message_exists_in_every_language() -> None:
    texts = paths.templates() / "texts"
    names = {folder.name: {path.name for path in folder.glob("*.txt")} for folder in texts.iterdir() if folder.is_dir()}
    assert names["en"]
    assert {language for language in UI_LANGUAGES if names[language] != names["en"]} == set()


def test_lock_files_contain_pins_only() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert lines
        assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)]


def test_practices_load_without_flask_and_sqlalchemy() -> None:
    code = (
        "import sys, homevisits.practices; print([m for m in ('flask', 'sqlalchemy', 'alembic') if m in sys.modules])"
    )
    run = subprocess.run([*python(), "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def python() -> list[str]:
    import sys

    return [sys.executable]
