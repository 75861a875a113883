"""Parse and format phone numbers. Accepts the fictional 555-01xx numbers. Pure."""

import phonenumbers

PURE = True


def to_e164(typed: str, region: str = "US") -> str | None:
    """Return the number in E.164 ("+16515550142"), or None if it is not valid."""
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def format_phone(e164: str) -> str:
    """Format an E.164 number for people: "(651) 555-0142" in the US, "+44 20 7183 8750" elsewhere."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return e164
    home = number.country_code == 1
    style = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)
