"""What cannot be proven cannot be stored: raw SQL through each engine's own driver is refused."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.evidence import raw as sql
from tests.evidence.raw import REFUSED, Raw

# PostgreSQL can empty a table at a stroke; SQLite can replace a row without asking any trigger on DELETE.
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def raw(database_url: str) -> Iterator[Raw]:
    """The driver's connection to a small lawful world."""
    made = Raw(database_url)
    sql.settle(made)
    yield made
    made.close()


def refused(raw: Raw, attempt: Callable[[], object], tables: tuple[str, ...] = ("visit",)) -> None:
    """`attempt` is refused at once or at commit, and nothing of it stays."""
    before = [raw.count(table) for table in tables]
    raw.commit()
    with pytest.raises(REFUSED):
        attempt()
        raw.commit()
    raw.rollback()
    assert [raw.count(table) for table in tables] == before


# Without these, every refusal below could have a reason of its own.


def test_a_lawful_visit_is_stored(raw: Raw) -> None:
    sql.book(raw)
    raw.commit()
    assert raw.count("visit") == 1
    assert raw.count("visit_member") == 2


def test_a_lawful_visit_can_be_held_and_paid_and_followed_by_a_second(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    sql.pay(raw, 2, 1, 2)
    raw.commit()
    sql.book(raw, 2, sql.LATER, sql.LATEST, kind="second", first_visit_id=1)
    raw.commit()
    assert raw.count("visit") == 2
    assert raw.count("pay_line") == 2


# In pairs


def test_a_visit_with_one_person_is_refused(raw: Raw) -> None:
    def alone() -> None:
        sql.commit_time(raw, 11, 1, 1)
        sql.visit_row(raw)
        sql.member(raw, 1, 1, "lead", 11)

    refused(raw, alone)


def test_a_visit_with_nobody_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.visit_row(raw))


def test_a_visit_with_no_partner_named_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, partner_id=None))


def test_a_visit_with_the_same_person_twice_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, partner_id=1))


def test_a_person_cannot_take_both_places_of_a_team(raw: Raw) -> None:
    def twice() -> None:
        sql.commit_time(raw, 11, 1, 1)
        sql.visit_row(raw)
        sql.member(raw, 1, 1, "lead", 11)
        sql.member(raw, 1, 1, "partner", 11)

    refused(raw, twice)


def test_a_place_in_a_team_is_not_removed(raw: Raw) -> None:
    sql.book(raw)
    refused(raw, lambda: raw.run("DELETE FROM visit_member WHERE visit_id = 1 AND educator_id = 2"), ("visit_member",))


def test_a_visit_goes_ahead_only_when_both_are_coming(raw: Raw) -> None:
    sql.book(raw)
    refused(raw, lambda: raw.run("UPDATE visit SET state = 'scheduled' WHERE id = 1"))


def test_a_visit_attested_by_one_is_not_completed(raw: Raw) -> None:
    sql.book(raw)
    raw.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    raw.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    sql.attest(raw, 11, 1, 1)
    refused(raw, lambda: raw.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1"))


def test_nobody_attests_in_the_partners_place(raw: Raw) -> None:
    sql.book(raw)
    raw.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = 1")
    raw.run("UPDATE visit SET state = 'scheduled' WHERE id = 1")
    sql.attest(raw, 11, 1, 1)
    sql.attest(raw, 12, 1, 1, agrees_with=11)
    refused(raw, lambda: raw.run("UPDATE visit SET state = 'completed', attestation_id = 11 WHERE id = 1"))


# Voluntary


def test_a_visit_without_a_consent_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, consent_id=None))


@pytest.mark.parametrize("said", ["other_time", "not_now", "call_me", "withdrawn"])
def test_an_answer_that_is_not_yes_is_no_consent(raw: Raw, said: str) -> None:
    sql.answer(raw, 7, 1, said)
    refused(raw, lambda: sql.book(raw, consent_id=7))


@pytest.mark.parametrize("said", ["not_now", "withdrawn"])
def test_a_yes_that_was_taken_back_is_no_consent(raw: Raw, said: str) -> None:
    sql.answer(raw, 7, 1, said)
    refused(raw, lambda: sql.book(raw))


def test_another_familys_yes_is_no_consent(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, consent_id=2))


def test_a_consent_that_does_not_exist_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, consent_id=99))


def test_an_educator_who_left_the_programme_is_not_put_in_a_team(raw: Raw) -> None:
    raw.insert("opt_in", id=20, educator_id=2, answer="out", at=sql.BEFORE)
    refused(raw, lambda: sql.book(raw))


