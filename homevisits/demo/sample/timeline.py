"""A queue of moments: what the sample's people did, each at its time, with texts delivered in between."""

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
from homevisits.invitations.send_checks import text_wanted as invitation_wanted
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.dispatch.eligibility import SendPolicy
from homevisits.messages.dispatch.quiet_hours import Limits
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.providers.base import Accepted
from homevisits.messages.providers.console import Console
from homevisits.policies.rules import Policy
from homevisits.visits.send_checks import text_wanted as visit_wanted

Step = Callable[[Session, datetime], None]
LIVES_FROM, LIVES_UNTIL = 4, 96  # percent of the whole build
TOGETHER = timedelta(minutes=20)
"""What happens within so long is one transaction: a commit for every tap would take a minute."""


_NEXT_DUE = select(func.min(OutgoingMessage.next_at)).where(OutgoingMessage.state.in_(("held", "queued")))


class _Quiet(Console):
    """The console carrier without its words: an autumn of texts would fill the screen."""

    def send(self, to: str, body: str, token: str, *, sender: str = "console", valid_for: int = 36_000) -> Accepted:
        """Take any text."""
        del to, body, sender, valid_for
        return Accepted(provider_message_id=f"console-{token}", status="delivered")


@dataclass
class Past:
    """What has still to happen, by moment, and everything it needs."""

    database: Database
    policy: Policy
    zone: str
    chance: Random
    begins: date
    now: datetime
    progress: Progress
    actors: dict[int, Actor] = field(default_factory=dict)
    hours: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()  # families of the story: no other class asks them before it is told
    _queue: list[tuple[datetime, int, Step]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def at(self, moment: datetime, step: Step) -> None:
        """Let `step` happen at `moment`, if that is past."""
        if moment < self.now:
            heapq.heappush(self._queue, (moment, next(self._numbers), step))

    def moment(self, day: date, hour: int, minute: int = 0) -> datetime:
        """A wall time of the district as a moment."""
        found = local_time.to_utc(day, time(hour, minute), self.zone)
        assert found is not None
        return found

    def awake(self, moment: datetime) -> datetime:
        """`moment`, or the next morning where it falls into the night."""
        local = local_time.to_local(moment, self.zone)
        minute = self.chance.randrange(60)
        if local.hour >= 21:
            return self.moment(local.date() + timedelta(days=1), 8, minute)
        return self.moment(local.date(), 8, minute) if local.hour < 8 else moment

    def workday(self, day: date) -> date:
        """`day`, or the Monday after it."""
        return day + timedelta(days=7 - day.weekday()) if day.weekday() >= 5 else day

    def later(self, moment: datetime, least: int, most: int) -> datetime:
        """Some minutes after `moment`, between `least` and `most`, when people are awake."""
        return self.awake(moment + timedelta(minutes=self.chance.randint(least, most)))

    def live(self) -> None:
        """Let everything happen, in order, and show how far it is."""
        started = self._queue[0][0] if self._queue else self.now
        while self._queue:
            share = (self._queue[0][0] - started) / (self.now - started)
            month = f"{local_time.to_local(self._queue[0][0], self.zone):%B %Y}"
            self.progress.update(LIVES_FROM + share * (LIVES_UNTIL - LIVES_FROM), f"living through {month}")
            until = self._queue[0][0] + TOGETHER
            self._deliver_until(self._queue[0][0])
            with self.database.transaction() as session:
                while self._queue and self._queue[0][0] <= until:
                    moment, _number, step = heapq.heappop(self._queue)
                    step(session, moment)
        self._deliver_until(self.now)

    def _deliver_until(self, moment: datetime) -> None:
        """Send the texts that are due before `moment`, each when it is due."""
        last = None
        while True:
            with self.database.reading() as session:
                due = session.scalar(_NEXT_DUE)
            if due is None or due >= moment:
                return
            # What a sender could not take at once keeps its place: a second later it can.
            last = due if last is None or due > last else last + timedelta(seconds=1)
            self.deliver(last)

    def deliver(self, moment: datetime) -> None:
        """Send the texts that are due at `moment`."""
        checks = {"visit": visit_wanted, "invitation": invitation_wanted}
        rules = SendPolicy(Limits.of(self.policy), self.zone, checks=checks)
        dispatcher.dispatch_due(self.database, (_Quiet(),), rules, lambda: moment, limit=5000)
