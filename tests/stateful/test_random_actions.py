"""Random sequences of actions in a test school: after each step all five practices hold."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor
from homevisits.core.db import Database
from homevisits.core.problems import NotFound, RulesBroken
from homevisits.invitations import actions as invitations
from homevisits.pay import actions as pay
from homevisits.people.actions import opt_in
from homevisits.people.models import Teaching
from homevisits.visits import actions
from homevisits.visits.actions import BookingRequest, Report
from homevisits.visits.models import Attestation, Visit, VisitMember
from tests import servers
from tests.factories.school import SchoolFixture, build_school
from tests.pay.factories import add_pay_rule
from tests.stateful.invariants import find_violations

TEACHERS = ("Grace", "Luis")
PEOPLE = ("Luis", "Amina", "Hoa", "Grace", "Soon")
FAMILIES = ("Rivera", "Smith", "Quiet")
STARTS = ((16, 0), (16, 45), (17, 15), (18, 0))


class SchoolStateMachine(RuleBasedStateMachine):
    """State machine of the test school: people and families act in random order."""

    open_database: Callable[[], tuple[Database, Callable[[], None]]]
    counts: Counter[str]

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Build a school in which two teachers teach every student; in most sequences a visit was held there."""
        self.database, self.drop = type(self).open_database()
        self.school_fixture: SchoolFixture = build_school(self.database)
        add_pay_rule(self.school_fixture)
        self.now = self.school_fixture.now
        with self.school_fixture.session() as session:
            class_id = session.scalars(select(Teaching.class_id)).one()
            session.add(Teaching(class_id=class_id, educator_id=self.school_fixture.educators["Luis"]))
        if data.draw(st.sampled_from((True, True, False)), label="a visit was held"):
            self.complete_visit_with_replacement()

    def complete_visit_with_replacement(self) -> None:
        """Take a visit from the family's yes to the agreed report; its first partner falls ill."""
        educators, policy = self.school_fixture.educators, self.school_fixture.policy
        self.send_family_reply("Rivera", "yes")
        tomorrow = (self.now + timedelta(days=1)).astimezone(self.now.tzinfo)
        start = self.school_fixture.time_at(tomorrow.day, 17, 15, month=tomorrow.month)
        self.book_and_accept("Grace", "Amina", "Rivera", start, at_once=True)
        with self.database.reading() as session:
            visit = session.scalars(select(Visit)).one()
            session.expunge(visit)
        self.report_illness("Amina", visit.id)
        self.act(
            "stood in",
            lambda s: actions.replace_partner(
                s, self.actor("Grace"), visit.id, educators["Luis"], policy=policy, now=self.now
            ),
        )
        self.act("accepted", lambda s: actions.accept(s, self.actor("Luis"), visit.id, policy, self.now))
        self.now = visit.ends_at
        self.report_and_agree(visit, ["Grace", "Luis"], "met")

    def teardown(self) -> None:
        """Close and drop the database."""
        if hasattr(self, "drop"):
            self.drop()

    def act(self, name: str, action: Callable[[Session], Any]) -> None:
        """Try an action. It may be refused, but then it must change nothing."""
        with suppress(RulesBroken, NotFound), self.school_fixture.session() as session:
            action(session)
            self.counts[name] += 1

    def actor(self, name: str) -> Actor:
        return self.school_fixture.actors[name]

    def draw_visit(self, data: st.DataObject, *states: str) -> tuple[Visit, list[str]] | None:
        """Return a visit in one of `states` and the names of its pair."""
        with self.database.reading() as session:
            visits = list(session.scalars(select(Visit).where(Visit.state.in_(states)).order_by(Visit.id)))
            session.expunge_all()
        if not visits:
            return None
        visit = data.draw(st.sampled_from(visits), label="visit")
        names = {educator_id: name for name, educator_id in self.school_fixture.educators.items()}
        return visit, [names[visit.lead_id], names[visit.partner_id]]

    def find_or_arrange_visit(self, data: st.DataObject) -> tuple[Visit, list[str]] | None:
        """Return an arranged visit; book a new visit if there is none, so that later steps have work."""
        found = self.draw_visit(data, "scheduled", "confirmed")
        if found is not None:
            return found
        family = data.draw(st.sampled_from(FAMILIES), label="family")
        if data.draw(st.booleans(), label="says yes first"):
            self.send_family_reply(family, "yes")
        self.book_and_accept("Grace", "Amina", family, self.draw_time(data), at_once=True)
        return self.draw_visit(data, "scheduled", "confirmed")

    def book_and_accept(self, lead: str, partner: str, family: str, start: datetime, *, at_once: bool) -> None:
        request = BookingRequest(self.school_fixture.families[family], self.school_fixture.educators[partner], start)
        policy, visit_ids = self.school_fixture.policy, list[int]()
        self.act("booked", lambda s: visit_ids.append(actions.book(s, self.actor(lead), request, policy, self.now).id))
        if visit_ids and at_once:
            self.act("accepted", lambda s: actions.accept(s, self.actor(partner), visit_ids[0], policy, self.now))

    def send_family_reply(self, family: str, answer: str) -> None:
        def record(session: Session) -> None:
            invitation = self.school_fixture.invitations[family]
            invitations.record_answer(session, self.actor("coordinator"), invitation, answer, how="phone", now=self.now)
            actions.apply_withdrawals(session, self.school_fixture.policy, self.now)

        self.act(f"family said {answer}", record)

    def draw_time(self, data: st.DataObject) -> datetime:
        day = self.now + timedelta(days=data.draw(st.integers(1, 3), label="in days"))
        hour, minute = data.draw(st.sampled_from(STARTS), label="at")
        local = day.astimezone(self.now.tzinfo)
        return self.school_fixture.time_at(local.day, hour, minute, month=local.month)

    @rule(data=st.data())
    def advance_time(self, data: st.DataObject) -> None:
        self.now += timedelta(hours=data.draw(st.sampled_from((1, 5, 20)), label="hours"))
        self.act("tidied", lambda session: actions.apply_withdrawals(session, self.school_fixture.policy, self.now))

    @rule(family=st.sampled_from(FAMILIES), answer=st.sampled_from(("yes", "yes", "yes", "not_now", "call_me")))
    def answer_invitation(self, family: str, answer: str) -> None:
        self.send_family_reply(family, answer)

    @rule(
        data=st.data(),
        lead=st.sampled_from(TEACHERS),
        partner=st.sampled_from(PEOPLE),
        family=st.sampled_from(FAMILIES),
    )
    def book_visit(self, data: st.DataObject, lead: str, partner: str, family: str) -> None:
        at_once = data.draw(st.sampled_from((True, True, True, False)), label="accepts at once")
        self.book_and_accept(lead, partner, family, self.draw_time(data), at_once=at_once)

    @rule(data=st.data(), comes=st.sampled_from((True, True, True, False)))
    def answer_partner_request(self, data: st.DataObject, comes: bool) -> None:
        found = self.draw_visit(data, "proposed")
        if found is None:
            return
        for name in found[1]:
            if comes:
                self.act(
                    "accepted",
                    lambda s, name=name: actions.accept(
                        s, self.actor(name), found[0].id, self.school_fixture.policy, self.now
                    ),  # type: ignore[misc]
                )
            else:
                self.act(
                    "declined",
                    lambda s, name=name: actions.decline(
                        s, self.actor(name), found[0].id, self.school_fixture.policy, self.now
                    ),  # type: ignore[misc]
                )

    @rule(data=st.data(), answer=st.sampled_from(("yes", "yes", "other_time", "not_now", "call_me")))
    def answer_visit_question(self, data: st.DataObject, answer: str) -> None:
        found = self.draw_visit(data, "proposed", "scheduled", "confirmed", "completed")
        if found is not None:
            visit = found[0].id
            self.act(
                f"visit: {answer}",
                lambda s: actions.record_family_answer(
                    s, None, visit, answer, policy=self.school_fixture.policy, now=self.now
                ),
            )

    @rule(data=st.data(), by=st.sampled_from((0, 1, "coordinator")))
    def move_visit(self, data: st.DataObject, by: Any) -> None:
        found = self.draw_visit(data, "proposed", "scheduled", "confirmed") or self.find_or_arrange_visit(data)
        if found is not None:
            actor, at = self.actor(by if by == "coordinator" else found[1][by]), self.draw_time(data)
            self.act(
                "moved",
                lambda s: actions.move(s, actor, found[0].id, at, policy=self.school_fixture.policy, now=self.now),
            )

    @rule(data=st.data(), by=st.sampled_from((0, 1, "coordinator")))
    def cancel_visit(self, data: st.DataObject, by: Any) -> None:
        found = self.draw_visit(data, "proposed", "scheduled", "confirmed")
        if found is not None:
            actor = self.actor(by if by == "coordinator" else found[1][by])
            self.act("cancelled", lambda s: actions.cancel(s, actor, found[0].id, self.school_fixture.policy, self.now))

    @rule(data=st.data(), by=st.sampled_from((0, 1, "coordinator")))
    def mark_visit_not_held(self, data: st.DataObject, by: Any) -> None:
        found = self.draw_visit(data, "proposed", "scheduled", "confirmed")
        if found is not None:
            actor = self.actor(by if by == "coordinator" else found[1][by])
            if data.draw(st.sampled_from((True, False)), label="wait for it"):
                self.now = max(self.now, found[0].starts_at)
            self.act(
                "not held", lambda s: actions.mark_not_held(s, actor, found[0].id, self.school_fixture.policy, self.now)
            )

    @rule(data=st.data(), ill=st.sampled_from((0, 1)), stand_in=st.sampled_from(PEOPLE))
    def replace_ill_educator(self, data: st.DataObject, ill: int, stand_in: str) -> None:
        found = self.find_or_arrange_visit(data)
        if found is None:
            return
        visit, pair = found[0].id, found[1]
        self.report_illness(pair[ill], visit)
        other = self.actor(pair[1 - ill])
        # Try the others after the drawn stand-in, so that the place is taken in most sequences.
        for name in dict.fromkeys((stand_in, *PEOPLE)):
            new = self.school_fixture.educators[name]
            self.act(
                "stood in",
                lambda s, new=new: actions.replace_partner(
                    s, other, visit, new, policy=self.school_fixture.policy, now=self.now
                ),
            )

    def report_illness(self, name: str, visit_id: int) -> None:
        educator_id, policy = self.school_fixture.educators[name], self.school_fixture.policy
        self.act(
            "ill",
            lambda s: actions.cannot_come(s, self.actor(name), visit_id, educator_id, policy=policy, now=self.now),
        )

    @rule(data=st.data(), first=st.sampled_from((0, 1)), met=st.sampled_from(("met", "met", "met", "family_away")))
    def report_visit(self, data: st.DataObject, first: int, met: str) -> None:
        found = self.find_or_arrange_visit(data)
        if found is None:
            return
        visit, pair = found
        if data.draw(st.sampled_from((True, True, True, False)), label="wait for it"):
            self.now = max(self.now, visit.ends_at)
        self.report_and_agree(visit, [pair[first], pair[1 - first]], met)

    def report_and_agree(self, visit: Visit, names: list[str], outcome: str) -> None:
        report = Report(outcome, True, visit.starts_at, visit.ends_at, "home")
        policy = self.school_fixture.policy
        self.act(
            "reported",
            lambda s: actions.attest(s, self.actor(names[0]), visit.id, report, policy=policy, now=self.now),
        )
        self.act("agreed", lambda s: self.agree(s, visit.id, names[1]))

    def agree(self, session: Session, visit_id: int, name: str) -> None:
        query = select(Attestation.id).where(Attestation.visit_id == visit_id).order_by(Attestation.id.desc())
        report_id = session.scalars(query).first() or 0
        actions.agree(session, self.actor(name), visit_id, report_id, policy=self.school_fixture.policy, now=self.now)

    @rule(data=st.data(), index=st.sampled_from((0, 1)))
    def write_reflection(self, data: st.DataObject, index: int) -> None:
        found = self.draw_visit(data, "completed") or self.find_or_arrange_visit(data)
        if found is not None:
            actor = self.actor(found[1][index])
            self.act(
                "reflected",
                lambda s: actions.reflect(
                    s, actor, found[0].id, learned="maps", strengths="", will_do="a corner", now=self.now
                ),
            )

    @rule(name=st.sampled_from(PEOPLE), back=st.sampled_from((True, True, True, False)))
    def change_opt_in(self, name: str, back: bool) -> None:
        def choose(session: Session) -> None:
            (opt_in.opt_in if back else opt_in.opt_out)(session, self.actor(name), self.now)
            actions.apply_withdrawals(session, self.school_fixture.policy, self.now)

        self.act("opted", choose)

    @precondition(lambda self: hasattr(self, "school_fixture"))
    @invariant()
    def check_practices(self) -> None:
        with self.school_fixture.session() as session:
            pay.write_missing_lines(session, self.now)
        with self.database.reading() as session:
            assert find_violations(session, self.now) == {}
            self.counts["completed"] += len(session.scalars(select(Visit.id).where(Visit.state == "completed")).all())
            self.counts["members"] += len(session.scalars(select(VisitMember.visit_id)).all())


