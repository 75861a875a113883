"""What was typed on the pay pages -> commands."""

from datetime import date

from werkzeug.datastructures import MultiDict

from homevisits.pay.rules import NewRule


def day(typed: str | None) -> date | None:
    """A day as a browser sends it (2026-10-06); None for anything else."""
    try:
        return date.fromisoformat((typed or "").strip())
    except ValueError:
        return None


def new_rule(form: MultiDict[str, str]) -> NewRule:
    """A rule as typed."""
    return NewRule(
        unit=form.get("unit", ""),
        rate=form.get("rate", ""),
        minimum_minutes=form.get("minimum_minutes", "").strip() or "0",
        round_to_minutes=form.get("round_to_minutes", "").strip() or "1",
        pay_code=form.get("pay_code", "").strip(),
        clause=form.get("clause", "").strip(),
        effective_from=day(form.get("effective_from")),
    )


def chosen(form: MultiDict[str, str]) -> list[int]:
    """The lines that were ticked, once each, in order."""
    return sorted(
        {int(value) for value in form.getlist("line") if value.isascii() and value.isdecimal() and len(value) < 18}
    )
