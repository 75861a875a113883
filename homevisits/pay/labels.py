"""Pay in words: what a rule says, and how a line came to its amount. For people, in their language."""

from flask_babel import gettext as _

from homevisits.pay import rules
from homevisits.pay.queries import Line
from homevisits.pay.rules import Rule, Unit
from homevisits.web import formats

STATES = {"earned": "wait", "returned": "care", "site_approved": "wait", "approved": "done", "exported": "done"}
SIGNS = {"returned": "arrow-return-left", "approved": "check2", "exported": "check2-all"}


def of_rule(rule: Rule) -> str:
    """What a rule pays."""
    amount = formats.money(rule.rate_cents)
    if rule.unit is Unit.FLAT:
        return str(_("%(amount)s for each visit, to each person who went", amount=amount))
    said = [_("%(amount)s an hour", amount=amount)]
    if rule.minimum_minutes:
        said.append(_("at least %(time)s", time=formats.length(rule.minimum_minutes)))
    if rule.round_to_minutes > 1:
        said.append(_("rounded up to the next %(num)s minutes", num=rule.round_to_minutes))
    return ", ".join(map(str, said))


def of_dates(rule: Rule) -> str:
    """When a rule holds."""
    start = formats.day(rule.effective_from)
    if rule.effective_to is None:
        return str(_("from %(day)s", day=start))
    return str(_("from %(first)s to %(last)s", first=start, last=formats.day(rule.effective_to)))


def of_line(line: Line) -> str:
    """How a line came to its amount: the inputs, the sum, the result."""
    if line.cents is None or line.rule is None:
        return reason(line.reason)
    amount = formats.money(line.cents)
    if line.rule.unit is Unit.FLAT:
        said = _("One visit on %(day)s: %(amount)s.", day=formats.day(line.earned_on), amount=amount)
    else:
        said = _(
            "%(minutes)s minutes on %(day)s are paid as %(paid)s minutes: %(hours)s hours × %(rate)s = %(amount)s.",
            minutes=line.minutes,
            day=formats.day(line.earned_on),
            paid=line.paid_minutes,
            hours=formats.hours(line.paid_minutes),
            rate=formats.money(line.rule.rate_cents),
            amount=amount,
        )
    if line.pay_type == rules.PayType.CORRECTION:
        return f"{said} {_('This puts right a visit for which no rule was known at first.')}"
    return str(said)


def reason(code: str | None) -> str:
    """Why nothing is due."""
    if code == rules.NO_RULE:
        return str(_("No rule of the contract was in force on this day. Once a rule is added, this visit is paid."))
    return str(_("Nothing is due."))


def of_state(state: str) -> str:
    """A state in a word or two."""
    return str(
        {
            "earned": _("waits at school"),
            "returned": _("being checked"),
            "site_approved": _("waits at union"),
            "approved": _("approved"),
            "exported": _("in payroll"),
        }[state]
    )


def of_step(step: str) -> str:
    """A decision in words."""
    return str({"site": _("School approved"), "union": _("Union approved"), "returned": _("Returned")}[step])
