"""Leases on periodic jobs, so that of several workers only the holder of the lease runs a job."""

from datetime import date, datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from homevisits.core.db import Base, insert_new


class JobLease(Base):
    """The worker that runs a job, the end of its lease, and when the job last succeeded."""

    __tablename__ = "job_lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_ok: Mapped[datetime | None]


def take_lease(session: Session, name: str, owner: str, for_: timedelta, now: datetime) -> bool:
    """Try to take the lease of job `name` for the duration `for_` and return whether that succeeded.

    The owner may renew its own lease. A lease that ends later than any lease taken now could end comes from before a
    clock was set back; it is ignored.
    """
    insert_new(session, JobLease, [{"name": name}], "name")
    update_lease = (
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
    return session.scalar(update_lease) is not None


def release_lease(session: Session, name: str, owner: str, now: datetime) -> None:
    """Record that the job succeeded and end its lease, unless another worker has taken the lease since."""
    session.execute(
        update(JobLease)
        .where(JobLease.name == name, JobLease.owner == owner)
        .values(owner=None, lease_until=None, last_ok=now)
        .execution_options(synchronize_session=False)
    )


def has_succeeded_on(session: Session, name: str, day: date) -> bool:
    """Return whether the job has succeeded on `day` (UTC) or later."""
    row = session.get(JobLease, name)
    return row is not None and row.last_ok is not None and row.last_ok.date() >= day
