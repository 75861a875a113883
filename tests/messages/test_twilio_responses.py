"""Classification of HTTP responses to Twilio requests, and use of a provider by many threads."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from homevisits.core.settings import Settings
from homevisits.messages.providers.base import MessageRejected, OutcomeUnknown, ProviderUnavailable
from homevisits.messages.providers.retry_after import parse_retry_after
from homevisits.messages.providers.twilio import Twilio
from tests.messages.conftest import PHONE, make_settings
from tests.messages.fake_twilio import FakeTwilio

FROM = "+15555550199"
JSON = "application/json"


class ScriptedServer(ThreadingHTTPServer):
    """Server that returns `response` to each request: status, content type, body, additional headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.response: tuple[int, str, str, dict[str, str]] = (201, JSON, "{}", {})
        self.calls = 0


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.calls += 1
        status, content_type, body, headers = self.server.response
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """Run a server with scripted responses."""
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def settings_for(url: str) -> Settings:
    """Return settings for sending through the Twilio API at `url`."""
    return make_settings(url, "sqlite:///unused.sqlite")


def send(provider: Twilio, sender: str = FROM, valid_for: int = 3600) -> object:
    return provider.send(PHONE, "Hello", "t", sender=sender, valid_for=valid_for)


PROBLEM = json.dumps({"type": "about:blank", "title": "No", "status": 400, "code": 21610})
REDIRECT = {"Location": "http://127.0.0.1:9/"}
RESPONSES = [
    ("half a 201", (201, JSON, '{"sid": "SMcc', {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 with an empty body", (201, JSON, "", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 without an id", (201, JSON, "{}", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 that is a list", (201, JSON, "[]", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 with a wrong error code type", (201, JSON, '{"sid": "S", "error_code": []}', {}), OutcomeUnknown, None),
    ("a proxy error page", (502, "text/html", "<h1>Bad gateway</h1>", {}), OutcomeUnknown, "502"),
    ("a gateway timeout", (504, "text/html", "", {}), OutcomeUnknown, "504"),
    (
        "a captive portal",
        (302, "text/html", "", REDIRECT),
        OutcomeUnknown,
        "unreadable_answer",
    ),
    (
        "a redirect",
        (307, "text/html", "", REDIRECT),
        OutcomeUnknown,
        "unreadable_answer",
    ),
    ("a request timeout", (408, "text/html", "", {}), OutcomeUnknown, "no_answer"),
    ("an unknown server error", (500, JSON, '{"code": 20500, "status": 500}', {}), OutcomeUnknown, "20500"),
    ("a timeout at Twilio", (400, JSON, '{"code": 30410, "status": 400}', {}), OutcomeUnknown, "30410"),
    ("a firewall page", (403, "text/html", "<h1>Blocked</h1>", {}), ProviderUnavailable, "403"),
    ("a wrong password", (401, JSON, '{"code": 20003, "status": 401}', {}), ProviderUnavailable, "20003"),
    ("a full queue", (400, JSON, '{"code": 21611, "status": 400}', {}), ProviderUnavailable, "21611"),
    ("an RFC 9457 problem", (400, JSON, PROBLEM, {}), MessageRejected, "21610"),
    ("an unknown code", (400, JSON, '{"code": 29999, "status": 400}', {}), MessageRejected, "29999"),
    ("no code", (422, "text/plain", "no", {}), MessageRejected, "422"),
]


@pytest.mark.parametrize(
    ("response", "raised", "code"), [row[1:] for row in RESPONSES], ids=[row[0] for row in RESPONSES]
)
def test_response_to_a_send_is_classified(
    scripted_server: ScriptedServer,
    response: tuple[int, str, str, dict[str, str]],
    raised: type[Exception],
    code: str | None,
) -> None:
    scripted_server.response = response
    if code is None:  # the id proves that the message was accepted, whatever the other fields contain
        receipt = send(Twilio(settings_for(f"http://127.0.0.1:{scripted_server.server_address[1]}")))
        assert receipt.provider_message_id == "S"  # type: ignore[attr-defined]
        return
    with pytest.raises(raised) as error:
        send(Twilio(settings_for(f"http://127.0.0.1:{scripted_server.server_address[1]}")))
    assert (error.value.code, scripted_server.calls) == (code, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("retry_after", "date_header", "seconds"),
    [
        ("7", "", 7), ("0", "", 0), (" 3 ", "", 3), ("99999", "", 3600),
        ("Mon, 05 Oct 2026 15:00:30 GMT", "Mon, 05 Oct 2026 15:00:00 GMT", 30),
        ("Mon, 05 Oct 2026 14:00:00 GMT", "Mon, 05 Oct 2026 15:00:00 GMT", 0),
        ("Mon, 05 Oct 2026 15:00:30 -0000", "Mon, 05 Oct 2026 15:00:00 GMT", 30),
        ("", "", None), ("soon", "", None), ("-3", "", None), ("1.5", "", None), ("٣", "", None), ("\x00", "", None),
    ],
)  # fmt: skip
def test_retry_after_is_parsed_as_seconds_or_date(retry_after: str, date_header: str, seconds: float | None) -> None:
    assert parse_retry_after(retry_after, date_header) == seconds


def test_retry_after_date_is_passed_on(scripted_server: ScriptedServer) -> None:
    headers = {"Retry-After": "Mon, 05 Oct 2026 15:00:30 GMT", "Date": "Mon, 05 Oct 2026 15:00:00 GMT"}
    scripted_server.response = (429, "text/html", "slowly", headers)
    with pytest.raises(ProviderUnavailable) as down:
        send(Twilio(settings_for(f"http://127.0.0.1:{scripted_server.server_address[1]}")))
    # The test server also sends its own Date header; either value is valid.
    assert (down.value.code, down.value.http_status) == ("429", 429)
    assert down.value.retry_after is not None


def test_messaging_service_replaces_from_and_validity_is_limited(twilio: FakeTwilio) -> None:
    provider, service = Twilio(settings_for(twilio.url)), "MG" + "a" * 32
    for valid_for in (5, 3600, 99_999):
        send(provider, service, valid_for)
    assert {form.get("MessagingServiceSid") for form in twilio.sent} == {service}
    assert not any("From" in form for form in twilio.sent)
    assert [form["ValidityPeriod"] for form in twilio.sent] == ["60", "3600", "36000"]


def test_threads_sharing_a_provider_get_their_own_responses(twilio: FakeTwilio) -> None:
    provider = Twilio(settings_for(twilio.url).model_copy(update={"provider_timeout_seconds": 20}))

    def send_message(number: int) -> tuple[str, str]:
        phone = f"+1555{number:07d}"
        return phone, provider.send(phone, "Hello", f"{number:032x}", sender=FROM, valid_for=600).provider_message_id

    with ThreadPoolExecutor(16) as pool:
        ids_by_phone = dict(pool.map(send_message, range(320)))
    assert ids_by_phone == {form["To"]: form["Sid"] for form in twilio.sent}
    assert len(set(ids_by_phone.values())) == 320


def test_messages_to_a_phone_are_found_newest_first(twilio: FakeTwilio) -> None:
    provider = Twilio(settings_for(twilio.url))
    for hour in (9, 11, 10):
        twilio.clock = lambda hour=hour: datetime(2026, 10, 5, hour, tzinfo=UTC)
        provider.send(PHONE, f"at {hour}", "t", sender=FROM, valid_for=600)
    twilio.clock = lambda: datetime(2026, 10, 5, 12, tzinfo=UTC)
    provider.send("+15555550777", "another's", "t", sender=FROM, valid_for=600)
    messages = provider.find_messages(PHONE)
    assert [message.body for message in messages] == ["at 11", "at 10", "at 9"]
    assert messages[0].created_at == datetime(2026, 10, 5, 11, tzinfo=UTC)
    assert (messages[0].to, messages[0].outbound, messages[0].code) == (PHONE, True, "")


def test_message_is_fetched_by_id_and_unknown_id_is_not_found(twilio: FakeTwilio) -> None:
    provider = Twilio(settings_for(twilio.url))
    provider_message_id = provider.send(PHONE, "Hello", "t", sender=FROM, valid_for=600).provider_message_id
    twilio.move(provider_message_id, "undelivered", 30005)
    message = provider.get_message(provider_message_id)
    assert message is not None
    assert (message.provider_message_id, message.status, message.code) == (provider_message_id, "undelivered", "30005")
    assert provider.get_message("SM" + "f" * 32) is None


def test_messages_of_a_day_are_listed_across_pages(twilio: FakeTwilio) -> None:
    provider = Twilio(settings_for(twilio.url).model_copy(update={"provider_timeout_seconds": 20}))
    twilio.clock = lambda: datetime(2026, 10, 5, 12, tzinfo=UTC)
    for number in range(5):
        provider_message_id = provider.send(
            f"+1555555{number:04d}", "Hello", "t", sender=FROM, valid_for=600
        ).provider_message_id
        twilio.move(provider_message_id, "sent")
    twilio.clock = lambda: datetime(2026, 10, 6, 12, tzinfo=UTC)
    twilio.move(provider.send(PHONE, "Next day", "t", sender=FROM, valid_for=600).provider_message_id, "sent")
    assert len(list(provider.list_messages(date(2026, 10, 5)))) == 5


@pytest.mark.parametrize(
    ("response", "raised"),
    [
        ((503, JSON, '{"code": 20503, "status": 503}', {}), OutcomeUnknown),
        ((429, JSON, '{"code": 20429, "status": 429}', {"Retry-After": "3"}), ProviderUnavailable),
        ((401, JSON, '{"code": 20003, "status": 401}', {}), ProviderUnavailable),
        ((200, JSON, '{"messages": [', {}), OutcomeUnknown),
        ((200, JSON, "{}", {}), OutcomeUnknown),
        ((502, "text/html", "<h1>Oops</h1>", {}), OutcomeUnknown),
    ],
)
def test_failing_list_raises_the_same_exceptions(
    scripted_server: ScriptedServer, response: tuple[int, str, str, dict[str, str]], raised: type[Exception]
) -> None:
    scripted_server.response = response
    provider = Twilio(settings_for(f"http://127.0.0.1:{scripted_server.server_address[1]}"))
    with pytest.raises(raised):
        provider.find_messages(PHONE)
    with pytest.raises(raised):
        list(provider.list_messages(date(2026, 10, 5)))
