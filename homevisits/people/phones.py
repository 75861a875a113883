"""A phone number as people type it, to E.164; also the fictional 555-01xx numbers. Pure."""

import phonenumbers

PURE = True


def to_e164(typed: str, region: str = "US") -> str | None:
    """`typed` as E.164 ("+16515550142"), or None where it cannot be a phone number."""
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def format_phone(e164: str) -> str:
    """An E.164 number as a person writes it: "(651) 555-0142" at home, "+44 20 7183 8750" abroad."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return e164
    home = number.country_code == 1
    style = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)
