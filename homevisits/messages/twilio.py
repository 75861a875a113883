"""Twilio as it is, through its SDK: always a timeout, Retry-After kept, and every failure sorted into three kinds."""

from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import NameResolutionError, NewConnectionError

from homevisits.messages.carriers import CarrierDown, CarrierRefused, CarrierUnclear, Receipt
from homevisits.settings import Settings

RECIPIENT_SAID_NO = frozenset({21610})
ACCOUNT_OR_SENDER = frozenset({20003, 20005, 30002, 21606, 21703, 21705, 30032, 30034, 21408})
"""Nothing is wrong with the text: it waits until somebody has put the account or the sender right."""
QUEUE_FULL = frozenset({21611, 30001, 30023, 30027, 63038})
WAITS = MappingProxyType(dict.fromkeys(QUEUE_FULL, 3600.0) | dict.fromkeys(ACCOUNT_OR_SENDER, 300.0))
"""Seconds to wait after these codes."""
UNCLEAR_CODES = frozenset({20500, 20503, 30410})


class Http(TwilioHttpClient):  # type: ignore[misc]  # the SDK carries no types
    """The SDK's HTTP client with a timeout always, another host when told, and the last Retry-After kept."""

    def __init__(self, timeout: float, base_url: str) -> None:
        super().__init__(timeout=timeout, max_retries=0)
        self._base = urlsplit(base_url) if base_url else None
        self.retry_after: float | None = None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """One request; never a second one by itself."""
        if self._base is not None:
            path = self._base.path.rstrip("/") + urlsplit(url).path
            url = urlunsplit((self._base.scheme, self._base.netloc, path, urlsplit(url).query, ""))
        self.retry_after = None
        response = super().request(method, url, *args, **kwargs)
        wait = (response.headers or {}).get("Retry-After", "")
        self.retry_after = float(wait) if wait.isdigit() else None
        return response


class Twilio:
    """Texts through Twilio's Messages resource. One per thread: the HTTP client keeps its last answer."""

    name = "twilio"

    def __init__(self, settings: Settings) -> None:
        self._http = Http(settings.carrier_timeout_seconds, settings.twilio_base_url)
        # An empty environment: TWILIO_EDGE and the like would turn our host into another.
        self._client = Client(
            settings.twilio_account_sid, settings.twilio_auth_token, http_client=self._http, environment={"": ""}
        )
        if settings.twilio_messaging_service_sid:
            self._sender = {"messaging_service_sid": settings.twilio_messaging_service_sid}
        else:
            self._sender = {"from_": settings.twilio_from}
        self._callback = settings.public_url.rstrip("/") + "/twilio/status/"

    def send(self, to: str, body: str, token: str) -> Receipt:
        """Hand over one text, once."""
        # What follows # tells Twilio to repeat the callback on any failure; it is not part of the address.
        callback = f"{self._callback}{token}#rc=3&rp=all"
        try:
            message = self._client.messages.create(to=to, body=body, status_callback=callback, **self._sender)
        except TwilioRestException as error:
            raise self._sorted(error) from error
        except RequestException as error:
            raise _no_answer(error) from error
        except (TwilioException, ValueError, KeyError, TypeError) as error:
            # An answer nobody can read (a cut-off 201, say): the text may well have been taken.
            raise CarrierUnclear("unreadable_answer") from error
        if not message.sid:
            raise CarrierUnclear("unreadable_answer")
        return Receipt(sid=message.sid, status=str(message.status or "accepted"))

    def _sorted(self, error: TwilioRestException) -> Exception:
        code = int(error.code or 0)
        if error.status == 429 or code == 20429:
            return CarrierDown("429", self._http.retry_after or 1.0)
        if error.status >= 500 or code in UNCLEAR_CODES:
            return CarrierUnclear(str(code or error.status))
        if code in WAITS or error.status in (401, 403):
            return CarrierDown(str(code or error.status), WAITS.get(code, 300.0))
        return CarrierRefused(str(code or error.status), ends_texting=code in RECIPIENT_SAID_NO)


def _no_answer(error: RequestException) -> Exception:
    """Not one byte was sent when no connection came about; after that, nobody knows."""
    if isinstance(error, ConnectTimeout):
        return CarrierDown("no_connection")
    if isinstance(error, NoConnection):
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(reason, NewConnectionError | NameResolutionError):
            return CarrierDown("no_connection")
    return CarrierUnclear("no_answer")
