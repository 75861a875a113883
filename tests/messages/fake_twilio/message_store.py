"""The messages of the fake Twilio, their JSON documents, and the validation of requests."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

from homevisits.messages.templates.segments import count_segments

E164 = re.compile(r"\+[1-9]\d{6,14}")
FINAL_STATUSES = frozenset({"delivered", "undelivered", "failed", "canceled", "read"})
MAX_BODY_CHARACTERS = 1600
ERROR_MESSAGES: Mapping[int, str] = {
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
    """A message: the form of the request that created it, and its current status."""

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
        """SID of the Messaging Service, if the request named a service."""
        return self.form.get("MessagingServiceSid")

    def document(self) -> dict[str, object]:
        """Return the message as in a response of Twilio's API."""
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        was_sent = self.sent_at is not None
        # A Messaging Service chooses its number and counts segments only when it sends.
        from_number = self.form.get("From") or ("+15555550198" if was_sent else None)
        segments = str(count_segments(self.form["Body"]).segments) if was_sent or not self.service else "0"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": format_rfc2822(self.created_at),
            "date_sent": format_rfc2822(self.sent_at),
            "date_updated": format_rfc2822(self.updated_at),
            "direction": "outbound-api",
            "error_code": self.code,
            "error_message": None if self.code is None else ERROR_MESSAGES.get(self.code, "Unknown error"),
            "from": from_number,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": segments,
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.form["To"],
            "uri": f"{uri}.json",
        }


def format_rfc2822(moment: datetime | None) -> str | None:
    """Format a time as RFC 2822 to the second, as in Twilio's 2010 API."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))


class MessageStore:
    """Messages by SID, oldest first."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.messages: dict[str, Message] = {}
        self._sid_prefix = secrets.token_hex(12)

    def add(self, account: str, form: dict[str, str], now: datetime) -> Message:
        """Create a message and add its Sid to the form."""
        form["Sid"] = f"SM{self._sid_prefix}{len(self.sent):08x}"
        self.sent.append(form)
        status = "accepted" if "MessagingServiceSid" in form else "queued"
        message = Message(form, account, form["Sid"], now, now, status, form.get("Body", ""))
        self.messages[message.sid] = message
        return message

    def move(self, sid: str, status: str, code: int | None, now: datetime) -> Message:
        """Set the status of a message. The first final status is kept, except that `read` may follow."""
        message = self.messages[sid]
        if message.status in FINAL_STATUSES and status != "read":
            return message
        message.status, message.updated_at = status, now
        if status in ("sent", "delivered", "undelivered"):
            message.sent_at = message.sent_at or now
        if status in FINAL_STATUSES:
            message.code = code
        return message

    def list_messages(self, account: str, query: Mapping[str, str]) -> Iterator[Message]:
        """Yield the messages of a list request, newest first."""
        for message in reversed(self.messages.values()):
            if message.account == account and _matches(message, query):
                yield message


def _matches(message: Message, query: Mapping[str, str]) -> bool:
    if "To" in query and message.form["To"] != query["To"]:
        return False
    if "From" in query and message.document()["from"] != query["From"]:
        return False
    filters = {name: _moment(query[name]) for name in ("DateSent", "DateSent<", "DateSent>") if name in query}
    if not filters:
        return True
    if message.sent_at is None:  # a queued message has no date and matches no date filter
        return False
    sent = message.sent_at.astimezone(UTC)
    return (
        ("DateSent" not in filters or sent.date() == filters["DateSent"].date())
        and ("DateSent<" not in filters or sent <= filters["DateSent<"])
        and ("DateSent>" not in filters or sent >= filters["DateSent>"])
    )


def _moment(text: str) -> datetime:
    if len(text) == len("2026-01-31"):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def find_error(form: Mapping[str, str], opted_out: set[str]) -> int | None:
    """Return Twilio's error code for an invalid create request, or None."""
    service, body, callback = (
        form.get("MessagingServiceSid"),
        form.get("Body", ""),
        form.get("StatusCallback", "https://"),
    )
    checks = (
        (not form.get("To"), 21604),
        (not E164.fullmatch(form.get("To", "")), 21211),
        (not form.get("From") and not service, 21603),
        (bool(form.get("From")) and not E164.fullmatch(form.get("From", "")), 21212),
        (service is not None and not re.fullmatch(r"MG[0-9a-fA-F]{32}", service), 21701),
        (not body and "MediaUrl" not in form, 21602),
        (len(body) > MAX_BODY_CHARACTERS, 21617),
        (not callback.startswith(("http://", "https://")), 21609),
        (not _is_validity(form.get("ValidityPeriod", "36000")), 20001),
        (form.get("To") in opted_out, 21610),
    )
    return next((code for failed, code in checks if failed), None)


def _is_validity(text: str) -> bool:
    return text.isdigit() and 1 <= int(text) <= 36000
