"""My day, My families, find a time, book: the teacher's own pages."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import Problem, Refused, RulesBroken
from homevisits.visits import actions, forms
from homevisits.visits.queries import families, summaries
from homevisits.visits.queries.summaries import Card
from homevisits.visits.rules import address_window
from homevisits.visits.web.blueprint import bp
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor


@bp.get("/my-day")
@allow(Permission.OWN_VISITS)
def my_day() -> str:
    """What do I do now? The next visit, what waits for my answer, what is to be written."""
    me = _me()
    with reading() as session:
        live = summaries.live_cards(session, me, now())
        told = summaries.who_told(session, [card.id for card in live if card.accounts])
        due = summaries.to_reflect(session, me, now())
        rows = families.my_families(session, current_actor(), now())
    # What somebody has told of already is no longer ahead, even before its hour is over.
    going = [card for card in live if card.state != "proposed" and card.ends_at > now() and card.id not in told]
    return render_template(
        "visits/my_day.html",
        next_visit=going[0] if going else None,
        window=address_window(going[0].starts_at, going[0].ends_at, settings().policy) if going else None,
        later=going[1:],
        asked=[card for card in live if card.me(me).state == "asked" and card.starts_at > now()],
        to_tell=[card for card in live if card not in going[:1] and _to_tell(card, me, told)],
        told=[card for card in live if card.state != "proposed" and told.get(card.id) == frozenset({me})],
        lacking=[card for card in live if card.waits_for is not None and not card.me(me).out],
        due=due,
        waiting=[row for row in rows if row.state in WAITS],
        lapsed={row.visit_id for row in rows if row.state == "yes_lapsed"},
        me_id=me,
        today=local_time.local(now(), settings().timezone).date(),
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
        raise Refused
    return found


@bp.get("/families")
@allow(Permission.OWN_VISITS)
def my_families() -> str:
    """Whom do I visit next? Families by state; a family that said "not now" is in no list."""
    _me()
    with reading() as session:
        rows = families.my_families(session, current_actor(), now())
    return render_template("visits/families.html", rows=rows)


@bp.get("/families/<int:family_id>/time")
@allow(Permission.OWN_VISITS)
def find_a_time(family_id: int) -> str:
    """Partner and time together, best first, each with its reason; why a day is closed."""
    return _times(family_id, [])


def _times(family_id: int, problems: list[Problem]) -> str:
    chosen = request.args.get("partner", "")
    partner = int(chosen[:18]) if chosen.isdecimal() else None
    after = forms.day(request.args.get("after", ""))
    with reading() as session:
        offer = actions.look(
            session, current_actor(), family_id, settings().policy, now(), partner_id=partner, after=after
        )
    return render_template("visits/time.html", offer=offer, chosen=partner, problems=problems)


@bp.get("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def check_booking(family_id: int) -> ResponseReturnValue:
    """Is this right? The answers, changeable, before anything happens."""
    return _check(family_id, forms.booking(request.args), [])


@bp.post("/families/<int:family_id>/book")
@allow(Permission.OWN_VISITS)
def book(family_id: int) -> ResponseReturnValue:
    """Book: the partner is asked at once."""
    given = forms.booking(request.form)
    wanted, problems = forms.wanted(given, family_id)
    if wanted is None:
        return _times(family_id, problems), 422
    try:
        with transaction() as session:
            visit_id = actions.book(session, current_actor(), wanted, settings().policy, now()).id
    except RulesBroken as broken:
        return _check(family_id, given, list(broken.problems)), 422
    show_notice(_("Booked. Your partner is asked now."))
    return redirect(url_for("visits.visit_page", visit_id=visit_id), code=303)


def _check(family_id: int, given: forms.Booking, problems: list[Problem]) -> str:
    wanted, unread = forms.wanted(given, family_id)
    if wanted is None:
        return _times(family_id, unread)
    policy = settings().policy
    with reading() as session:
        offer = actions.look(session, current_actor(), family_id, policy, now(), partner_id=wanted.partner_id)
        partner = next((each for each in offer.partners if each.educator_id == wanted.partner_id), None)
        if partner is None:
            return _times(family_id, problems or [Problem("never_alone", "partner")])
        against = problems or actions.check(
            session, current_actor(), family_id, wanted.partner_id, wanted.starts_at, policy, now()
        )
    return render_template(
        "visits/book.html",
        offer=offer,
        partner=partner,
        wanted=wanted,
        given=given,
        place_types=policy.place_types,
        problems=against,
    )
