from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.attendance.rules import count_days_enrolled, is_absent, is_chronically_absent, school_year

WEEK = [date(2026, 9, day) for day in (7, 8, 9, 10, 11)]


@pytest.mark.parametrize(
    ("absent", "enrolled", "chronic"),
    [
        (18, 180, True),  # exactly a tenth; 0.1 * 180 is more than 18 in floating point
        (17, 180, False),
        (1, 10, True),
        (0, 10, False),
        (1, 9, None),  # too few days
        (9, 9, None),
        (1, 11, False),
        (2, 11, True),
        (3, 30, True),
        (180, 180, True),
    ],
)
def test_absent_a_tenth_of_the_days_is_chronic(absent: int, enrolled: int, chronic: bool | None) -> None:
    assert is_chronically_absent(absent, enrolled) is chronic


@pytest.mark.parametrize(
    ("counts", "portion", "absent"),
    [(True, "1.0", True), (True, "0.5", True), (True, "0.49", False), (False, "1.0", False), (True, "0", False)],
)
def test_half_a_day_of_a_counting_code_is_absent(counts: bool, portion: str, absent: bool) -> None:
    assert is_absent(counts, Decimal(portion)) is absent


@pytest.mark.parametrize(
    ("spells", "days"),
    [
        ([], 0),
        ([(WEEK[0], None)], 5),
        ([(WEEK[0], WEEK[4])], 5),
        ([(WEEK[2], WEEK[2])], 1),
        ([(WEEK[0], WEEK[1]), (WEEK[2], None)], 5),  # a change of school on the day between
        ([(WEEK[0], WEEK[2]), (WEEK[1], WEEK[3])], 4),  # two classes at once
        ([(WEEK[0], WEEK[3]), (WEEK[1], WEEK[2])], 4),  # a spell inside another
        ([(date(2026, 1, 1), date(2026, 9, 6))], 0),
        ([(date(2026, 9, 12), None)], 0),
        ([(WEEK[3], WEEK[1])], 0),
    ],
)
def test_days_in_overlapping_spells_count_once(spells: list[tuple[date, date | None]], days: int) -> None:
    assert count_days_enrolled(WEEK, spells) == days


@given(
    st.sets(st.dates(date(2025, 8, 1), date(2026, 6, 30))),
    st.lists(st.tuples(st.dates(date(2025, 8, 1), date(2026, 6, 30)), st.integers(-3, 200) | st.none()), max_size=4),
)
def test_days_enrolled_equal_a_direct_count(days: set[date], lengths: list[tuple[date, int | None]]) -> None:
    spells = [(first, None if length is None else first + timedelta(days=length)) for first, length in lengths]
    expected = sum(any(a <= day and (b is None or day <= b) for a, b in spells) for day in days)
    assert count_days_enrolled(sorted(days), spells) == expected


@pytest.mark.parametrize(
    ("day", "year"), [(date(2025, 8, 20), 2026), (date(2026, 6, 30), 2026), (date(2026, 7, 1), 2027)]
)
def test_school_year_is_named_by_the_year_it_ends_in(day: date, year: int) -> None:
    assert school_year(day) == year
