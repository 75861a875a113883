"""Small in-memory Kannel for tests, on the loopback interface only. tests/faults runs the real Kannel."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from homevisits.core.settings import Settings

RESPONSES = {
    "202": (202, "0: Accepted for delivery"),
    "later": (202, "3: Queued for later delivery"),
    "403": (403, "Authorization failed for sendsms"),
    "nowhere": (403, "Not routable. Do not try again."),
    "400": (400, "Sender missing and no global set, rejected"),
    "503": (503, "Temporal failure, try again later."),
    "proxy": (502, "<h1>Bad gateway</h1>"),
    "portal": (200, "<h1>Welcome to our network</h1>"),
    "elsewhere": (302, ""),
    "429": (429, "slowly"),
}


class FakeKannel(ThreadingHTTPServer):
    """``sent``: headers and text of accepted messages; ``next``: next responses; ``calls``: number of requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[dict[str, str]] = []
        self.next: deque[str] = deque()
        self.calls = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """URL of the sendsms service."""
        return f"http://127.0.0.1:{self.server_address[1]}/cgi-bin/sendsms"


class _Handler(BaseHTTPRequestHandler):
    server: FakeKannel
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with self.server.lock:
            self.server.calls += 1
            response = self.server.next.popleft() if self.server.next else "202"
            if response in ("202", "later", "reset"):
                self.server.sent.append(dict(self.headers.items()) | {"text": body})
        if response == "reset":
            self.close_connection = True
            self.connection.shutdown(2)
            return
        status, text = RESPONSES[response]
        self.send_response(status)
        if response == "429":
            self.send_header("Retry-After", "3")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def running() -> Iterator[FakeKannel]:
    """Run a fake Kannel."""
    server = FakeKannel()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SECRET = "secret of thirty-two characters!!"


def with_kannel(settings: Settings, url: str, *, second: bool = True) -> Settings:
    """Add Kannel to settings, as the second or the only provider."""
    role = {"second_provider": "kannel"} if second else {"provider": "kannel"}
    kannel = {"kannel_url": url, "kannel_username": "u", "kannel_password": "p", "kannel_from": "+15555550188"}
    return settings.model_copy(update={**kannel, "kannel_secret": SECRET, **role})
