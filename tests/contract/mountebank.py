"""mountebank proxy before our fake: network faults and an independent record of requests."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import external_programs

Answer = dict[str, Any]
WITHOUT_LENGTH = """
for (const name of Object.keys(response.headers)) if (/length|encoding/i.test(name)) delete response.headers[name];
"""
"""Removes the length headers, because a changed response has another length."""


class Mountebank:
    """A running mountebank with one imposter at a time."""

    def __init__(self, admin: int) -> None:
        self._admin, self.port = f"http://127.0.0.1:{admin}", external_programs.find_free_port()

    @property
    def url(self) -> str:
        """URL of the imposter."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def between(self, behind: str, answers: Sequence[Answer]) -> Iterator[None]:
        """Answer POST requests with `answers`, in order, and pass everything else on to `behind`."""
        passed = passing(behind)
        creates = {"predicates": [{"equals": {"method": "POST"}}], "responses": [*answers, passed]}
        stubs = [creates, {"responses": [passed]}]
        self._call(
            "POST", "/imposters", {"port": self.port, "protocol": "http", "recordRequests": True, "stubs": stubs}
        )
        try:
            yield
        finally:
            self._call("DELETE", f"/imposters/{self.port}")

    def creates(self) -> int:
        """Number of POST requests that mountebank received."""
        asked = self._call("GET", f"/imposters/{self.port}")["requests"]
        return sum(one["method"] == "POST" for one in asked)

    def _call(self, method: str, path: str, told: object = None) -> Any:
        data = None if told is None else json.dumps(told).encode()
        kind = {"Content-Type": "application/json", "Connection": "close"}
        with urllib.request.urlopen(
            urllib.request.Request(self._admin + path, data, kind, method=method), timeout=30
        ) as answer:
            return json.load(answer)


def passing(behind: str, change: str = "", wait: int = 0) -> Answer:
    """Pass a request on to `behind`, run `change` (JavaScript) on `response`, and wait `wait` ms."""
    behaviors: list[Answer] = []
    if change:
        behaviors.append({"decorate": f"(config) => {{ const response = config.response; {WITHOUT_LENGTH} {change} }}"})
    if wait:
        behaviors.append({"wait": wait})
    return {"proxy": {"to": behind, "mode": "proxyTransparent"}, **({"behaviors": behaviors} if behaviors else {})}


@contextmanager
def running(folder: Path) -> Iterator[Mountebank]:
    """Run a mountebank for the duration of the block."""
    admin = external_programs.find_free_port()
    flags = ["--host", "127.0.0.1", "--localOnly", "--allowInjection", "--nologfile", "--loglevel", "warn"]
    command = [
        *external_programs.node_command("mb"),
        "start",
        "--port",
        str(admin),
        "--pidfile",
        str(folder / "mb.pid"),
        *flags,
    ]
    with external_programs.run_server(command, admin, folder / "mb.log", cwd=folder):
        yield Mountebank(admin)
