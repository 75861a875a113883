"""Constraints of the outbox and the delivery attempts, tested with raw SQL."""

from collections.abc import Callable, Iterator

import pytest

from homevisits.messages.message_types import names_sent_after_opt_out
from tests.database_constraints.raw_sql import BEFORE, END, REFUSED, START, RawConnection

PHONE = "+15555550101"


@pytest.fixture
def connection(database_url: str) -> Iterator[RawConnection]:
    """A driver connection to a database with two pending messages for the same phone."""
    connection = RawConnection(database_url)
    connection.insert("phone", e164=PHONE)
    for number in (1, 2):
        create_message(connection, number)
    connection.commit()
    yield connection
    connection.close()


def create_message(connection: RawConnection, number: int, **changed: object) -> None:
    """Insert a pending message."""
    row: dict[str, object] = {
        "id": number, "dedupe_key": f"visit:1:{number}", "subject": "visit:1", "phone": PHONE, "language": "en",
        "template": "visit_reminder", "body": "Hello", "not_before": BEFORE, "expires_at": END, "next_at": BEFORE,
        "created_at": BEFORE,
    }  # fmt: skip
    connection.insert("outgoing_message", **{**row, **changed})


def claim_message(connection: RawConnection, number: int = 1) -> None:
    """Claim a message, as a worker does."""
    connection.run("UPDATE outgoing_message SET state = 'sending', attempt_id = ? WHERE id = ?", f"t{number}", number)


def create_attempt(connection: RawConnection) -> None:
    """Insert the delivery attempt of message 1."""
    connection.insert(
        "delivery_attempt", attempt_id="t1", message_id=1, n=1, provider="twilio", phone=PHONE, body_sha256="ab",
        segments=1,
        started_at=START,
    )  # fmt: skip


def record_opt_out_entry(connection: RawConnection, entry: str, reason: str = "family") -> None:
    """Add a row to the opt-out ledger."""
    connection.insert("opt_out_ledger", phone=PHONE, entry=entry, reason=reason, at=START)


def assert_refused(connection: RawConnection, act: Callable[[], object]) -> None:
    """Check that `act` is refused immediately or at the commit."""
    connection.commit()
    with pytest.raises(REFUSED):
        act()
        connection.commit()
    connection.rollback()


def test_pending_message_can_be_claimed_and_delivered(connection: RawConnection) -> None:
    claim_message(connection)
    create_attempt(connection)
    connection.run(
        "UPDATE delivery_attempt SET outcome = 'accepted', provider_message_id = 'SM1', status = 'delivered'"
        " WHERE attempt_id = 't1'"
    )
    connection.run("UPDATE outgoing_message SET state = 'delivered' WHERE id = 1")
    connection.commit()


def test_opted_out_phone_gets_no_message_until_opt_in(connection: RawConnection) -> None:
    record_opt_out_entry(connection, "stop")
    assert_refused(connection, lambda: claim_message(connection))
    record_opt_out_entry(connection, "start")
    claim_message(connection)
    connection.commit()


@pytest.mark.parametrize("template", sorted(names_sent_after_opt_out()))
def test_opt_out_confirmation_can_be_sent_after_opt_out(connection: RawConnection, template: str) -> None:
    record_opt_out_entry(connection, "stop")
    create_message(connection, 3, template=template)
    claim_message(connection, 3)
    connection.commit()


def test_second_message_in_flight_to_a_phone_is_refused(connection: RawConnection) -> None:
    claim_message(connection, 1)
    assert_refused(connection, lambda: claim_message(connection, 2))


@pytest.mark.parametrize(
    "state",
    ["accepted", "delivered", "undelivered", "unknown", "cancelled", "expired", "suppressed", "rejected", "dead"],
)
def test_message_that_is_not_pending_cannot_be_claimed(connection: RawConnection, state: str) -> None:
    connection.run("UPDATE outgoing_message SET state = ? WHERE id = 1", state)
    assert_refused(connection, lambda: claim_message(connection))


def test_message_with_requested_cancel_cannot_be_claimed(connection: RawConnection) -> None:
    connection.run("UPDATE outgoing_message SET cancel_requested = (1 = 1) WHERE id = 1")
    assert_refused(connection, lambda: claim_message(connection))


def test_new_message_cannot_have_the_state_sending(connection: RawConnection) -> None:
    assert_refused(connection, lambda: create_message(connection, 3, state="sending"))


def test_urgent_message_needs_a_sender_and_a_reason(connection: RawConnection) -> None:
    create_message(connection, 3, category="urgent")
    assert_refused(connection, lambda: claim_message(connection, 3))
    connection.run("UPDATE outgoing_message SET urgent_by = 7, urgent_reason = 'The bus broke down.' WHERE id = 3")
    claim_message(connection, 3)
    connection.commit()


@pytest.mark.parametrize(
    "change",
    ["phone = '+15555550102'", "body_sha256 = 'cd'", "n = 2", f"started_at = '{END}'", "message_id = 2",
     "attempt_id = 't9'",
     "provider_message_id = 'SM2'", "outcome = 'not_found'"],
)  # fmt: skip
def test_finished_attempt_cannot_be_changed(connection: RawConnection, change: str) -> None:
    claim_message(connection)
    create_attempt(connection)
    connection.run(
        "UPDATE delivery_attempt SET outcome = 'accepted', provider_message_id = 'SM1' WHERE attempt_id = 't1'"
    )
    assert_refused(connection, lambda: connection.run(f"UPDATE delivery_attempt SET {change} WHERE attempt_id = 't1'"))


def test_attempt_cannot_be_deleted(connection: RawConnection) -> None:
    claim_message(connection)
    create_attempt(connection)
    assert_refused(connection, lambda: connection.run("DELETE FROM delivery_attempt WHERE attempt_id = 't1'"))
