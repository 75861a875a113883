"""What a district may decide: one frozen policy profile. The five practices are not in it; they are never settings."""

import re
from dataclasses import dataclass

PURE = True

MAY_BE_OFF = frozenset(
    {
        "visit_confirmed",
        "visit_reminder",
        "visit_thanks",
        "staff_asked",
        "staff_cancelled",
        "staff_moved",
        "staff_reminder",
        "staff_stand_in",
    }
)
"""Texts a district may do without. Whoever asks or answers, and whoever would wait at home, is always told."""
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
        """What is wrong with this profile, in words for whoever writes the file; empty when it can be used."""
        found = []
        if not 1 <= self.min_trained <= 2:
            found.append("min_trained must be 1 or 2")
        if self.minimum_notice_hours < 1:
            found.append("minimum_notice_hours must be at least 1: a visit is arranged in advance")
        if not set(self.place_types) <= {"home", "neutral", "video"} or not self.place_types:
            found.append("place_types must be some of home, neutral, video")
        for name in ("visit_minutes", "booking_days_ahead", "certification_months", "latest_log_days"):
            if getattr(self, name) < 1:
                found.append(f"{name} must be at least 1")
        for name in ("travel_minutes", "address_from_hours", "address_until_hours"):
            if getattr(self, name) < 0:
                found.append(f"{name} must not be negative")
        found += self._texting()
        if any(hours < 1 for hours in self.reminder_hours):
            found.append("reminder_hours must be whole hours before the visit, at least 1")
        return found

    def _texting(self) -> list[str]:
        found = []
        for from_, until in (("text_from", "text_until"), ("text_sunday_from", "text_sunday_until")):
            hours = (getattr(self, from_), getattr(self, until))
            if not all(_CLOCK.fullmatch(hour) for hour in hours) or not hours[0] < hours[1]:
                found.append(f"{from_} and {until} must be clock times such as 09:00, the first before the second")
            elif hours[0] < "08:00" or hours[1] > "21:00":
                found.append(f"{from_} and {until} must lie between 08:00 and 21:00 (47 CFR 64.1200(c)(1))")
        for name in ("texts_per_day", "texts_per_week", "text_keep_days"):
            if getattr(self, name) < 1:
                found.append(f"{name} must be at least 1")
        for name in sorted(set(self.texts_off) - MAY_BE_OFF):
            found.append(f"texts_off: {name} cannot be switched off; only these can: {', '.join(sorted(MAY_BE_OFF))}")
        if self.text_wording not in ("plain", "discreet"):
            found.append("text_wording must be plain or discreet")
        return found
