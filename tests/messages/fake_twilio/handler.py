"""The fake's HTTP side: Twilio's Messages resource, and every way in which a line or a server can fail."""

import base64
import itertools
import json
import re
import socket
import struct
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.messages.fake_twilio.book import FINAL, WORDS, Message, wrong

if TYPE_CHECKING:
    from tests.messages.fake_twilio import FakeTwilio

PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/((?:SM|MM)[0-9a-fA-F]{32}))?\.json")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: "FakeTwilio"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Create, cancel or redact."""
        server, found = self.server, PATH.fullmatch(urlsplit(self.path).path)
        creates = found is not None and found[2] is None
        what = "201"
        if creates:
            with server.lock:
                server.requests += 1
                what = server.next.popleft() if server.next else what
        if what == "drop":  # with the body unread, closing is a reset
            self._break_off()
            return
        length = int(self.headers.get("Content-Length", 0))
        form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
        if not self._may(found):
            return
        assert found is not None
        if creates:
            self._create(found[1], form, what)
        else:
            self._update(found[2], form)

    def do_GET(self) -> None:
        """List or fetch."""
        server, found = self.server, PATH.fullmatch(urlsplit(self.path).path)
        with server.lock:
            server.looks += 1
            what = server.next_looks.popleft() if server.next_looks else "200"
        if what != "200":
            self._fail(what, {})
        elif self._may(found):
            assert found is not None
            self._list(found[1]) if found[2] is None else self._fetch(found[2])

    def do_DELETE(self) -> None:
        """Delete."""
        found = PATH.fullmatch(urlsplit(self.path).path)
        if not self._may(found):
            return
        assert found is not None
        with self.server.lock:
            message = self.server.messages.get(found[2] or "")
            if message is not None and message.status in FINAL:
                del self.server.messages[message.sid]
        if message is None:
            self._error(404, 20404)
        elif message.status not in FINAL:
            self._error(400, 20009)
        else:
            self.send_response(204)
            self.end_headers()

    def _may(self, found: re.Match[str] | None) -> bool:
        """Whether this is an address of ours, and the caller one who may; answered already when not."""
        given = self.headers.get("Authorization", "")
        token = self.server.auth_token
        if found is None:
            self._error(404, 20404)
        elif not given or (token and given != "Basic " + base64.b64encode(f"{found[1]}:{token}".encode()).decode()):
            self._error(401, 20003)
        else:
            return True
        return False

    def _create(self, account: str, form: dict[str, str], what: str) -> None:
        server = self.server
        forced, _, how = what.rpartition(":")
        with server.lock:
            code = wrong(form, server.stopped)
            taken = code is None and (forced == "taken" or how in ("201", "stall", "cut", "reset"))
            message = server.book.take(account, form, server.clock()) if taken else None
            # Before anything is answered or broken off: the record is what was really taken.
            if message is not None:
                server.on_taken(form)
        if message is not None:
            server.callbacks.taken(message.sid)
        time.sleep(server.latency)
        if code is not None:
            self._error(400, code)
        elif message is not None and how in ("201", "stall", "cut"):
            self._taken(message, how)
        else:
            self._fail(how, form)

    def _taken(self, message: Message, how: str) -> None:
        data = json.dumps(message.document()).encode()
        if how == "stall":
            time.sleep(self.server.stall_seconds)  # the answer comes too late
        self._write(201, data[:40] if how == "cut" else data)

    def _fail(self, how: str, _form: dict[str, str]) -> None:
        if how in ("reset", "drop"):
            self._break_off()
        elif how == "stall":
            time.sleep(self.server.stall_seconds)
            self._error(503, 20503)
        elif how == "html502":
            self._write(502, b"<h1>Oops</h1>", kind="text/html")
        else:
            status, code, wait = ([*how.split("/"), "", ""])[:3]
            self._error(int(status), int(code or 20001), wait)

    def _update(self, sid: str, form: dict[str, str]) -> None:
        with self.server.lock:
            message = self.server.messages.get(sid)
            over = message is not None and message.status in FINAL
            if message is not None and form.get("Status") == "canceled" and not over:
                self.server.book.move(sid, "canceled", None, self.server.clock())
            elif message is not None and form.get("Body") == "" and over:
                message.body = ""
            elif message is not None:
                self._error(400, 20009)
                return
        self._error(404, 20404) if message is None else self._document(message.document())

    def _fetch(self, sid: str) -> None:
        with self.server.lock:
            message = self.server.messages.get(sid)
            told = message.document() if message else None
        self._error(404, 20404) if told is None else self._document(told)

    def _list(self, account: str) -> None:
        server, query = self.server, dict(parse_qsl(urlsplit(self.path).query))
        size, page, after = int(query.get("PageSize", 50)), int(query.get("Page", 0)), query.get("PageToken", "")[2:]
        if not 1 <= size <= 1000:
            self._error(400, 20001)
            return
        with server.lock:
            known = server.clock() - timedelta(seconds=server.list_lag)
            found = (each for each in server.book.listed(account, query) if each.created_at <= known)
            if after:
                found = itertools.islice(itertools.dropwhile(lambda each: each.sid != after, found), 1, None)
            some = list(itertools.islice(found, size + 1))
            told = [each.document() for each in some[:size]]
        base = urlsplit(self.path).path
        filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}

        def at(number: int, token: str = "") -> str:
            more = {"PageToken": f"PA{token}"} if token else {}
            return f"{base}?{urlencode({**filters, 'PageSize': size, 'Page': number, **more})}"

        self._document(
            {
                "end": page * size + max(len(told) - 1, 0),
                "first_page_uri": at(0),
                "messages": told,
                "next_page_uri": at(page + 1, str(told[-1]["sid"])) if len(some) > size else None,
                "page": page,
                "page_size": size,
                "previous_page_uri": at(page - 1) if page else None,
                "start": page * size,
                "uri": at(page),
            }
        )

    def _error(self, status: int, code: int, wait: str = "") -> None:
        headers = {"Retry-After": wait or "7"} if status == 429 else {}
        more = f"https://www.twilio.com/docs/errors/{code}"
        told = {"code": code, "message": WORDS.get(code, "no"), "more_info": more, "status": status}
        self._write(status, json.dumps(told).encode(), headers)

    def _document(self, told: dict[str, object]) -> None:
        self._write(200, json.dumps(told).encode())

    def _break_off(self) -> None:
        self.close_connection = True
        # Linger of zero: a reset, not a polite end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _write(
        self, status: int, data: bytes, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
