"""Start of the sample's year: trainings, willingness, weekly hours, days off and pay rule."""

from datetime import date, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Closure, WeeklyHours
from homevisits.demo import accounts
from homevisits.demo.sample.absences import is_day_off
from homevisits.demo.sample.timeline import Past
from homevisits.pay import actions as pay
from homevisits.pay.rules import NewRule
from homevisits.people import actions as people
from homevisits.people.actions import NewParent, Training
from homevisits.people.models import Educator

EVENINGS = (("15:30", "19:00"), ("16:00", "19:30"), ("15:45", "18:30"))


def begin(session: Session, past: Past) -> None:
    """Create all data that precedes the first invitation."""
    story = {who.educator_id for who in accounts.story(session)}
    staff = session.scalars(
        select(Educator.id).where(Educator.employee_group != "administrator").order_by(Educator.id)
    ).all()
    trained = [one for one in staff if one in story or past.chance.random() < 0.82]
    _trainings(session, past, trained)
    willing = [one for one in trained if one in story or past.chance.random() < 0.85]
    for educator in willing:
        moment = past.moment(past.begins - timedelta(days=past.chance.randint(1, 4)), 10, past.chance.randrange(60))
        people.opt_in(session, past.actors[educator], moment)
    past.hours = {educator: _week(past, educator in story) for educator in willing}
    rows = [
        {"educator_id": educator, "weekday": weekday, "starts": starts, "ends": ends}
        for educator, week in past.hours.items()
        for weekday, (starts, ends) in week.items()
    ]
    session.execute(insert(WeeklyHours), rows)
    _days_off(session, past)
    rule = NewRule("flat_visit", "55.00", "0", "1", "HV-VISIT", "Article 14.3: a home visit", past.begins)
    pay.add_rule(session, None, rule, past.begins, past.moment(past.begins - timedelta(days=20), 9))


def _trainings(session: Session, past: Past, trained: list[int]) -> None:
    """Create two training days in August, each led by an educator and a parent."""
    half = len(trained) // 2
    for number, group in enumerate((trained[:half], trained[half:])):
        day = past.begins - timedelta(days=12 - number * 4)
        parent = (NewParent("Rosalinda", "Tapia"), NewParent("Abdirahman", "Warsame"))[number]
        held = Training("Home visits: the first training", day, 360, trained[-1 - number], parent, tuple(group))
        people.record_training(session, None, held, past.policy, past.moment(day, 17))


def _week(past: Past, of_story: bool) -> dict[int, tuple[str, str]]:
    """Return weekly hours by weekday; the guide's pair is available every afternoon."""
    days = range(5) if of_story else sorted(past.chance.sample(range(5), 4))
    hours = ("15:30", "19:30") if of_story else past.chance.choice(EVENINGS)
    return dict.fromkeys(days, hours)


def _days_off(session: Session, past: Past) -> None:
    first = past.begins
    days: list[date] = [first + timedelta(days=number) for number in range(285)]
    rows = [{"school_id": None, "day": day, "name": "No school"} for day in days if is_day_off(day)]
    session.execute(insert(Closure), rows)
