"""Event queue that replays the sample's history in order and delivers messages in between."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from random import Random

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core import local_time
from homevisits.core.access import Actor
from homevisits.core.db import Database
from homevisits.demo.progress import Progress
from homevisits.invitations.send_checks import reason_not_to_send as check_invitation_message
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.providers.base import Accepted
from homevisits.messages.providers.console import Console
from homevisits.policies.rules import Policy
from homevisits.visits.send_checks import reason_not_to_send as check_visit_message

Step = Callable[[Session, datetime], None]
START_PERCENT, END_PERCENT = 4, 96  # the part of the whole build's progress that the replay takes
BATCH_PERIOD = timedelta(minutes=20)  # events within this time share a transaction, to save commits


_NEXT_DUE = select(func.min(OutgoingMessage.next_at)).where(OutgoingMessage.state.in_(("held", "queued")))


class _SilentProvider(Console):
    """Console provider without output, because the history contains many messages."""

    def send(self, to: str, body: str, token: str, *, sender: str = "console", valid_for: int = 36_000) -> Accepted:
        """Accept any message."""
        del to, body, sender, valid_for
        return Accepted(provider_message_id=f"console-{token}", status="delivered")


@dataclass
class Timeline:
    """The queue of events still to replay, and the services they need."""

    database: Database
    policy: Policy
    zone: str
    random: Random
    starts_on: date
    now: datetime
    progress: Progress
    actors: dict[int, Actor] = field(default_factory=dict)
    hours: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    reserved_families: frozenset[int] = (
        frozenset()
    )  # families of the guide, which no other class invites until released
    _queue: list[tuple[datetime, int, Step]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def schedule(self, moment: datetime, step: Step) -> None:
        """Schedule `step` at `moment` if that is in the timeline."""
        if moment < self.now:
            heapq.heappush(self._queue, (moment, next(self._numbers), step))

    def to_utc(self, day: date, hour: int, minute: int = 0) -> datetime:
        """Convert a local date and time of the district to UTC."""
        moment = local_time.to_utc(day, time(hour, minute), self.zone)
        assert moment is not None
        return moment

    def move_to_daytime(self, moment: datetime) -> datetime:
        """Return `moment`, or the next morning if it is at night."""
        local = local_time.to_local(moment, self.zone)
        minute = self.random.randrange(60)
        if local.hour >= 21:
            return self.to_utc(local.date() + timedelta(days=1), 8, minute)
        return self.to_utc(local.date(), 8, minute) if local.hour < 8 else moment

    def skip_weekend(self, day: date) -> date:
        """Return `day`, or the following Monday if it is a weekend day."""
        return day + timedelta(days=7 - day.weekday()) if day.weekday() >= 5 else day

    def random_time_after(self, moment: datetime, least: int, most: int) -> datetime:
        """Return a random daytime moment between `least` and `most` minutes after `moment`."""
        return self.move_to_daytime(moment + timedelta(minutes=self.random.randint(least, most)))

    def run(self) -> None:
        """Replay all events in order and show the progress."""
        started = self._queue[0][0] if self._queue else self.now
        while self._queue:
            share = (self._queue[0][0] - started) / (self.now - started)
            month = f"{local_time.to_local(self._queue[0][0], self.zone):%B %Y}"
            self.progress.update(START_PERCENT + share * (END_PERCENT - START_PERCENT), f"living through {month}")
            until = self._queue[0][0] + BATCH_PERIOD
            self._deliver_until(self._queue[0][0])
            with self.database.transaction() as session:
                while self._queue and self._queue[0][0] <= until:
                    moment, _number, step = heapq.heappop(self._queue)
                    step(session, moment)
        self._deliver_until(self.now)

    def _deliver_until(self, moment: datetime) -> None:
        """Send the messages due before `moment`, each when it is due."""
        last = None
        while True:
            with self.database.reading() as session:
                due = session.scalar(_NEXT_DUE)
            if due is None or due >= moment:
                return
            # Messages left over by a rate limit are sent a second later.
            last = due if last is None or due > last else last + timedelta(seconds=1)
            self.deliver(last)

    def deliver(self, moment: datetime) -> None:
        """Send the messages due at `moment`."""
        checks = {"visit": check_visit_message, "invitation": check_invitation_message}
        rules = SendPolicy(Limits.of(self.policy), self.zone, checks=checks)
        dispatcher.dispatch_due(self.database, (_SilentProvider(),), rules, lambda: moment, limit=5000)
