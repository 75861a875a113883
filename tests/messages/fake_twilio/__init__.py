"""A small Twilio that remembers. Loopback only; tests/contract holds its answers to Twilio's own description.

In a test: ``with running() as twilio:``, or the fixture ``twilio``. What it knows and does:

- ``sent`` every message it took, as the form it came in plus ``Sid``; ``messages`` the same as Twilio would tell them;
- ``requests`` creates asked for, ``looks`` lists and fetches asked for;
- ``next`` what to do with the next creates, oldest first; ``next_looks`` the same for lists and fetches (words below);
- ``stopped`` numbers that refuse (21610); ``heard(phone, body)`` is a family's text: STOP and START move the number;
- ``move(sid, status, code)`` a message's life goes on, silently; ``report(sid, status, code)`` and Twilio tells us;
- ``callbacks`` how it tells, and what it tells by itself (see callbacks.py); nothing until asked to;
- ``clock`` what time it is there; ``list_lag`` how long lists do not know a new message;
- ``auth_token``, when given, must be what is presented, and signs callbacks.

The words of ``next``: ``201`` · ``stall`` (taken, answered after ``stall_seconds``) · ``cut`` (taken, half a 201) ·
``reset`` (taken, then the line breaks) · ``drop`` (the line breaks before anything is read) · ``html502`` (a proxy's
page; not taken) · ``<status>/<code>`` (Twilio's error; not taken; ``429/20429/3`` says Retry-After 3, else it is 7) ·
``taken:`` before html502 or an error: it was taken all the same.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer

from tests.messages.fake_twilio.book import Book, Message
from tests.messages.fake_twilio.callbacks import Callbacks
from tests.messages.fake_twilio.handler import Handler

STOPS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
STARTS = frozenset({"START", "YES", "UNSTOP"})


def _now() -> datetime:
    return datetime.now(UTC)


class FakeTwilio(ThreadingHTTPServer):
    """The server and all it remembers. Change what it should do under ``lock`` while requests may be under way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, auth_token: str | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.RLock()
        self.book = Book()
        self.requests = self.looks = 0
        self.next: deque[str] = deque()
        self.next_looks: deque[str] = deque()
        self.stopped: set[str] = set()
        self.auth_token = auth_token
        self.latency = 0.0
        self.stall_seconds = 1.5
        self.list_lag = 0.0
        self.clock: Callable[[], datetime] = _now
        self.callbacks = Callbacks(self)
        self.on_taken: Callable[[dict[str, str]], None] = lambda _form: None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def sent(self) -> list[dict[str, str]]:
        """Every message taken, oldest first."""
        return self.book.sent

    @property
    def messages(self) -> dict[str, Message]:
        """Every message it still has, by SID, oldest first."""
        return self.book.messages

    def move(self, sid: str, status: str, code: int | None = None) -> Message:
        """A message's life goes on; nobody is told."""
        with self.lock:
            return self.book.move(sid, status, code, self.clock())

    def report(self, sid: str, status: str, code: int | None = None) -> int:
        """A message's life goes on and Twilio tells: our answer's HTTP status (0: there is no address to tell)."""
        return self.callbacks.tell(self.move(sid, status, code), status, code)

    def heard(self, phone: str, body: str) -> None:
        """A family's text reaches Twilio, which minds STOP and START by itself."""
        word = body.strip().upper()
        with self.lock:
            if word in STOPS:
                self.stopped.add(phone)
            elif word in STARTS:
                self.stopped.discard(phone)


@contextmanager
def running(auth_token: str | None = None) -> Iterator[FakeTwilio]:
    """A fake Twilio that answers."""
    server = FakeTwilio(auth_token=auth_token)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.callbacks.close()
        server.shutdown()
        server.server_close()
        thread.join()
