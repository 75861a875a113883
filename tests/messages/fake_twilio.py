"""A small Twilio that remembers: what it was sent, and what it should do next. Loopback only."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class FakeTwilio(ThreadingHTTPServer):
    """``sent`` holds every message taken; ``next`` holds what to do with the next requests, oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[dict[str, str]] = []
        self.requests = 0
        self.next: deque[str] = deque()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeTwilio

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        with self.server.lock:
            self.server.requests += 1
            what = self.server.next.popleft() if self.server.next else "201"
            if what in ("201", "stall", "cut", "reset"):
                form["Sid"] = f"SM{len(self.server.sent):032x}"
                self.server.sent.append(form)
        getattr(self, f"_{what}", lambda _form: self._error(what))(form)

    def _201(self, form: dict[str, str]) -> None:
        self._answer(201, _message(form))

    _stall_seconds = 1.5

    def _stall(self, form: dict[str, str]) -> None:
        time.sleep(self._stall_seconds)  # taken, but the answer comes too late
        self._answer(201, _message(form))

    def _cut(self, form: dict[str, str]) -> None:
        body = json.dumps(_message(form)).encode()[:40]
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self, _form: dict[str, str]) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _html502(self, _form: dict[str, str]) -> None:
        self.send_response(502)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"<h1>Oops</h1>")

    def _error(self, what: str) -> None:
        status, _, code = what.partition("/")
        headers = {"Retry-After": "7"} if status == "429" else {}
        self._answer(int(status), {"code": int(code or 20001), "message": "no", "status": int(status)}, headers)

    def _answer(self, status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True


def _message(form: dict[str, str]) -> dict[str, object]:
    return {"sid": form["Sid"], "status": "queued", "to": form["To"], "body": form["Body"], "error_code": None}


@contextmanager
def running() -> Iterator[FakeTwilio]:
    """A fake Twilio that answers."""
    server = FakeTwilio()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
