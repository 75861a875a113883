"""Create a school, visits and pay with raw SQL through the database driver, without models or actions."""

import sqlite3
from typing import Any

import psycopg
import sqlalchemy as sa

REFUSED = (sqlite3.IntegrityError, psycopg.errors.IntegrityError)  # raised when the database refuses a row

DAY = "2026-10-06"
START, END = "2026-10-06 22:30:00.000000", "2026-10-06 23:15:00.000000"
LATER, LATEST = "2026-10-07 22:30:00.000000", "2026-10-07 23:15:00.000000"
BEFORE = "2026-09-01 12:00:00.000000"


class RawConnection:
    """Connection of the database driver. Statements use ``?``; a transaction ends with each commit."""

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
            # The times in this module have no time zone and are UTC, as SQLite stores them.
            self.connection.execute("SET timezone = 'UTC'")
            self.connection.commit()

    def run(self, statement: str, *values: Any) -> Any:
        """Execute a statement."""
        return self.connection.execute(statement if self.sqlite else statement.replace("?", "%s"), values)

    def insert(self, table: str, **row: Any) -> None:
        """Insert a row; values are passed as parameters."""
        names = ", ".join(f'"{name}"' for name in row)
        self.run(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(self.run(f"SELECT count(*) FROM {table}").fetchone()[0])

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.rollback()
        self.connection.close()


def create_school(connection: RawConnection) -> None:
    """Create a school with four educators (number 4 is not certified) and three families.

    Families 1 and 2 were drawn and invited and answered yes; family 3 was not drawn.
    """
    connection.insert("school", id=1, source_id="s1", name="Garfield", timezone="America/Denver")
    for number in (1, 2, 3, 4):
        connection.insert("person", id=number, kind="educator", given_name=f"E{number}", family_name="Educator")
        connection.insert("educator", id=number, source_id=f"e{number}", school_id=1, employee_group="licensed")
        connection.insert("opt_in", id=number, educator_id=number, answer="in", at=BEFORE)
    connection.insert("person", id=9, kind="person", given_name="Parent", family_name="Trainer")
    connection.insert(
        "training_session", id=1, title="Fall", held_on="2026-08-20", minutes=180, educator_trainer_id=3,
        parent_trainer_id=9, recorded_at=BEFORE,
    )  # fmt: skip
    for number in (1, 2, 3):
        connection.insert(
            "certification", id=number, educator_id=number, training_session_id=1, valid_from="2026-08-20",
            valid_until="2027-08-19",
        )  # fmt: skip
    for number in (1, 2):
        connection.insert("account", id=number, email=f"a{number}@example.org", name=f"Coordinator {number}")
    connection.insert(
        "draw", id=1, school_id=1, scope="school", scope_value="", method="random", seed="x", sample_size=2,
        roster_sha256="0", selected_sha256="0", allocation="{}", drawn_at=BEFORE,
    )  # fmt: skip
    for number in (1, 2, 3):
        connection.insert("family", id=number, key=f"f{number}", name=f"Family {number}")
        connection.insert(
            "draw_entry", draw_id=1, family_id=number, household_key=f"f{number}", students="[]", stratum="",
            sha256=str(number), position=number if number < 3 else None,
        )  # fmt: skip
    for number in (1, 2):
        create_invitation(connection, number)
        record_answer(connection, number, number, "yes")
    connection.commit()


def create_invitation(connection: RawConnection, family: int, **changed: Any) -> None:
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
    connection.insert("invitation", **(row | changed))


def record_answer(connection: RawConnection, number: int, family: int, reply: str, **changed: Any) -> None:
    """Insert a row of the consent ledger."""
    row = {
        "id": number,
        "family_id": family,
        "invitation_id": family,
        "answer": reply,
        "how": "text",
        "language": "en",
        "at": BEFORE,
    }
    connection.insert("consent_ledger", **(row | changed))


def create_commitment(
    connection: RawConnection, number: int, person: int, visit: int, *, start: str = START, end: str = END
) -> None:
    """Reserve a person's time."""
    connection.insert(
        "commitment", id=number, person_id=person, starts_at=start, ends_at=end, active=True, subject=f"visit:{visit}"
    )


def create_visit_row(connection: RawConnection, number: int = 1, **changed: Any) -> None:
    """Insert only the row of a visit: family 1, educators 1 and 2."""
    row: dict[str, Any] = {
        "id": number, "uid": f"uid-{number}", "family_id": 1, "school_id": 1, "kind": "first", "state": "proposed",
        "invitation_id": 1, "consent_id": 1, "lead_id": 1, "partner_id": 2, "min_trained": 2, "policy": "default",
        "local_date": DAY, "local_start": "16:30", "timezone": "America/Denver", "starts_at": START, "ends_at": END,
        "place_type": "home", "booked_at": BEFORE, "updated_at": BEFORE,
    }  # fmt: skip
    connection.insert("visit", **(row | changed))


def create_member(
    connection: RawConnection, visit: int, educator: int, role: str, commitment: int, **changed: Any
) -> None:
    """Add an educator to the team, with the ids of opt-in, certification and commitment."""
    row: dict[str, Any] = {
        "visit_id": visit, "educator_id": educator, "role": role, "state": "coming" if role == "lead" else "asked",
        "opt_in_id": educator, "certification_id": educator, "commitment_id": commitment, "asked_at": BEFORE,
    }  # fmt: skip
    connection.insert("visit_member", **(row | changed))


def create_visit(
    connection: RawConnection, number: int = 1, start: str = START, end: str = END, **changed: Any
) -> None:
    """Insert a valid visit of educators 1 and 2 with commitments and team members, without a commit."""
    first, second = number * 10 + 1, number * 10 + 2
    create_commitment(connection, first, 1, number, start=start, end=end)
    create_commitment(connection, second, 2, number, start=start, end=end)
    create_visit_row(connection, number, **({"starts_at": start, "ends_at": end, "local_date": start[:10]} | changed))
    create_member(connection, number, 1, "lead", first)
    create_member(connection, number, 2, "partner", second)


def create_attestation(
    connection: RawConnection, number: int, visit: int, educator: int, agrees_with: int | None = None, **changed: Any
) -> None:
    """Insert an educator's report of a visit."""
    row: dict[str, Any] = {
        "id": number, "visit_id": visit, "educator_id": educator, "outcome": "met", "both_went": True,
        "started_at": START, "ended_at": END, "place_type": "home", "kind": "first", "agrees_with_id": agrees_with,
        "at": LATER,
    }  # fmt: skip
    connection.insert("attestation", **(row | changed))


def complete_visit(connection: RawConnection, visit: int = 1) -> None:
    """Complete a visit: the partner accepts and both educators attest."""
    connection.run("UPDATE visit_member SET state = 'coming' WHERE visit_id = ?", visit)
    connection.run("UPDATE visit SET state = 'scheduled' WHERE id = ?", visit)
    create_attestation(connection, visit * 10 + 1, visit, 1)
    create_attestation(connection, visit * 10 + 2, visit, 2, agrees_with=visit * 10 + 1)
    connection.run("UPDATE visit SET state = 'completed', attestation_id = ? WHERE id = ?", visit * 10 + 1, visit)


def create_pay_line(connection: RawConnection, number: int, visit: int, person: int, **changed: Any) -> None:
    """Insert a pay line by rule 1."""
    row: dict[str, Any] = {
        "id": number, "visit_id": visit, "person_id": person, "pay_type": "visit", "school_id": 1, "earned_on": DAY,
        "minutes": 45, "paid_minutes": 60, "rule_id": 1, "amount_cents": 6000, "created_at": LATER,
    }  # fmt: skip
    connection.insert("pay_line", **(row | changed))


def create_pay_rule(connection: RawConnection) -> None:
    """Insert a pay rule that is in force."""
    connection.insert(
        "pay_rule", id=1, pay_type="visit", unit="flat_visit", rate_cents=6000, pay_code="HV", clause="§ 4",
        effective_from="2026-01-01", entered_at=BEFORE,
    )  # fmt: skip
