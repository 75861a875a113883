"""Tables of people: schools, families, caregivers, students, educators, training, opt-in, accounts."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class District(Base):
    """The one district of this installation, and what kind of installation it is (``purpose`` real or demo)."""

    __tablename__ = "district"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    purpose: Mapped[str] = mapped_column(server_default="real")
    __table_args__ = (CheckConstraint("purpose IN ('real', 'demo')", name="purpose"),)


class School(Base):
    """A building where the programme runs. Its timezone is the one families are told times in."""

    __tablename__ = "school"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    identifier: Mapped[str | None]
    name: Mapped[str]
    timezone: Mapped[str]


class Person(Base):
    """Anyone who takes part on the programme's side: an educator, a parent trainer, later an interpreter."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    kind: Mapped[str]
    given_name: Mapped[str]
    family_name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    languages: Mapped[str] = mapped_column(server_default="")  # ISO 639 codes, blank between
    phone: Mapped[str | None]  # E.164, given by themselves for reminders; no family ever sees it
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012
    __table_args__ = (CheckConstraint("kind IN ('person', 'educator')", name="kind"),)


class Educator(Person):
    """Any trained employee: teacher, aide, counsellor. ``payroll_id`` is the employee number payroll knows."""

    __tablename__ = "educator"
    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    source_id: Mapped[str] = mapped_column(unique=True)
    payroll_id: Mapped[str | None] = mapped_column(unique=True)
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"), index=True)
    employee_group: Mapped[str]
    left_on: Mapped[date | None]
    __mapper_args__ = {"polymorphic_identity": "educator"}  # noqa: RUF012


class Family(Base):
    """A household of the roster: the unit that is drawn, asked and visited. Siblings are in it once."""

    __tablename__ = "family"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)  # stable: from the sourcedIds it was found by
    name: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="en")  # the language of its texts (ISO 639-1 where one exists)
    address: Mapped[str | None]  # shown to the visiting pair only, just in time


class FamilyMerge(Base):
    """The roster joined two families: ``merged_id`` has no household any more, its children are in ``family_id``."""

    __tablename__ = "family_merge"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    merged_id: Mapped[int] = mapped_column(ForeignKey("family.id"), index=True)
    at: Mapped[datetime]


class Caregiver(Base):
    """An adult of a family. ``restricted`` hides the person from every list without saying why."""

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
    """A child or young person of a family, at one school. No trait lies here (see demographics)."""

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
    enrolled_to: Mapped[date | None]  # last day at the school; None: still there


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
    """An educator who teaches a class: its families are the educator's families."""

    __tablename__ = "teaching"
    class_id: Mapped[int] = mapped_column(ForeignKey("school_class.id"), primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"), primary_key=True)
    __table_args__ = (Index("ix_teaching_educator_id", "educator_id"),)


class TrainingSession(Base):
    """A training: always led by an educator and a parent together, both named."""

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
    """The right to visit for pay, earned at a training; judged on the day of the visit."""

    __tablename__ = "certification"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"))
    training_session_id: Mapped[int] = mapped_column(ForeignKey("training_session.id"))
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]  # last day; None: does not expire
    revoked_on: Mapped[date | None]  # first day it no longer counts
    __table_args__ = (
        UniqueConstraint("educator_id", "training_session_id"),
        UniqueConstraint("id", "educator_id"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates"),
    )


class OptIn(Base):
    """The ledger of educators' willingness, append-only: the newest row of an educator counts. No reason is kept."""

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
    """Someone who may sign in."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str]
    password_hash: Mapped[str | None]  # argon2id; None: cannot sign in with a password
    educator_id: Mapped[int | None] = mapped_column(ForeignKey("educator.id"), unique=True)
    language: Mapped[str] = mapped_column(server_default="en")
    active: Mapped[bool] = mapped_column(server_default=true())


class AccountGrant(Base):
    """A role at one school, or (no school) in the whole district."""

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
    """Sign-ins tried, for the throttle; rows older than a day are removed."""

    __tablename__ = "sign_in_attempt"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    subject: Mapped[str]  # "account:<email>" or "address:<ip>"
    at: Mapped[datetime]
    succeeded: Mapped[bool]
    __table_args__ = (Index("ix_sign_in_attempt_subject_at", "subject", "at"),)


class SignInSession(Base):
    """One sign-in on one browser. The cookie holds the token; this row holds only its hash."""

    __tablename__ = "sign_in_session"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]  # at most a minute behind
    ended_at: Mapped[datetime | None]  # signed out, password changed or account closed


class KeptForm(Base):
    """A form that was sent after its session had ended. Kept for an hour at most, for the account it belongs to."""

    __tablename__ = "kept_form"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    path: Mapped[str]  # where the form is sent to
    page: Mapped[str]  # the page the form is on
    fields: Mapped[str]  # JSON: a list of [name, value]
    created_at: Mapped[datetime]


class Heartbeat(Base):
    """When each process of the house last said that it is alive, and what it last did."""

    __tablename__ = "heartbeat"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(server_default="")
