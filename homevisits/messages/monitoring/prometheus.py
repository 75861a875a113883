"""Prometheus metrics of message delivery, read from the database at each scrape.

Any process answers alike, and a restart forgets nothing. No label holds a phone, a name or words: senders are told by
their number in our own table, codes by a list of ours.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from homevisits.messages.models import Sender
from homevisits.messages.monitoring import queries
from homevisits.messages.senders import circuit_breaker, selection

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
WINDOWS: Mapping[str, timedelta] = {"hour": queries.HOUR, "day": queries.DAY}


def collect_metrics(session: Session, zone: str, segment_price: Decimal, now: datetime) -> list[Metric]:
    """Every figure as it is at `now`. ``zone``: where the day begins at midnight; the price of a segment in dollars."""
    found: list[Metric] = []
    for part in (_queue_metrics, _last_hour_metrics, _recipient_metrics, _sender_metrics, _job_metrics):
        found.extend(part(session, now))
    found.extend(_cost_metrics(session, queries.start_of_day(now, zone), segment_price))
    return found


def render_metrics(metrics: Iterable[Metric]) -> bytes:
    """The figures as the text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_FixedMetrics(list(metrics)))
    return generate_latest(registry)


class _FixedMetrics(Collector):
    """Figures that were read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def _gauge(name: str, says: str, value: float | None) -> Metric:
    """A gauge without labels; without a value it has no sample, only its name."""
    family = GaugeMetricFamily(f"homevisits_{name}", says)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled_gauge(name: str, says: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    """A gauge with labels; the keys of `values` are tuples of theirs."""
    family = GaugeMetricFamily(f"homevisits_{name}", says, labels=labels)
    for given, value in sorted(values.items()):
        family.add_metric(list(given), value)
    return family


def _counter(name: str, says: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"homevisits_{name}", says, labels=[label])
    for given, value in sorted(values.items()):
        family.add_metric([given], value)
    return family


def _as_tuples(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}


def _queue_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    states = queries.count_by_state(session, now)
    yield _labelled_gauge(
        "texts", "Texts by state; of those that ended, the last seven days'.", ["state"], _as_tuples(states)
    )
    held = _as_tuples(queries.count_held(session))
    yield _labelled_gauge("texts_held", "Texts that wait, by what they wait for.", ["reason"], held)
    oldest = queries.oldest_due_age(session, now)
    yield _gauge("texts_oldest_due_seconds", "For how long the oldest text that is due has waited.", oldest)
    unknown = queries.oldest_unknown_age(session, now)
    yield _gauge("texts_unknown_oldest_seconds", "Since when nobody knows whether the oldest such text left.", unknown)
    yield _gauge("texts_to_see_to", "Lost texts that no person has seen to.", queries.count_unresolved(session))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _last_hour_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    hour = queries.count_last_hour(session, now)
    counts = {name: float(getattr(hour, name)) for name in ("tried", "too_many", "taken", "lost", "due", "arrived")}
    says = "Attempts of the last hour: tried, too many at once, taken, lost; taken 65 to 5 minutes ago (due), arrived."
    yield _labelled_gauge("texts_last_hour", says, ["what"], _as_tuples(counts))
    arrived = _share(hour.arrived, hour.due)
    yield _gauge("texts_delivered_share", "Of the texts taken 65 to 5 minutes ago, the share that arrived.", arrived)
    lost = _share(hour.lost, hour.taken)
    yield _gauge("texts_undelivered_share", "Of the texts taken in the last hour, the share that was lost.", lost)
    many = _share(hour.too_many, hour.tried)
    yield _gauge("texts_too_many_share", "Of the last hour's attempts, the share turned away as too many (429).", many)
    took = {
        (window, f"0.{quantile}"): seconds
        for window, length in WINDOWS.items()
        for quantile, seconds in queries.delivery_seconds(session, now - length).items()
    }
    says = "Seconds from the provider's yes to the phone's."
    yield _labelled_gauge("texts_delivery_seconds", says, ["window", "quantile"], took)
    failed = {key: float(number) for key, number in queries.count_failures(session, now - queries.DAY).items()}
    says = "Attempts of the last day that failed, by provider and code."
    yield _labelled_gauge("texts_failed_last_day", says, ["provider", "code"], failed)


def _cost_metrics(session: Session, midnight: datetime, segment_price: Decimal) -> Iterator[Metric]:
    parts = queries.count_segments(session, midnight)
    yield _labelled_gauge("texts_segments_today", "Segments providers took today.", ["provider"], _as_tuples(parts))
    dollars = {provider: float(number * segment_price) for provider, number in parts.items()}
    yield _labelled_gauge("texts_dollars_today", "What they cost, in dollars.", ["provider"], _as_tuples(dollars))


def _recipient_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    yield _gauge(
        "phones_stopped", "Phones that get no texts because somebody said stop.", queries.count_opted_out(session)
    )
    number, oldest = queries.count_replies(session, now)
    yield _gauge("replies_waiting", "Families' texts that wait for a person.", number)
    yield _gauge("replies_oldest_seconds", "For how long the oldest of them has waited.", oldest)
    yield _gauge("inbound_not_taken", "Families' texts not yet acted on.", queries.count_unprocessed(session))


def _sender_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    rows = queries.active_senders(session)

    def each(name: str, says: str, value: Callable[[Sender], float]) -> Metric:
        values = {(row.provider, str(row.id)): float(value(row)) for row in rows}
        return _labelled_gauge(f"sender_{name}", says, ["provider", "sender"], values)

    yield each("segments_per_second", "How fast it may send now.", lambda row: circuit_breaker.current_rate(row, now))
    yield each("tokens", "Segments that may leave at once.", lambda row: row.tokens)
    yield each("weight", "How often it is chosen.", lambda row: row.weight)
    yield each("breaker_open", "1: it sends nothing until somebody sees to it.", lambda row: row.breaker != "closed")
    paused = "1: its queue is full, or it has had its share of the day."
    yield each("paused", paused, lambda row: row.paused_until is not None and row.paused_until > now)
    yield each("ready", "1: registered, or need not be.", selection.is_ready)


def _job_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    ages = _as_tuples(queries.job_ages(session, now))
    yield _labelled_gauge("tick_age_seconds", "Since when each tick of the worker has not gone well.", ["tick"], ages)
    failures = queries.count_webhook_failures(session)
    yield _counter("webhook_failures", "Providers' calls that we answered with 500.", "webhook", failures)
    raised = queries.count_alerts(session)
    times = {kind: number for kind, (number, _) in raised.items()}
    yield _counter("text_alerts", "Alerts about texts, by kind.", "kind", times)
    waiting = {(kind,): float(number) for kind, (_, number) in raised.items()}
    yield _labelled_gauge("text_alerts_open", "Alerts that nobody has cleared.", ["kind"], waiting)
    yield _gauge(
        "callbacks_not_applied", "Providers' words on texts not known here.", queries.count_unapplied_reports(session)
    )
