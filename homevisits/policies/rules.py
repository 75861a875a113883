"""The policy profile: what a district may decide. The five core practices are not configurable."""

import re
from dataclasses import dataclass

PURE = True

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Policy:
    """A policy profile (config/policies/*.toml explains every key). Hours and minutes are whole numbers."""

    name: str
    minimum_notice_hours: int
    visit_minutes: int
    travel_minutes: int
    min_trained: int
    certification_months: int
    place_types: tuple[str, ...]
    reminder_hours: tuple[int, ...]
    text_from: str
    text_until: str
    text_sunday_from: str
    text_sunday_until: str
    texts_per_day: int
    texts_per_week: int
    texts_off: tuple[str, ...]
    text_wording: str
    text_keep_days: int
    booking_days_ahead: int
    address_from_hours: int
    address_until_hours: int
    latest_log_days: int

    def problems(self) -> list[str]:
        """Return the errors of this profile as sentences for its author; an empty list means that it is valid."""
        problems = []
        if not 1 <= self.min_trained <= 2:
            problems.append("min_trained must be 1 or 2")
        if self.minimum_notice_hours < 1:
            problems.append("minimum_notice_hours must be at least 1: a visit is arranged in advance")
        if not set(self.place_types) <= {"home", "neutral", "video"} or not self.place_types:
            problems.append("place_types must be some of home, neutral, video")
        for name in ("visit_minutes", "booking_days_ahead", "certification_months", "latest_log_days"):
            if getattr(self, name) < 1:
                problems.append(f"{name} must be at least 1")
        for name in ("travel_minutes", "address_from_hours", "address_until_hours"):
            if getattr(self, name) < 0:
                problems.append(f"{name} must not be negative")
        problems += self._texting_problems()
        if any(hours < 1 for hours in self.reminder_hours):
            problems.append("reminder_hours must be whole hours before the visit, at least 1")
        return problems

    def _texting_problems(self) -> list[str]:
        problems = []
        for from_, until in (("text_from", "text_until"), ("text_sunday_from", "text_sunday_until")):
            hours = (getattr(self, from_), getattr(self, until))
            if not all(_CLOCK.fullmatch(hour) for hour in hours) or not hours[0] < hours[1]:
                problems.append(f"{from_} and {until} must be clock times such as 09:00, the first before the second")
            elif hours[0] < "08:00" or hours[1] > "21:00":
                problems.append(f"{from_} and {until} must lie between 08:00 and 21:00 (47 CFR 64.1200(c)(1))")
        for name in ("texts_per_day", "texts_per_week", "text_keep_days"):
            if getattr(self, name) < 1:
                problems.append(f"{name} must be at least 1")
        if self.text_wording not in ("plain", "discreet"):
            problems.append("text_wording must be plain or discreet")
        return problems