def test_an_educator_who_never_opted_in_is_not_put_in_a_team(raw: Raw) -> None:
    def unwilling() -> None:
        sql.commit_time(raw, 11, 1, 1)
        sql.commit_time(raw, 12, 2, 1)
        sql.visit_row(raw)
        sql.member(raw, 1, 1, "lead", 11)
        sql.member(raw, 1, 2, "partner", 12, opt_in_id=1)

    refused(raw, unwilling)


# Nobody is targeted


def test_a_visit_without_an_invitation_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, invitation_id=None))


def test_a_visit_without_a_draw_or_the_familys_request_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.ask(raw, 3, draw_id=None), ("invitation",))


def test_a_family_that_was_not_drawn_is_not_asked(raw: Raw) -> None:
    refused(raw, lambda: sql.ask(raw, 3), ("invitation",))


def test_a_family_that_asked_itself_may_be_invited(raw: Raw) -> None:
    raw.insert("family_request", id=1, family_id=3, school_id=1, how="phone", at=sql.BEFORE, recorded_by=1)
    sql.ask(raw, 3, draw_id=None, family_request_id=1)
    raw.commit()
    assert raw.count("invitation") == 3


def test_another_familys_request_is_no_reason_to_ask(raw: Raw) -> None:
    raw.insert("family_request", id=1, family_id=2, school_id=1, how="phone", at=sql.BEFORE, recorded_by=1)
    refused(raw, lambda: sql.ask(raw, 3, draw_id=None, family_request_id=1), ("invitation",))


def test_an_invitation_cannot_be_turned_to_another_family(raw: Raw) -> None:
    refused(raw, lambda: raw.run("UPDATE invitation SET family_id = 3 WHERE id = 2"))


# Trained


def pair_with(raw: Raw, educator: int, certification: int | None) -> None:
    sql.commit_time(raw, 11, 1, 1)
    sql.commit_time(raw, 12, educator, 1)
    sql.visit_row(raw, partner_id=educator)
    sql.member(raw, 1, 1, "lead", 11)
    sql.member(raw, 1, educator, "partner", 12, certification_id=certification)


def test_a_visit_with_an_uncertified_partner_is_refused(raw: Raw) -> None:
    refused(raw, lambda: pair_with(raw, 4, None))


def test_another_persons_certification_does_not_count(raw: Raw) -> None:
    refused(raw, lambda: pair_with(raw, 4, 2))


@pytest.mark.parametrize(("first", "last"), [("2026-10-07", "2027-10-06"), ("2025-10-06", "2026-10-05")])
def test_a_certification_counts_on_the_day_of_the_visit_only(raw: Raw, first: str, last: str) -> None:
    raw.insert(
        "certification", id=4, educator_id=4, training_session_id=1, valid_from=first, valid_until=last
    )  # fmt: skip
    refused(raw, lambda: pair_with(raw, 4, 4))


def test_a_certification_counts_on_its_first_and_on_its_last_day(raw: Raw) -> None:
    raw.insert(
        "certification", id=4, educator_id=4, training_session_id=1, valid_from=sql.DAY, valid_until=sql.DAY
    )  # fmt: skip
    pair_with(raw, 4, 4)
    raw.commit()
    assert raw.count("visit") == 1


def test_a_certification_that_was_withdrawn_does_not_count(raw: Raw) -> None:
    raw.run("UPDATE certification SET revoked_on = ? WHERE id = 2", sql.DAY)
    refused(raw, lambda: sql.book(raw))


# Hopes and dreams first


def test_a_second_visit_without_a_first_is_refused(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, kind="second"))


def test_a_second_visit_after_a_first_that_was_not_held_is_refused(raw: Raw) -> None:
    sql.book(raw)
    raw.run("UPDATE visit SET state = 'cancelled_by_family' WHERE id = 1")
    refused(raw, lambda: sql.book(raw, 2, sql.LATER, sql.LATEST, kind="second", first_visit_id=1))


