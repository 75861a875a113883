"""Requests to Twilio's status webhook, signed by Twilio's documented rule instead of its library."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

AUTH_TOKEN = "token"
PUBLIC_URL = "https://visits.example.org"
STATUS_PATH = "/twilio/status/" + "a" * 32
Pairs = Sequence[tuple[str, str]]
DEFAULT_FORM: Pairs = (("MessageSid", "SM1"), ("MessageStatus", "sent"))


def sign(url: str, form: Pairs = (), token: str = AUTH_TOKEN, digest: str = "sha1") -> str:
    """Return the HMAC of the URL and the distinct fields, sorted by name."""
    content = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), content.encode(), digest).digest()).decode()


@dataclass(frozen=True)
class WebhookRequest:
    """A request to the webhook and the expected HTTP status."""

    description: str
    expected_status: int
    path: str = STATUS_PATH
    form: Pairs = DEFAULT_FORM
    signature: str | None = None  # None: the valid signature of public URL, path and form
    body: bytes | None = None  # None: the encoded form
    content_type: str = "application/x-www-form-urlencoded"
    has_signature: bool = True
    extra_headers: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """Return the request headers."""
        signature = sign(PUBLIC_URL + self.path, self.form) if self.signature is None else self.signature
        return {
            "Content-Type": self.content_type,
            **({"X-Twilio-Signature": signature} if self.has_signature else {}),
            **self.extra_headers,
        }

    def content(self) -> bytes:
        """Return the request body."""
        return urlencode(self.form).encode() if self.body is None else self.body


JSON_TYPE = "application/json"
JSON = b'{"MessageSid": "SM1", "MessageStatus": "sent"}'
HASHED_PATH = f"{STATUS_PATH}?bodySHA256={hashlib.sha256(JSON).hexdigest()}"
VALID_SIGNATURE = sign(PUBLIC_URL + STATUS_PATH, DEFAULT_FORM)

# Each request is sent to the application itself and to a real gunicorn.
WEBHOOK_REQUESTS = (
    WebhookRequest("plain", 200),
    WebhookRequest("with a query", 200, path=STATUS_PATH + "?foo=1&bar=2"),
    WebhookRequest("with an encoded query", 200, path=STATUS_PATH + "?name=Jos%C3%A9%20P%C3%A9rez&plus=%2B1"),
    WebhookRequest("with a plus in the query", 200, path=STATUS_PATH + "?a=b+c"),
    WebhookRequest("with a percent-escaped path", 200, path="/twilio/status/%61%62c"),
    WebhookRequest("with an escaped accent in the path", 200, path="/twilio/status/Jos%C3%A9"),
    WebhookRequest("with lower-case escapes", 200, path="/twilio/status/jos%c3%a9"),
    WebhookRequest("with a question mark and nothing after it", 200, path=STATUS_PATH + "?"),
    WebhookRequest("with a field that has no value", 200, form=(*DEFAULT_FORM, ("ErrorCode", ""))),
    WebhookRequest("with the same field twice", 200, form=(*DEFAULT_FORM, ("MediaUrl", "b"), ("MediaUrl", "a"))),
    WebhookRequest("with the same field and value twice", 200, form=(*DEFAULT_FORM, ("x", "1"), ("x", "1"))),
    WebhookRequest("with fields of other case", 200,
                   form=(*DEFAULT_FORM, ("messageStatus", "x"), ("Zebra", "1"), ("apple", "2"))),
    WebhookRequest("with accents and signs", 200, form=(*DEFAULT_FORM, ("Body", "¿Sí? ñ & = + % #"))),
    WebhookRequest("with emoji", 200, form=(*DEFAULT_FORM, ("Body", "👍🏽 مرحبا"))),
    WebhookRequest("with spaces at both ends", 200, form=(*DEFAULT_FORM, ("Body", "  1 \n"))),
    WebhookRequest("with an unknown parameter", 200, form=(*DEFAULT_FORM, ("BrandNew", "yes"))),
    WebhookRequest("signed with the default port of https", 200,
                   signature=sign(PUBLIC_URL + ":443" + STATUS_PATH, DEFAULT_FORM)),
    WebhookRequest("JSON with its hash, which has no form fields", 400, path=HASHED_PATH,
                   form=(), body=JSON, content_type=JSON_TYPE),
    WebhookRequest("no header", 403, has_signature=False),
    WebhookRequest("an empty header", 403, signature=""),
    WebhookRequest("a forged header", 403, signature="forged"),
    WebhookRequest("a header beyond ASCII", 403, signature="é"),
    WebhookRequest("half of the right header", 403, signature=VALID_SIGNATURE[:14]),
    WebhookRequest("another auth token", 403, signature=sign(PUBLIC_URL + STATUS_PATH, DEFAULT_FORM, token="other")),
    WebhookRequest("another host", 403, signature=sign("https://evil.example.org" + STATUS_PATH, DEFAULT_FORM)),
    WebhookRequest("http for https", 403, signature=sign("http://visits.example.org" + STATUS_PATH, DEFAULT_FORM)),
    WebhookRequest("another port", 403, signature=sign(PUBLIC_URL + ":8443" + STATUS_PATH, DEFAULT_FORM)),
    WebhookRequest("another path", 403, signature=sign(PUBLIC_URL + STATUS_PATH + "/", DEFAULT_FORM)),
    WebhookRequest("a query that was added", 403, path=STATUS_PATH + "?x=1", signature=VALID_SIGNATURE),
    WebhookRequest("a field that was changed", 403,
                   form=(("MessageSid", "SM1"), ("MessageStatus", "failed")), signature=VALID_SIGNATURE),
    WebhookRequest("a field that was added", 403,
                   form=(*DEFAULT_FORM, ("ErrorCode", "21610")), signature=VALID_SIGNATURE),
    WebhookRequest("a field that was trimmed", 403, form=(*DEFAULT_FORM, ("B", "1")),
                   signature=sign(PUBLIC_URL + STATUS_PATH, (*DEFAULT_FORM, ("B", "1 ")))),
    WebhookRequest("a path decoded before signing", 403, path="/twilio/status/%61b",
                   signature=sign(PUBLIC_URL + "/twilio/status/ab", DEFAULT_FORM)),
    WebhookRequest("signed by SHA-256", 403, signature=sign(PUBLIC_URL + STATUS_PATH, DEFAULT_FORM, digest="sha256")),
    WebhookRequest("JSON without its hash", 403, form=(), body=JSON, content_type=JSON_TYPE),
    WebhookRequest("JSON of another hash", 403, path=HASHED_PATH, form=(), body=JSON + b" ", content_type=JSON_TYPE),
    WebhookRequest("a hash beyond ASCII", 403, path=STATUS_PATH + "?bodySHA256=%C3%A9",
                   form=(), body=JSON, content_type=JSON_TYPE),
    WebhookRequest("a binary text body", 403, form=(), body=b"\xff\xfe\x00", content_type="text/plain"),
    WebhookRequest("no body", 403, form=(), body=b"", signature="x"),
    WebhookRequest("a form cut off", 403, body=b"MessageSid=%E0%A4%A", signature=VALID_SIGNATURE),
)  # fmt: skip
