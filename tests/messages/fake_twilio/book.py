"""The fake's memory: what it was sent, what is wrong with a request, and a message as Twilio tells it."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

from homevisits.messages.templates.segments import count_segments

E164 = re.compile(r"\+[1-9]\d{6,14}")
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "read"})
LONGEST = 1600
WORDS: Mapping[int, str] = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20009: "Cannot update this resource before it is complete",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20503: "Service unavailable",
    21211: "The 'To' number is not a valid phone number.",
    21212: "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21701: "The Messaging Service does not exist.",
}


@dataclass
class Message:
    """One message: the form it came in, and what has become of it."""

    form: dict[str, str]
    account: str
    sid: str
    created_at: datetime
    updated_at: datetime
    status: str
    body: str
    sent_at: datetime | None = None
    code: int | None = None

    @property
    def service(self) -> str | None:
        """The Messaging Service it went to, if it did."""
        return self.form.get("MessagingServiceSid")

    def document(self) -> dict[str, object]:
        """As Twilio's API tells it."""
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        left = self.sent_at is not None
        # A Messaging Service has not chosen its number, nor counted, when it accepts.
        chosen = self.form.get("From") or ("+15555550198" if left else None)
        counted = str(count_segments(self.form["Body"]).segments) if left or not self.service else "0"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc(self.created_at),
            "date_sent": rfc(self.sent_at),
            "date_updated": rfc(self.updated_at),
            "direction": "outbound-api",
            "error_code": self.code,
            "error_message": None if self.code is None else WORDS.get(self.code, "Unknown error"),
            "from": chosen,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": counted,
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.form["To"],
            "uri": f"{uri}.json",
        }


def rfc(moment: datetime | None) -> str | None:
    """RFC 2822, as Twilio's 2010 API writes moments: to the second."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))


class Book:
    """Every message, by SID."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.messages: dict[str, Message] = {}
        self._name = secrets.token_hex(12)

    def take(self, account: str, form: dict[str, str], now: datetime) -> Message:
        """A new message; the form gets its Sid."""
        form["Sid"] = f"SM{self._name}{len(self.sent):08x}"
        self.sent.append(form)
        status = "accepted" if "MessagingServiceSid" in form else "queued"
        message = Message(form, account, form["Sid"], now, now, status, form.get("Body", ""))
        self.messages[message.sid] = message
        return message

    def move(self, sid: str, status: str, code: int | None, now: datetime) -> Message:
        """The next status of a message. The first final one stays."""
        message = self.messages[sid]
        if message.status in FINAL and status != "read":
            return message
        message.status, message.updated_at = status, now
        if status in ("sent", "delivered", "undelivered"):
            message.sent_at = message.sent_at or now
        if status in FINAL:
            message.code = code
        return message

    def listed(self, account: str, query: Mapping[str, str]) -> Iterator[Message]:
        """What a list holds, newest first."""
        for message in reversed(self.messages.values()):
            if message.account == account and _matches(message, query):
                yield message


def _matches(message: Message, query: Mapping[str, str]) -> bool:
    if "To" in query and message.form["To"] != query["To"]:
        return False
    if "From" in query and message.document()["from"] != query["From"]:
        return False
    wanted = {name: _moment(query[name]) for name in ("DateSent", "DateSent<", "DateSent>") if name in query}
    if not wanted:
        return True
    if message.sent_at is None:  # while it is queued it has no date, and no date matches
        return False
    sent = message.sent_at.astimezone(UTC)
    return (
        ("DateSent" not in wanted or sent.date() == wanted["DateSent"].date())
        and ("DateSent<" not in wanted or sent <= wanted["DateSent<"])
        and ("DateSent>" not in wanted or sent >= wanted["DateSent>"])
    )


def _moment(text: str) -> datetime:
    if len(text) == len("2026-01-31"):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def wrong(form: Mapping[str, str], stopped: set[str]) -> int | None:
    """Twilio's code for what is wrong with a create; None when nothing is."""
    service, body, callback = (
        form.get("MessagingServiceSid"),
        form.get("Body", ""),
        form.get("StatusCallback", "https://"),
    )
    rules = (
        (not form.get("To"), 21604),
        (not E164.fullmatch(form.get("To", "")), 21211),
        (not form.get("From") and not service, 21603),
        (bool(form.get("From")) and not E164.fullmatch(form.get("From", "")), 21212),
        (service is not None and not re.fullmatch(r"MG[0-9a-fA-F]{32}", service), 21701),
        (not body and "MediaUrl" not in form, 21602),
        (len(body) > LONGEST, 21617),
        (not callback.startswith(("http://", "https://")), 21609),
        (not _is_validity(form.get("ValidityPeriod", "36000")), 20001),
        (form.get("To") in stopped, 21610),
    )
    return next((code for is_so, code in rules if is_so), None)


def _is_validity(text: str) -> bool:
    return text.isdigit() and 1 <= int(text) <= 36000
