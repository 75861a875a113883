"""Whether a webhook is Twilio's: its signature over the address Twilio was given, whatever proxy stands between."""

from flask import Request
from twilio.request_validator import RequestValidator

from homevisits.settings import Settings


def genuine(request: Request, settings: Settings) -> bool:
    """Whether `request` carries Twilio's signature. No token, no header or a strange body: no, and no error."""
    signature = request.headers.get("X-Twilio-Signature", "")
    if not settings.twilio_auth_token or not signature:
        return False
    # The address as Twilio wrote it: our public one and the path's own bytes. What a proxy says of itself and what
    # Flask has decoded are not what was signed.
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    path = "/" + raw.split("://", 1)[1].split("/", 1)[1] if "://" in raw.split("?", 1)[0] else raw
    address = settings.public_url.rstrip("/") + path
    return bool(RequestValidator(settings.twilio_auth_token).validate(address, request.form, signature))
