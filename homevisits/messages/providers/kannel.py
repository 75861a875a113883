"""Kannel provider: a self-hosted SMS gateway, used through its sendsms interface.

Kannel returns no message ID and has no lookup; the attempt ID in the callback URL identifies the message. The
responses are documented in gw/smsbox.c of Kannel 1.4.5. POST keeps the text, number and password out of URLs and logs.
"""

from http.cookiejar import DefaultCookiePolicy

from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from homevisits.core.settings import Settings
from homevisits.messages.providers.base import (
    Accepted,
    MessageRejected,
    OutcomeUnknown,
    ProviderUnavailable,
    ProviderWithoutLookup,
)
from homevisits.messages.providers.callback_token import compute_token
from homevisits.messages.providers.network_errors import classify_network_error
from homevisits.messages.providers.retry_after import parse_retry_after
from homevisits.messages.templates.segments import is_gsm7

ALL_REPORTS = "31"  # bit mask: delivered, undelivered, queued, accepted and rejected by the SMSC
CONNECT_TIMEOUT_SECONDS = 5
GSM7, UCS2 = "0", "2"


class Kannel(ProviderWithoutLookup):
    """Send messages through Kannel. Thread-safe."""

    name = "kannel"

    def __init__(self, settings: Settings) -> None:
        self._url = settings.kannel_url
        self._credentials = {
            "X-Kannel-Username": settings.kannel_username,
            "X-Kannel-Password": settings.kannel_password,
        }
        self._from = settings.kannel_from
        self._secret = settings.kannel_secret
        self._reports = settings.public_url.rstrip("/") + "/kannel/status/"
        self._timeout = (
            min(CONNECT_TIMEOUT_SECONDS, settings.provider_timeout_seconds),
            settings.provider_timeout_seconds,
        )
        self._http = Session()
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, HTTPAdapter(max_retries=0, pool_maxsize=64))

    def send(self, to: str, body: str, attempt_id: str, *, sender: str, valid_for: int) -> Accepted:
        """Send a message once, without retries."""
        token = compute_token(self._secret, attempt_id)
        headers = {
            **self._credentials,
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-From": sender or self._from,
            "X-Kannel-To": to,
            "X-Kannel-Coding": GSM7 if is_gsm7(body) else UCS2,
            "X-Kannel-Validity": str(max(valid_for // 60, 1)),  # minutes
            "X-Kannel-DLR-Mask": ALL_REPORTS,
            "X-Kannel-DLR-Url": f"{self._reports}{attempt_id}/{token}?type=%d&id=%I&answer=%A",
        }
        try:
            response = self._http.post(
                self._url, data=body.encode(), headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except RequestException as error:
            raise classify_network_error(error) from error
        return _read_response(response, attempt_id)


def provider_message_id_of(attempt_id: str) -> str:
    """Return the message ID, which is derived from the attempt because Kannel returns none."""
    return f"kannel-{attempt_id}"


def _read_response(response: Response, attempt_id: str) -> Accepted:
    status, text = response.status_code, response.text.strip()
    if status == 202:
        # "3: Queued for later delivery": Kannel stores the message until its SMSC is available.
        return Accepted(provider_message_id_of(attempt_id), "queued" if text.startswith("3") else "accepted")
    if status == 429:
        raise ProviderUnavailable("429", parse_retry_after(response.headers.get("Retry-After", "")), status)
    if status == 503 and text.startswith("Temporal failure"):  # not accepted
        raise ProviderUnavailable("kannel_busy", None, status)
    if status == 403 and text.startswith("Not routable"):
        raise MessageRejected("kannel_not_routable", status)
    if status in (401, 403):
        raise ProviderUnavailable(str(status), None, status)
    if 400 <= status < 500 and status != 408:
        raise MessageRejected("kannel_refused", status)
    raise OutcomeUnknown(str(status) if status >= 500 else "unreadable_answer", status)
