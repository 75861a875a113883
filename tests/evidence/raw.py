"""A small lawful world written by raw SQL through the driver: no model, no action, no ORM stands between."""

import sqlite3
from typing import Any

import psycopg
import sqlalchemy as sa

REFUSED = (sqlite3.IntegrityError, psycopg.errors.IntegrityError)
"""What either driver raises when the database refuses a row."""

DAY = "2026-10-06"
START, END = "2026-10-06 22:30:00.000000", "2026-10-06 23:15:00.000000"
LATER, LATEST = "2026-10-07 22:30:00.000000", "2026-10-07 23:15:00.000000"
BEFORE = "2026-09-01 12:00:00.000000"


class Raw:
    """The driver's own connection. Statements use ``?``; a transaction is what lies between two commits."""

    def __init__(self, url: str) -> None:
        address = sa.make_url(url)
        self.sqlite = address.get_backend_name() == "sqlite"
        self.connection: Any
        if self.sqlite:
            self.connection = sqlite3.connect(str(address.database), isolation_level="IMMEDIATE")
            self.connection.execute("PRAGMA foreign_keys = ON")
        else:
            folder = address.query["host"]
            self.connection = psycopg.connect(f"host={folder} user={address.username} dbname={address.database}")
            # Moments below are written without a zone and mean UTC, as SQLite keeps them.
            self.connection.execute("SET timezone = 'UTC'")
            self.connection.commit()

    def run(self, statement: str, *values: Any) -> Any:
        """Execute one statement."""
        return self.connection.execute(statement if self.sqlite else statement.replace("?", "%s"), values)

    def insert(self, table: str, **row: Any) -> None:
        """Insert one row; values are passed as parameters."""
        names = ", ".join(f'"{name}"' for name in row)
        self.run(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.run(f"SELECT count(*) FROM {table}").fetchone()[0])

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.rollback()
        self.connection.close()


def settle(raw: Raw) -> None:
    """One school, four educators (4 is not certified), two families drawn and asked who said yes, one not drawn."""
    raw.insert("school", id=1, source_id="s1", name="Garfield", timezone="America/Denver")
    for number in (1, 2, 3, 4):
        raw.insert("person", id=number, kind="educator", given_name=f"E{number}", family_name="Educator")
        raw.insert("educator", id=number, source_id=f"e{number}", school_id=1, employee_group="licensed")
        raw.insert("opt_in", id=number, educator_id=number, answer="in", at=BEFORE)
    raw.insert("person", id=9, kind="person", given_name="Parent", family_name="Trainer")
    raw.insert(
        "training_session", id=1, title="Fall", held_on="2026-08-20", minutes=180, educator_trainer_id=3,
        parent_trainer_id=9, recorded_at=BEFORE,
    )  # fmt: skip
    for number in (1, 2, 3):
        raw.insert(
            "certification", id=number, educator_id=number, training_session_id=1, valid_from="2026-08-20",
            valid_until="2027-08-19",
        )  # fmt: skip
    for number in (1, 2):
        raw.insert("account", id=number, email=f"a{number}@example.org", name=f"Coordinator {number}")
    raw.insert(
        "draw", id=1, school_id=1, scope="school", scope_value="", method="random", seed="x", wanted=2,
        roster_sha256="0", selected_sha256="0", allocation="{}", drawn_at=BEFORE,
    )  # fmt: skip
    for number in (1, 2, 3):
        raw.insert("family", id=number, key=f"f{number}", name=f"Family {number}")
        raw.insert(
            "draw_entry", draw_id=1, family_id=number, household_key=f"f{number}", students="[]", stratum="",
            sha256=str(number), position=number if number < 3 else None,
        )  # fmt: skip
    for number in (1, 2):
        ask(raw, number)
        answer(raw, number, number, "yes")
    raw.commit()


def ask(raw: Raw, family: int, **changed: Any) -> None:
    """Invite a family from draw 1; the invitation has the family's number."""
    row = {
        "id": family,
        "family_id": family,
        "school_id": 1,
        "draw_id": 1,
        "asked_at": BEFORE,
        "how": "text",
        "language": "en",
    }
    raw.insert("invitation", **(row | changed))


