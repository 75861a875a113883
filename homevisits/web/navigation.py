"""The places a person can go, by role; only those that exist and that they may open are shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.core.access import Actor, Permission, Role


@dataclass(frozen=True)
class Place:
    """One tab: its address, its name and its icon."""

    path: str
    name: LazyString
    icon: str
    also: tuple[str, ...] = ()  # addresses of pages that stand under this place

    def holds(self, path: str) -> bool:
        """Whether the page at `path` stands here."""
        return any(path == top or path.startswith(f"{top}/") for top in (self.path, *self.also))


NAMES = {
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
ORDER = (Role.DISTRICT_LEAD, Role.UNION_COORDINATOR, Role.SITE_COORDINATOR, Role.EDUCATOR)


def hats_of(actor: Actor) -> tuple[Role, ...]:
    """The roles a person holds, the widest first."""
    return tuple(role for role in ORDER if role in actor.roles)


def hat_of(actor: Actor, path: str, chosen: str | None) -> Role | None:
    """The role whose places to show: the chosen one, unless the page asked for belongs to another of theirs."""
    held = hats_of(actor)
    if not held:
        return None
    first = Role(chosen) if chosen in held else held[0]
    for role in (first, *held):
        if any(place.holds(path) for place in PLACES[role]):
            return role
    return first


def places_of(actor: Actor, hat: Role, asks: Mapping[str, frozenset[Permission]]) -> tuple[Place, ...]:
    """The tabs of `hat` that exist (`asks` has their address) and that `actor` may open."""

    def is_open(path: str) -> bool:
        return path in asks and (not asks[path] or any(actor.may(permission) for permission in asks[path]))

    return tuple(place for place in PLACES[hat] if is_open(place.path))


def landing(actor: Actor, asks: Mapping[str, frozenset[Permission]], chosen: str | None = None) -> str:
    """Where a person begins: the first place of their role."""
    hat = hat_of(actor, "/", chosen)
    places = places_of(actor, hat, asks) if hat else ()
    return places[0].path if places else "/account"
