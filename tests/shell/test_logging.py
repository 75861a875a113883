"""Where log events of a process go, and what they must not contain. Each test runs a process of its own."""

import subprocess
import sys

import pytest

FAIL_WITH_A_SECRET = """
import sys
import structlog
from homevisits.core.log_config import configure_logging
configure_logging(sys.argv[1])
def send(phone):
    raise RuntimeError("refused")
try:
    send("+1303" + "5550123")
except RuntimeError:
    structlog.get_logger().exception("send_failed", message_id=7)
"""
COMMAND_THAT_LOGS = """
import structlog
from homevisits.cli.output import CommandResult, Group, command
group = Group()
def work():
    structlog.get_logger().warning("work_repeated")
    return CommandResult({"done": 1}, "done")
command(group)(work)
group(["work", "--json"])
"""


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("mode", ["production", "development"])
def test_traceback_in_the_log_has_no_local_variables(mode: str) -> None:
    process = run(FAIL_WITH_A_SECRET, mode)
    assert process.stdout == ""
    assert "send_failed" in process.stderr
    assert "RuntimeError: refused" in process.stderr
    assert "5550123" not in process.stderr


def test_events_of_a_command_are_not_in_its_output() -> None:
    process = run(COMMAND_THAT_LOGS)
    assert process.stdout == '{"done": 1}\n'
    assert "work_repeated" in process.stderr
