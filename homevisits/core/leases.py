"""Leases on ticks: whichever worker holds a tick's lease does it; any number of workers is safe."""

from datetime import date, datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from homevisits.core.db import Base, insert_new


class JobLease(Base):
    """Who is at a tick, until when, and when it last went well."""

    __tablename__ = "job_lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_ok: Mapped[datetime | None]


def take(session: Session, name: str, owner: str, for_: timedelta, now: datetime) -> bool:
    """Whether `owner` may do the tick now, alone, for so long. Whoever has it may take it again.

    A lease that ends later than any given now was given before somebody's clock was put back: it does not count.
    """
    insert_new(session, JobLease, [{"name": name}], "name")
    mine = (
        update(JobLease)
        .where(
            JobLease.name == name,
            or_(
                JobLease.owner.is_(None),
                JobLease.owner == owner,
                JobLease.lease_until.is_(None),
                JobLease.lease_until <= now,
                JobLease.lease_until > now + 2 * for_,
            ),
        )
        .values(owner=owner, lease_until=now + for_)
        .returning(JobLease.name)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(mine) is not None


def done(session: Session, name: str, owner: str, now: datetime) -> None:
    """The tick went well: its lease ends. Nothing happens when another has it by now."""
    session.execute(
        update(JobLease)
        .where(JobLease.name == name, JobLease.owner == owner)
        .values(owner=None, lease_until=None, last_ok=now)
        .execution_options(synchronize_session=False)
    )


def done_on(session: Session, name: str, day: date) -> bool:
    """Whether the tick went well on `day` (UTC) already, or on a later one."""
    row = session.get(JobLease, name)
    return row is not None and row.last_ok is not None and row.last_ok.date() >= day
