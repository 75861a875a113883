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


def ask(port: int, call: WebhookRequest, more: dict[str, str]) -> int:
    """Send a request with its exact path, query and body bytes; return the HTTP status."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.putrequest("POST", call.path, skip_host=True, skip_accept_encoding=True)
        body = call.content()
        headers = {"Host": "visits.example.org", "Content-Length": str(len(body)), **call.headers(), **more}
        for name, value in headers.items():
            line.putheader(name, value.encode("utf-8"))
        line.endheaders(body)
        return line.getresponse().status
    finally:
        line.close()


@pytest.mark.parametrize("proxies", ["0", "1", "2"])
def test_f12_signed_and_forged_requests_behind_every_proxy(proxies: str, sqlite_url: str, tmp_path: Path) -> None:
    wrong = []
    with processes.serving(tmp_path, sqlite_url, proxies=proxies) as port:
        for name, more in PROXIES.items():
            # All requests behind nginx; behind the other proxies one valid and one forged request.
            calls = WEBHOOK_REQUESTS if name == "nginx" else (WEBHOOK_REQUESTS[0], WEBHOOK_REQUESTS[20])
            for call in calls:
                answer = ask(port, call, more)
                if answer != call.expected_status:
                    wrong.append((name, call.description, answer))
        for host in ("127.0.0.1:8000", "evil.example.org"):
            wrong += [
                (host, call.description)
                for call in WEBHOOK_REQUESTS[:1]
                if ask(port, call, {"Host": host}) != call.expected_status
            ]
    assert not wrong
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
    assert len(WEBHOOK_REQUESTS) >= 29
