"""Counts of traits by school: never a row, never a count that is small or could be worked out from the others."""

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
    """Students by school and value of `trait` ("" where it is not known); None where the count is hidden."""
    value = TRAITS[trait]
    rows = session.execute(
        select(Student.school_id, value, func.count())
        .outerjoin(StudentTraits, StudentTraits.student_id == Student.id)
        .group_by(Student.school_id, value)
    )
    found: dict[int, dict[str, int]] = {}
    for school, named, count in rows:
        found.setdefault(school, {})["" if named is None else str(named).lower()] = count
    schools, values = sorted(found), sorted({name for row in found.values() for name in row})
    table = [[found[school].get(name, 0) for name in values] for school in schools]
    hidden = find_hidden_cells(table)
    return {
        school: {name: None if (r, c) in hidden else table[r][c] for c, name in enumerate(values)}
        for r, school in enumerate(schools)
    }
