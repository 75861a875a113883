"""HTTP handler of the fake Twilio: the Messages resource and simulated network and server failures."""

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

from tests.messages.fake_twilio.message_store import ERROR_MESSAGES, FINAL_STATUSES, Message, find_error

if TYPE_CHECKING:
    from tests.messages.fake_twilio import FakeTwilio

PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/((?:SM|MM)[0-9a-fA-F]{32}))?\.json")


class Handler(BaseHTTPRequestHandler):
    """Handler of a connection."""

    server: "FakeTwilio"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        """Create, cancel or redact."""
        server, match = self.server, PATH.fullmatch(urlsplit(self.path).path)
        creates = match is not None and match[2] is None
        outcome = "201"
        if creates:
            with server.lock:
                server.requests += 1
                outcome = server.next.popleft() if server.next else outcome
        if outcome == "drop":  # closing with an unread body sends a reset
            self._reset_connection()
            return
        length = int(self.headers.get("Content-Length", 0))
        form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
        if not self._is_authorized(match):
            return
        assert match is not None
        if creates:
            self._create(match[1], form, outcome)
        else:
            self._update(match[2], form)

    def do_GET(self) -> None:
        """List or fetch."""
        server, match = self.server, PATH.fullmatch(urlsplit(self.path).path)
        with server.lock:
            server.lookups += 1
            outcome = server.next_lookups.popleft() if server.next_lookups else "200"
        if outcome != "200":
            self._fail(outcome, {})
        elif self._is_authorized(match):
            assert match is not None
            self._list(match[1]) if match[2] is None else self._fetch(match[2])

    def do_DELETE(self) -> None:
        """Delete."""
        match = PATH.fullmatch(urlsplit(self.path).path)
        if not self._is_authorized(match):
            return
        assert match is not None
        with self.server.lock:
            message = self.server.messages.get(match[2] or "")
            if message is not None and message.status in FINAL_STATUSES:
                del self.server.messages[message.sid]
        if message is None:
            self._error(404, 20404)
        elif message.status not in FINAL_STATUSES:
            self._error(400, 20009)
        else:
            self.send_response(204)
            self.end_headers()

    def _is_authorized(self, match: re.Match[str] | None) -> bool:
        """Check path and credentials; if they are wrong, send the error and return False."""
        credentials = self.headers.get("Authorization", "")
        token = self.server.auth_token
        if match is None:
            self._error(404, 20404)
        elif not credentials or (
            token and credentials != "Basic " + base64.b64encode(f"{match[1]}:{token}".encode()).decode()
        ):
            self._error(401, 20003)
        else:
            return True
        return False

    def _create(self, account: str, form: dict[str, str], outcome: str) -> None:
        server = self.server
        prefix, _, outcome = outcome.rpartition(":")
        with server.lock:
            code = find_error(form, server.stopped)
            is_accepted = code is None and (prefix == "taken" or outcome in ("201", "stall", "cut", "reset"))
            message = server.store.add(account, form, server.clock()) if is_accepted else None
            # Record the message before the response or a disconnect, so that the log holds every accepted message.
            if message is not None:
                server.on_accepted(form)
        if message is not None:
            server.callbacks.start_lifecycle(message.sid)
        time.sleep(server.latency)
        if code is not None:
            self._error(400, code)
        elif message is not None and outcome in ("201", "stall", "cut"):
            self._send_created(message, outcome)
        else:
            self._fail(outcome, form)

    def _send_created(self, message: Message, outcome: str) -> None:
        data = json.dumps(message.document()).encode()
        if outcome == "stall":
            time.sleep(self.server.stall_seconds)  # longer than the timeout of the client
        self._write(201, data[:40] if outcome == "cut" else data)

    def _fail(self, outcome: str, _form: dict[str, str]) -> None:
        if outcome in ("reset", "drop"):
            self._reset_connection()
        elif outcome == "stall":
            time.sleep(self.server.stall_seconds)
            self._error(503, 20503)
        elif outcome == "html502":
            self._write(502, b"<h1>Oops</h1>", content_type="text/html")
        else:
            status, code, wait = ([*outcome.split("/"), "", ""])[:3]
            self._error(int(status), int(code or 20001), wait)

    def _update(self, sid: str, form: dict[str, str]) -> None:
        with self.server.lock:
            message = self.server.messages.get(sid)
            is_final = message is not None and message.status in FINAL_STATUSES
            if message is not None and form.get("Status") == "canceled" and not is_final:
                self.server.store.move(sid, "canceled", None, self.server.clock())
            elif message is not None and form.get("Body") == "" and is_final:
                message.body = ""
            elif message is not None:
                self._error(400, 20009)
                return
        self._error(404, 20404) if message is None else self._send_document(message.document())

    def _fetch(self, sid: str) -> None:
        with self.server.lock:
            message = self.server.messages.get(sid)
            document = message.document() if message else None
        self._error(404, 20404) if document is None else self._send_document(document)

    def _list(self, account: str) -> None:
        server, query = self.server, dict(parse_qsl(urlsplit(self.path).query))
        size, page, after = int(query.get("PageSize", 50)), int(query.get("Page", 0)), query.get("PageToken", "")[2:]
        if not 1 <= size <= 1000:
            self._error(400, 20001)
            return
        with server.lock:
            visible_until = server.clock() - timedelta(seconds=server.list_lag)
            messages = (
                message for message in server.store.list_messages(account, query) if message.created_at <= visible_until
            )
            if after:
                messages = itertools.islice(
                    itertools.dropwhile(lambda message: message.sid != after, messages), 1, None
                )
            shown = list(itertools.islice(messages, size + 1))
            documents = [message.document() for message in shown[:size]]
        base = urlsplit(self.path).path
        filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}

        def page_uri(number: int, token: str = "") -> str:
            more = {"PageToken": f"PA{token}"} if token else {}
            return f"{base}?{urlencode({**filters, 'PageSize': size, 'Page': number, **more})}"

        self._send_document(
            {
                "end": page * size + max(len(documents) - 1, 0),
                "first_page_uri": page_uri(0),
                "messages": documents,
                "next_page_uri": page_uri(page + 1, str(documents[-1]["sid"])) if len(shown) > size else None,
                "page": page,
                "page_size": size,
                "previous_page_uri": page_uri(page - 1) if page else None,
                "start": page * size,
                "uri": page_uri(page),
            }
        )

    def _error(self, status: int, code: int, wait: str = "") -> None:
        headers = {"Retry-After": wait or "7"} if status == 429 else {}
        more = f"https://www.twilio.com/docs/errors/{code}"
        document = {"code": code, "message": ERROR_MESSAGES.get(code, "no"), "more_info": more, "status": status}
        self._write(status, json.dumps(document).encode(), headers)

    def _send_document(self, document: dict[str, object]) -> None:
        self._write(200, json.dumps(document).encode())

    def _reset_connection(self) -> None:
        self.close_connection = True
        # A linger time of zero makes close() send a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _write(
        self, status: int, data: bytes, headers: dict[str, str] | None = None, content_type: str = "application/json"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
