"""Start of the sample's year: trainings, willingness, weekly hours, days off and pay rule."""

from datetime import date, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from homevisits.availability.models import Closure, WeeklyHours
from homevisits.demo import accounts
from homevisits.demo.sample.absences import is_day_off
from homevisits.demo.sample.timeline import Timeline
from homevisits.pay import actions as pay
from homevisits.pay.rules import NewRule
from homevisits.people.actions import opt_in, record_training
from homevisits.people.actions.record_training import NewParent, Training
from homevisits.people.models import Educator

EVENINGS = (("15:30", "19:00"), ("16:00", "19:30"), ("15:45", "18:30"))


def begin(session: Session, timeline: Timeline) -> None:
    """Create all data that precedes the first invitation."""
    story = {who.educator_id for who in accounts.story(session)}
    staff = session.scalars(
        select(Educator.id).where(Educator.employee_group != "administrator").order_by(Educator.id)
    ).all()
    trained = [educator for educator in staff if educator in story or timeline.random.random() < 0.82]
    _trainings(session, timeline, trained)
    willing = [educator for educator in trained if educator in story or timeline.random.random() < 0.85]
    for educator in willing:
        moment = timeline.to_utc(
            timeline.starts_on - timedelta(days=timeline.random.randint(1, 4)), 10, timeline.random.randrange(60)
        )
        opt_in.opt_in(session, timeline.actors[educator], moment)
    timeline.hours = {educator: _week(timeline, educator in story) for educator in willing}
    rows = [
        {"educator_id": educator, "weekday": weekday, "starts": starts, "ends": ends}
        for educator, week in timeline.hours.items()
        for weekday, (starts, ends) in week.items()
    ]
    session.execute(insert(WeeklyHours), rows)
    _days_off(session, timeline)
    rule = NewRule(
        unit="flat_visit",
        rate="55.00",
        minimum_minutes="0",
        round_to_minutes="1",
        pay_code="HV-VISIT",
        clause="Article 14.3: a home visit",
        effective_from=timeline.starts_on,
    )
    pay.add_rule(session, None, rule, timeline.starts_on, timeline.to_utc(timeline.starts_on - timedelta(days=20), 9))


def _trainings(session: Session, timeline: Timeline, trained: list[int]) -> None:
    """Create two training days in August, each led by an educator and a parent."""
    half = len(trained) // 2
    for number, group in enumerate((trained[:half], trained[half:])):
        day = timeline.starts_on - timedelta(days=12 - number * 4)
        parent = (NewParent("Rosalinda", "Tapia"), NewParent("Abdirahman", "Warsame"))[number]
        training = Training(
            title="Home visits: the first training",
            held_on=day,
            minutes=360,
            educator_trainer_id=trained[-1 - number],
            parent_trainer=parent,
            participants=tuple(group),
        )
        record_training.record_training(session, None, training, timeline.policy, timeline.to_utc(day, 17))


def _week(timeline: Timeline, in_guide: bool) -> dict[int, tuple[str, str]]:
    """Return weekly hours by weekday; the guide's pair is available every afternoon."""
    days = range(5) if in_guide else sorted(timeline.random.sample(range(5), 4))
    hours = ("15:30", "19:30") if in_guide else timeline.random.choice(EVENINGS)
    return dict.fromkeys(days, hours)


def _days_off(session: Session, timeline: Timeline) -> None:
    first = timeline.starts_on
    days: list[date] = [first + timedelta(days=number) for number in range(285)]
    rows = [{"school_id": None, "day": day, "name": "No school"} for day in days if is_day_off(day)]
    session.execute(insert(Closure), rows)