def test_a_second_visit_after_another_familys_first_is_refused(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    refused(
        raw,
        lambda: sql.book(
            raw, 2, sql.LATER, sql.LATEST, kind="second", first_visit_id=1, family_id=2, invitation_id=2, consent_id=2
        ),
    )


def test_a_visit_cannot_come_before_itself(raw: Raw) -> None:
    refused(raw, lambda: sql.book(raw, kind="second", first_visit_id=1))


# Time


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (sql.START, sql.END),
        ("2026-10-06 22:00:00.000000", "2026-10-06 22:30:00.000001"),
        ("2026-10-06 23:14:59.000000", "2026-10-07 00:00:00.000000"),
        ("2026-10-06 22:40:00.000000", "2026-10-06 22:50:00.000000"),
        ("2026-10-06 20:00:00.000000", "2026-10-07 20:00:00.000000"),
    ],
)
def test_an_overlapping_commitment_is_refused(raw: Raw, start: str, end: str) -> None:
    sql.commit_time(raw, 50, 1, 9)
    refused(raw, lambda: sql.commit_time(raw, 51, 1, 9, start, end), ("commitment",))


def test_commitments_that_touch_and_those_of_others_are_stored(raw: Raw) -> None:
    sql.commit_time(raw, 50, 1, 9)
    sql.commit_time(raw, 51, 1, 9, "2026-10-06 22:00:00.000000", sql.START)
    sql.commit_time(raw, 52, 1, 9, sql.END, "2026-10-06 23:30:00.000000")
    sql.commit_time(raw, 53, 2, 9)
    raw.commit()
    assert raw.count("commitment") == 4


def test_a_commitment_cannot_be_moved_onto_another(raw: Raw) -> None:
    sql.commit_time(raw, 50, 1, 9)
    sql.commit_time(raw, 51, 1, 9, sql.LATER, sql.LATEST)
    refused(raw, lambda: raw.run("UPDATE commitment SET starts_at = ? WHERE id = 51", sql.START), ("commitment",))


def test_a_released_commitment_cannot_be_taken_up_again_over_another(raw: Raw) -> None:
    sql.commit_time(raw, 50, 1, 9)
    raw.run("UPDATE commitment SET active = false WHERE id = 50")
    sql.commit_time(raw, 51, 1, 9)
    refused(raw, lambda: raw.run("UPDATE commitment SET active = true WHERE id = 50"), ("commitment",))


def test_a_place_in_a_team_needs_the_persons_time(raw: Raw) -> None:
    def at_another_time() -> None:
        sql.commit_time(raw, 11, 1, 1)
        sql.commit_time(raw, 12, 2, 1, sql.LATER, sql.LATEST)
        sql.visit_row(raw)
        sql.member(raw, 1, 1, "lead", 11)
        sql.member(raw, 1, 2, "partner", 12)

    refused(raw, at_another_time)


def test_a_family_has_one_visit_ahead_of_it(raw: Raw) -> None:
    sql.book(raw)
    refused(raw, lambda: sql.book(raw, 2, sql.LATER, sql.LATEST))


# Pay