def answer(raw: Raw, number: int, family: int, said: str, **changed: Any) -> None:
    """A line of the consent ledger."""
    row = {
        "id": number,
        "family_id": family,
        "invitation_id": family,
        "answer": said,
        "how": "text",
        "language": "en",
        "at": BEFORE,
    }
    raw.insert("consent_ledger", **(row | changed))


def commit_time(raw: Raw, number: int, person: int, visit: int, start: str = START, end: str = END) -> None:
    """Take a person's time."""
    raw.insert(
        "commitment", id=number, person_id=person, starts_at=start, ends_at=end, active=True, subject=f"visit:{visit}"
    )


def visit_row(raw: Raw, number: int = 1, **changed: Any) -> None:
    """Only the row of a visit: family 1, educators 1 and 2."""
    row: dict[str, Any] = {
        "id": number, "uid": f"uid-{number}", "family_id": 1, "school_id": 1, "kind": "first", "state": "proposed",
        "invitation_id": 1, "consent_id": 1, "lead_id": 1, "partner_id": 2, "min_trained": 2, "policy": "default",
        "local_date": DAY, "local_start": "16:30", "timezone": "America/Denver", "starts_at": START, "ends_at": END,
        "place_type": "home", "booked_at": BEFORE, "updated_at": BEFORE,
    }  # fmt: skip
    raw.insert("visit", **(row | changed))


def member(raw: Raw, visit: int, educator: int, role: str, commitment: int, **changed: Any) -> None:
    """An educator's place in the team, with its proofs."""
    row: dict[str, Any] = {
        "visit_id": visit, "educator_id": educator, "role": role, "state": "coming" if role == "lead" else "asked",
        "opt_in_id": educator, "certification_id": educator, "commitment_id": commitment, "asked_at": BEFORE,
    }  # fmt: skip
    raw.insert("visit_member", **(row | changed))


def book(raw: Raw, number: int = 1, start: str = START, end: str = END, **changed: Any) -> None:
    """A whole lawful visit of educators 1 and 2: their time, the visit, both places. Not yet committed."""
    first, second = number * 10 + 1, number * 10 + 2
    commit_time(raw, first, 1, number, start, end)
    commit_time(raw, second, 2, number, start, end)
    visit_row(raw, number, **({"starts_at": start, "ends_at": end, "local_date": start[:10]} | changed))
    member(raw, number, 1, "lead", first)
    member(raw, number, 2, "partner", second)


def attest(raw: Raw, number: int, visit: int, educator: int, agrees_with: int | None = None, **changed: Any) -> None:
    """One educator's word on what happened."""
    row: dict[str, Any] = {
        "id": number, "visit_id": visit, "educator_id": educator, "outcome": "met", "both_went": True,
        "started_at": START, "ended_at": END, "place_type": "home", "kind": "first", "agrees_with_id": agrees_with,
        "at": LATER,
    }  # fmt: skip
    raw.insert("attestation", **(row | changed))


def hold(raw: Raw, visit: int = 1) -> None:
    """The partner accepts, both go, both attest: the visit is completed."""
    raw.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = ?", visit)
    raw.run("UPDATE visit SET state = 'scheduled' WHERE id = ?", visit)
    attest(raw, visit * 10 + 1, visit, 1)
    attest(raw, visit * 10 + 2, visit, 2, agrees_with=visit * 10 + 1)
    raw.run("UPDATE visit SET state = 'completed', attestation_id = ? WHERE id = ?", visit * 10 + 1, visit)


def pay(raw: Raw, number: int, visit: int, person: int, **changed: Any) -> None:
    """A pay line, by rule 1."""
    row: dict[str, Any] = {
        "id": number, "visit_id": visit, "person_id": person, "pay_type": "visit", "school_id": 1, "earned_on": DAY,
        "minutes": 45, "paid_minutes": 60, "rule_id": 1, "amount_cents": 6000, "created_at": LATER,
    }  # fmt: skip
    raw.insert("pay_line", **(row | changed))


def rule(raw: Raw) -> None:
    """A pay rule in force."""
    raw.insert(
        "pay_rule", id=1, pay_type="visit", unit="flat_visit", rate_cents=6000, pay_code="HV", clause="§ 4",
        effective_from="2026-01-01", entered_at=BEFORE,
    )  # fmt: skip
