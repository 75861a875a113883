from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from homevisits.messages.models import OutgoingMessage
from homevisits.operations.delivery.queries import DeliveryFilter, filter_conditions, local_midnight

COST_MONTHS = 3


@dataclass(frozen=True)
class MonthlyCost:
    """Messages and segments sent in a month in a language."""

    month: date
    language: str
    texts: int
    segments: int


def read_costs(session: Session, selection: DeliveryFilter, fewest: int) -> list[MonthlyCost]:
    """Count the segments sent in the last COST_MONTHS months, by month and language.

    Languages with fewer than `fewest` messages in a month are merged into a row without a language, because they could
    identify a family.
    """
    months = [selection.last.replace(day=1)]
    while len(months) < COST_MONTHS:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    begin, end = (
        local_midnight(months[0], selection.zone),
        local_midnight(selection.last + timedelta(days=1), selection.zone),
    )
    month = case(
        *(
            (OutgoingMessage.not_before < local_midnight(month, selection.zone), n)
            for n, month in enumerate(months[1:])
        ),
        else_=2,
    )
    messages = (
        select(month.label("month"), OutgoingMessage.language, OutgoingMessage.segments)
        .where(
            OutgoingMessage.not_before >= begin, OutgoingMessage.not_before < end, OutgoingMessage.sent_at.is_not(None)
        )
        .where(*filter_conditions(selection))
        .subquery()
    )
    grouped = select(messages.c.month, messages.c.language, func.count(), func.sum(messages.c.segments))
    rows = session.execute(
        grouped.group_by(messages.c.month, messages.c.language).order_by(messages.c.month.desc(), messages.c.language)
    )
    cells: dict[tuple[date, str], Counter[str]] = {}
    for n, language, number, parts in rows:
        cell = cells.setdefault((months[n], language if number >= fewest else ""), Counter())
        cell.update(texts=number, parts=int(parts))
    return [MonthlyCost(month, language, cell["texts"], cell["parts"]) for (month, language), cell in cells.items()]
