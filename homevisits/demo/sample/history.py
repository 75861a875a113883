"""Replay the sample's autumn with the product's actions, from invitation to payment."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.core import local_time
from homevisits.core.access import Actor
from homevisits.core.db import savepoint
from homevisits.core.problems import RulesBroken
from homevisits.demo import accounts
from homevisits.demo.sample import texts
from homevisits.demo.sample.absences import is_day_off
from homevisits.demo.sample.timeline import Timeline
from homevisits.draws import actions as draws
from homevisits.draws.rules import Method
from homevisits.inbox import processing as inbox
from homevisits.invitations import actions as invitations
from homevisits.invitations import queue
from homevisits.invitations.models import Answer
from homevisits.invitations.queries import load_contacts
from homevisits.messages.models import OutgoingMessage
from homevisits.messages.templates import catalog
from homevisits.people.models import Certification, Educator, SchoolClass, Teaching
from homevisits.people.queries import find_current_opt_ins
from homevisits.visits import actions as visits
from homevisits.visits.models import Attestation, Visit

ANSWER_OF_DIGIT = {"1": Answer.YES, "2": Answer.OTHER_TIME, "3": Answer.NOT_NOW, "9": Answer.CALL_ME}
ARRANGED = ("scheduled", "confirmed")


def load_classes(session: Session, timeline: Timeline) -> list["ClassHistory"]:
    """Return the classes of willing teachers, except the guide's partner, who has not invited yet."""
    certified = set(session.scalars(select(Certification.educator_id)))
    willing = certified & set(find_current_opt_ins(session, list(timeline.actors)))
    schools = dict(session.execute(select(Educator.id, Educator.school_id).order_by(Educator.id)).all())
    teacher, partner = (int(actor.educator_id or 0) for actor in accounts.story(session))
    coordinators = accounts.coordinators(session)
    classes = select(SchoolClass.id, SchoolClass.school_id, Teaching.educator_id)
    histories = []
    for class_id, school_id, lead in session.execute(
        classes.join(Teaching, Teaching.class_id == SchoolClass.id).order_by(SchoolClass.id)
    ):
        colleagues = [
            id_ for id_ in sorted(willing) if schools[id_] == school_id and id_ not in (lead, teacher, partner)
        ]
        if lead in willing and lead != partner:
            histories.append(
                ClassHistory(
                    timeline=timeline,
                    class_id=class_id,
                    school_id=school_id,
                    teacher=lead,
                    coordinator=coordinators[school_id],
                    partners=(partner,) if lead == teacher else tuple(colleagues),
                    in_guide=lead == teacher,
                )
            )
    return histories


