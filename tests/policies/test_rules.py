from dataclasses import replace
from typing import Any

import pytest

from tests.factories.school import POLICY

DAY_HOURS = "text_from and text_until must "
SUNDAY_HOURS = "text_sunday_from and text_sunday_until must "
CLOCK_TIMES = "be clock times such as 09:00, the first before the second"
LEGAL_HOURS = "lie between 08:00 and 21:00 (47 CFR 64.1200(c)(1))"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"min_trained": 1, "minimum_notice_hours": 1, "place_types": ("video",)},
        {"visit_minutes": 1, "booking_days_ahead": 1, "certification_months": 1, "latest_log_days": 1},
        {"travel_minutes": 0, "address_from_hours": 0, "address_until_hours": 0},
        {"texts_per_day": 1, "texts_per_week": 1, "text_keep_days": 1, "text_wording": "discreet"},
        {"text_from": "08:00", "text_until": "21:00", "text_sunday_from": "08:00", "text_sunday_until": "08:01"},
        {"reminder_hours": ()},
        {"reminder_hours": (1,)},
    ],
)
def test_values_at_the_limits_are_valid(changes: dict[str, Any]) -> None:
    assert replace(POLICY, **changes).problems() == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("min_trained", 0, "min_trained must be 1 or 2"),
        ("min_trained", 3, "min_trained must be 1 or 2"),
        ("minimum_notice_hours", 0, "minimum_notice_hours must be at least 1: a visit is arranged in advance"),
        ("place_types", (), "place_types must be some of home, neutral, video"),
        ("place_types", ("home", "school"), "place_types must be some of home, neutral, video"),
        *(
            (name, 0, f"{name} must be at least 1")
            for name in (
                "visit_minutes",
                "booking_days_ahead",
                "certification_months",
                "latest_log_days",
                "texts_per_day",
                "texts_per_week",
                "text_keep_days",
            )
        ),
        ("travel_minutes", -1, "travel_minutes must not be negative"),
        ("address_from_hours", -1, "address_from_hours must not be negative"),
        ("address_until_hours", -1, "address_until_hours must not be negative"),
        ("reminder_hours", (24, 0), "reminder_hours must be whole hours before the visit, at least 1"),
        ("text_from", "9:00", DAY_HOURS + CLOCK_TIMES),
        ("text_from", POLICY.text_until, DAY_HOURS + CLOCK_TIMES),
        ("text_from", "07:59", DAY_HOURS + LEGAL_HOURS),
        ("text_until", "21:01", DAY_HOURS + LEGAL_HOURS),
        ("text_sunday_until", "24:00", SUNDAY_HOURS + CLOCK_TIMES),
        ("text_sunday_from", "20:01", SUNDAY_HOURS + CLOCK_TIMES),
        ("text_sunday_from", "07:59", SUNDAY_HOURS + LEGAL_HOURS),
        ("text_wording", "loud", "text_wording must be plain or discreet"),
    ],
)
def test_invalid_value_is_reported(name: str, value: Any, problem: str) -> None:
    assert replace(POLICY, **{name: value}).problems() == [problem]


def test_all_invalid_values_are_reported() -> None:
    policy = replace(POLICY, min_trained=0, visit_minutes=0, travel_minutes=-1, text_wording="", reminder_hours=(0,))
    assert [problem.split()[0] for problem in policy.problems()] == [
        "min_trained",
        "visit_minutes",
        "travel_minutes",
        "text_wording",
        "reminder_hours",
    ]
