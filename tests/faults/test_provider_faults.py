"""Signed and forged webhooks behind reverse proxies."""

import http.client
from pathlib import Path

import pytest

from tests.faults import processes
from tests.messages.signed_requests import WEBHOOK_REQUESTS, WebhookRequest

PROXIES = {
    "none": {},
    "nginx": {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "visits.example.org"},
    "one that says http": {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "inside:8000"},
    "one that lies": {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-Proto": "gopher", "Forwarded": "host=evil"},
    "two": {"X-Forwarded-For": "203.0.113.9, 10.0.0.1", "X-Forwarded-Proto": "https, http",
            "X-Forwarded-Host": "visits.example.org, inside"},
}  # fmt: skip


def send_request(port: int, call: WebhookRequest, extra_headers: dict[str, str]) -> int:
    """Send a request with its exact path, query and body bytes; return the HTTP status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("POST", call.path, skip_host=True, skip_accept_encoding=True)
        body = call.content()
        headers = {"Host": "visits.example.org", "Content-Length": str(len(body)), **call.headers(), **extra_headers}
        for name, value in headers.items():
            connection.putheader(name, value.encode("utf-8"))
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("proxies", ["0", "1", "2"])
def test_f12_signed_and_forged_requests_behind_every_proxy(proxies: str, sqlite_url: str, tmp_path: Path) -> None:
    failures = []
    with processes.run_web_server(tmp_path, sqlite_url, proxies=proxies) as port:
        for name, extra_headers in PROXIES.items():
            # All requests behind nginx; behind the other proxies one valid and one forged request.
            calls = WEBHOOK_REQUESTS if name == "nginx" else (WEBHOOK_REQUESTS[0], WEBHOOK_REQUESTS[20])
            for call in calls:
                status = send_request(port, call, extra_headers)
                if status != call.expected_status:
                    failures.append((name, call.description, status))
        for host in ("127.0.0.1:8000", "evil.example.org"):
            failures += [
                (host, call.description)
                for call in WEBHOOK_REQUESTS[:1]
                if send_request(port, call, {"Host": host}) != call.expected_status
            ]
    assert not failures
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
    assert len(WEBHOOK_REQUESTS) >= 29
