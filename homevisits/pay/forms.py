"""Parse the forms of the pay pages."""

from datetime import date

from werkzeug.datastructures import MultiDict

from homevisits.pay.rules import NewRule, PayType


def parse_day(typed: str | None) -> date | None:
    """Parse a date as a browser sends it (2026-10-06); None if invalid."""
    try:
        return date.fromisoformat((typed or "").strip())
    except ValueError:
        return None


def parse_new_rule(form: MultiDict[str, str]) -> NewRule:
    """Read the form of a new rule. Its values are validated by rules.find_rule_problems."""
    return NewRule(
        pay_type=form.get("pay_type", PayType.VISIT),
        unit=form.get("unit", ""),
        rate=form.get("rate", ""),
        minimum_minutes=form.get("minimum_minutes", "").strip() or "0",
        round_to_minutes=form.get("round_to_minutes", "").strip() or "1",
        pay_code=form.get("pay_code", "").strip(),
        clause=form.get("clause", "").strip(),
        effective_from=parse_day(form.get("effective_from")),
    )


def parse_line_ids(form: MultiDict[str, str]) -> list[int]:
    """Return the ids of the selected lines, without duplicates, in ascending order. Invalid ids are ignored."""
    return sorted(
        {int(value) for value in form.getlist("line") if value.isascii() and value.isdecimal() and len(value) < 18}
    )
