import pytest

from homevisits.people.phones import format_phone, to_e164


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("+16515550142", "(651) 555-0142"),
        ("+442071838750", "+44 20 7183 8750"),
        ("72345", "72345"),  # a short code
        ("Clinic", "Clinic"),  # an alphanumeric sender
    ],
)
def test_number_is_formatted_for_its_country_and_other_senders_are_shown_unchanged(stored: str, shown: str) -> None:
    assert format_phone(stored) == shown


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("(651) 555-0142", "+16515550142"),
        ("+44 20 7183 8750", "+442071838750"),
        ("555-0142", None),
        ("call me", None),
        ("", None),
    ],
)
def test_typed_number_is_stored_as_e164_only_if_it_is_valid(typed: str, stored: str | None) -> None:
    assert to_e164(typed) == stored
