"""My day and My families: the pages an educator starts from."""

from flask import render_template

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import PermissionDenied
from homevisits.visits.queries import families, summaries
from homevisits.visits.queries.summaries import Card
from homevisits.visits.rules import address_window
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings
from homevisits.web.security import allow, current_actor


@bp.get("/my-day")
@allow(Permission.OWN_VISITS)
def my_day() -> str:
    """What do I do now? The next visit, what waits for my answer, what is to be written."""
    me = _me()
    with reading() as session:
        live = summaries.live_cards(session, me, now())
        told = summaries.who_told(session, [card.id for card in live if card.accounts])
        asked = [card for card in live if card.me(me).state == "asked" and card.starts_at > now()]
        moved = summaries.moved(session, [card.id for card in asked])
        due = summaries.to_reflect(session, me, now())
        rows = families.my_families(session, current_actor(), now())
    # What somebody has told of already is no longer ahead, even before its hour is over.
    going = [card for card in live if card.state != "proposed" and card.ends_at > now() and card.id not in told]
    return render_template(
        "visits/my_day.html",
        next_visit=going[0] if going else None,
        window=address_window(going[0].starts_at, going[0].ends_at, settings().policy) if going else None,
        later=going[1:],
        asked=asked,
        moved=moved,
        to_tell=[card for card in live if card not in going[:1] and _to_tell(card, me, told)],
        told=[card for card in live if card.state != "proposed" and told.get(card.id) == frozenset({me})],
        lacking=[card for card in live if card.waits_for is not None and not card.me(me).out],
        due=due,
        waiting=[row for row in rows if row.state in WAITS],
        lapsed={row.visit_id for row in rows if row.state == "yes_lapsed"},
        me_id=me,
        today=local_time.to_local(now(), settings().timezone).date(),
        minutes=_minutes(going[0]) if going else None,
        now=now(),
    )


WAITS = ("other_time", "call_me", "yes")


def _to_tell(card: Card, me: int, told: dict[int, frozenset[int]]) -> bool:
    # A visit both told of and that is still open is one they told differently.
    said = told.get(card.id, frozenset())
    return card.state != "proposed" and card.starts_at <= now() and (me not in said or len(said) > 1)


def _minutes(card: Card) -> int:
    return int((card.starts_at - now()).total_seconds() // 60)


def _me() -> int:
    """The educator behind the account; an account without one has no visits of its own."""
    found = current_actor().educator_id
    if found is None:
        raise PermissionDenied
    return found


@bp.get("/families")
@allow(Permission.OWN_VISITS)
def my_families() -> str:
    """Whom do I visit next? Families by state; a family that said "not now" is in no list."""
    _me()
    with reading() as session:
        rows = families.my_families(session, current_actor(), now())
    return render_template("visits/families.html", rows=rows)
