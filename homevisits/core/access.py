"""Who may do what: one table. Every route names a permission; a query that takes an id from outside takes an Actor."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is to the programme. A grant gives a role for one school, or for the district (no school)."""

    EDUCATOR = "educator"
    SITE_COORDINATOR = "site_coordinator"
    DISTRICT_LEAD = "district_lead"
    UNION_COORDINATOR = "union_coordinator"


class Permission(StrEnum):
    """What a route may ask for."""

    OWN_ACCOUNT = "own_account"  # sign out, language, password: everyone signed in
    OWN_VISITS = "own_visits"  # My day, My families, find a time, book, accept, attest, reflect: own visits only
    OWN_PAY = "own_pay"  # My pay
    ASK = "ask"  # draw, ask families, record answers
    SEE_VISITS = "see_visits"  # the visits of one's schools: state, people, time; move and cancel on someone's behalf
    PEOPLE = "people"  # educators, training, certification, opt-in state
    SITE_APPROVE = "site_approve"  # the first of two approvals of pay
    UNION_APPROVE = "union_approve"  # the second
    TALLY = "tally"  # visits, people, hours, dollars by school and month
    PAYROLL = "payroll"  # make and fetch a payroll file
    ATTENDANCE = "attendance"  # the association report; import of attendance
    ROSTER = "roster"  # import of the roster
    OVERVIEW = "overview"  # the district lead's front page
    DELIVERY = "delivery"  # are texts arriving: one's own schools, lost texts and what to do about them, quiet days
    SENDERS = "senders"  # what texts go out from, their registration, the guests of a trial
    CONVERSE = "converse"  # read and answer families' texts: a coordinator of their schools, a pair of its visits
    URGENT_TEXT = "urgent_text"  # let a text leave outside the hours, with a reason that is kept


_E, _S, _D, _U = Role.EDUCATOR, Role.SITE_COORDINATOR, Role.DISTRICT_LEAD, Role.UNION_COORDINATOR

MAY: dict[Permission, frozenset[Role]] = {
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
    """A role at one school, or at every school of the district (``school_id`` None)."""

    role: Role
    school_id: int | None


@dataclass(frozen=True)
class Actor:
    """Whoever asks: the account, the educator behind it (None for staff who do not visit), and what was granted."""

    account_id: int
    educator_id: int | None
    name: str
    language: str
    grants: frozenset[Grant]

    @property
    def roles(self) -> frozenset[Role]:
        """Every role held anywhere."""
        return frozenset(grant.role for grant in self.grants)

    def may(self, permission: Permission) -> bool:
        """Whether any grant carries `permission`, at whatever school."""
        return bool(self.roles & MAY[permission])

    def may_at(self, permission: Permission, school_id: int) -> bool:
        """Whether a grant carries `permission` at the school."""
        return any(g.role in MAY[permission] and g.school_id in (None, school_id) for g in self.grants)

    def schools(self, permission: Permission) -> frozenset[int] | None:
        """The schools at which `permission` is held; None means every school of the district."""
        held = {grant.school_id for grant in self.grants if grant.role in MAY[permission]}
        return None if None in held else frozenset(school for school in held if school is not None)
