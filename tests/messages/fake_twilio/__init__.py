"""Small in-memory Twilio for tests, on the loopback interface only.

tests/contract checks its responses against Twilio's OpenAPI description. In a test use ``with running() as twilio:`` or
the fixture ``twilio``. Attributes and methods:

- ``sent``: form of every accepted message plus ``Sid``; ``messages``: the messages as Twilio would report them.
- ``requests``: number of create requests; ``lookups``: number of list and fetch requests.
- ``next``: outcomes of the next create requests, oldest first; ``next_lookups``: the same for lists and fetches.
- ``stopped``: opted-out phone numbers (error 21610); ``receive_message(phone, body)``: process STOP or START.
- ``move(sid, status, code)``: set a status without a callback; ``report(sid, status, code)``: the same with a callback.
- ``callbacks``: how callbacks are sent, and automatic callbacks (see callbacks.py); off by default.
- ``clock``: the time at Twilio; ``list_lag``: seconds until lists contain a new message.
- ``auth_token``: if set, requests must present it, and callbacks are signed with it.

Outcomes in ``next``: ``201`` · ``stall`` (accepted, response after ``stall_seconds``) · ``cut`` (accepted, half of a
201 response) · ``reset`` (accepted, then the connection is reset) · ``drop`` (connection reset before the request is
read) · ``html502`` (error page of a proxy; not accepted) · ``<status>/<code>`` (Twilio error; not accepted;
``429/20429/3`` sends Retry-After 3, the default is 7) · prefix ``taken:`` before html502 or an error: accepted
although the response is an error.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer

from tests.messages.fake_twilio.callbacks import Callbacks
from tests.messages.fake_twilio.handler import Handler
from tests.messages.fake_twilio.message_store import Message, MessageStore

STOP_KEYWORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_KEYWORDS = frozenset({"START", "YES", "UNSTOP"})


def _now() -> datetime:
    return datetime.now(UTC)


class FakeTwilio(ThreadingHTTPServer):
    """The server and its state. Hold ``lock`` while changing settings during requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, auth_token: str | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.RLock()
        self.store = MessageStore()
        self.requests = self.lookups = 0
        self.next: deque[str] = deque()
        self.next_lookups: deque[str] = deque()
        self.stopped: set[str] = set()
        self.auth_token = auth_token
        self.latency = 0.0
        self.stall_seconds = 1.5
        self.list_lag = 0.0
        self.clock: Callable[[], datetime] = _now
        self.callbacks = Callbacks(self)
        self.on_accepted: Callable[[dict[str, str]], None] = lambda _form: None

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def sent(self) -> list[dict[str, str]]:
        """Forms of all accepted messages, oldest first."""
        return self.store.sent

    @property
    def messages(self) -> dict[str, Message]:
        """Messages not deleted, by SID, oldest first."""
        return self.store.messages

    def move(self, sid: str, status: str, code: int | None = None) -> Message:
        """Set the status of a message without a callback."""
        with self.lock:
            return self.store.move(sid, status, code, self.clock())

    def report(self, sid: str, status: str, code: int | None = None) -> int:
        """Set the status of a message, send the callback and return its HTTP status (0: no callback URL)."""
        return self.callbacks.send(self.move(sid, status, code), status, code)

    def receive_message(self, phone: str, body: str) -> None:
        """Receive a message of a family. Like Twilio, process STOP and START without the application."""
        keyword = body.strip().upper()
        with self.lock:
            if keyword in STOP_KEYWORDS:
                self.stopped.add(phone)
            elif keyword in START_KEYWORDS:
                self.stopped.discard(phone)


@contextmanager
def running(auth_token: str | None = None) -> Iterator[FakeTwilio]:
    """Run a fake Twilio."""
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
