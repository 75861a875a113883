"""Signed status callbacks of the fake Twilio: in order, shuffled, doubled, lost or late."""

import http.client
import queue
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlencode, urlsplit

from twilio.request_validator import RequestValidator

if TYPE_CHECKING:
    from tests.messages.fake_twilio import FakeTwilio
    from tests.messages.fake_twilio.message_store import Message

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], int]
"""(signed URL, form, headers) -> HTTP status. Tests may replace it by a Flask test client."""


class Callbacks:
    """Sender of status callbacks.

    Automatic callbacks begin with ``start``; ``FakeTwilio.report`` sends a single callback at once.

    ``to``: scheme and host to call instead of the public URL ("http://127.0.0.1:8000"). ``lifecycle``: the statuses
    that every message passes through, each a status or (status, code). ``order``: in_order, shuffled, doubled or lost
    (no callback is sent, but lists and fetches show the status). ``delay``: seconds before each callback.
    """

    def __init__(self, server: "FakeTwilio") -> None:
        self._server = server
        self.to: str | None = None
        self.post: Post = self._over_http
        self.order = "in_order"
        self.delay = 0.0
        self.lifecycle: tuple[str | tuple[str, int], ...] = ("sent", "delivered")
        self.responses: list[int] = []
        self.random = random.Random(7)
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._threads: list[threading.Thread] = []

    def start(self, threads: int = 2) -> None:
        """Start the threads that send callbacks for every new message."""
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def start_lifecycle(self, sid: str) -> None:
        """Start the lifecycle of a message, if automatic callbacks are on."""
        if self._threads:
            self._queue.put(sid)

    def idle(self) -> bool:
        """Return whether all callbacks so far have been sent."""
        return self._queue.unfinished_tasks == 0

    def close(self) -> None:
        """Stop the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(5)
        self._threads = []

    def _run(self) -> None:
        while (sid := self._queue.get()) is not None:
            try:
                self._send_lifecycle(sid)
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _send_lifecycle(self, sid: str) -> None:
        steps = [(step, None) if isinstance(step, str) else step for step in self.lifecycle]
        for status, code in steps:
            message = self._server.move(sid, status, code)
        if self.order == "shuffled":
            self.random.shuffle(steps)
        elif self.order == "doubled":
            steps = [step for step in steps for _ in range(2)]
        elif self.order == "lost":
            steps = []
        for status, code in steps:
            time.sleep(self.delay)
            self.responses.append(self.send(message, status, code))

    def send(self, message: "Message", status: str, code: int | None = None) -> int:
        """Send a signed callback; return the HTTP status, 0 without a callback URL, 599 without a response."""
        address, _override = urldefrag(message.form.get("StatusCallback", ""))
        if not address:
            return 0
        form = self.form(message, status, code)
        # The connection override after # is neither part of the URL nor signed.
        headers = {"I-Twilio-Idempotency-Token": secrets.token_hex(16)} | self.signature_header(address, form)
        try:
            return self.post(address, form, headers)
        except OSError:
            return 599

    def form(self, message: "Message", status: str, code: int | None = None) -> dict[str, str]:
        """Return the form fields of a callback."""
        document = message.document()
        form = {
            "AccountSid": message.account,
            "ApiVersion": "2010-04-01",
            "From": str(document["from"] or "+15555550198"),
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.form["To"],
        }
        if message.service:
            form["MessagingServiceSid"] = message.service
        if code is not None:
            form["ErrorCode"] = str(code)
        if status == "delivered":
            form["RawDlrDoneDate"] = "2610051500"
        return form

    def signature_header(self, address: str, form: Mapping[str, str]) -> dict[str, str]:
        """Return the signature header."""
        validator = RequestValidator(self._server.auth_token or "token")
        return {"X-Twilio-Signature": validator.compute_signature(address, dict(form))}

    def _over_http(self, address: str, form: Mapping[str, str], headers: Mapping[str, str]) -> int:
        parts = urlsplit(address)
        target = urlsplit(self.to) if self.to else parts
        connection = http.client.HTTPConnection(target.hostname or "127.0.0.1", target.port or 80, timeout=15)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Host": parts.netloc}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path, urlencode(form), {**kind, **headers})
            response = connection.getresponse()
            response.read()
            return response.status
        except http.client.HTTPException:
            return 599
        finally:
            connection.close()
