"""What a text may never do is refused by the database itself, also to raw SQL."""

from collections.abc import Callable, Iterator

import pytest

from homevisits.messages.message_types import names_sent_after_opt_out
from tests.evidence.raw import BEFORE, END, REFUSED, START, Raw

PHONE = "+15555550101"


@pytest.fixture
def raw(database_url: str) -> Iterator[Raw]:
    """The driver's connection to two texts that wait for one phone."""
    made = Raw(database_url)
    made.insert("phone", e164=PHONE)
    for number in (1, 2):
        text(made, number)
    made.commit()
    yield made
    made.close()


def text(raw: Raw, number: int, **more: object) -> None:
    """A text that waits."""
    row: dict[str, object] = {
        "id": number, "dedupe_key": f"visit:1:{number}", "subject": "visit:1", "phone": PHONE, "language": "en",
        "template": "visit_reminder", "body": "Hello", "not_before": BEFORE, "expires_at": END, "next_at": BEFORE,
        "created_at": BEFORE,
    }  # fmt: skip
    raw.insert("outgoing_message", **{**row, **more})


def leave(raw: Raw, number: int = 1) -> None:
    """The text is taken up by a worker."""
    raw.run("UPDATE outgoing_message SET state = 'sending', attempt_id = ? WHERE id = ?", f"t{number}", number)


def attempt(raw: Raw) -> None:
    """The try that goes with it."""
    raw.insert(
        "delivery_attempt", attempt_id="t1", message_id=1, n=1, provider="twilio", phone=PHONE, body_sha256="ab",
        segments=1,
        started_at=START,
    )  # fmt: skip


def say(raw: Raw, entry: str, reason: str = "family") -> None:
    """A word on whether this phone may be texted."""
    raw.insert("opt_out_ledger", phone=PHONE, entry=entry, reason=reason, at=START)


def refused(raw: Raw, act: Callable[[], object]) -> None:
    """`act` is refused at once or at commit."""
    raw.commit()
    with pytest.raises(REFUSED):
        act()
        raw.commit()
    raw.rollback()


def test_a_text_that_waits_may_leave_and_its_attempt_be_written_down(raw: Raw) -> None:
    leave(raw)
    attempt(raw)
    raw.run(
        "UPDATE delivery_attempt SET outcome = 'accepted', provider_message_id = 'SM1', status = 'delivered'"
        " WHERE attempt_id = 't1'"
    )
    raw.run("UPDATE outgoing_message SET state = 'delivered' WHERE id = 1")
    raw.commit()


def test_nothing_leaves_after_a_stop_until_a_start(raw: Raw) -> None:
    say(raw, "stop")
    refused(raw, lambda: leave(raw))
    say(raw, "start")
    leave(raw)
    raw.commit()


@pytest.mark.parametrize("template", sorted(names_sent_after_opt_out()))
def test_the_one_answer_to_the_familys_own_word_leaves_even_then(raw: Raw, template: str) -> None:
    say(raw, "stop")
    text(raw, 3, template=template)
    leave(raw, 3)
    raw.commit()


def test_two_texts_are_never_on_their_way_to_one_phone(raw: Raw) -> None:
    leave(raw, 1)
    refused(raw, lambda: leave(raw, 2))


@pytest.mark.parametrize(
    "state",
    ["accepted", "delivered", "undelivered", "unknown", "cancelled", "expired", "suppressed", "rejected", "dead"],
)
def test_what_left_or_ended_is_not_taken_up_again(raw: Raw, state: str) -> None:
    raw.run("UPDATE outgoing_message SET state = ? WHERE id = 1", state)
    refused(raw, lambda: leave(raw))


def test_a_text_called_off_does_not_leave(raw: Raw) -> None:
    raw.run("UPDATE outgoing_message SET cancel_requested = (1 = 1) WHERE id = 1")
    refused(raw, lambda: leave(raw))


def test_no_text_is_written_as_already_on_its_way(raw: Raw) -> None:
    refused(raw, lambda: text(raw, 3, state="sending"))


def test_an_urgent_text_has_somebody_and_a_reason(raw: Raw) -> None:
    text(raw, 3, category="urgent")
    refused(raw, lambda: leave(raw, 3))
    raw.run("UPDATE outgoing_message SET urgent_by = 7, urgent_reason = 'The bus broke down.' WHERE id = 3")
    leave(raw, 3)
    raw.commit()


@pytest.mark.parametrize(
    "change",
    ["phone = '+15555550102'", "body_sha256 = 'cd'", "n = 2", f"started_at = '{END}'", "message_id = 2",
     "attempt_id = 't9'",
     "provider_message_id = 'SM2'", "outcome = 'not_found'"],
)  # fmt: skip
def test_what_was_tried_is_kept_as_it_was(raw: Raw, change: str) -> None:
    leave(raw)
    attempt(raw)
    raw.run("UPDATE delivery_attempt SET outcome = 'accepted', provider_message_id = 'SM1' WHERE attempt_id = 't1'")
    refused(raw, lambda: raw.run(f"UPDATE delivery_attempt SET {change} WHERE attempt_id = 't1'"))


def test_what_was_tried_is_not_erased(raw: Raw) -> None:
    leave(raw)
    attempt(raw)
    refused(raw, lambda: raw.run("DELETE FROM delivery_attempt WHERE attempt_id = 't1'"))
