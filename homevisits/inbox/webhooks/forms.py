"""Convert a provider's request to an incoming message; tolerate or reject malformed fields."""

import re
from collections.abc import Mapping, Sequence

from homevisits.inbox.processing import ReceivedMessage

MAX_MEDIA = 99
OPT_OUT_TYPES = frozenset({"STOP", "START", "HELP"})
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


def parse_twilio(form: Mapping[str, Sequence[str]]) -> ReceivedMessage | None:
    """Parse Twilio's parameters. Return None without a message id or a valid sender number.

    All parameters are stored, because Twilio adds parameters without notice.
    """
    fields = {_clean(name): _clean(values[0]) if values else "" for name, values in form.items()}
    provider_message_id, phone = fields.get("MessageSid") or fields.get("SmsSid", ""), fields.get("From", "").strip()
    cut = any("\x00" in value for name in ("MessageSid", "SmsSid", "From") for value in form.get(name, ()))
    if cut or not provider_message_id or len(provider_message_id) > 64 or not _PHONE.fullmatch(phone):
        return None
    kind = fields.get("OptOutType", "").strip().upper()
    return ReceivedMessage(
        provider_message_id=provider_message_id,
        from_=phone,
        to=fields.get("To", ""),
        body=fields.get("Body", ""),
        provider="twilio",
        media=_count(fields.get("NumMedia", "")),
        opt_out_type=kind if kind in OPT_OUT_TYPES else None,
        raw={_clean(name): _segment_count([_clean(one) for one in values]) for name, values in form.items()},
    )


def _clean(text: str) -> str:
    # PostgreSQL stores neither NUL nor unpaired surrogates.
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _segment_count(values: list[str]) -> str | list[str]:
    return "".join(values) if len(values) < 2 else values


def _count(text: str) -> int:
    return min(int(text), MAX_MEDIA) if text.isascii() and text.isdigit() and len(text) < 10 else 0
