import pytest
from sqlalchemy import func, select, update

from homevisits.core.problems import NotFound, RulesBroken
from homevisits.draws import actions, queries
from homevisits.draws.actions import DrawRequest
from homevisits.draws.models import Draw, DrawEntry
from homevisits.draws.rules import Method
from homevisits.people.models import Student
from tests.factories.large_school import NOW, LargeSchool


def problem_codes(error: pytest.ExceptionInfo[RulesBroken]) -> list[str]:
    return [problem.code for problem in error.value.problems]


@pytest.mark.parametrize(
    ("method", "sample_size", "drawn"), [("everyone", None, 20), ("random", 7, 7), ("stratified", 7, 7)]
)
def test_verifying_a_draw_reproduces_its_record(
    large_school: LargeSchool, method: str, sample_size: int | None, drawn: int
) -> None:
    draw_id = large_school.create_draw(Method(method), sample_size)
    with large_school.database.reading() as session:
        entries = session.scalars(select(DrawEntry).where(DrawEntry.draw_id == draw_id)).all()
        assert len(entries) == 20
        assert sorted(entry.position for entry in entries if entry.position) == list(range(1, drawn + 1))
        check = actions.verify_draw(session, draw_id)
        assert check.same
        assert check.selected_sha256 == session.get_one(Draw, draw_id).selected_sha256


def test_later_roster_changes_do_not_affect_verification(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw()
    with large_school.database.transaction() as session:
        session.execute(update(Student).values(grade="12"))
    with large_school.database.reading() as session:
        assert actions.verify_draw(session, draw_id).same


def test_strata_are_school_and_grade(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(sample_size=6)
    with large_school.database.reading() as session:
        record = queries.get_record(session, large_school.coordinator, draw_id)
        assert [(stratum.name, stratum.households, stratum.drawn) for stratum in record.strata] == [
            ("org_1|03", 10, 3),
            ("org_1|04", 10, 3),
        ]


@pytest.mark.parametrize(("scope", "value", "families"), [("grade", "04", 10), ("class", None, 10), ("school", "", 20)])
def test_draw_can_be_limited_to_a_grade_or_class(
    large_school: LargeSchool, scope: str, value: str | None, families: int
) -> None:
    draw_id = large_school.create_draw(
        Method.EVERYONE, None, scope=scope, scope_value=value or str(large_school.class_id)
    )
    if value is None:
        assert scope == "class"
    with large_school.database.reading() as session:
        assert session.scalar(select(func.count()).where(DrawEntry.draw_id == draw_id)) == (
            20 if scope == "school" else families
        )


def test_replacing_a_draw_needs_a_reason_and_keeps_the_old_draw(large_school: LargeSchool) -> None:
    first = large_school.create_draw()
    with pytest.raises(RulesBroken) as error:
        large_school.create_draw(seed="another")
    assert problem_codes(error) == ["redraw_needs_reason"]
    second = large_school.create_draw(seed="another", reason="The roster was of last year.")
    with large_school.database.reading() as session:
        rows = {row.id: row for row in queries.list_draws(session, large_school.coordinator)}
        assert (rows[first].replaced_by, rows[second].replaces_id) == (second, first)
        assert actions.verify_draw(session, first).same


def test_all_problems_of_a_draw_are_reported_together(large_school: LargeSchool) -> None:
    with pytest.raises(RulesBroken) as error:
        large_school.create_draw(
            Method.RANDOM, 0, scope="class", scope_value="99999", seed="x" * 200, reason="x" * 10_000
        )
    assert problem_codes(error) == ["nobody_to_draw_from", "sample_size_missing", "too_long", "too_long"]
    assert [problem.field for problem in error.value.problems][2:] == ["seed", "reason"]


def test_unknown_school_and_draw_are_not_found(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        with pytest.raises(NotFound):
            actions.draw_families(session, None, DrawRequest(99_999, "school", "", Method.EVERYONE), NOW)
        with pytest.raises(NotFound):
            actions.verify_draw(session, 99_999)


def test_coordinator_of_another_school_cannot_draw_or_read(large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw()
    with large_school.database.transaction() as session:
        with pytest.raises(NotFound):
            actions.draw_families(
                session,
                large_school.other_coordinator,
                DrawRequest(large_school.school_id, "school", "", Method.EVERYONE),
                NOW,
            )
        with pytest.raises(NotFound):
            queries.get_record(session, large_school.other_coordinator, draw_id)
        assert queries.list_draws(session, large_school.other_coordinator) == []


def test_missing_seed_is_generated(large_school: LargeSchool) -> None:
    with large_school.database.transaction() as session:
        request = DrawRequest(large_school.school_id, "school", "", Method.EVERYONE)
        assert len(actions.draw_families(session, None, request, NOW).seed) == 16
