"""Tables: pay rules, pay lines, approvals and payroll exports."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey
from homevisits.pay.rules import PayType


def _check_pay_type() -> CheckConstraint:
    return CheckConstraint(f"pay_type IN ({', '.join(repr(str(value)) for value in PayType)})", name="pay_type")


class PayRule(Base):
    """A pay rule of the contract. Work is paid by the rule of its pay type that was in force on its own day."""

    __tablename__ = "pay_rule"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    pay_type: Mapped[str]  # rules.PayType
    unit: Mapped[str]  # flat_visit | hourly
    rate_cents: Mapped[int]  # per visit, or per hour
    minimum_minutes: Mapped[int] = mapped_column(server_default=text("0"))  # hourly only
    round_to_minutes: Mapped[int] = mapped_column(server_default=text("1"))  # hourly only; rounds up
    pay_code: Mapped[str]  # identifies the kind of pay in the payroll file
    clause: Mapped[str]  # quoted from the contract
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]  # last day; None: no end
    entered_at: Mapped[datetime]
    entered_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        _check_pay_type(),
        CheckConstraint("unit IN ('flat_visit', 'hourly')", name="unit"),
        CheckConstraint("rate_cents >= 0 AND minimum_minutes >= 0 AND round_to_minutes >= 1", name="amounts"),
        CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name="dates"),
    )


class PayrollExport(Base):
    """A payroll file. Its bytes are stored, so every download of it is identical."""

    __tablename__ = "payroll_export"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    period_from: Mapped[date]
    period_to: Mapped[date]
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PayLine(Base):
    """The pay of a person for a visit and pay type, with the inputs of the calculation.

    When nothing is due, `amount_cents` is None and `unpaid_reason` gives the reason. Database triggers refuse every
    later change except to `state` and `export_id`.
    """

    __tablename__ = "pay_line"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    visit_id: Mapped[int]
    person_id: Mapped[int]
    pay_type: Mapped[str]  # rules.PayType
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"))
    earned_on: Mapped[date]
    minutes: Mapped[int]
    paid_minutes: Mapped[int]
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("pay_rule.id"))
    amount_cents: Mapped[int | None]
    unpaid_reason: Mapped[str | None]
    state: Mapped[str] = mapped_column(
        server_default="earned"
    )  # earned | site_approved | approved | exported | returned
    export_id: Mapped[int | None] = mapped_column(ForeignKey("payroll_export.id"), index=True)
    created_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["visit_id", "person_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
        UniqueConstraint("visit_id", "person_id", "pay_type"),
        _check_pay_type(),
        CheckConstraint("(amount_cents IS NULL) <> (unpaid_reason IS NULL)", name="paid_or_why_not"),
        CheckConstraint("amount_cents IS NULL OR rule_id IS NOT NULL", name="by_a_rule"),
        CheckConstraint("amount_cents >= 0", name="amount"),
        CheckConstraint("state IN ('earned', 'site_approved', 'approved', 'exported', 'returned')", name="state"),
        CheckConstraint("(state = 'exported') = (export_id IS NOT NULL)", name="exported"),
        Index("ix_pay_line_person_id_earned_on", "person_id", "earned_on"),
        Index("ix_pay_line_school_id_earned_on", "school_id", "earned_on"),
        Index("ix_pay_line_state_school_id", "state", "school_id"),
    )


class PayApproval(Base):
    """A decision in the approval of a pay line (append-only): site, union, or returned with a comment."""

    __tablename__ = "pay_approval"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("pay_line.id"), index=True)
    step: Mapped[str]
    by_account: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]
    comment: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        CheckConstraint("step IN ('site', 'union', 'returned')", name="step"),
        CheckConstraint("step <> 'returned' OR comment <> ''", name="returned_says_why"),
    )
