"""`make bench` runs what it can: a benchmark that needs a missing program is left out and named."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks import dispatch_benchmarks, message_benchmarks, webhook_benchmarks
from tests.benchmarks.environment import BenchEnvironment
from tests.benchmarks.measure import Result

RESULT = Result("texts-other", "a rival", 1.0, 1.0, 1.0, 1.0, ok=True)


def run_other(_environment: BenchEnvironment) -> Iterator[Result]:
    yield RESULT


def test_benchmark_without_nginx_is_left_out_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TESTS_EXTERNAL_PROGRAMS", raising=False)
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(
        message_benchmarks, "BENCHMARKS", {("texts-fast",): dispatch_benchmarks.fast, ("texts-other",): run_other}
    )
    try:
        exit_code = bench.main("texts")
    except pytest.skip.Exception as skipped:  # it would skip this test instead of failing it
        pytest.fail(f"the missing program ended the whole run: {skipped}")
    assert exit_code == 0
    assert [row["name"] for row in json.loads((tmp_path / "build" / "bench.json").read_text())] == ["texts-other"]
    printed = capsys.readouterr().out
    assert "left out: texts-fast (nginx is not on this machine" in printed
    assert "texts-other" in printed


def test_web_process_of_each_side_accepts_delivery_callbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_benchmarks, "CALLS", 8)
    monkeypatch.setattr(webhook_benchmarks, "ROUNDS", 1)
    monkeypatch.setattr(webhook_benchmarks, "MIN_RATIO", {"sqlite": 0.20})
    with ExitStack() as stack:
        environment = BenchEnvironment(tmp_path, stack)
        results = list(webhook_benchmarks.webhook(environment))
    assert [result.name for result in results] == ["texts-webhook-sqlite", "texts-webhook-sqlite-a-second"]
