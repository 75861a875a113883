"""Concurrent draws and invitations: no family is asked twice or skipped."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import select

from homevisits.core.problems import RulesBroken
from homevisits.draws.models import DrawEntry
from homevisits.draws.rules import Method
from homevisits.invitations import actions
from homevisits.invitations.models import Invitation
from homevisits.messages.models import OutgoingMessage
from tests.factories.large_school import NOW, LargeSchool, large_school

__all__ = ["large_school"]


def test_concurrent_requests_ask_every_family_once_and_in_order(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)

    def ask_families(_number: int) -> None:
        with large_school.database.transaction() as session:
            actions.ask_next(session, large_school.coordinator, draw_id, 3, NOW)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(ask_families, range(5)))
    with large_school.database.reading() as session:
        invitation_ids = session.scalars(select(Invitation.family_id).order_by(Invitation.id)).all()
        order = session.scalars(
            select(DrawEntry.family_id).where(DrawEntry.draw_id == draw_id).order_by(DrawEntry.position).limit(15)
        ).all()
        assert invitation_ids == order
        phones = session.scalars(select(OutgoingMessage.phone)).all()
        assert len(phones) == len(set(phones))


def test_only_a_single_concurrent_first_draw_needs_no_reason(large_school: LargeSchool) -> None:
    def draw(number: int) -> str:
        try:
            large_school.create_draw(seed=f"seed {number}")
        except RulesBroken as error:
            return error.problems[0].code
        return "drawn"

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(draw, range(4)))
    assert results == ["drawn", "redraw_needs_reason", "redraw_needs_reason", "redraw_needs_reason"]


def test_family_in_two_draws_is_asked_once(large_school: LargeSchool) -> None:
    school_draw_id = large_school.create_draw(Method.EVERYONE, None)
    grade_draw_id = large_school.create_draw(Method.EVERYONE, None, scope="grade", scope_value="03")

    def ask_families(draw_id: int) -> None:
        with suppress(RulesBroken), large_school.database.transaction() as session:
            actions.ask_next(session, large_school.coordinator, draw_id, 50, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask_families, (school_draw_id, grade_draw_id) * 2))
    with large_school.database.reading() as session:
        invitation_ids = session.scalars(select(Invitation.family_id)).all()
    assert len(invitation_ids) == len(set(invitation_ids)) == 20
