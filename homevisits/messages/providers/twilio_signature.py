"""Whether a webhook is Twilio's: its signature over the address Twilio was given, whatever proxy stands between."""

from hashlib import sha256
from hmac import compare_digest
from typing import Any

from flask import Request
from twilio.request_validator import RequestValidator

from homevisits.core.settings import Settings

FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data")


def genuine(request: Request, settings: Settings) -> bool:
    """Whether `request` carries Twilio's signature. No token, no header or a strange body: no, and no error."""
    signature = request.headers.get("X-Twilio-Signature", "")
    if not settings.twilio_auth_token or not signature:
        return False
    form: Any = request.form
    if request.mimetype not in FORMS:
        # Any other body is signed by its hash in the address (Twilio's "bodySHA256"), not by its fields.
        told = request.args.get("bodySHA256", "").lower()
        if not compare_digest(sha256(request.get_data()).hexdigest().encode(), told.encode()):
            return False
        form = {}
    address = settings.public_url.rstrip("/") + raw_path(request)
    validator = RequestValidator(settings.twilio_auth_token)
    try:
        if validator.validate(address, form, signature):
            return True
        # The library forgets a "?" with nothing after it; Twilio signs it.
        exact = validator.compute_signature(address, form)
    except ValueError:  # not an address, not a text: nobody's signature
        return False
    return compare_digest(exact.encode(), signature.encode())


def raw_path(request: Request) -> str:
    """Path and query as they came in: what a proxy says of itself, or Flask has decoded, is not what was signed."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    if raw.startswith("/"):
        return str(raw)
    _scheme, _, rest = raw.partition("://")  # "GET http://host/path", as to a proxy
    return "/" + str(rest.partition("/")[2])
