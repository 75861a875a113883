"""Signed calls as Twilio makes them, by the rule in Twilio's documentation and not by its library."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

TOKEN = "token"
PUBLIC = "https://visits.example.org"
STATUS = "/twilio/status/" + "a" * 32
Pairs = Sequence[tuple[str, str]]
USUAL: Pairs = (("MessageSid", "SM1"), ("MessageStatus", "sent"))


def sign(address: str, form: Pairs = (), token: str = TOKEN, digest: str = "sha1") -> str:
    """HMAC over the address and, in order of their names, each field's name and value once."""
    words = address + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), words.encode(), digest).digest()).decode()


@dataclass(frozen=True)
class Call:
    """One call from outside, and what the door should answer."""

    what: str
    answer: int
    path: str = STATUS
    form: Pairs = USUAL
    signature: str | None = None
    """None: the right one over the public address, path and form."""
    body: bytes | None = None
    """None: the form."""
    kind: str = "application/x-www-form-urlencoded"
    header: bool = True
    also: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """What goes before the body."""
        given = sign(PUBLIC + self.path, self.form) if self.signature is None else self.signature
        return {"Content-Type": self.kind, **({"X-Twilio-Signature": given} if self.header else {}), **self.also}

    def content(self) -> bytes:
        """The body."""
        return urlencode(self.form).encode() if self.body is None else self.body


JSON = b'{"MessageSid": "SM1", "MessageStatus": "sent"}'
HASHED = f"{STATUS}?bodySHA256={hashlib.sha256(JSON).hexdigest()}"
RIGHT = sign(PUBLIC + STATUS, USUAL)

CALLS = (
    Call("plain", 200),
    Call("with a query", 200, path=STATUS + "?foo=1&bar=2"),
    Call("with an encoded query", 200, path=STATUS + "?name=Jos%C3%A9%20P%C3%A9rez&plus=%2B1"),
    Call("with a plus in the query", 200, path=STATUS + "?a=b+c"),
    Call("with a percent-escaped path", 200, path="/twilio/status/%61%62c"),
    Call("with an escaped accent in the path", 200, path="/twilio/status/Jos%C3%A9"),
    Call("with lower-case escapes", 200, path="/twilio/status/jos%c3%a9"),
    Call("with a question mark and nothing after it", 200, path=STATUS + "?"),
    Call("with a field that has no value", 200, form=(*USUAL, ("ErrorCode", ""))),
    Call("with the same field twice", 200, form=(*USUAL, ("MediaUrl", "b"), ("MediaUrl", "a"))),
    Call("with the same field and value twice", 200, form=(*USUAL, ("x", "1"), ("x", "1"))),
    Call("with fields of other case", 200, form=(*USUAL, ("messageStatus", "x"), ("Zebra", "1"), ("apple", "2"))),
    Call("with accents and signs", 200, form=(*USUAL, ("Body", "¿Sí? ñ & = + % #"))),
    Call("with emoji", 200, form=(*USUAL, ("Body", "👍🏽 مرحبا"))),
    Call("with spaces at both ends", 200, form=(*USUAL, ("Body", "  1 \n"))),
    Call("with a parameter nobody knows", 200, form=(*USUAL, ("BrandNew", "yes"))),
    Call("signed with the port that https has", 200, signature=sign(PUBLIC + ":443" + STATUS, USUAL)),
    Call("JSON by its hash, which says nothing to us", 400, path=HASHED, form=(), body=JSON, kind="application/json"),
    Call("no header", 403, header=False),
    Call("an empty header", 403, signature=""),
    Call("a forged header", 403, signature="forged"),
    Call("a header beyond ASCII", 403, signature="é"),
    Call("half of the right header", 403, signature=RIGHT[:14]),
    Call("another's token", 403, signature=sign(PUBLIC + STATUS, USUAL, token="other")),
    Call("another host", 403, signature=sign("https://evil.example.org" + STATUS, USUAL)),
    Call("http for https", 403, signature=sign("http://visits.example.org" + STATUS, USUAL)),
    Call("another port", 403, signature=sign(PUBLIC + ":8443" + STATUS, USUAL)),
    Call("another path", 403, signature=sign(PUBLIC + STATUS + "/", USUAL)),
    Call("a query that was added", 403, path=STATUS + "?x=1", signature=RIGHT),
    Call("a field that was changed", 403, form=(("MessageSid", "SM1"), ("MessageStatus", "failed")), signature=RIGHT),
    Call("a field that was added", 403, form=(*USUAL, ("ErrorCode", "21610")), signature=RIGHT),
    Call("a field that was trimmed", 403, form=(*USUAL, ("B", "1")),
         signature=sign(PUBLIC + STATUS, (*USUAL, ("B", "1 ")))),
    Call("a path decoded before signing", 403, path="/twilio/status/%61b",
         signature=sign(PUBLIC + "/twilio/status/ab", USUAL)),
    Call("signed by SHA-256", 403, signature=sign(PUBLIC + STATUS, USUAL, digest="sha256")),
    Call("JSON without its hash", 403, form=(), body=JSON, kind="application/json"),
    Call("JSON of another hash", 403, path=HASHED, form=(), body=JSON + b" ", kind="application/json"),
    Call("a hash beyond ASCII", 403, path=STATUS + "?bodySHA256=%C3%A9", form=(), body=JSON, kind="application/json"),
    Call("words for a body", 403, form=(), body=b"\xff\xfe\x00", kind="text/plain"),
    Call("no body", 403, form=(), body=b"", signature="x"),
    Call("a form cut off", 403, body=b"MessageSid=%E0%A4%A", signature=RIGHT),
)  # fmt: skip
"""Each is sent to the application itself and to a real gunicorn."""
