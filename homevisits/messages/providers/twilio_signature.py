"""Verify the signature of Twilio webhooks, also behind a proxy."""

from hashlib import sha256
from hmac import compare_digest
from typing import Any

from flask import Request
from twilio.request_validator import RequestValidator

from homevisits.core.settings import Settings

FORM_TYPES = ("", "application/x-www-form-urlencoded", "multipart/form-data")


def has_valid_signature(request: Request, settings: Settings) -> bool:
    """Whether `request` has a valid Twilio signature. False without a token or header."""
    signature = request.headers.get("X-Twilio-Signature", "")
    if not settings.twilio_auth_token or not signature:
        return False
    form: Any = request.form
    if request.mimetype not in FORM_TYPES:
        # Other bodies are signed through their hash in the URL ("bodySHA256"), not by field.
        expected = request.args.get("bodySHA256", "").lower()
        if not compare_digest(sha256(request.get_data()).hexdigest().encode(), expected.encode()):
            return False
        form = {}
    address = settings.public_url.rstrip("/") + raw_path(request)
    validator = RequestValidator(settings.twilio_auth_token)
    try:
        if validator.validate(address, form, signature):
            return True
        # The library drops a trailing "?", but Twilio signs it.
        exact = validator.compute_signature(address, form)
    except ValueError:  # invalid URL or body
        return False
    return compare_digest(exact.encode(), signature.encode())


def raw_path(request: Request) -> str:
    """Return path and query as received, because the signature covers the undecoded URL."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    if raw.startswith("/"):
        return str(raw)
    _scheme, _, rest = raw.partition("://")  # absolute form, as sent to a proxy
    return "/" + str(rest.partition("/")[2])
