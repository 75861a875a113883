"""Tables of people: schools, families, caregivers, students, educators, training, opt-in, accounts."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class District(Base):
    """The district of this installation. `purpose` is real or demo."""

    __tablename__ = "district"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    purpose: Mapped[str] = mapped_column(server_default="real")
    __table_args__ = (CheckConstraint("purpose IN ('real', 'demo')", name="purpose"),)


class School(Base):
    """A school. Messages to families give times in its time zone."""

    __tablename__ = "school"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    identifier: Mapped[str | None]
    name: Mapped[str]
    timezone: Mapped[str]


class Person(Base):
    """A person of the program, such as an educator or a parent trainer."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    kind: Mapped[str]
    given_name: Mapped[str]
    family_name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    languages: Mapped[str] = mapped_column(server_default="")  # ISO 639 codes, separated by spaces
    phone: Mapped[str | None]  # E.164, for reminders; never shown to families
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012
    __table_args__ = (CheckConstraint("kind IN ('person', 'educator')", name="kind"),)


class Educator(Person):
    """An employee: teacher, aide, counselor. `payroll_id` is the employee number in the payroll system."""

    __tablename__ = "educator"
    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    payroll_id: Mapped[str | None] = mapped_column(unique=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    employee_group: Mapped[str]
    left_on: Mapped[date | None]
    __mapper_args__ = {"polymorphic_identity": "educator"}  # noqa: RUF012


class Family(Base):
    """A household of the roster: the unit of draws, invitations and visits."""

    __tablename__ = "family"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)  # stable; derived from roster ids
    name: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="en")  # language of messages (ISO 639-1 where it exists)
    address: Mapped[str | None]  # shown to the visiting pair only, shortly before the visit


class FamilyMerge(Base):
    """Record that a roster import merged the family `merged_id` into `family_id`."""

    __tablename__ = "family_merge"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    merged_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    at: Mapped[datetime]


class Caregiver(Base):
    """An adult of a family. A `restricted` caregiver is hidden from every list, without a reason."""

    __tablename__ = "caregiver"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    given_name: Mapped[str]
    family_name: Mapped[str]
    relation: Mapped[str]
    phone: Mapped[str | None] = mapped_column(index=True)  # E.164
    email: Mapped[str | None]
    contact_order: Mapped[int] = mapped_column(server_default="1")
    restricted: Mapped[bool] = mapped_column(server_default=false())
    left_on: Mapped[date | None]


class Student(Base):
    """A student at a school. Traits are stored in `demographics` only."""

    __tablename__ = "student"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    identifier: Mapped[str | None] = mapped_column(index=True)  # the district's student number
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    given_name: Mapped[str]
    family_name: Mapped[str]
    grade: Mapped[str]
    enrolled_from: Mapped[date | None]
    enrolled_to: Mapped[date | None]  # last day at the school; None: still enrolled


class SchoolClass(Base):
    """A class of a school."""

    __tablename__ = "school_class"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    title: Mapped[str]


class Enrollment(Base):
    """A student in a class."""

    __tablename__ = "enrollment"
    class_id: Mapped[int] = mapped_column(ForeignKey("school_class.id"), primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("student.id"), primary_key=True)
    __table_args__ = (Index("ix_enrollment_student_id", "student_id"),)


class Teaching(Base):
    """An educator's class; its families are the educator's families."""

    __tablename__ = "teaching"
    class_id: Mapped[int] = mapped_column(ForeignKey("school_class.id"), primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"), primary_key=True)
    __table_args__ = (Index("ix_teaching_educator_id", "educator_id"),)


class TrainingSession(Base):
    """A training, led by an educator and a parent together."""

    __tablename__ = "training_session"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    title: Mapped[str]
    held_on: Mapped[date]
    minutes: Mapped[int]
    educator_trainer_id: Mapped[int] = mapped_column(ForeignKey("educator.id"))
    parent_trainer_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    recorded_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("educator_trainer_id <> parent_trainer_id", name="two_trainers"),
        CheckConstraint("minutes > 0", name="minutes"),
    )


class Certification(Base):
    """A certificate from a training; it must be valid on the day of a visit."""

    __tablename__ = "certification"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"))
    training_session_id: Mapped[int] = mapped_column(ForeignKey("training_session.id"))
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]  # last day; None: does not expire
    revoked_on: Mapped[date | None]  # first day on which it is invalid
    __table_args__ = (
        UniqueConstraint("educator_id", "training_session_id"),
        UniqueConstraint("id", "educator_id"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates"),
    )


class OptIn(Base):
    """Append-only ledger of educators' opt-ins; the newest row of an educator counts. No reason is stored."""

    __tablename__ = "opt_in"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"))
    answer: Mapped[str]  # in | out
    at: Mapped[datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("answer IN ('in', 'out')", name="answer"),
        UniqueConstraint("id", "educator_id"),
        Index("ix_opt_in_educator_id_id", "educator_id", "id"),
    )


class Account(Base):
    """A user account."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str]
    password_hash: Mapped[str | None]  # argon2id; None: cannot sign in with a password
    educator_id: Mapped[int | None] = mapped_column(ForeignKey("educator.id"), unique=True)
    language: Mapped[str] = mapped_column(server_default="en")
    active: Mapped[bool] = mapped_column(server_default=true())


class AccountGrant(Base):
    """A role at a single school, or in the whole district without a school."""

    __tablename__ = "account_grant"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    role: Mapped[str]
    school_id: Mapped[int | None] = mapped_column(ForeignKey("school.id"))
    __table_args__ = (
        CheckConstraint("role IN ('educator', 'site_coordinator', 'district_lead', 'union_coordinator')", name="role"),
        UniqueConstraint("account_id", "role", "school_id"),
    )


class SignInAttempt(Base):
    """Sign-in attempts for the throttle; rows older than a day are deleted."""

    __tablename__ = "sign_in_attempt"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    subject: Mapped[str]  # "account:<email>" or "address:<ip>"
    at: Mapped[datetime]
    succeeded: Mapped[bool]
    __table_args__ = (Index("ix_sign_in_attempt_subject_at", "subject", "at"),)


class SignInSession(Base):
    """A sign-in on a browser. The cookie holds the token; this row holds only its hash."""

    __tablename__ = "sign_in_session"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]  # at most a minute behind
    ended_at: Mapped[datetime | None]  # signed out, password changed or account closed


class SavedForm(Base):
    """A form that was sent after its session had ended. Kept for an hour at most, for the account it belongs to."""

    __tablename__ = "saved_form"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    path: Mapped[str]  # where the form is sent to
    page: Mapped[str]  # the page the form is on
    fields: Mapped[str]  # JSON: a list of [name, value]
    created_at: Mapped[datetime]


class Heartbeat(Base):
    """Last sign of life of each process, and what it did."""

    __tablename__ = "heartbeat"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(server_default="")
