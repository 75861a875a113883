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
from homevisits.demo.sample.timeline import Past
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

SAYS = {"1": Answer.YES, "2": Answer.OTHER_TIME, "3": Answer.NOT_NOW, "9": Answer.CALL_ME}
HELD = ("scheduled", "confirmed")


@dataclass(frozen=True)
class Room:
    """A participating class: teacher, coordinator of the school and possible partners."""

    class_id: int
    school_id: int
    teacher: int
    coordinator: Actor
    partners: tuple[int, ...]
    story: bool


def rooms(session: Session, past: Past) -> list[Room]:
    """Return the classes of willing teachers, except the guide's partner, who has not invited yet."""
    certified = set(session.scalars(select(Certification.educator_id)))
    willing = certified & set(find_current_opt_ins(session, list(past.actors)))
    schools = dict(session.execute(select(Educator.id, Educator.school_id).order_by(Educator.id)).all())
    teacher, partner = (int(who.educator_id or 0) for who in accounts.story(session))
    coordinators = accounts.coordinators(session)
    classes = select(SchoolClass.id, SchoolClass.school_id, Teaching.educator_id)
    found = []
    for class_id, school_id, lead in session.execute(
        classes.join(Teaching, Teaching.class_id == SchoolClass.id).order_by(SchoolClass.id)
    ):
        others = [one for one in sorted(willing) if schools[one] == school_id and one not in (lead, teacher, partner)]
        if lead in willing and lead != partner:
            pair = (partner,) if lead == teacher else tuple(others)
            found.append(Room(class_id, school_id, lead, coordinators[school_id], pair, lead == teacher))
    return found


def plan(past: Past, room: Room) -> None:
    """Schedule the history of a class, starting with its draw."""
    day = past.workday(past.begins + timedelta(days=past.chance.randint(9, 24 if room.story else 68)))
    past.at(past.moment(day, 15, past.chance.randrange(60)), partial(_draw, past, room))


def _draw(past: Past, room: Room, session: Session, now: datetime) -> None:
    wanted = draws.DrawRequest(
        room.school_id, "class", str(room.class_id), Method.RANDOM, 9 if room.story else past.chance.randint(9, 13),
        seed=f"{past.chance.randrange(10**6):06}",
    )  # fmt: skip
    made = draws.draw_families(session, room.coordinator, wanted, now)
    if room.story:
        past.kept = frozenset(one.family_id for one in queue.list_next_families(session, made.id, 9, now)[3:])
        # The guide continues here: two families were visited, another accepted, and the next can be invited.
        past.at(past.later(now, 20, 60), partial(_ask, past, room, made.id, ["1", "1", "3"]))
        recent = past.moment(past.workday(local_time.to_local(past.now, past.zone).date() - timedelta(days=5)), 10, 5)
        past.at(recent, partial(_ask, past, room, made.id, ["1"]))
        past.at(recent + timedelta(hours=1), partial(_until_a_text, past, room, made.id))
        return
    for week in range(4):
        moment = past.later(now + timedelta(days=week * 9), 20, 240)
        past.at(moment, partial(_ask, past, room, made.id, [_says(past) for _ in range(3)]))


def _says(past: Past) -> str:
    return past.chance.choices([said for said, _ in texts.ANSWERS], [weight for _, weight in texts.ANSWERS])[0]


def _ask(past: Past, room: Room, draw_id: int, said: list[str], session: Session, now: datetime) -> None:
    if not room.story:
        waiting = queue.list_next_families(session, draw_id, len(said), now)
        said = said[: next((n for n, one in enumerate(waiting) if one.family_id in past.kept), len(said))]
    if not said:
        return
    try:
        asked = invitations.ask_next(session, room.coordinator, draw_id, len(said), now)
    except RulesBroken:
        return  # all families of the draw were invited
    for one, digit in zip(asked, said, strict=False):
        if not digit:
            continue
        reply = past.later(now, 5, 1500 if one.call_reason is None else 4000)
        past.at(reply, partial(_hear, past, room, one.invitation_id, one.family_id, digit))


def _until_a_text(past: Past, room: Room, draw_id: int, session: Session, now: datetime) -> None:
    """Record calls to the next families until the next family can be invited by message."""
    for _family in range(5):
        waiting = queue.list_next_families(session, draw_id, 1, now)
        contact = load_contacts(session, [family.family_id for family in waiting])
        if not contact or all(
            one.phone and catalog.is_approved(one.language, "invitation") for one in contact.values()
        ):
            return
        _ask(past, room, draw_id, [""], session, now)


def _hear(past: Past, room: Room, invitation: int, family: int, digit: str, session: Session, now: datetime) -> None:
    """Record the family's answer: by message if it received a message, else by phone."""
    by_text = _text_back(past, session, f"invitation:{invitation}", digit, now)
    if not by_text and digit != "9":
        invitations.record_answer(session, room.coordinator, invitation, SAYS[digit], how="phone", now=now)
    newly = past.now - now < timedelta(days=6)
    if digit == "1" and not (room.story and newly):
        moment = past.later(now, 60, 4000)
        past.at(moment, partial(_book, past, room, family))


