"""The tabs of the navigation, by role. Only tabs that the user may open are shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.core.access import Actor, Permission, Role


@dataclass(frozen=True)
class Place:
    """A tab: its path, name and icon."""

    path: str
    name: LazyString
    icon: str
    other_paths: tuple[str, ...] = ()  # paths of other pages for which this tab is highlighted

    def holds(self, path: str) -> bool:
        """Return whether the page at `path` belongs to this tab."""
        return any(path == top or path.startswith(f"{top}/") for top in (self.path, *self.other_paths))


ROLE_NAMES = {
    Role.EDUCATOR: _l("Home visitor"),
    Role.SITE_COORDINATOR: _l("Site coordinator"),
    Role.UNION_COORDINATOR: _l("Union coordinator"),
    Role.DISTRICT_LEAD: _l("District lead"),
}
PLACES: dict[Role, tuple[Place, ...]] = {
    Role.EDUCATOR: (
        Place("/my-day", _l("My day"), "sun", ("/conversations",)),
        Place("/families", _l("My families"), "houses"),
        Place("/pay", _l("My pay"), "wallet2"),
        Place("/me", _l("Profile"), "person"),
    ),
    Role.SITE_COORDINATOR: (
        Place("/today", _l("Today"), "sun", ("/conversations",)),
        Place("/asking", _l("Invitations"), "chat-dots", ("/delivery", "/quiet-days", "/texts")),
        Place("/visits", _l("Visits"), "house-heart"),
        Place("/people", _l("People"), "people"),
        Place("/approvals", _l("Approvals"), "check2-square"),
    ),
    Role.UNION_COORDINATOR: (
        Place("/tally", _l("Tally"), "clipboard-data"),
        Place("/approvals", _l("Approvals"), "check2-square"),
        Place("/contract", _l("Contract"), "file-text"),
        Place("/attendance", _l("Reports"), "bar-chart"),
    ),
    Role.DISTRICT_LEAD: (
        Place("/overview", _l("Overview"), "speedometer2", ("/delivery", "/quiet-days", "/senders", "/texts")),
        Place("/tally", _l("Tally"), "clipboard-data"),
        Place("/attendance", _l("Reports"), "bar-chart"),
        Place("/roster", _l("Roster"), "card-list"),
        Place("/people", _l("People"), "people"),
    ),
}
ROLE_ORDER = (Role.DISTRICT_LEAD, Role.UNION_COORDINATOR, Role.SITE_COORDINATOR, Role.EDUCATOR)


def held_roles(actor: Actor) -> tuple[Role, ...]:
    """Return the roles of the user, the most comprehensive first."""
    return tuple(role for role in ROLE_ORDER if role in actor.roles)


def active_role(actor: Actor, path: str, chosen: str | None) -> Role | None:
    """Return the role whose tabs to show: the chosen one, or another that has the page at `path`."""
    held = held_roles(actor)
    if not held:
        return None
    first = Role(chosen) if chosen in held else held[0]
    for role in (first, *held):
        if any(place.holds(path) for place in PLACES[role]):
            return role
    return first


def visible_places(actor: Actor, role: Role, permissions: Mapping[str, frozenset[Permission]]) -> tuple[Place, ...]:
    """Return the tabs of the active role that exist (`permissions` has their path) and that `actor` may open."""

    def is_open(path: str) -> bool:
        return path in permissions and (
            not permissions[path] or any(actor.may(permission) for permission in permissions[path])
        )

    return tuple(place for place in PLACES[role] if is_open(place.path))


def landing_path(actor: Actor, permissions: Mapping[str, frozenset[Permission]], chosen: str | None = None) -> str:
    """Return the start page of the user: the first tab of the active role."""
    role = active_role(actor, "/", chosen)
    places = visible_places(actor, role, permissions) if role else ()
    return places[0].path if places else "/account"
