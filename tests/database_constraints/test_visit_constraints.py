"""Constraints of visits, consent, pay and ledgers, tested with raw SQL through each database driver."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.database_constraints import raw_sql
from tests.database_constraints.raw_sql import REFUSED, RawConnection

# TRUNCATE exists only in PostgreSQL. SQLite has INSERT OR REPLACE, which bypasses triggers on DELETE.
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def connection(database_url: str) -> Iterator[RawConnection]:
    """A driver connection to a database with a school and two families that answered yes."""
    connection = RawConnection(database_url)
    raw_sql.create_school(connection)
    yield connection
    connection.close()


def assert_refused(
    connection: RawConnection, attempt: Callable[[], object], tables: tuple[str, ...] = ("visit",)
) -> None:
    """Check that `attempt` is refused immediately or at the commit, and that no row is added."""
    before = [connection.count(table) for table in tables]
    connection.commit()
    with pytest.raises(REFUSED):
        attempt()
        connection.commit()
    connection.rollback()
    assert [connection.count(table) for table in tables] == before


# Valid visits are stored. Without these tests, the refusals below could have any reason.


def test_valid_visit_is_stored(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.commit()
    assert connection.count("visit") == 1
    assert connection.count("visit_member") == 2


def test_valid_visit_can_be_completed_paid_and_followed_by_a_second(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    raw_sql.create_pay_line(connection, 2, 1, 2)
    connection.commit()
    raw_sql.create_visit(connection, 2, raw_sql.LATER, raw_sql.LATEST, kind="second", first_visit_id=1)
    connection.commit()
    assert connection.count("visit") == 2
    assert connection.count("pay_line") == 2


# Visits in pairs


def test_visit_of_one_educator_is_refused(connection: RawConnection) -> None:
    def create_visit_of_one_educator() -> None:
        raw_sql.create_commitment(connection, 11, 1, 1)
        raw_sql.create_visit_row(connection)
        raw_sql.create_member(connection, 1, 1, "lead", 11)

    assert_refused(connection, create_visit_of_one_educator)


def test_visit_without_educators_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit_row(connection))


def test_visit_without_partner_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, partner_id=None))


def test_visit_with_the_same_educator_twice_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, partner_id=1))


def test_educator_cannot_be_lead_and_partner(connection: RawConnection) -> None:
    def add_educator_twice() -> None:
        raw_sql.create_commitment(connection, 11, 1, 1)
        raw_sql.create_visit_row(connection)
        raw_sql.create_member(connection, 1, 1, "lead", 11)
        raw_sql.create_member(connection, 1, 1, "partner", 11)

    assert_refused(connection, add_educator_twice)


def test_team_member_cannot_be_deleted(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    assert_refused(
        connection,
        lambda: connection.run("DELETE FROM visit_member WHERE visit_id = 1 AND educator_id = 2"),
        ("visit_member",),
    )


def test_visit_is_scheduled_only_when_both_are_coming(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    assert_refused(connection, lambda: connection.run("UPDATE visit SET state = 'scheduled' WHERE id = 1"))


def test_visit_attested_by_one_educator_cannot_be_completed(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    connection.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    raw_sql.create_attestation(connection, 11, 1, 1)
    assert_refused(
        connection, lambda: connection.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1")
    )


def test_educator_cannot_attest_for_the_partner(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    connection.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    raw_sql.create_attestation(connection, 11, 1, 1)
    raw_sql.create_attestation(connection, 12, 1, 1, agrees_with=11)
    assert_refused(
        connection, lambda: connection.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1")
    )


# Voluntary participation


def test_visit_without_consent_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, consent_id=None))


@pytest.mark.parametrize("reply", ["other_time", "not_now", "call_me", "withdrawn"])
def test_answer_other_than_yes_is_not_consent(connection: RawConnection, reply: str) -> None:
    raw_sql.record_answer(connection, 7, 1, reply)
    assert_refused(connection, lambda: raw_sql.create_visit(connection, consent_id=7))


@pytest.mark.parametrize("reply", ["not_now", "withdrawn"])
def test_withdrawn_yes_is_not_consent(connection: RawConnection, reply: str) -> None:
    raw_sql.record_answer(connection, 7, 1, reply)
    assert_refused(connection, lambda: raw_sql.create_visit(connection))


def test_yes_of_another_family_is_not_consent(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, consent_id=2))


def test_unknown_consent_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, consent_id=99))


def test_educator_who_opted_out_cannot_join_a_team(connection: RawConnection) -> None:
    connection.insert("opt_in", id=20, educator_id=2, answer="out", at=raw_sql.BEFORE)
    assert_refused(connection, lambda: raw_sql.create_visit(connection))


def test_educator_without_opt_in_cannot_join_a_team(connection: RawConnection) -> None:
    def create_visit_without_opt_in() -> None:
        raw_sql.create_commitment(connection, 11, 1, 1)
        raw_sql.create_commitment(connection, 12, 2, 1)
        raw_sql.create_visit_row(connection)
        raw_sql.create_member(connection, 1, 1, "lead", 11)
        raw_sql.create_member(connection, 1, 2, "partner", 12, opt_in_id=1)

    assert_refused(connection, create_visit_without_opt_in)


# Families are selected by draw or by their own request


def test_visit_without_invitation_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, invitation_id=None))


def test_invitation_without_draw_or_request_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_invitation(connection, 3, draw_id=None), ("invitation",))


def test_family_that_was_not_drawn_cannot_be_invited(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_invitation(connection, 3), ("invitation",))


def test_family_that_asked_for_a_visit_can_be_invited(connection: RawConnection) -> None:
    connection.insert("family_request", id=1, family_id=3, school_id=1, how="phone", at=raw_sql.BEFORE, recorded_by=1)
    raw_sql.create_invitation(connection, 3, draw_id=None, family_request_id=1)
    connection.commit()
    assert connection.count("invitation") == 3


def test_request_of_another_family_does_not_allow_an_invitation(connection: RawConnection) -> None:
    connection.insert("family_request", id=1, family_id=2, school_id=1, how="phone", at=raw_sql.BEFORE, recorded_by=1)
    assert_refused(
        connection, lambda: raw_sql.create_invitation(connection, 3, draw_id=None, family_request_id=1), ("invitation",)
    )


def test_invitation_cannot_be_moved_to_another_family(connection: RawConnection) -> None:
    assert_refused(connection, lambda: connection.run("UPDATE invitation SET family_id = 3 WHERE id = 2"))


# Training


def create_visit_with_partner(connection: RawConnection, educator: int, certification: int | None) -> None:
    raw_sql.create_commitment(connection, 11, 1, 1)
    raw_sql.create_commitment(connection, 12, educator, 1)
    raw_sql.create_visit_row(connection, partner_id=educator)
    raw_sql.create_member(connection, 1, 1, "lead", 11)
    raw_sql.create_member(connection, 1, educator, "partner", 12, certification_id=certification)


def test_visit_with_uncertified_partner_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: create_visit_with_partner(connection, 4, None))


def test_certification_of_another_person_does_not_count(connection: RawConnection) -> None:
    assert_refused(connection, lambda: create_visit_with_partner(connection, 4, 2))


@pytest.mark.parametrize(("first", "last"), [("2026-10-07", "2027-10-06"), ("2025-10-06", "2026-10-05")])
def test_certification_not_valid_on_the_day_of_the_visit_does_not_count(
    connection: RawConnection, first: str, last: str
) -> None:
    connection.insert(
        "certification", id=4, educator_id=4, training_session_id=1, valid_from=first, valid_until=last
    )  # fmt: skip
    assert_refused(connection, lambda: create_visit_with_partner(connection, 4, 4))


def test_certification_counts_on_its_first_and_last_day(connection: RawConnection) -> None:
    connection.insert(
        "certification", id=4, educator_id=4, training_session_id=1, valid_from=raw_sql.DAY, valid_until=raw_sql.DAY
    )  # fmt: skip
    create_visit_with_partner(connection, 4, 4)
    connection.commit()
    assert connection.count("visit") == 1


def test_revoked_certification_does_not_count(connection: RawConnection) -> None:
    connection.run("UPDATE certification SET revoked_on = ? WHERE id = 2", raw_sql.DAY)
    assert_refused(connection, lambda: raw_sql.create_visit(connection))


# First visit before second visit


def test_second_visit_without_first_is_refused(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, kind="second"))


def test_second_visit_after_a_cancelled_first_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit SET state = 'cancelled_by_family' WHERE id = 1")
    assert_refused(
        connection,
        lambda: raw_sql.create_visit(connection, 2, raw_sql.LATER, raw_sql.LATEST, kind="second", first_visit_id=1),
    )


def test_second_visit_after_first_of_another_family_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    assert_refused(
        connection,
        lambda: raw_sql.create_visit(
            connection,
            2,
            raw_sql.LATER,
            raw_sql.LATEST,
            kind="second",
            first_visit_id=1,
            family_id=2,
            invitation_id=2,
            consent_id=2,
        ),
    )


def test_visit_cannot_be_its_own_first_visit(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_visit(connection, kind="second", first_visit_id=1))


# Commitments


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (raw_sql.START, raw_sql.END),
        ("2026-10-06 22:00:00.000000", "2026-10-06 22:30:00.000001"),
        ("2026-10-06 23:14:59.000000", "2026-10-07 00:00:00.000000"),
        ("2026-10-06 22:40:00.000000", "2026-10-06 22:50:00.000000"),
        ("2026-10-06 20:00:00.000000", "2026-10-07 20:00:00.000000"),
    ],
)
def test_overlapping_commitment_is_refused(connection: RawConnection, start: str, end: str) -> None:
    raw_sql.create_commitment(connection, 50, 1, 9)
    assert_refused(
        connection, lambda: raw_sql.create_commitment(connection, 51, 1, 9, start=start, end=end), ("commitment",)
    )


def test_adjacent_commitments_and_those_of_others_are_stored(connection: RawConnection) -> None:
    raw_sql.create_commitment(connection, 50, 1, 9)
    raw_sql.create_commitment(connection, 51, 1, 9, start="2026-10-06 22:00:00.000000", end=raw_sql.START)
    raw_sql.create_commitment(connection, 52, 1, 9, start=raw_sql.END, end="2026-10-06 23:30:00.000000")
    raw_sql.create_commitment(connection, 53, 2, 9)
    connection.commit()
    assert connection.count("commitment") == 4


def test_commitment_cannot_be_moved_onto_another(connection: RawConnection) -> None:
    raw_sql.create_commitment(connection, 50, 1, 9)
    raw_sql.create_commitment(connection, 51, 1, 9, start=raw_sql.LATER, end=raw_sql.LATEST)
    assert_refused(
        connection,
        lambda: connection.run("UPDATE commitment SET starts_at = ? WHERE id = 51", raw_sql.START),
        ("commitment",),
    )


def test_released_commitment_cannot_be_reactivated_over_another(connection: RawConnection) -> None:
    raw_sql.create_commitment(connection, 50, 1, 9)
    connection.run("UPDATE commitment SET active = false WHERE id = 50")
    raw_sql.create_commitment(connection, 51, 1, 9)
    assert_refused(
        connection, lambda: connection.run("UPDATE commitment SET active = true WHERE id = 50"), ("commitment",)
    )


def test_team_member_needs_a_commitment_at_the_time_of_the_visit(connection: RawConnection) -> None:
    def create_visit_with_commitment_at_another_time() -> None:
        raw_sql.create_commitment(connection, 11, 1, 1)
        raw_sql.create_commitment(connection, 12, 2, 1, start=raw_sql.LATER, end=raw_sql.LATEST)
        raw_sql.create_visit_row(connection)
        raw_sql.create_member(connection, 1, 1, "lead", 11)
        raw_sql.create_member(connection, 1, 2, "partner", 12)

    assert_refused(connection, create_visit_with_commitment_at_another_time)


def test_second_planned_visit_of_a_family_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    assert_refused(connection, lambda: raw_sql.create_visit(connection, 2, raw_sql.LATER, raw_sql.LATEST))


# Pay


def test_duplicate_pay_line_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    assert_refused(connection, lambda: raw_sql.create_pay_line(connection, 2, 1, 1), ("pay_line",))


def test_pay_line_for_an_uncompleted_visit_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.create_pay_rule(connection)
    assert_refused(connection, lambda: raw_sql.create_pay_line(connection, 1, 1, 1), ("pay_line",))


def test_pay_line_for_a_person_outside_the_team_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    assert_refused(connection, lambda: raw_sql.create_pay_line(connection, 1, 1, 3), ("pay_line",))


def test_pay_line_amount_cannot_be_changed_or_deleted(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    assert_refused(connection, lambda: connection.run("UPDATE pay_line SET amount_cents = 9000 WHERE id = 1"))
    assert_refused(connection, lambda: connection.run("DELETE FROM pay_line WHERE id = 1"), ("pay_line",))


def test_same_account_cannot_give_both_approvals(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    assert_refused(connection, lambda: connection.run("UPDATE pay_line SET state = 'site_approved' WHERE id = 1"))
    connection.insert("pay_approval", id=1, line_id=1, step="site", by_account=1, at=raw_sql.LATER)
    connection.run("UPDATE pay_line SET state = 'site_approved' WHERE id = 1")
    connection.insert("pay_approval", id=2, line_id=1, step="union", by_account=1, at=raw_sql.LATER)
    assert_refused(connection, lambda: connection.run("UPDATE pay_line SET state = 'approved' WHERE id = 1"))
    connection.insert("pay_approval", id=3, line_id=1, step="union", by_account=2, at=raw_sql.LATER)
    connection.run("UPDATE pay_line SET state = 'approved' WHERE id = 1")
    connection.commit()


# Ledgers

LEDGERS = {
    "opt_in": "answer = 'out'",
    "consent_ledger": "answer = 'not_now'",
    "family_request": "how = 'text'",
    "draw": "seed = 'y'",
    "draw_entry": "position = 9",
    "attestation": "both_went = false",
    "opt_out_ledger": "entry = 'start'",
    "pay_approval": "comment = 'other'",
    "visit_event": "at = '2026-12-01 00:00:00.000000'",
}


@pytest.fixture
def ledgers(connection: RawConnection) -> RawConnection:
    """A database in which every ledger has a row."""
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    connection.insert("family_request", id=1, family_id=3, school_id=1, how="phone", at=raw_sql.BEFORE, recorded_by=1)
    connection.insert("opt_out_ledger", id=1, phone="+13035550101", entry="stop", reason="family", at=raw_sql.BEFORE)
    connection.insert("pay_approval", id=1, line_id=1, step="site", by_account=1, at=raw_sql.LATER)
    connection.insert("visit_event", id=1, visit_id=1, what="booked", at=raw_sql.BEFORE)
    connection.commit()
    return connection


@pytest.mark.parametrize("table", LEDGERS)
def test_ledger_row_cannot_be_updated(ledgers: RawConnection, table: str) -> None:
    assert_refused(ledgers, lambda: ledgers.run(f"UPDATE {table} SET {LEDGERS[table]}"), (table,))


@pytest.mark.parametrize("table", LEDGERS)
def test_ledger_row_cannot_be_deleted(ledgers: RawConnection, table: str) -> None:
    assert ledgers.count(table) > 0
    assert_refused(ledgers, lambda: ledgers.run(f"DELETE FROM {table}"), (table,))


@on_postgresql
@pytest.mark.parametrize("table", LEDGERS)
def test_ledger_cannot_be_truncated(ledgers: RawConnection, table: str) -> None:
    with pytest.raises(psycopg.Error):
        ledgers.run(f"TRUNCATE {table} CASCADE")
    ledgers.rollback()
    assert ledgers.count(table) > 0


@on_sqlite
@pytest.mark.parametrize("table", [*LEDGERS, "visit", "visit_member", "pay_line", "invitation", "commitment"])
def test_insert_or_replace_is_refused(ledgers: RawConnection, table: str) -> None:
    assert_refused(ledgers, lambda: ledgers.run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"), (table,))


@on_sqlite
def test_insert_or_replace_of_a_pay_line_with_a_new_id_is_refused(ledgers: RawConnection) -> None:
    assert_refused(
        ledgers,
        lambda: ledgers.run(
            "INSERT OR REPLACE INTO pay_line (id, visit_id, person_id, pay_type, school_id, earned_on, minutes,"
            " paid_minutes, rule_id, amount_cents, created_at) SELECT 77, visit_id, person_id, pay_type, school_id,"
            " earned_on, minutes, paid_minutes, rule_id, 990000, created_at FROM pay_line"
        ),
        ("pay_line",),
    )


# Later changes must not make a valid row invalid


@pytest.fixture
def scheduled(connection: RawConnection) -> RawConnection:
    """A database with visit 1 scheduled: both educators are coming."""
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit_member SET state = 'coming'")
    connection.run("UPDATE visit SET state = 'scheduled'")
    connection.commit()
    return connection


def test_commitment_of_a_scheduled_visit_cannot_be_moved(scheduled: RawConnection) -> None:
    moved = "UPDATE commitment SET starts_at = '2026-11-06 22:30:00.000000', ends_at = '2026-11-06 23:15:00.000000'"
    assert_refused(scheduled, lambda: scheduled.run(f"{moved} WHERE id = 11"))


def test_visit_with_a_moved_commitment_cannot_be_scheduled(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    connection.run("UPDATE visit_member SET state = 'coming'")
    moved = "UPDATE commitment SET starts_at = '2026-11-06 22:30:00.000000', ends_at = '2026-11-06 23:15:00.000000'"
    connection.run(f"{moved} WHERE id = 11")
    assert_refused(connection, lambda: connection.run("UPDATE visit SET state = 'scheduled'"))


@pytest.mark.parametrize("state", ["asked", "declined", "unable", "withdrawn"])
def test_team_member_cannot_leave_a_scheduled_visit(scheduled: RawConnection, state: str) -> None:
    assert_refused(scheduled, lambda: scheduled.run(f"UPDATE visit_member SET state = '{state}' WHERE educator_id = 2"))


def test_team_member_cannot_leave_a_completed_visit(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    assert_refused(connection, lambda: connection.run("UPDATE visit_member SET state = 'unable' WHERE educator_id = 2"))


def test_scheduled_visit_cannot_get_a_partner_who_declined(scheduled: RawConnection) -> None:
    raw_sql.create_commitment(scheduled, 13, 3, 1)
    raw_sql.create_member(scheduled, 1, 3, "partner", 13, state="declined")
    assert_refused(scheduled, lambda: scheduled.run("UPDATE visit SET partner_id = 3"))


def test_required_number_of_certified_educators_cannot_be_lowered(scheduled: RawConnection) -> None:
    assert_refused(scheduled, lambda: scheduled.run("UPDATE visit SET min_trained = 1"))


def test_visit_cannot_be_completed_after_the_family_withdrew(scheduled: RawConnection) -> None:
    raw_sql.create_attestation(scheduled, 11, 1, 1)
    raw_sql.create_attestation(scheduled, 12, 1, 2, agrees_with=11)
    raw_sql.record_answer(scheduled, 9, 1, "withdrawn")
    assert_refused(scheduled, lambda: scheduled.run("UPDATE visit SET state = 'completed', attestation_id = 11"))


@pytest.mark.parametrize(
    "changed",
    [{"outcome": "family_away"}, {"both_went": False}, {"started_at": "2026-10-06 22:40:00.000000"}],
    ids=lambda changed: str(*changed),
)
def test_visit_with_different_reports_cannot_be_completed(scheduled: RawConnection, changed: dict[str, object]) -> None:
    raw_sql.create_attestation(scheduled, 11, 1, 1)
    raw_sql.create_attestation(scheduled, 12, 1, 2, agrees_with=11, **changed)
    assert_refused(scheduled, lambda: scheduled.run("UPDATE visit SET state = 'completed', attestation_id = 11"))


def test_replacement_invitation_needs_a_closed_invitation(connection: RawConnection) -> None:
    assert_refused(connection, lambda: raw_sql.create_invitation(connection, 3, replaces_id=1), ("invitation",))
    connection.run("UPDATE invitation SET closed_at = ? WHERE id = 1", raw_sql.BEFORE)
    raw_sql.create_invitation(connection, 3, replaces_id=1)
    connection.commit()
    assert connection.count("invitation") == 3


def test_entry_cannot_be_added_to_a_draw(connection: RawConnection) -> None:
    connection.insert("family", id=7, key="f7", name="Family 7")
    entry = {"draw_id": 1, "family_id": 7, "household_key": "f7", "students": "[]", "stratum": "", "sha256": "7"}
    assert_refused(connection, lambda: connection.insert("draw_entry", **entry, position=3), ("draw_entry",))


def test_approvals_before_a_return_do_not_count(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    for number, step, by in ((1, "site", 1), (2, "union", 2), (3, "returned", 2)):
        connection.insert(
            "pay_approval", id=number, line_id=1, step=step, by_account=by, at=raw_sql.LATER, comment="Check."
        )
    assert_refused(connection, lambda: connection.run("UPDATE pay_line SET state = 'approved'"), ("pay_line",))
    assert_refused(connection, lambda: connection.run("UPDATE pay_line SET state = 'site_approved'"), ("pay_line",))


@on_sqlite
def test_update_or_replace_is_refused(connection: RawConnection) -> None:
    raw_sql.create_visit(connection)
    raw_sql.complete_visit(connection)
    raw_sql.create_pay_rule(connection)
    raw_sql.create_pay_line(connection, 1, 1, 1)
    raw_sql.create_pay_line(connection, 2, 1, 2)
    assert_refused(
        connection, lambda: connection.run("UPDATE OR REPLACE pay_line SET id = 1 WHERE id = 2"), ("pay_line",)
    )
    raw_sql.create_invitation(
        connection, 3, family_id=1, draw_id=None, family_request_id=_create_family_request(connection)
    )
    assert_refused(
        connection, lambda: connection.run("UPDATE OR REPLACE invitation SET id = 3 WHERE id = 2"), ("invitation",)
    )
    assert_refused(
        connection, lambda: connection.run("UPDATE OR REPLACE commitment SET id = 11 WHERE id = 12"), ("commitment",)
    )


def _create_family_request(connection: RawConnection) -> int:
    connection.insert("family_request", id=1, family_id=1, school_id=1, how="phone", at=raw_sql.BEFORE, recorded_by=1)
    return 1


def create_caregiver(connection: RawConnection, number: int, family: int, **changed: object) -> None:
    row = {"source_id": f"g{number}", "given_name": "Ana", "family_name": "A", "relation": "mother"}
    connection.insert("caregiver", id=number, family_id=family, **(row | changed))


@pytest.mark.parametrize(
    ("family", "changed"),
    [(2, {}), (1, {"restricted": True}), (1, {"left_on": "2026-08-31"})],
    ids=["other family", "restricted", "left"],
)
def test_yes_of_a_person_who_is_not_a_caregiver_is_refused(
    connection: RawConnection, family: int, changed: dict[str, object]
) -> None:
    create_caregiver(connection, 1, family, **changed)
    raw_sql.record_answer(connection, 7, 1, "yes", caregiver_id=1)
    assert_refused(connection, lambda: raw_sql.create_visit(connection, consent_id=7))


def test_yes_needs_a_caregiver_once_the_family_has_caregivers(connection: RawConnection) -> None:
    create_caregiver(connection, 1, 1)
    assert_refused(connection, lambda: raw_sql.create_visit(connection))
    raw_sql.record_answer(connection, 7, 1, "yes", caregiver_id=1)
    raw_sql.create_visit(connection, consent_id=7)
    connection.commit()
    assert connection.count("visit") == 1