def run_sequences(opener: Callable[[], tuple[Database, Callable[[], None]]], examples: int, steps: int) -> Counter[str]:
    """Run many random sequences; return how often each action succeeded."""
    counts: Counter[str] = Counter()
    machine = type(
        "SchoolStateMachine", (SchoolStateMachine,), {"open_database": staticmethod(opener), "counts": counts}
    )
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, phases=PHASES)
    )
    return counts


PHASES = tuple(phase for phase in Phase if phase is not Phase.shrink)
"""Failures are not shrunk, because that would repeat the sequence a hundred times."""
REQUIRED_ACTIONS = {"booked", "accepted", "ill", "stood in", "reported", "agreed"}


def test_all_five_practices_hold_whatever_people_do_on_sqlite(sqlite_template: Path) -> None:
    def opener() -> tuple[Database, Callable[[], None]]:
        folder = Path(tempfile.mkdtemp(prefix="hv-life-"))
        shutil.copyfile(sqlite_template, folder / "life.sqlite")
        database = Database(f"sqlite:///{folder / 'life.sqlite'}")

        def drop() -> None:
            database.dispose()
            shutil.rmtree(folder)

        return database, drop

    counts = run_sequences(opener, examples=15, steps=30)
    assert {name for name in REQUIRED_ACTIONS if not counts[name]} == set()


def test_all_five_practices_hold_whatever_people_do_on_postgresql(postgres: servers.Postgres) -> None:
    def opener() -> tuple[Database, Callable[[], None]]:
        name = postgres.create_database()
        database = Database(postgres.url(name))

        def drop() -> None:
            database.dispose()
            postgres.drop_database(name)

        return database, drop

    counts = run_sequences(opener, examples=6, steps=25)
    assert counts["booked"]
