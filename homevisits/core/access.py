"""Roles, permissions and their mapping. Every route names a permission (see `web.security`)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A person's role in the program. A grant gives a role at a single school or in the whole district."""

    EDUCATOR = "educator"
    SITE_COORDINATOR = "site_coordinator"
    DISTRICT_LEAD = "district_lead"
    UNION_COORDINATOR = "union_coordinator"


class Permission(StrEnum):
    """Permission that a route requires."""

    OWN_ACCOUNT = "own_account"  # sign out, language, password: for all signed-in users
    OWN_VISITS = "own_visits"  # book, accept, report and reflect on own visits only
    OWN_PAY = "own_pay"  # My pay
    ASK = "ask"  # draw families, invite them, record answers
    SEE_VISITS = "see_visits"  # see, move and cancel the visits of the coordinator's schools
    PEOPLE = "people"  # educators, training, certification, opt-in state
    SITE_APPROVE = "site_approve"  # first of two pay approvals
    UNION_APPROVE = "union_approve"  # second pay approval
    TALLY = "tally"  # visits, people, hours, dollars by school and month
    PAYROLL = "payroll"  # create and download payroll files
    ATTENDANCE = "attendance"  # attendance report and import
    ROSTER = "roster"  # roster import
    OVERVIEW = "overview"  # district overview page
    DELIVERY = "delivery"  # message delivery, failed messages and quiet days
    SENDERS = "senders"  # senders, their registration, recipients of a trial
    CONVERSE = "converse"  # read and answer families' messages
    URGENT_TEXT = "urgent_text"  # send a message during quiet hours; the reason is recorded


_E, _S, _D, _U = Role.EDUCATOR, Role.SITE_COORDINATOR, Role.DISTRICT_LEAD, Role.UNION_COORDINATOR

ROLES_BY_PERMISSION: dict[Permission, frozenset[Role]] = {
    Permission.OWN_ACCOUNT: frozenset(Role),
    Permission.OWN_VISITS: frozenset({_E}),
    Permission.OWN_PAY: frozenset({_E}),
    Permission.ASK: frozenset({_S}),
    Permission.SEE_VISITS: frozenset({_S}),
    Permission.PEOPLE: frozenset({_S, _D}),
    Permission.SITE_APPROVE: frozenset({_S}),
    Permission.UNION_APPROVE: frozenset({_U}),
    Permission.TALLY: frozenset({_U, _D}),
    Permission.PAYROLL: frozenset({_U, _D}),
    Permission.ATTENDANCE: frozenset({_D, _U}),
    Permission.ROSTER: frozenset({_D}),
    Permission.OVERVIEW: frozenset({_D}),
    Permission.DELIVERY: frozenset({_S, _D}),
    Permission.SENDERS: frozenset({_D}),
    Permission.CONVERSE: frozenset({_E, _S}),
    Permission.URGENT_TEXT: frozenset({_S}),
}


@dataclass(frozen=True)
class Grant:
    """A role at a single school, or at every school of the district if `school_id` is None."""

    role: Role
    school_id: int | None


@dataclass(frozen=True)
class Actor:
    """The signed-in user: account, educator (None for staff who do not visit) and grants."""

    account_id: int
    educator_id: int | None
    name: str
    language: str
    grants: frozenset[Grant]

    @property
    def roles(self) -> frozenset[Role]:
        """Roles held at any school."""
        return frozenset(grant.role for grant in self.grants)

    def may(self, permission: Permission) -> bool:
        """Return whether the actor has `permission` at any school."""
        return bool(self.roles & ROLES_BY_PERMISSION[permission])

    def may_at(self, permission: Permission, school_id: int) -> bool:
        """Return whether the actor has `permission` at the school."""
        return any(g.role in ROLES_BY_PERMISSION[permission] and g.school_id in (None, school_id) for g in self.grants)

    def schools(self, permission: Permission) -> frozenset[int] | None:
        """Return the ids of the schools where the actor has `permission`; None means all schools."""
        held = {grant.school_id for grant in self.grants if grant.role in ROLES_BY_PERMISSION[permission]}
        return None if None in held else frozenset(school for school in held if school is not None)
