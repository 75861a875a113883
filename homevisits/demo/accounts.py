"""Accounts of the demo: the selectable roles, and all users in the sample history."""

from dataclasses import dataclass

from sqlalchemy import Text, func, insert, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Role
from homevisits.demo.sample import names
from homevisits.draws.models import Draw
from homevisits.people.models import Account, AccountGrant, Educator, School, Teaching
from homevisits.people.sign_in import attempts

MAIL = "cottonwood.example.org"
TEACHER, PARTNER, COORDINATOR, UNION, LEAD = "teacher", "partner", "coordinator", "union", "lead"
PARTS = (TEACHER, PARTNER, COORDINATOR, UNION, LEAD)
COORDINATORS = ("Marisol Treviño", "Dean Whitlock", "Amina Farole", "Grace Lindqvist")
HOME_SCHOOL = names.SCHOOLS[0][0]
"""The school of the guide's main characters."""


@dataclass(frozen=True)
class DemoUser:
    """A user for sign-in with one click."""

    part: str
    account_id: int
    name: str


def address(part: str) -> str:
    """Return the sign-in e-mail address of a demo role."""
    return f"{part}@{MAIL}"


def make_accounts(session: Session) -> None:
    """Create accounts for educators, site coordinators, the union coordinator and the lead."""
    story = _teachers_of_the_story(session)
    staff = session.scalars(select(Educator).where(Educator.employee_group != "administrator").order_by(Educator.id))
    for educator in staff:
        mail = address(story[educator.id]) if educator.id in story else str(educator.email)
        name = f"{educator.given_name} {educator.family_name}"
        _account(session, mail, name, [(Role.EDUCATOR, educator.school_id)], educator.id)
    for school, name in zip(session.scalars(select(School).order_by(School.id)), COORDINATORS, strict=True):
        mail = address(COORDINATOR) if school.source_id == HOME_SCHOOL else address(f"{COORDINATOR}.{school.source_id}")
        _account(session, mail, name, [(Role.SITE_COORDINATOR, school.id)])
    _account(session, address(UNION), "Lorraine Okafor", [(Role.UNION_COORDINATOR, None)])
    _account(session, address(LEAD), "Daniel Reyes-Hart", [(Role.DISTRICT_LEAD, None)])


def _teachers_of_the_story(session: Session) -> dict[int, str]:
    """Return the first two teachers of the guide's school."""
    query = (
        select(Educator.id)
        .join(School, School.id == Educator.school_id)
        .where(School.source_id == HOME_SCHOOL, Educator.id.in_(select(Teaching.educator_id)))
        .order_by(Educator.id)
        .limit(2)
    )
    return dict(zip(session.scalars(query), (TEACHER, PARTNER), strict=True))


def _account(
    session: Session, mail: str, name: str, roles: list[tuple[Role, int | None]], educator: int | None = None
) -> None:
    account = Account(email=mail, name=name, password_hash=None, educator_id=educator, language="en")
    session.add(account)
    session.flush()
    rows = [{"account_id": account.id, "role": role.value, "school_id": school} for role, school in roles]
    session.execute(insert(AccountGrant), rows)


def members(session: Session) -> dict[str, DemoUser]:
    """Return the users for one-click sign-in, by role."""
    parts = {address(part): part for part in PARTS}
    rows = session.execute(select(Account.email, Account.id, Account.name).where(Account.email.in_(parts)))
    users = {parts[email]: DemoUser(parts[email], key, name) for email, key, name in rows}
    return {part: users[part] for part in PARTS if part in users}


def actors(session: Session) -> dict[int, Actor]:
    """Return the actors of the sample history, by educator id."""
    rows = session.execute(select(Account.educator_id, Account.id).where(Account.educator_id.is_not(None)))
    actors_ = {educator: attempts.load_actor(session, key) for educator, key in rows.all()}
    return {int(educator): who for educator, who in actors_.items() if who is not None and educator is not None}


def actor_named(session: Session, mail: str) -> Actor:
    """Return the actor with this sign-in address."""
    who = attempts.load_actor(session, session.scalars(select(Account.id).where(Account.email == mail)).one())
    assert who is not None
    return who


def story(session: Session) -> tuple[Actor, Actor]:
    """Return the teacher and the partner of the guide."""
    return actor_named(session, address(TEACHER)), actor_named(session, address(PARTNER))


def story_draw(session: Session) -> int | None:
    """Return the newest draw for the class of the guide's teacher, if any."""
    classes = (
        select(sql_cast(Teaching.class_id, Text))
        .join(Account, Account.educator_id == Teaching.educator_id)
        .where(Account.email == address(TEACHER))
    )
    return session.scalar(select(func.max(Draw.id)).where(Draw.scope == "class", Draw.scope_value.in_(classes)))


def coordinators(session: Session) -> dict[int, Actor]:
    """Return the site coordinator of each school, by school id."""
    query = (
        select(AccountGrant.school_id, Account.email)
        .join(Account, Account.id == AccountGrant.account_id)
        .where(AccountGrant.role == Role.SITE_COORDINATOR.value, AccountGrant.school_id.is_not(None))
        .order_by(AccountGrant.school_id)
    )
    rows = session.execute(query).all()
    return {school: actor_named(session, mail) for school, mail in rows if school is not None}
