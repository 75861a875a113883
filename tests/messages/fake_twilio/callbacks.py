"""What the fake tells us later: signed status callbacks; in order, shuffled, doubled, lost or late, as configured."""

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
    from tests.messages.fake_twilio.book import Message

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], int]
"""(address as it was signed, form, headers) -> HTTP status. A test may give its Flask client's."""


class Callbacks:
    """How Twilio tells. By itself it tells nothing until ``start``; ``FakeTwilio.report`` tells one status at once.

    ``to``: whom to really call instead of the public address, scheme and host ("http://127.0.0.1:8000"). ``life``: the
    statuses every message goes through by itself, each a word or (word, code). ``order``: in_order, shuffled, doubled
    or lost (nothing is told; lists and fetches still know). ``delay``: seconds before each.
    """

    def __init__(self, server: "FakeTwilio") -> None:
        self._server = server
        self.to: str | None = None
        self.post: Post = self._over_http
        self.order = "in_order"
        self.delay = 0.0
        self.life: tuple[str | tuple[str, int], ...] = ("sent", "delivered")
        self.answers: list[int] = []
        self.chance = random.Random(7)
        self._told: queue.Queue[str | None] = queue.Queue()
        self._threads: list[threading.Thread] = []

    def start(self, threads: int = 2) -> None:
        """From here on every message lives its life by itself."""
        self._threads = [threading.Thread(target=self._live, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def taken(self, sid: str) -> None:
        """A message begins its life, if messages do."""
        if self._threads:
            self._told.put(sid)

    def idle(self) -> bool:
        """Whether every life so far has been told."""
        return self._told.unfinished_tasks == 0

    def close(self) -> None:
        """No more lives."""
        for _ in self._threads:
            self._told.put(None)
        for thread in self._threads:
            thread.join(5)
        self._threads = []

    def _live(self) -> None:
        while (sid := self._told.get()) is not None:
            try:
                self._one_life(sid)
            finally:
                self._told.task_done()
        self._told.task_done()

    def _one_life(self, sid: str) -> None:
        steps = [(step, None) if isinstance(step, str) else step for step in self.life]
        for status, code in steps:
            message = self._server.move(sid, status, code)
        if self.order == "shuffled":
            self.chance.shuffle(steps)
        elif self.order == "doubled":
            steps = [step for step in steps for _ in range(2)]
        elif self.order == "lost":
            steps = []
        for status, code in steps:
            time.sleep(self.delay)
            self.answers.append(self.tell(message, status, code))

    def tell(self, message: "Message", status: str, code: int | None = None) -> int:
        """One callback, signed: our answer's HTTP status; 0 when no address was given, 599 when nobody answers."""
        address, _override = urldefrag(message.form.get("StatusCallback", ""))
        if not address:
            return 0
        form = self.form(message, status, code)
        # The connection override after # is not part of the address, nor of what is signed.
        headers = {"I-Twilio-Idempotency-Token": secrets.token_hex(16)} | self.signed(address, form)
        try:
            return self.post(address, form, headers)
        except OSError:
            return 599

    def form(self, message: "Message", status: str, code: int | None = None) -> dict[str, str]:
        """What a callback says."""
        told = message.document()
        form = {
            "AccountSid": message.account,
            "ApiVersion": "2010-04-01",
            "From": str(told["from"] or "+15555550198"),
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

    def signed(self, address: str, form: Mapping[str, str]) -> dict[str, str]:
        """The signature's header."""
        validator = RequestValidator(self._server.auth_token or "token")
        return {"X-Twilio-Signature": validator.compute_signature(address, dict(form))}

    def _over_http(self, address: str, form: Mapping[str, str], headers: Mapping[str, str]) -> int:
        parts = urlsplit(address)
        door = urlsplit(self.to) if self.to else parts
        connection = http.client.HTTPConnection(door.hostname or "127.0.0.1", door.port or 80, timeout=15)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Host": parts.netloc}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path, urlencode(form), {**kind, **headers})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except http.client.HTTPException:
            return 599
        finally:
            connection.close()
