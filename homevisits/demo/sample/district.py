"""Generate the sample district deterministically; it is imported like a real roster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from homevisits.demo.sample import names

GRADES = ("KG", *(f"{grade:02}" for grade in range(1, 13)))
CLASS_SIZE = {"KG": 19, "01": 20, "02": 20, "03": 20, "04": 20, "05": 20}
LARGER_CLASS = 26
SIBLINGS = ((1, 46), (2, 34), (3, 15), (4, 5))


@dataclass
class Adult:
    """A caregiver in the sample."""

    id: str
    role: str
    given: str
    family: str
    phone: str
    second_phone: str = ""


@dataclass
class Child:
    """A student in the sample."""

    id: str
    number: str
    given: str
    family: str
    grade: str
    school: str


@dataclass
class Household:
    """A household in the sample."""

    language: tuple[str, str]
    address: str
    postal_code: str
    adults: list[Adult]
    children: list[Child] = field(default_factory=list)


@dataclass
class Employee:
    """A member of staff in the sample; a teacher has a homeroom."""

    id: str
    number: str
    given: str
    family: str
    role: str
    school: str


@dataclass
class Homeroom:
    """A class with its teacher and its children."""

    id: str
    title: str
    grade: str
    school: str
    teacher: str
    children: list[str]


@dataclass(frozen=True)
class District:
    """All data of the sample's student information system."""

    seed: str
    households: tuple[Household, ...]
    employees: tuple[Employee, ...]
    homerooms: tuple[Homeroom, ...]


def make(seed: str, students: int = 1000) -> District:
    """Generate a district. The same `seed` gives the same district in every Python version."""
    rng = Random(f"homevisits:{seed}")  # noqa: S311 - a sample, nothing secret
    households = tuple(_homes(rng, students))
    employees: list[Employee] = []
    homerooms = tuple(_homerooms(rng, households, employees))
    for school, _name, _number in names.SCHOOLS:
        for role in ("aide", "aide", "administrator"):
            employees.append(_employee(rng, role, school, len(employees)))
    return District(seed, households, tuple(employees), homerooms)


def _homes(rng: Random, students: int) -> Iterable[Household]:
    numbers = [f"+1{area}55501{last:02}" for area in names.AREAS for last in range(100)]
    rng.shuffle(numbers)
    made = adults = 0
    while made < students:
        language = rng.choices([(code, name) for code, name, _ in names.LANGUAGES], _weights(names.LANGUAGES))[0]
        household = Household(language, _address(rng), rng.choice(names.POSTAL_CODES), [])
        last = rng.choice(names.family(language[0]))
        for place in range(rng.choices((1, 2), (38, 62))[0]):
            adults += 1
            household.adults.append(
                _adult(rng, language[0], last, id_=f"cv-g{adults:05}", is_first=place == 0, numbers=numbers)
            )
        count = min(rng.choices([n for n, _ in SIBLINGS], _weights(SIBLINGS))[0], students - made)
        elementary = rng.choice((0, 1))
        for grade in sorted(rng.sample(range(13), count)):
            made += 1
            household.children.append(_child(rng, language[0], last, made, grade=grade, elementary=elementary))
        yield household


def _weights(rows: Sequence[tuple[object, ...]]) -> list[int]:
    return [int(str(row[-1])) for row in rows]


def _address(rng: Random) -> str:
    street = f"{rng.randrange(100, 9900)} {rng.choice(names.STREETS)} {rng.choice(names.KINDS_OF_STREET)}"
    return f"{street} Apt {rng.randrange(1, 40)}" if rng.random() < 0.3 else street


def _adult(rng: Random, language: str, last: str, *, id_: str, is_first: bool, numbers: list[str]) -> Adult:
    role = rng.choices(("parent", "guardian", "relative"), (92, 4, 4))[0]
    family = last if is_first or rng.random() < 0.7 else rng.choice(names.family(language))
    phone = numbers.pop() if rng.random() < 0.98 and numbers else ""
    return Adult(id_, role, rng.choice(names.given(language)), family, phone)


def _child(rng: Random, language: str, last: str, number: int, *, grade: int, elementary: int) -> Child:
    school = names.SCHOOLS[elementary if grade <= 5 else 2 if grade <= 8 else 3][0]
    return Child(
        id=f"cv-s{number:05}",
        number=f"{700000 + number * 7}",
        given=rng.choice(names.given(language)),
        family=last,
        grade=GRADES[grade],
        school=school,
    )


def _employee(rng: Random, role: str, school: str, place: int) -> Employee:
    language = rng.choices(("eng", "spa", "som", "vie"), (70, 22, 4, 4))[0]
    first, last = rng.choice(names.given(language)), rng.choice(names.family(language))
    return Employee(
        id=f"cv-e{place + 1:04}",
        number=f"E{40000 + place * 11}",
        given=first,
        family=last,
        role=role,
        school=school,
    )


def _homerooms(rng: Random, households: Iterable[Household], employees: list[Employee]) -> Iterable[Homeroom]:
    by_place: dict[tuple[str, str], list[str]] = {}
    for household in households:
        for child in household.children:
            by_place.setdefault((child.school, child.grade), []).append(child.id)
    for school, _name, _number in names.SCHOOLS:
        for grade in GRADES:
            children = by_place.get((school, grade), [])
            rng.shuffle(children)
            rooms = -(-len(children) // CLASS_SIZE.get(grade, LARGER_CLASS))
            for room in range(rooms):
                teacher = _employee(rng, "teacher", school, len(employees))
                employees.append(teacher)
                title = (
                    f"{'Kindergarten' if grade == 'KG' else f'Grade {int(grade)}'}, {teacher.given} {teacher.family}"
                )
                yield Homeroom(
                    id=f"{school}-{grade}-{room + 1}",
                    title=title,
                    grade=grade,
                    school=school,
                    teacher=teacher.id,
                    children=sorted(children[room::rooms]),
                )