def test_a_second_pay_line_for_the_same_person_visit_and_type_is_refused(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    refused(raw, lambda: sql.pay(raw, 2, 1, 1), ("pay_line",))


def test_a_visit_that_was_not_completed_is_not_paid(raw: Raw) -> None:
    sql.book(raw)
    sql.rule(raw)
    refused(raw, lambda: sql.pay(raw, 1, 1, 1), ("pay_line",))


def test_someone_who_did_not_go_is_not_paid(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    refused(raw, lambda: sql.pay(raw, 1, 1, 3), ("pay_line",))


def test_the_amount_of_a_pay_line_is_never_edited(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    refused(raw, lambda: raw.run("UPDATE pay_line SET amount_cents = 9000 WHERE id = 1"))
    refused(raw, lambda: raw.run("DELETE FROM pay_line WHERE id = 1"), ("pay_line",))


def test_one_person_cannot_give_both_approvals(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    refused(raw, lambda: raw.run("UPDATE pay_line SET state = 'site_approved' WHERE id = 1"))
    raw.insert("pay_approval", id=1, line_id=1, step="site", by_account=1, at=sql.LATER)
    raw.run("UPDATE pay_line SET state = 'site_approved' WHERE id = 1")
    raw.insert("pay_approval", id=2, line_id=1, step="union", by_account=1, at=sql.LATER)
    refused(raw, lambda: raw.run("UPDATE pay_line SET state = 'approved' WHERE id = 1"))
    raw.insert("pay_approval", id=3, line_id=1, step="union", by_account=2, at=sql.LATER)
    raw.run("UPDATE pay_line SET state = 'approved' WHERE id = 1")
    raw.commit()


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
def ledgers(raw: Raw) -> Raw:
    """A world in which every ledger has a row."""
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    raw.insert("family_request", id=1, family_id=3, school_id=1, how="phone", at=sql.BEFORE, recorded_by=1)
    raw.insert("opt_out_ledger", id=1, phone="+13035550101", entry="stop", reason="family", at=sql.BEFORE)
    raw.insert("pay_approval", id=1, line_id=1, step="site", by_account=1, at=sql.LATER)
    raw.insert("visit_event", id=1, visit_id=1, what="booked", at=sql.BEFORE)
    raw.commit()
    return raw


@pytest.mark.parametrize("table", LEDGERS)
def test_a_ledger_row_is_never_edited(ledgers: Raw, table: str) -> None:
    refused(ledgers, lambda: ledgers.run(f"UPDATE {table} SET {LEDGERS[table]}"), (table,))


@pytest.mark.parametrize("table", LEDGERS)
def test_a_ledger_row_is_never_deleted(ledgers: Raw, table: str) -> None:
    assert ledgers.count(table) > 0
    refused(ledgers, lambda: ledgers.run(f"DELETE FROM {table}"), (table,))


@on_postgresql
@pytest.mark.parametrize("table", LEDGERS)
def test_a_ledger_is_never_emptied_at_a_stroke(ledgers: Raw, table: str) -> None:
    with pytest.raises(psycopg.Error):
        ledgers.run(f"TRUNCATE {table} CASCADE")
    ledgers.rollback()
    assert ledgers.count(table) > 0


@on_sqlite
@pytest.mark.parametrize("table", [*LEDGERS, "visit", "visit_member", "pay_line", "invitation", "commitment"])
def test_a_row_that_is_kept_is_not_replaced_either(ledgers: Raw, table: str) -> None:
    refused(ledgers, lambda: ledgers.run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"), (table,))


@on_sqlite
def test_a_pay_line_is_not_replaced_by_one_with_another_number(ledgers: Raw) -> None:
    refused(
        ledgers,
        lambda: ledgers.run(
            "INSERT OR REPLACE INTO pay_line (id, visit_id, person_id, pay_type, school_id, earned_on, minutes,"
            " paid_minutes, rule_id, amount_cents, created_at) SELECT 77, visit_id, person_id, pay_type, school_id,"
            " earned_on, minutes, paid_minutes, rule_id, 990000, created_at FROM pay_line"
        ),
        ("pay_line",),
    )


# By the side door: what was lawful when it was stored is not made otherwise afterwards


@pytest.fixture
def arranged(raw: Raw) -> Raw:
    """Visit 1 is arranged: both come."""
    sql.book(raw)
    raw.run("UPDATE visit_member SET state = 'coming'")
    raw.run("UPDATE visit SET state = 'scheduled'")
    raw.commit()
    return raw


def test_the_time_of_an_arranged_visit_is_not_moved_away_under_it(arranged: Raw) -> None:
    moved = "UPDATE commitment SET starts_at = '2026-11-06 22:30:00.000000', ends_at = '2026-11-06 23:15:00.000000'"
    refused(arranged, lambda: arranged.run(f"{moved} WHERE id = 11"))


def test_a_visit_whose_time_was_moved_away_is_not_arranged(raw: Raw) -> None:
    sql.book(raw)
    raw.run("UPDATE visit_member SET state = 'coming'")
    moved = "UPDATE commitment SET starts_at = '2026-11-06 22:30:00.000000', ends_at = '2026-11-06 23:15:00.000000'"
    raw.run(f"{moved} WHERE id = 11")
    refused(raw, lambda: raw.run("UPDATE visit SET state = 'scheduled'"))


@pytest.mark.parametrize("state", ["asked", "declined", "unable", "withdrawn"])
def test_nobody_leaves_the_team_of_an_arranged_visit_silently(arranged: Raw, state: str) -> None:
    refused(arranged, lambda: arranged.run(f"UPDATE visit_member SET state = '{state}' WHERE educator_id = 2"))


def test_nobody_leaves_the_team_of_a_visit_that_was_held(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    refused(raw, lambda: raw.run("UPDATE visit_member SET state = 'unable' WHERE educator_id = 2"))


def test_an_arranged_visit_is_not_given_a_partner_who_does_not_come(arranged: Raw) -> None:
    sql.commit_time(arranged, 13, 3, 1)
    sql.member(arranged, 1, 3, "partner", 13, state="declined")
    refused(arranged, lambda: arranged.run("UPDATE visit SET partner_id = 3"))


def test_how_many_must_be_certified_is_not_lowered_afterwards(arranged: Raw) -> None:
    refused(arranged, lambda: arranged.run("UPDATE visit SET min_trained = 1"))


def test_a_visit_is_not_completed_after_the_family_withdrew_before_it(arranged: Raw) -> None:
    sql.attest(arranged, 11, 1, 1)
    sql.attest(arranged, 12, 1, 2, agrees_with=11)
    sql.answer(arranged, 9, 1, "withdrawn")
    refused(arranged, lambda: arranged.run("UPDATE visit SET state = 'completed', attestation_id = 11"))


@pytest.mark.parametrize(
    "changed",
    [{"outcome": "family_away"}, {"both_went": False}, {"started_at": "2026-10-06 22:40:00.000000"}],
    ids=lambda changed: str(*changed),
)
def test_two_who_say_different_things_do_not_agree(arranged: Raw, changed: dict[str, object]) -> None:
    sql.attest(arranged, 11, 1, 1)
    sql.attest(arranged, 12, 1, 2, agrees_with=11, **changed)
    refused(arranged, lambda: arranged.run("UPDATE visit SET state = 'completed', attestation_id = 11"))


def test_a_family_is_asked_in_anothers_stead_only_when_that_one_said_no(raw: Raw) -> None:
    refused(raw, lambda: sql.ask(raw, 3, replaces_id=1), ("invitation",))
    raw.run("UPDATE invitation SET closed_at = ? WHERE id = 1", sql.BEFORE)
    sql.ask(raw, 3, replaces_id=1)
    raw.commit()
    assert raw.count("invitation") == 3


def test_no_place_is_added_to_a_draw(raw: Raw) -> None:
    raw.insert("family", id=7, key="f7", name="Family 7")
    entry = {"draw_id": 1, "family_id": 7, "household_key": "f7", "students": "[]", "stratum": "", "sha256": "7"}
    refused(raw, lambda: raw.insert("draw_entry", **entry, position=3), ("draw_entry",))


def test_approvals_given_before_a_claim_was_returned_count_no_more(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    for number, step, by in ((1, "site", 1), (2, "union", 2), (3, "returned", 2)):
        raw.insert("pay_approval", id=number, line_id=1, step=step, by_account=by, at=sql.LATER, comment="Check.")
    refused(raw, lambda: raw.run("UPDATE pay_line SET state = 'approved'"), ("pay_line",))
    refused(raw, lambda: raw.run("UPDATE pay_line SET state = 'site_approved'"), ("pay_line",))


@on_sqlite
def test_a_row_that_is_kept_is_not_replaced_by_an_update(raw: Raw) -> None:
    sql.book(raw)
    sql.hold(raw)
    sql.rule(raw)
    sql.pay(raw, 1, 1, 1)
    sql.pay(raw, 2, 1, 2)
    refused(raw, lambda: raw.run("UPDATE OR REPLACE pay_line SET id = 1 WHERE id = 2"), ("pay_line",))
    sql.ask(raw, 3, family_id=1, draw_id=None, family_request_id=_requested(raw))
    refused(raw, lambda: raw.run("UPDATE OR REPLACE invitation SET id = 3 WHERE id = 2"), ("invitation",))
    refused(raw, lambda: raw.run("UPDATE OR REPLACE commitment SET id = 11 WHERE id = 12"), ("commitment",))


def _requested(raw: Raw) -> int:
    raw.insert("family_request", id=1, family_id=1, school_id=1, how="phone", at=sql.BEFORE, recorded_by=1)
    return 1


def caregiver(raw: Raw, number: int, family: int, **changed: object) -> None:
    row = {"source_id": f"g{number}", "given_name": "Ana", "family_name": "A", "relation": "mother"}
    raw.insert("caregiver", id=number, family_id=family, **(row | changed))


@pytest.mark.parametrize(
    ("family", "changed"),
    [(2, {}), (1, {"restricted": True}), (1, {"left_on": "2026-08-31"})],
    ids=["other family", "restricted", "left"],
)
def test_a_visit_is_not_booked_on_the_yes_of_someone_who_is_no_caregiver(
    raw: Raw, family: int, changed: dict[str, object]
) -> None:
    caregiver(raw, 1, family, **changed)
    sql.answer(raw, 7, 1, "yes", caregiver_id=1)
    refused(raw, lambda: sql.book(raw, consent_id=7))


def test_a_visit_is_booked_on_the_yes_of_a_caregiver_and_not_on_one_without_a_giver(raw: Raw) -> None:
    caregiver(raw, 1, 1)
    refused(raw, lambda: sql.book(raw))
    sql.answer(raw, 7, 1, "yes", caregiver_id=1)
    sql.book(raw, consent_id=7)
    raw.commit()
    assert raw.count("visit") == 1
