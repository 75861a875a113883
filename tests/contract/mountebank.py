"""mountebank proxy before our fake: network faults and an independent record of requests."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import external_programs

StubResponse = dict[str, Any]
WITHOUT_LENGTH = """
for (const name of Object.keys(response.headers)) if (/length|encoding/i.test(name)) delete response.headers[name];
"""
"""Removes the length headers, because a changed response has another length."""


class Mountebank:
    """A running mountebank with one imposter at a time."""

    def __init__(self, admin_port: int) -> None:
        self._admin, self.port = f"http://127.0.0.1:{admin_port}", external_programs.find_free_port()

    @property
    def url(self) -> str:
        """URL of the imposter."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def create_imposter(self, target_url: str, responses: Sequence[StubResponse]) -> Iterator[None]:
        """Answer POST requests with `responses`, in order, and pass everything else on to `target_url`."""
        proxy = proxy_response(target_url)
        post_stub = {"predicates": [{"equals": {"method": "POST"}}], "responses": [*responses, proxy]}
        stubs = [post_stub, {"responses": [proxy]}]
        self._call(
            "POST", "/imposters", {"port": self.port, "protocol": "http", "recordRequests": True, "stubs": stubs}
        )
        try:
            yield
        finally:
            self._call("DELETE", f"/imposters/{self.port}")

    def count_post_requests(self) -> int:
        """Number of POST requests that mountebank received."""
        requests = self._call("GET", f"/imposters/{self.port}")["requests"]
        return sum(request["method"] == "POST" for request in requests)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Connection": "close"}
        with urllib.request.urlopen(
            urllib.request.Request(self._admin + path, data, headers, method=method), timeout=30
        ) as response:
            return json.load(response)


def proxy_response(target_url: str, change: str = "", wait: int = 0) -> StubResponse:
    """Pass a request on to `target_url`, run `change` (JavaScript) on `response`, and wait `wait` ms."""
    behaviors: list[StubResponse] = []
    if change:
        behaviors.append({"decorate": f"(config) => {{ const response = config.response; {WITHOUT_LENGTH} {change} }}"})
    if wait:
        behaviors.append({"wait": wait})
    return {"proxy": {"to": target_url, "mode": "proxyTransparent"}, **({"behaviors": behaviors} if behaviors else {})}


@contextmanager
def running(folder: Path) -> Iterator[Mountebank]:
    """Run a mountebank for the duration of the block."""
    admin_port = external_programs.find_free_port()
    flags = ["--host", "127.0.0.1", "--localOnly", "--allowInjection", "--nologfile", "--loglevel", "warn"]
    command = [
        *external_programs.node_command("mb"),
        "start",
        "--port",
        str(admin_port),
        "--pidfile",
        str(folder / "mb.pid"),
        *flags,
    ]
    with external_programs.run_server(command, admin_port, folder / "mb.log", cwd=folder):
        yield Mountebank(admin_port)