def _text_back(past: Past, session: Session, subject: str, digit: str, now: datetime) -> bool:
    """Reply to the newest question about a subject from the phone that received it."""
    sent = select(OutgoingMessage.phone).where(
        OutgoingMessage.question == subject, OutgoingMessage.state.in_(("accepted", "delivered"))
    )
    phone = session.scalar(sent.order_by(OutgoingMessage.id.desc()).limit(1))
    if phone is None:
        return False
    text = inbox.ReceivedMessage(f"demo-{past.chance.getrandbits(64):016x}", phone, "demo", digit)
    inbox.receive_message(session, text, past.policy, now)
    return True


def _book(past: Past, room: Room, family: int, session: Session, now: datetime) -> None:
    """Try partners and times until a booking succeeds."""
    today = local_time.to_local(now, past.zone).date()
    for _try in range(8):
        partner = past.chance.choice(room.partners)
        start = _time_for(past, room.teacher, partner, today + timedelta(days=past.chance.randint(2, 7)))
        if start is None:
            continue
        place = past.chance.choices(("home", "neutral", "video"), (82, 13, 5))[0]
        wanted = visits.BookingRequest(family, partner, start, place)
        try:
            with savepoint(session):
                visit = visits.book(session, past.actors[room.teacher], wanted, past.policy, now)
        except RulesBroken:
            continue
        past.at(past.later(now, 30, 700), partial(_accept, past, room, visit.id, visit.partner_id))
        return


def _time_for(past: Past, lead: int, partner: int, first: date) -> datetime | None:
    """Return a time within the hours of both educators on the first shared school day from `first`."""
    for number in range(7):
        day = first + timedelta(days=number)
        theirs = [past.hours.get(one, {}).get(day.weekday()) for one in (lead, partner)]
        if all(theirs) and not is_day_off(day):
            starts, ends = max(span[0] for span in theirs if span), min(span[1] for span in theirs if span)
            quarters = range(_minutes(starts), _minutes(ends) - 75 + 1, 15)
            if quarters:
                return past.moment(day, *divmod(past.chance.choice(quarters), 60))
    return None


def _minutes(wall: str) -> int:
    hour, minute = wall.split(":")
    return int(hour) * 60 + int(minute)


def _accept(past: Past, room: Room, visit_id: int, partner: int, session: Session, now: datetime) -> None:
    try:
        with savepoint(session):
            visit = visits.accept(session, past.actors[partner], visit_id, past.policy, now)
    except RulesBroken:
        return
    if room.story or past.chance.random() < 0.9:
        digit = "1" if room.story or past.chance.random() < 0.95 else "2"
        past.at(past.later(now, 5, 600), partial(_confirm, past, visit_id, digit))
    if not room.story and past.chance.random() < 0.03:
        past.at(past.awake(visit.starts_at - timedelta(hours=20)), partial(_call_off, past, room, visit_id))
    past.at(past.later(visit.ends_at, 10, 60), partial(_attest, past, room, visit_id))


def _confirm(past: Past, visit_id: int, digit: str, session: Session, now: datetime) -> None:
    _text_back(past, session, f"visit:{visit_id}", digit, now)


def _call_off(past: Past, room: Room, visit_id: int, session: Session, now: datetime) -> None:
    if session.get_one(Visit, visit_id).state in HELD:
        visits.cancel(session, past.actors[room.teacher], visit_id, past.policy, now)


def _attest(past: Past, room: Room, visit_id: int, session: Session, now: datetime) -> None:
    visit = session.get_one(Visit, visit_id)
    if visit.state not in HELD:
        return
    met = room.story or past.chance.random() < 0.96
    begun = visit.starts_at + timedelta(minutes=past.chance.choice((0, 0, 5, 10)))
    ended = min(begun + timedelta(minutes=past.chance.choice((30, 35, 40, 45, 50))), now)
    there = ("caregiver", "child", "sibling")[: past.chance.randint(1, 3)] if met else ()
    said = visits.Report("met" if met else "family_away", True, begun, ended, visit.place_type, there)
    visits.attest(session, past.actors[room.teacher], visit_id, said, policy=past.policy, now=now)
    past.at(past.later(now, 5, 900), partial(_agree, past, room, visit_id))


def _agree(past: Past, room: Room, visit_id: int, session: Session, now: datetime) -> None:
    visit = session.get_one(Visit, visit_id)
    said = session.scalar(select(func.max(Attestation.id)).where(Attestation.visit_id == visit_id))
    done = visits.agree(session, past.actors[visit.partner_id], visit_id, int(said or 0), policy=past.policy, now=now)
    if done.state != "completed":
        return
    for who in (visit.lead_id, visit.partner_id):
        if room.story or past.chance.random() < 0.85:
            past.at(past.later(now, 15, 1800), partial(_reflect, past, visit_id, who))
    if not room.story and visit.kind == "first" and past.chance.random() < 0.15:
        past.at(past.later(now, 21 * 1440, 30 * 1440), partial(_book, past, room, visit.family_id))


def _reflect(past: Past, visit_id: int, who: int, session: Session, now: datetime) -> None:
    learned, strengths, will_do = (
        past.chance.choice(lines) for lines in (texts.LEARNED, texts.STRENGTHS, texts.WILL_DO)
    )
    visits.reflect(session, past.actors[who], visit_id, learned=learned, strengths=strengths, will_do=will_do, now=now)
