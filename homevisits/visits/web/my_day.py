"""My day and My families: the pages an educator starts from."""

from flask import render_template

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import PermissionDenied
from homevisits.visits.queries import families, summaries
from homevisits.visits.queries.summaries import VisitSummary
from homevisits.visits.rules import address_window
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings
from homevisits.web.security import allow, current_actor


@bp.get("/my-day")
@allow(Permission.OWN_VISITS)
def my_day() -> str:
    """Show the next visit, and what needs the educator's answer, report or reflection."""
    educator_id = _require_educator_id()
    with reading() as session:
        live = summaries.list_live_visits(session, educator_id, now())
        reporters = summaries.load_reporters(session, [card.id for card in live if card.report_count])
        asked = [card for card in live if card.own_member(educator_id).state == "asked" and card.starts_at > now()]
        moved = summaries.find_moved(session, [card.id for card in asked])
        due = summaries.list_visits_without_reflection(session, educator_id, now())
        rows = families.list_my_families(session, current_actor(), now())
    # A visit with a report is no longer ahead, even before its planned end.
    ahead = [card for card in live if card.state != "proposed" and card.ends_at > now() and card.id not in reporters]
    return render_template(
        "visits/my_day.html",
        next_visit=ahead[0] if ahead else None,
        window=address_window(ahead[0].starts_at, ahead[0].ends_at, settings().policy) if ahead else None,
        later=ahead[1:],
        asked=asked,
        moved=moved,
        to_tell=[card for card in live if card not in ahead[:1] and _needs_own_report(card, educator_id, reporters)],
        told=[card for card in live if card.state != "proposed" and reporters.get(card.id) == frozenset({educator_id})],
        lacking=[card for card in live if card.member_out is not None and not card.own_member(educator_id).is_out],
        due=due,
        waiting=[row for row in rows if row.state in WAITING_STATES],
        lapsed={row.visit_id for row in rows if row.state == "yes_lapsed"},
        me_id=educator_id,
        today=local_time.to_local(now(), settings().timezone).date(),
        minutes=_minutes_until(ahead[0]) if ahead else None,
        now=now(),
    )


WAITING_STATES = ("other_time", "call_me", "yes")


def _needs_own_report(card: VisitSummary, educator_id: int, reporters: dict[int, frozenset[int]]) -> bool:
    reported = reporters.get(card.id, frozenset())
    reports_differ = len(reported) > 1  # two equal reports would have completed the visit
    return card.state != "proposed" and card.starts_at <= now() and (educator_id not in reported or reports_differ)


def _minutes_until(card: VisitSummary) -> int:
    return int((card.starts_at - now()).total_seconds() // 60)


def _require_educator_id() -> int:
    """Return the actor's educator id. Raises `Refused` for an account without an educator."""
    educator_id = current_actor().educator_id
    if educator_id is None:
        raise PermissionDenied
    return educator_id


@bp.get("/families")
@allow(Permission.OWN_VISITS)
def my_families() -> str:
    """List the educator's families by state. Families that refused are not listed."""
    _require_educator_id()
    with reading() as session:
        rows = families.list_my_families(session, current_actor(), now())
    return render_template("visits/families.html", rows=rows)
