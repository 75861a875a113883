"""Two coordinators at once: no family is asked twice, none is skipped, and one of two first draws is the first."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import select

from homevisits.core.problems import RulesBroken
from homevisits.draws.models import DrawEntry
from homevisits.draws.rules import Method
from homevisits.invitations import actions
from homevisits.invitations.models import Invitation
from homevisits.messages.models import OutgoingMessage
from tests.quarter import NOW, Quarter, quarter

__all__ = ["quarter"]


def test_families_are_asked_once_and_in_order_by_any_number_of_coordinators(quarter: Quarter) -> None:
    draw_id = quarter.draw(Method.EVERYONE, None)

    def ask(_number: int) -> None:
        with quarter.database.transaction() as session:
            actions.ask_next(session, quarter.coordinator, draw_id, 3, NOW)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(ask, range(5)))
    with quarter.database.reading() as session:
        asked = session.scalars(select(Invitation.family_id).order_by(Invitation.id)).all()
        order = session.scalars(
            select(DrawEntry.family_id).where(DrawEntry.draw_id == draw_id).order_by(DrawEntry.position).limit(15)
        ).all()
        assert asked == order
        phones = session.scalars(select(OutgoingMessage.phone)).all()
        assert len(phones) == len(set(phones))


def test_of_two_first_draws_at_once_one_is_told_to_give_a_reason(quarter: Quarter) -> None:
    def draw(number: int) -> str:
        try:
            quarter.draw(seed=f"seed {number}")
        except RulesBroken as refused:
            return refused.problems[0].code
        return "drawn"

    with ThreadPoolExecutor(4) as pool:
        came = sorted(pool.map(draw, range(4)))
    assert came == ["drawn", "redraw_needs_reason", "redraw_needs_reason", "redraw_needs_reason"]


def test_a_family_in_two_draws_is_asked_by_one_of_them(quarter: Quarter) -> None:
    whole = quarter.draw(Method.EVERYONE, None)
    grade = quarter.draw(Method.EVERYONE, None, scope="grade", scope_value="03")

    def ask(draw_id: int) -> None:
        with suppress(RulesBroken), quarter.database.transaction() as session:
            actions.ask_next(session, quarter.coordinator, draw_id, 50, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, (whole, grade) * 2))
    with quarter.database.reading() as session:
        asked = session.scalars(select(Invitation.family_id)).all()
    assert len(asked) == len(set(asked)) == 20
