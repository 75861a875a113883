"""Every answer that can stand where Twilio's should, and many threads at once: each sorted, each its own."""

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
from tests.messages.conftest import PHONE, made_settings
from tests.messages.fake_twilio import FakeTwilio

FROM = "+15555550199"
JSON = "application/json"


class Scripted(ThreadingHTTPServer):
    """Answers each call with `answer`: status, type, words, more headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, str, str, dict[str, str]] = (201, JSON, "{}", {})
        self.calls = 0


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.calls += 1
        status, kind, words, headers = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(words.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(words.encode())


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A server that answers what it is told."""
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def at(url: str) -> Settings:
    """Settings under which texts go to `url`."""
    return made_settings(url, "sqlite:///unused.sqlite")


def send(provider: Twilio, sender: str = FROM, valid_for: int = 3600) -> object:
    return provider.send(PHONE, "Hello", "t", sender=sender, valid_for=valid_for)


PROBLEM = json.dumps({"type": "about:blank", "title": "No", "status": 400, "code": 21610})
PORTAL = {"Location": "http://127.0.0.1:9/"}
ANSWERS = [
    ("half a 201", (201, JSON, '{"sid": "SMcc', {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 of nothing", (201, JSON, "", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 without an id", (201, JSON, "{}", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 that is a list", (201, JSON, "[]", {}), OutcomeUnknown, "unreadable_answer"),
    ("a 201 of numbers that are none", (201, JSON, '{"sid": "S", "error_code": []}', {}), OutcomeUnknown, None),
    ("a proxy's page", (502, "text/html", "<h1>Bad gateway</h1>", {}), OutcomeUnknown, "502"),
    ("a gateway's time-out", (504, "text/html", "", {}), OutcomeUnknown, "504"),
    (
        "a hotel's page",
        (302, "text/html", "", PORTAL),
        OutcomeUnknown,
        "unreadable_answer",
    ),
    (
        "another address",
        (307, "text/html", "", PORTAL),
        OutcomeUnknown,
        "unreadable_answer",
    ),
    ("too slow for them", (408, "text/html", "", {}), OutcomeUnknown, "no_answer"),
    ("an unknown server error", (500, JSON, '{"code": 20500, "status": 500}', {}), OutcomeUnknown, "20500"),
    ("taken, they think", (400, JSON, '{"code": 30410, "status": 400}', {}), OutcomeUnknown, "30410"),
    ("a firewall's page", (403, "text/html", "<h1>Blocked</h1>", {}), ProviderUnavailable, "403"),
    ("a wrong password", (401, JSON, '{"code": 20003, "status": 401}', {}), ProviderUnavailable, "20003"),
    ("a full queue", (400, JSON, '{"code": 21611, "status": 400}', {}), ProviderUnavailable, "21611"),
    ("a problem as RFC 9457 has it", (400, JSON, PROBLEM, {}), MessageRejected, "21610"),
    ("a code nobody knows", (400, JSON, '{"code": 29999, "status": 400}', {}), MessageRejected, "29999"),
    ("no code at all", (422, "text/plain", "no", {}), MessageRejected, "422"),
]


@pytest.mark.parametrize(("answer", "raised", "code"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_every_answer_to_a_text_is_sorted(
    scripted: Scripted, answer: tuple[int, str, str, dict[str, str]], raised: type[Exception], code: str | None
) -> None:
    scripted.answer = answer
    if code is None:  # odd beside a good id: the text was taken, and that is what counts
        assert send(Twilio(at(f"http://127.0.0.1:{scripted.server_address[1]}"))).provider_message_id == "S"  # type: ignore[attr-defined]
        return
    with pytest.raises(raised) as failed:
        send(Twilio(at(f"http://127.0.0.1:{scripted.server_address[1]}")))
    assert (failed.value.code, scripted.calls) == (code, 1)  # type: ignore[attr-defined]


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
def test_how_long_to_wait_is_read_in_seconds_and_as_a_date(
    retry_after: str, date_header: str, seconds: float | None
) -> None:
    assert parse_retry_after(retry_after, date_header) == seconds


def test_a_date_to_wait_for_is_kept(scripted: Scripted) -> None:
    headers = {"Retry-After": "Mon, 05 Oct 2026 15:00:30 GMT", "Date": "Mon, 05 Oct 2026 15:00:00 GMT"}
    scripted.answer = (429, "text/html", "slowly", headers)
    with pytest.raises(ProviderUnavailable) as down:
        send(Twilio(at(f"http://127.0.0.1:{scripted.server_address[1]}")))
    # The server sends a Date of its own first; either is read.
    assert (down.value.code, down.value.http_status) == ("429", 429)
    assert down.value.retry_after is not None


def test_a_messaging_service_sends_for_its_numbers_and_no_text_waits_longer_than_it_may(twilio: FakeTwilio) -> None:
    provider, service = Twilio(at(twilio.url)), "MG" + "a" * 32
    for valid_for in (5, 3600, 99_999):
        send(provider, service, valid_for)
    assert {form.get("MessagingServiceSid") for form in twilio.sent} == {service}
    assert not any("From" in form for form in twilio.sent)
    assert [form["ValidityPeriod"] for form in twilio.sent] == ["60", "3600", "36000"]


def test_many_threads_share_one_and_each_gets_its_own_answer(twilio: FakeTwilio) -> None:
    provider = Twilio(at(twilio.url).model_copy(update={"provider_timeout_seconds": 20}))

    def one(number: int) -> tuple[str, str]:
        phone = f"+1555{number:07d}"
        return phone, provider.send(phone, "Hello", f"{number:032x}", sender=FROM, valid_for=600).provider_message_id

    with ThreadPoolExecutor(16) as pool:
        got = dict(pool.map(one, range(320)))
    assert got == {form["To"]: form["Sid"] for form in twilio.sent}
    assert len(set(got.values())) == 320


def test_texts_to_a_phone_are_found_newest_first(twilio: FakeTwilio) -> None:
    provider = Twilio(at(twilio.url))
    for hour in (9, 11, 10):
        twilio.clock = lambda hour=hour: datetime(2026, 10, 5, hour, tzinfo=UTC)
        provider.send(PHONE, f"at {hour}", "t", sender=FROM, valid_for=600)
    twilio.clock = lambda: datetime(2026, 10, 5, 12, tzinfo=UTC)
    provider.send("+15555550777", "another's", "t", sender=FROM, valid_for=600)
    found = provider.find_messages(PHONE)
    assert [seen.body for seen in found] == ["at 11", "at 10", "at 9"]
    assert found[0].created_at == datetime(2026, 10, 5, 11, tzinfo=UTC)
    assert (found[0].to, found[0].outbound, found[0].code) == (PHONE, True, "")


def test_one_text_is_asked_about_and_none_is_known_by_another_id(twilio: FakeTwilio) -> None:
    provider = Twilio(at(twilio.url))
    provider_message_id = provider.send(PHONE, "Hello", "t", sender=FROM, valid_for=600).provider_message_id
    twilio.move(provider_message_id, "undelivered", 30005)
    seen = provider.get_message(provider_message_id)
    assert seen is not None
    assert (seen.provider_message_id, seen.status, seen.code) == (provider_message_id, "undelivered", "30005")
    assert provider.get_message("SM" + "f" * 32) is None


def test_a_day_is_told_page_by_page(twilio: FakeTwilio) -> None:
    provider = Twilio(at(twilio.url).model_copy(update={"provider_timeout_seconds": 20}))
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
    ("answer", "raised"),
    [
        ((503, JSON, '{"code": 20503, "status": 503}', {}), OutcomeUnknown),
        ((429, JSON, '{"code": 20429, "status": 429}', {"Retry-After": "3"}), ProviderUnavailable),
        ((401, JSON, '{"code": 20003, "status": 401}', {}), ProviderUnavailable),
        ((200, JSON, '{"messages": [', {}), OutcomeUnknown),
        ((200, JSON, "{}", {}), OutcomeUnknown),
        ((502, "text/html", "<h1>Oops</h1>", {}), OutcomeUnknown),
    ],
)
def test_a_list_that_fails_says_so_in_the_same_words(
    scripted: Scripted, answer: tuple[int, str, str, dict[str, str]], raised: type[Exception]
) -> None:
    scripted.answer = answer
    provider = Twilio(at(f"http://127.0.0.1:{scripted.server_address[1]}"))
    with pytest.raises(raised):
        provider.find_messages(PHONE)
    with pytest.raises(raised):
        list(provider.list_messages(date(2026, 10, 5)))
