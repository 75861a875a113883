"""Prometheus metrics of message delivery, read from the database at each scrape.

Every process returns the same values, also after a restart. No label contains personal data: a sender is identified by
its ID, and codes that are not in `error_codes` are counted as "other".
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
    """Return all metrics at `now`. zone: time zone in which a day begins. segment_price: in dollars."""
    metrics: list[Metric] = []
    for read in (_queue_metrics, _last_hour_metrics, _recipient_metrics, _sender_metrics, _job_metrics):
        metrics.extend(read(session, now))
    metrics.extend(_cost_metrics(session, queries.start_of_day(now, zone), segment_price))
    return metrics


def render_metrics(metrics: Iterable[Metric]) -> bytes:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_FixedMetrics(list(metrics)))
    return generate_latest(registry)


class _FixedMetrics(Collector):
    """Metrics that were read before."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def _gauge(name: str, description: str, value: float | None) -> Metric:
    """Return a gauge without labels. If there is no value, it has no sample."""
    family = GaugeMetricFamily(f"homevisits_{name}", description)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled_gauge(name: str, description: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    """Return a gauge with labels. The keys of `values` are tuples of label values."""
    family = GaugeMetricFamily(f"homevisits_{name}", description, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(list(label_values), value)
    return family


def _counter(name: str, description: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"homevisits_{name}", description, labels=[label])
    for label_value, value in sorted(values.items()):
        family.add_metric([label_value], value)
    return family


def _as_tuples(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}


def _queue_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    states = _as_tuples(queries.count_by_state(session, now))
    yield _labelled_gauge("texts", "Messages by state; final states: of the last 7 days.", ["state"], states)
    held = _as_tuples(queries.count_held(session))
    yield _labelled_gauge("texts_held", "Held messages by reason.", ["reason"], held)
    oldest_due = queries.oldest_due_age(session, now)
    yield _gauge("texts_oldest_due_seconds", "Age of the oldest due message that is not sent.", oldest_due)
    oldest_unknown = queries.oldest_unknown_age(session, now)
    yield _gauge("texts_unknown_oldest_seconds", "Age of the oldest attempt with an unknown outcome.", oldest_unknown)
    unresolved = queries.count_unresolved(session)
    yield _gauge("texts_unresolved", "Failed messages that staff have not resolved.", unresolved)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _last_hour_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    hour = queries.count_last_hour(session, now)
    counts: dict[str, float] = {
        "attempted": hour.attempts, "rate_limited": hour.rate_limited, "accepted": hour.accepted,
        "undelivered": hour.undelivered, "delivery_due": hour.delivery_due, "delivered": hour.delivered,
    }  # fmt: skip
    description = "Attempts of the last hour; delivery_due: accepted 65 to 5 minutes ago, delivered: of these."
    yield _labelled_gauge("texts_last_hour", description, ["kind"], _as_tuples(counts))
    delivered = _share(hour.delivered, hour.delivery_due)
    yield _gauge("texts_delivered_share", "Share delivered of messages accepted 65 to 5 minutes ago.", delivered)
    undelivered = _share(hour.undelivered, hour.accepted)
    yield _gauge("texts_undelivered_share", "Share undelivered of messages accepted in the last hour.", undelivered)
    rate_limited = _share(hour.rate_limited, hour.attempts)
    yield _gauge("texts_rate_limited_share", "Share of the last hour's attempts rejected with 429.", rate_limited)
    quantiles = {
        (window, f"0.{quantile}"): seconds
        for window, length in WINDOWS.items()
        for quantile, seconds in queries.delivery_seconds(session, now - length).items()
    }
    description = "Seconds from acceptance by the provider to delivery."
    yield _labelled_gauge("texts_delivery_seconds", description, ["window", "quantile"], quantiles)
    failures = {key: float(count) for key, count in queries.count_failures(session, now - queries.DAY).items()}
    description = "Failed attempts of the last day by provider and error code."
    yield _labelled_gauge("texts_failed_last_day", description, ["provider", "code"], failures)


def _cost_metrics(session: Session, midnight: datetime, segment_price: Decimal) -> Iterator[Metric]:
    segments = queries.count_segments(session, midnight)
    yield _labelled_gauge("texts_segments_today", "Segments sent today.", ["provider"], _as_tuples(segments))
    dollars = {provider: float(count * segment_price) for provider, count in segments.items()}
    yield _labelled_gauge("texts_dollars_today", "Cost of the segments in dollars.", ["provider"], _as_tuples(dollars))


def _recipient_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    yield _gauge("phones_opted_out", "Phones that have opted out.", queries.count_opted_out(session))
    count, oldest = queries.count_replies(session, now)
    yield _gauge("replies_waiting", "Received messages that staff must answer.", count)
    yield _gauge("replies_oldest_seconds", "Age of the oldest of them.", oldest)
    yield _gauge("inbound_unprocessed", "Received messages not processed yet.", queries.count_unprocessed(session))


def _sender_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    senders = queries.active_senders(session)

    def by_sender(name: str, description: str, value: Callable[[Sender], float]) -> Metric:
        values = {(sender.provider, str(sender.id)): float(value(sender)) for sender in senders}
        return _labelled_gauge(f"sender_{name}", description, ["provider", "sender"], values)

    def is_paused(sender: Sender) -> bool:
        return sender.paused_until is not None and sender.paused_until > now

    yield by_sender("segments_per_second", "Current rate.", lambda sender: circuit_breaker.current_rate(sender, now))
    yield by_sender("tokens", "Segments in the token bucket.", lambda sender: sender.tokens)
    yield by_sender("weight", "Weight in the random selection.", lambda sender: sender.weight)
    yield by_sender("breaker_open", "1: the circuit breaker is open.", lambda sender: sender.breaker != "closed")
    yield by_sender("paused", "1: paused for a full queue, a daily cap or a Retry-After.", is_paused)
    yield by_sender("ready", "1: registered, or no registration needed.", selection.is_ready)


def _job_metrics(session: Session, now: datetime) -> Iterator[Metric]:
    ages = _as_tuples(queries.job_ages(session, now))
    yield _labelled_gauge("job_age_seconds", "Seconds since each job last succeeded.", ["name"], ages)
    failures = queries.count_webhook_failures(session)
    yield _counter("webhook_failures", "Webhook calls answered with 500.", "webhook", failures)
    alerts = queries.count_alerts(session)
    times = {kind: raised for kind, (raised, _) in alerts.items()}
    yield _counter("text_alerts", "Alerts about messages by kind.", "kind", times)
    open_alerts = {(kind,): float(count) for kind, (_, count) in alerts.items()}
    yield _labelled_gauge("text_alerts_open", "Alerts that staff have not cleared.", ["kind"], open_alerts)
    unapplied = queries.count_unapplied_reports(session)
    yield _gauge("callbacks_not_applied", "Delivery reports without a matching attempt.", unapplied)
