"""Counts of traits by school, with small cells and the cells that would reveal them suppressed."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from homevisits.demographics.models import StudentTraits
from homevisits.demographics.rules import find_hidden_cells
from homevisits.people.models import Student

TRAITS = {
    "sex": StudentTraits.sex,
    "race_ethnicity": StudentTraits.race_ethnicity,
    "english_learner": StudentTraits.english_learner,
}


def count_students_by_trait(session: Session, trait: str) -> dict[int, dict[str, int | None]]:
    """Count students by school and value of `trait` ("" if unknown); suppressed counts are None."""
    value = TRAITS[trait]
    rows = session.execute(
        select(Student.school_id, value, func.count())
        .outerjoin(StudentTraits, StudentTraits.student_id == Student.id)
        .group_by(Student.school_id, value)
    )
    counts: dict[int, dict[str, int]] = {}
    for school, named, count in rows:
        counts.setdefault(school, {})["" if named is None else str(named).lower()] = count
    schools, values = sorted(counts), sorted({name for row in counts.values() for name in row})
    table = [[counts[school].get(name, 0) for name in values] for school in schools]
    hidden = find_hidden_cells(table)
    return {
        school: {name: None if (r, c) in hidden else table[r][c] for c, name in enumerate(values)}
        for r, school in enumerate(schools)
    }
