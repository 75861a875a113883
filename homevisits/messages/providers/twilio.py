"""Twilio provider, using the SDK with timeouts, Retry-After and three exception types."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from homevisits.core.settings import Settings
from homevisits.messages.providers.base import (
    Accepted,
    MessageRejected,
    OutcomeUnknown,
    ProviderMessage,
    ProviderUnavailable,
)
from homevisits.messages.providers.error_codes import ErrorClass, error_class, is_known
from homevisits.messages.providers.network_errors import classify_network_error
from homevisits.messages.providers.retry_after import parse_retry_after

CONNECT_TIMEOUT_SECONDS = 5
MAX_MESSAGES_SEARCHED = 50  # newest messages to a phone among which an unclear attempt is searched
# Errors after which the message was certainly not accepted.
RETRYABLE = frozenset({ErrorClass.RETRY, ErrorClass.ACCOUNT, ErrorClass.QUEUE_FULL, ErrorClass.DAILY_CAP})


class TwilioHttp(TwilioHttpClient):  # type: ignore[misc]  # the SDK has no type hints
    """Thread-safe HTTP client of the SDK with a timeout and a configurable host.

    The SDK's own client stores the last response in an attribute, which is not thread-safe, and drops the headers of
    errors, so that Retry-After must be read here.
    """

    def __init__(self, timeout: float, base_url: str) -> None:
        super().__init__(timeout=timeout, max_retries=0)
        self._base = urlsplit(base_url) if base_url else None
        self.timeout = (min(CONNECT_TIMEOUT_SECONDS, timeout), timeout)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=0, pool_maxsize=64))
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send a request, without retries. Raises ProviderUnavailable for status 429 (too many requests)."""
        del timeout, allow_redirects  # fixed: our timeout, no redirects
        response = self.session.request(
            method.upper(), self._address(url), params=params, data=data, headers=headers, auth=auth,
            timeout=self.timeout, allow_redirects=False,
        )  # fmt: skip
        if response.status_code == 429:
            wait = parse_retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
            raise ProviderUnavailable("429", wait, 429)
        return Response(response.status_code, response.text, response.headers)

    def _address(self, url: str) -> str:
        if self._base is None:
            return url
        path = self._base.path.rstrip("/") + urlsplit(url).path
        return urlunsplit((self._base.scheme, self._base.netloc, path, urlsplit(url).query, ""))


class Twilio:
    """Send messages through Twilio's Messages resource. Thread-safe."""

    name = "twilio"
    supports_lookup = True

    def __init__(self, settings: Settings) -> None:
        self.http = TwilioHttp(settings.provider_timeout_seconds, settings.twilio_base_url)
        # An empty environment, because TWILIO_EDGE and similar variables change the host.
        self._client = Client(
            settings.twilio_account_sid, settings.twilio_auth_token, http_client=self.http, environment={"": ""}
        )
        self._messages = self._client.messages  # created here because the SDK creates it lazily, not thread-safely
        self._sender = settings.twilio_messaging_service_sid or settings.twilio_from
        self._callback = settings.public_url.rstrip("/") + "/twilio/status/"

    def send(self, to: str, body: str, attempt_id: str, *, sender: str, valid_for: int) -> Accepted:
        """Send a message once, without retries."""
        sender = sender or self._sender
        from_ = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
        # Twilio reads the fragment as options: three retries of the callback, after any kind of failure.
        callback = f"{self._callback}{attempt_id}#rc=3&rp=all"
        with _translate_errors():
            message = self._messages.create(
                to=to, body=body, status_callback=callback, validity_period=min(max(valid_for, 60), 36_000), **from_
            )
        if not message.sid:
            raise OutcomeUnknown("unreadable_answer", 201)
        segments = str(message.num_segments or "")
        count = int(segments) if segments.isdecimal() else 0
        return Accepted(str(message.sid), str(message.status or "accepted"), count or None)

    def find_messages(self, to: str) -> list[ProviderMessage]:
        """Return the latest messages to `to`. No date filter: a queued message has no sending date."""
        with _translate_errors():
            messages = [_provider_message(row) for row in self._messages.list(to=to, limit=MAX_MESSAGES_SEARCHED)]
        long_ago = datetime.min.replace(tzinfo=UTC)
        return sorted(messages, key=lambda message: message.created_at or long_ago, reverse=True)

    def get_message(self, provider_message_id: str) -> ProviderMessage | None:
        """Return the current state of a message."""
        try:
            with _translate_errors():
                return _provider_message(self._messages(provider_message_id).fetch())
        except MessageRejected as error:
            if error.http_status == 404:
                return None
            raise

    def list_messages(self, day: date) -> Iterator[ProviderMessage]:
        """Iterate over the messages sent on `day` (UTC), in pages of 1,000."""
        begins = datetime.combine(day, time(), UTC)
        # Times instead of dates, because the API's schema declares date-time. One second less than a day, so that the
        # range is one day even if Twilio only compares the dates.
        ends = begins + timedelta(days=1, seconds=-1)
        with _translate_errors():
            messages = self._messages.stream(date_sent_after=begins, date_sent_before=ends, page_size=1000)
            for message in messages:
                yield _provider_message(message)


def _provider_message(message: Any) -> ProviderMessage:
    created = message.date_created
    return ProviderMessage(
        provider_message_id=str(message.sid or ""),
        status=str(message.status or "").lower(),
        code=str(message.error_code or ""),
        to=str(message.to or ""),
        body=str(message.body or ""),
        created_at=created if isinstance(created, datetime) else None,
        outbound=str(message.direction or "outbound-api").startswith("outbound"),
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Convert any exception of the SDK to one of the three exceptions of the interface."""
    try:
        yield
    except RequestException as error:
        raise classify_network_error(error) from error
    except TwilioException as error:
        raise _translated(error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Unreadable response, such as a truncated 201: the message may have been accepted.
        raise OutcomeUnknown("unreadable_answer") from error


def _translated(error: TwilioException) -> Exception:
    status, code = _status_and_code(error)
    if not 400 <= status < 500:  # 5xx, or a redirect
        return OutcomeUnknown(code if is_known(code) else "unreadable_answer", status or None)
    kind = error_class(code)
    if status in (401, 403, 408) and not is_known(code):
        # Usually the response of a proxy or firewall. After 408 (timeout) the outcome is unknown.
        return OutcomeUnknown("no_answer", status) if status == 408 else ProviderUnavailable(str(status), None, status)
    if kind is ErrorClass.UNKNOWN:
        return OutcomeUnknown(code, status)
    return ProviderUnavailable(code, None, status) if kind in RETRYABLE else MessageRejected(code, status)


def _status_and_code(error: TwilioException) -> tuple[int, str]:
    """Return HTTP status and code. Errors of list requests have them only in the attached response."""
    status, code = getattr(error, "status", None), getattr(error, "code", None)
    if status is None and len(error.args) > 1:
        response = error.args[1]
        status = getattr(response, "status_code", 0)
        code = _read_code(getattr(response, "text", ""))
    status = status if isinstance(status, int) else 0
    return status, str(code or status)


def _read_code(text: str) -> str:
    try:
        return str(json.loads(text).get("code") or "")
    except (ValueError, AttributeError):
        return ""