@dataclass(frozen=True, kw_only=True)
class ClassHistory:
    """Schedules the events of a participating class, starting with its draw.

    coordinator: of the class's school.
    partners: ids of the educators who may visit with the teacher.
    in_guide: the class of the guide's teacher; its families give fixed replies, which the guide relies on.
    """

    timeline: Timeline
    class_id: int
    school_id: int
    teacher: int
    coordinator: Actor
    partners: tuple[int, ...]
    in_guide: bool

    def plan(self) -> None:
        """Schedule the draw of the class; every event schedules the events that follow from it."""
        timeline = self.timeline
        day = timeline.skip_weekend(
            timeline.starts_on + timedelta(days=timeline.random.randint(9, 24 if self.in_guide else 68))
        )
        timeline.schedule(timeline.to_utc(day, 15, timeline.random.randrange(60)), self._draw)

    def _draw(self, session: Session, now: datetime) -> None:
        timeline = self.timeline
        count = 9 if self.in_guide else timeline.random.randint(9, 13)
        request = draws.DrawRequest(
            self.school_id,
            "class",
            str(self.class_id),
            Method.RANDOM,
            count,
            seed=f"{timeline.random.randrange(10**6):06}",
        )
        draw = draws.draw_families(session, self.coordinator, request, now)
        if self.in_guide:
            waiting = queue.list_next_families(session, draw.id, 9, now)
            timeline.reserved_families = frozenset(family.family_id for family in waiting[3:])
            # The guide continues here: two families were visited, another accepted, and the next can be invited.
            timeline.schedule(timeline.random_time_after(now, 20, 60), partial(self._invite, draw.id, ["1", "1", "3"]))
            today = local_time.to_local(timeline.now, timeline.zone).date()
            recent = timeline.to_utc(timeline.skip_weekend(today - timedelta(days=5)), 10, 5)
            timeline.schedule(recent, partial(self._invite, draw.id, ["1"]))
            timeline.schedule(recent + timedelta(hours=1), partial(self._call_until_message, draw.id))
            return
        for week in range(4):
            moment = timeline.random_time_after(now + timedelta(days=week * 9), 20, 240)
            timeline.schedule(moment, partial(self._invite, draw.id, [self._random_reply() for _ in range(3)]))

    def _random_reply(self) -> str:
        digits, weights = [digit for digit, _ in texts.ANSWERS], [weight for _, weight in texts.ANSWERS]
        return self.timeline.random.choices(digits, weights)[0]

    def _invite(self, draw_id: int, replies: list[str], session: Session, now: datetime) -> None:
        """Invite the next families of the draw and schedule their replies; an empty reply means no reply."""
        timeline = self.timeline
        if not self.in_guide:
            waiting = queue.list_next_families(session, draw_id, len(replies), now)
            reserved = (n for n, family in enumerate(waiting) if family.family_id in timeline.reserved_families)
            replies = replies[: next(reserved, len(replies))]
        if not replies:
            return
        try:
            asked = invitations.ask_next(session, self.coordinator, draw_id, len(replies), now)
        except RulesBroken:
            return  # all families of the draw were invited
        for family, digit in zip(asked, replies, strict=False):
            if not digit:
                continue
            reply_at = timeline.random_time_after(now, 5, 1500 if family.call_reason is None else 4000)
            timeline.schedule(reply_at, partial(self._answer, family.invitation_id, family.family_id, digit))

    def _call_until_message(self, draw_id: int, session: Session, now: datetime) -> None:
        """Record calls to the next families until the next family can be invited by message."""
        for _family in range(5):
            waiting = queue.list_next_families(session, draw_id, 1, now)
            contacts = load_contacts(session, [family.family_id for family in waiting])
            if not contacts or all(
                contact.phone and catalog.is_approved(contact.language, "invitation") for contact in contacts.values()
            ):
                return
            self._invite(draw_id, [""], session, now)

    def _answer(self, invitation_id: int, family_id: int, digit: str, session: Session, now: datetime) -> None:
        """Record the family's answer: by message if it received a message, else by phone."""
        timeline = self.timeline
        by_message = self._reply_by_message(session, f"invitation:{invitation_id}", digit, now)
        if not by_message and digit != "9":
            answer = ANSWER_OF_DIGIT[digit]
            invitations.record_answer(session, self.coordinator, invitation_id, answer, how="phone", now=now)
        is_recent = timeline.now - now < timedelta(days=6)
        if digit == "1" and not (self.in_guide and is_recent):
            timeline.schedule(timeline.random_time_after(now, 60, 4000), partial(self._book, family_id))

    def _reply_by_message(self, session: Session, subject: str, digit: str, now: datetime) -> bool:
        """Reply to the newest question about a subject from the phone that received it."""
        sent = select(OutgoingMessage.phone).where(
            OutgoingMessage.question == subject, OutgoingMessage.state.in_(("accepted", "delivered"))
        )
        phone = session.scalar(sent.order_by(OutgoingMessage.id.desc()).limit(1))
        if phone is None:
            return False
        key = f"demo-{self.timeline.random.getrandbits(64):016x}"
        inbox.receive_message(session, inbox.ReceivedMessage(key, phone, "demo", digit), self.timeline.policy, now)
        return True

    def _book(self, family_id: int, session: Session, now: datetime) -> None:
        """Try partners and times until a booking succeeds."""
        timeline = self.timeline
        today = local_time.to_local(now, timeline.zone).date()
        for _try in range(8):
            partner = timeline.random.choice(self.partners)
            start = self._find_time(partner, today + timedelta(days=timeline.random.randint(2, 7)))
            if start is None:
                continue
            place = timeline.random.choices(("home", "neutral", "video"), (82, 13, 5))[0]
            request = visits.BookingRequest(family_id, partner, start, place)
            try:
                with savepoint(session):
                    visit = visits.book(session, timeline.actors[self.teacher], request, timeline.policy, now)
            except RulesBroken:
                continue
            timeline.schedule(
                timeline.random_time_after(now, 30, 700), partial(self._accept, visit.id, visit.partner_id)
            )
            return

    def _find_time(self, partner: int, first: date) -> datetime | None:
        """Return a time within the hours of both educators on the first shared school day from `first`."""
        timeline = self.timeline
        for number in range(7):
            day = first + timedelta(days=number)
            hours = [timeline.hours.get(id_, {}).get(day.weekday()) for id_ in (self.teacher, partner)]
            if all(hours) and not is_day_off(day):
                starts, ends = max(span[0] for span in hours if span), min(span[1] for span in hours if span)
                quarters = range(_minutes(starts), _minutes(ends) - 75 + 1, 15)
                if quarters:
                    return timeline.to_utc(day, *divmod(timeline.random.choice(quarters), 60))
        return None

    def _accept(self, visit_id: int, partner: int, session: Session, now: datetime) -> None:
        timeline = self.timeline
        try:
            with savepoint(session):
                visit = visits.accept(session, timeline.actors[partner], visit_id, timeline.policy, now)
        except RulesBroken:
            return
        if self.in_guide or timeline.random.random() < 0.9:
            digit = "1" if self.in_guide or timeline.random.random() < 0.95 else "2"
            timeline.schedule(timeline.random_time_after(now, 5, 600), partial(self._confirm, visit_id, digit))
        if not self.in_guide and timeline.random.random() < 0.03:
            cancel_at = timeline.move_to_daytime(visit.starts_at - timedelta(hours=20))
            timeline.schedule(cancel_at, partial(self._cancel, visit_id))
        timeline.schedule(timeline.random_time_after(visit.ends_at, 10, 60), partial(self._attest, visit_id))

    def _confirm(self, visit_id: int, digit: str, session: Session, now: datetime) -> None:
        self._reply_by_message(session, f"visit:{visit_id}", digit, now)

    def _cancel(self, visit_id: int, session: Session, now: datetime) -> None:
        if session.get_one(Visit, visit_id).state in ARRANGED:
            visits.cancel(session, self.timeline.actors[self.teacher], visit_id, self.timeline.policy, now)

    def _attest(self, visit_id: int, session: Session, now: datetime) -> None:
        timeline = self.timeline
        visit = session.get_one(Visit, visit_id)
        if visit.state not in ARRANGED:
            return
        met = self.in_guide or timeline.random.random() < 0.96
        started = visit.starts_at + timedelta(minutes=timeline.random.choice((0, 0, 5, 10)))
        ended = min(started + timedelta(minutes=timeline.random.choice((30, 35, 40, 45, 50))), now)
        report = visits.Report(
            outcome="met" if met else "family_away",
            both_went=True,
            started_at=started,
            ended_at=ended,
            place_type=visit.place_type,
            who_was_there=("caregiver", "child", "sibling")[: timeline.random.randint(1, 3)] if met else (),
        )
        visits.attest(session, timeline.actors[self.teacher], visit_id, report, policy=timeline.policy, now=now)
        timeline.schedule(timeline.random_time_after(now, 5, 900), partial(self._agree, visit_id))

    def _agree(self, visit_id: int, session: Session, now: datetime) -> None:
        timeline = self.timeline
        visit = session.get_one(Visit, visit_id)
        report_id = session.scalar(select(func.max(Attestation.id)).where(Attestation.visit_id == visit_id))
        partner = timeline.actors[visit.partner_id]
        agreed = visits.agree(session, partner, visit_id, int(report_id or 0), policy=timeline.policy, now=now)
        if agreed.state != "completed":
            return
        for educator_id in (visit.lead_id, visit.partner_id):
            if self.in_guide or timeline.random.random() < 0.85:
                timeline.schedule(
                    timeline.random_time_after(now, 15, 1800), partial(self._reflect, visit_id, educator_id)
                )
        if not self.in_guide and visit.kind == "first" and timeline.random.random() < 0.15:
            timeline.schedule(
                timeline.random_time_after(now, 21 * 1440, 30 * 1440), partial(self._book, visit.family_id)
            )

    def _reflect(self, visit_id: int, educator_id: int, session: Session, now: datetime) -> None:
        learned, strengths, will_do = (
            self.timeline.random.choice(lines) for lines in (texts.LEARNED, texts.STRENGTHS, texts.WILL_DO)
        )
        actor = self.timeline.actors[educator_id]
        visits.reflect(session, actor, visit_id, learned=learned, strengths=strengths, will_do=will_do, now=now)


def _minutes(wall: str) -> int:
    hour, minute = wall.split(":")
    return int(hour) * 60 + int(minute)
