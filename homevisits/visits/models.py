"""Tables of visits. Constraints (migration 0002) require the evidence for each visit."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from homevisits.core.db import Base, PrimaryKey


class VisitState(StrEnum):
    """State of a visit; `homevisits.visits.states` holds the allowed transitions."""

    PROPOSED = "proposed"  # waiting for the partner's answer
    SCHEDULED = "scheduled"  # both accepted; waiting for the family to confirm the time
    CONFIRMED = "confirmed"  # the family confirmed
    COMPLETED = "completed"  # both reports agree
    CANCELLED_BY_FAMILY = "cancelled_by_family"
    CANCELLED_BY_EDUCATOR = "cancelled_by_educator"
    FAMILY_AWAY = "family_away"  # the family was not there
    NOT_HELD = "not_held"  # the visit did not take place


LIVE = ("proposed", "scheduled", "confirmed")
_LIVE = "state IN ('proposed', 'scheduled', 'confirmed')"


class Visit(Base):
    """A visit of a pair of educators to a family.

    It references its evidence: the invitation (and through it the draw or the family's request), the family's consent,
    both team members, and for a second visit the completed first visit. ``local_date``, ``local_start`` ("16:30") and
    ``timezone`` are what the family was promised; ``starts_at`` and ``ends_at`` are derived from them. ``version``
    rises with every change that calendars must show (iCalendar SEQUENCE).
    """

    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(
        PrimaryKey, primary_key=True, autoincrement=True
    )  # needed explicitly, because of the foreign keys
    uid: Mapped[str] = mapped_column(unique=True)  # opaque; the iCalendar UID
    family_id: Mapped[int] = mapped_column(ForeignKey("family.id"))
    school_id: Mapped[int] = mapped_column(ForeignKey("school.id"))
    kind: Mapped[str]
    state: Mapped[str]
    invitation_id: Mapped[int]
    consent_id: Mapped[int]
    first_visit_id: Mapped[int | None] = mapped_column(ForeignKey("visit.id"))
    lead_id: Mapped[int]
    partner_id: Mapped[int]
    min_trained: Mapped[int]  # from the policy at the time of booking
    policy: Mapped[str]  # name of the policy profile
    local_date: Mapped[date]
    local_start: Mapped[str]
    timezone: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place_type: Mapped[str]  # home | neutral | video
    version: Mapped[int] = mapped_column(server_default=text("0"))
    booked_at: Mapped[datetime]
    booked_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]  # completed, cancelled, away or not held
    attestation_id: Mapped[int | None]  # the agreed report, once completed
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    __table_args__ = (
        ForeignKeyConstraint(["invitation_id", "family_id"], ["invitation.id", "invitation.family_id"]),
        ForeignKeyConstraint(["consent_id", "family_id"], ["consent_ledger.id", "consent_ledger.family_id"]),
        ForeignKeyConstraint(
            ["id", "lead_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name="fk_visit_lead_is_member",
            deferrable=True,
            initially="DEFERRED",
            use_alter=True,
        ),
        ForeignKeyConstraint(
            ["id", "partner_id"],
            ["visit_member.visit_id", "visit_member.educator_id"],
            name="fk_visit_partner_is_member",
            deferrable=True,
            initially="DEFERRED",
            use_alter=True,
        ),
        ForeignKeyConstraint(
            ["attestation_id", "id"],
            ["attestation.id", "attestation.visit_id"],
            name="fk_visit_attestation",
            use_alter=True,
        ),
        CheckConstraint("lead_id <> partner_id", name="two_people"),
        CheckConstraint("kind IN ('first', 'second')", name="kind"),
        CheckConstraint("(kind = 'second') = (first_visit_id IS NOT NULL)", name="second_needs_first"),
        CheckConstraint(
            "state IN ('proposed', 'scheduled', 'confirmed', 'completed', 'cancelled_by_family',"
            " 'cancelled_by_educator', 'family_away', 'not_held')",
            name="state",
        ),
        CheckConstraint("state <> 'completed' OR attestation_id IS NOT NULL", name="completed_is_attested"),
        CheckConstraint("starts_at < ends_at", name="order"),
        CheckConstraint("min_trained BETWEEN 1 AND 2", name="min_trained"),
        CheckConstraint("place_type IN ('home', 'neutral', 'video')", name="place_type"),
        Index(
            "uq_visit_live_family",
            "family_id",
            unique=True,
            sqlite_where=text(_LIVE),
            postgresql_where=text(_LIVE),
        ),
        Index("ix_visit_family_id_id", "family_id", "id"),
        Index("ix_visit_school_id_starts_at", "school_id", "starts_at"),
        Index("ix_visit_state_starts_at", "state", "starts_at"),
        Index("ix_visit_invitation_id", "invitation_id"),
        Index("ix_visit_closed_at", "closed_at"),
    )


class VisitMember(Base):
    """An educator's place in a visiting team, with the opt-in, certification and commitment.

    ``state``: asked (no answer yet) | coming | declined | unable | withdrawn. The row of a replaced member is kept.
    """

    __tablename__ = "visit_member"
    visit_id: Mapped[int] = mapped_column(ForeignKey("visit.id"), primary_key=True)
    educator_id: Mapped[int] = mapped_column(ForeignKey("educator.id"), primary_key=True)
    role: Mapped[str]  # lead | partner
    state: Mapped[str]
    opt_in_id: Mapped[int]
    certification_id: Mapped[int | None]  # None if the policy allows an untrained partner
    commitment_id: Mapped[int] = mapped_column(unique=True)
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    on_the_way_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["opt_in_id", "educator_id"], ["opt_in.id", "opt_in.educator_id"]),
        ForeignKeyConstraint(["certification_id", "educator_id"], ["certification.id", "certification.educator_id"]),
        ForeignKeyConstraint(["commitment_id", "educator_id"], ["commitment.id", "commitment.person_id"]),
        CheckConstraint("role IN ('lead', 'partner')", name="role"),
        CheckConstraint("state IN ('asked', 'coming', 'declined', 'unable', 'withdrawn')", name="state"),
        Index("ix_visit_member_educator_id_visit_id", "educator_id", "visit_id"),
    )


class Attestation(Base):
    """An educator's report on a visit. Append-only: the newest report of an educator counts.

    ``who_was_there`` holds roles, never names.
    """

    __tablename__ = "attestation"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    visit_id: Mapped[int]
    educator_id: Mapped[int]
    outcome: Mapped[str]  # met | family_away
    both_went: Mapped[bool]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    place_type: Mapped[str]
    kind: Mapped[str]
    who_was_there: Mapped[str] = mapped_column(
        server_default=""
    )  # roles separated by spaces: caregiver child sibling other
    agrees_with_id: Mapped[int | None]
    at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["visit_id", "educator_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
        ForeignKeyConstraint(["agrees_with_id", "visit_id"], ["attestation.id", "attestation.visit_id"]),
        UniqueConstraint("id", "visit_id"),
        CheckConstraint("outcome IN ('met', 'family_away')", name="outcome"),
        CheckConstraint("started_at < ended_at", name="order"),
        CheckConstraint("kind IN ('first', 'second')", name="kind"),
        CheckConstraint("place_type IN ('home', 'neutral', 'video')", name="place_type"),
        Index("ix_attestation_visit_id_educator_id_id", "visit_id", "educator_id", "id"),
    )


class Reflection(Base):
    """An educator's reflection: what they learned, strengths, next steps. The family may read it."""

    __tablename__ = "reflection"
    visit_id: Mapped[int] = mapped_column(primary_key=True)
    educator_id: Mapped[int] = mapped_column(primary_key=True)
    learned: Mapped[str]
    strengths: Mapped[str]
    will_do: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["visit_id", "educator_id"], ["visit_member.visit_id", "visit_member.educator_id"]),
        CheckConstraint(
            "length(learned) <= 400 AND length(strengths) <= 400 AND length(will_do) <= 400", name="length"
        ),
    )


class VisitEvent(Base):
    """An event in a visit's history. Append-only."""

    __tablename__ = "visit_event"
    id: Mapped[int] = mapped_column(PrimaryKey, primary_key=True)
    visit_id: Mapped[int] = mapped_column(ForeignKey("visit.id"), index=True)
    what: Mapped[str]
    at: Mapped[datetime]
    by_account: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    detail: Mapped[str] = mapped_column(server_default="")
