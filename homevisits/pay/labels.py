"""Describe pay rules, amounts and states for people, in the language of the page."""

from flask_babel import gettext as _

from homevisits.pay import rules
from homevisits.pay.queries import Line
from homevisits.pay.rules import PayType, Rule, Unit
from homevisits.web import formats

# Style and icon of a line's state, as the macros of the templates name them.
STATE_STYLES = {"earned": "wait", "returned": "care", "site_approved": "wait", "approved": "done", "exported": "done"}
STATE_ICONS = {"returned": "arrow-return-left", "approved": "check2", "exported": "check2-all"}


def pay_type_label(pay_type: PayType) -> str:
    """Name a pay type."""
    return str({PayType.VISIT: _("Home visit"), PayType.CORRECTION: _("Correction")}[pay_type])


def describe_rule(rule: Rule) -> str:
    """Describe what a rule pays."""
    amount = formats.money(rule.rate_cents)
    if rule.unit is Unit.FLAT:
        return str(_("%(amount)s for each visit, to each person who went", amount=amount))
    parts = [_("%(amount)s an hour", amount=amount)]
    if rule.minimum_minutes:
        parts.append(_("at least %(time)s", time=formats.format_duration(rule.minimum_minutes)))
    if rule.round_to_minutes > 1:
        parts.append(_("rounded up to the next %(num)s minutes", num=rule.round_to_minutes))
    return ", ".join(map(str, parts))


def describe_rule_dates(rule: Rule) -> str:
    """Describe the days on which a rule is in force."""
    start = formats.day(rule.effective_from)
    if rule.effective_to is None:
        return str(_("from %(day)s", day=start))
    return str(_("from %(first)s to %(last)s", first=start, last=formats.day(rule.effective_to)))


def explain_amount(line: Line) -> str:
    """Describe how the amount of a line was calculated, or why it has none."""
    if line.cents is None or line.rule is None:
        return explain_unpaid(line.reason)
    amount = formats.money(line.cents)
    if line.rule.unit is Unit.FLAT:
        explanation = _("One visit on %(day)s: %(amount)s.", day=formats.day(line.earned_on), amount=amount)
    else:
        explanation = _(
            "%(minutes)s minutes on %(day)s are paid as %(paid)s minutes: %(hours)s hours × %(rate)s = %(amount)s.",
            minutes=line.minutes,
            day=formats.day(line.earned_on),
            paid=line.paid_minutes,
            hours=formats.hours(line.paid_minutes),
            rate=formats.money(line.rule.rate_cents),
            amount=amount,
        )
    if line.pay_type == rules.PayType.CORRECTION:
        corrected = _("This corrects a visit that had no pay rule at first.")
        return f"{explanation} {corrected}"
    return str(explanation)


def explain_unpaid(code: str | None) -> str:
    """Explain why a line has no amount."""
    if code == rules.NO_RULE:
        return str(_("There was no pay rule for this date. Once a rule is added, this visit will be paid."))
    return str(_("There is no pay for this visit."))


def state_label(state: str) -> str:
    """Name the state of a pay line."""
    return str(
        {
            "earned": _("waiting for the school"),
            "returned": _("being checked"),
            "site_approved": _("waiting for the union"),
            "approved": _("approved"),
            "exported": _("in payroll"),
        }[state]
    )


def step_label(step: str) -> str:
    """Name a decision on a pay line."""
    return str({"site": _("School approved"), "union": _("Union approved"), "returned": _("Returned")}[step])
