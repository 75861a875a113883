"""Leases on ticks: whichever worker holds a tick's lease does it; any number of workers is safe."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from homevisits.db import Base


class TickLease(Base):
    """Who is at a tick, until when, and when it last went well."""

    __tablename__ = "tick"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_ok: Mapped[datetime | None]
