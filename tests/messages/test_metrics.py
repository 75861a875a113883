"""Metrics for Prometheus, and the alert rules in config/alerts.yml that use them."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from homevisits import worker
from homevisits.app import create_app
from homevisits.core import clock, leases, paths, settings
from homevisits.core.db import Database
from homevisits.messages.models import IncomingMessage, Sender
from homevisits.messages.monitoring import alerts
from homevisits.messages.recipients import opt_outs
from tests import external_programs
from tests.messages import fake_twilio
from tests.messages.conftest import NOW, PHONE, planned_message
from tests.messages.installation import Installation

TOKEN = "a token of at least thirty-two characters"
RULES = paths.config() / "alerts.yml"
MetricValues = dict[tuple[str, frozenset[tuple[str, str]]], float]


def make_client(database: Database, token: str = TOKEN) -> FlaskClient:
    """Return a client of the web application."""
    app_settings = settings.load_settings(
        {}, mode="development", database_url=database.url, secret_key="k" * 40, public_url="http://127.0.0.1:1",
        metrics_token=token,
    )  # fmt: skip
    clock.set_source(lambda: NOW)
    return create_app(app_settings, database).test_client()


def scrape(database: Database, **elapsed: float) -> MetricValues:
    """Return all metrics at a time after NOW."""
    client = make_client(database)
    clock.set_source(lambda: NOW + timedelta(**elapsed))
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    return {
        (sample.name.removeprefix("homevisits_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def metric_key(name: str, /, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_metrics_require_the_bearer_token(sqlite_database: Database) -> None:
    client = make_client(sqlite_database)
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
        response = client.get("/metrics", headers=header)
        assert (response.status_code, "homevisits_" in response.text) == (401, False)
    without_token = make_client(sqlite_database, token="")
    assert without_token.get("/metrics").status_code == 404
    assert without_token.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_metrics_exist_before_the_first_message(database: Database) -> None:
    metrics = scrape(database)
    assert metrics[metric_key("texts", state="unknown")] == 0
    assert metrics[metric_key("texts_oldest_due_seconds")] == 0
    assert not [name for name, _ in metrics if name.endswith("_share")]


def test_metrics_match_the_messages(database: Database) -> None:
    with fake_twilio.running(auth_token="token") as twilio:
        installation = Installation(database, twilio)
        installation.enqueue(*(planned_message(f"{n}", to=f"+1555555{n:04}") for n in range(10)))
        installation.twilio.next.extend(["201"] * 6 + ["html502", "400/21211", "400/99999", "429/20429/1"])
        installation.send()
        installation.advance_clock(seconds=2)
        for number in range(4):
            installation.report("delivered", None, number)
        installation.advance_clock(seconds=18)
        installation.report("delivered", None, 4)
        installation.report("undelivered", 30005, 5)
        installation.enqueue(planned_message("later", to="+15555550500", not_before=NOW + timedelta(hours=1)))
        installation.enqueue(planned_message("due", to="+15555550501", not_before=NOW - timedelta(minutes=7)))
    metrics = scrape(database, minutes=10)
    states = {"delivered": 5, "undelivered": 1, "unknown": 1, "rejected": 2, "queued": 3}
    for state, number in states.items():
        assert metrics[metric_key("texts", state=state)] == number, state
    assert metrics[metric_key("texts_oldest_due_seconds")] == 17 * 60
    assert metrics[metric_key("texts_unknown_oldest_seconds")] == 600
    assert metrics[metric_key("texts_unresolved")] == 3
    assert metrics[metric_key("texts_last_hour", kind="attempted")] == 10
    assert metrics[metric_key("texts_last_hour", kind="accepted")] == 6
    assert metrics[metric_key("texts_delivered_share")] == pytest.approx(5 / 6)
    assert metrics[metric_key("texts_undelivered_share")] == pytest.approx(1 / 6)
    assert metrics[metric_key("texts_rate_limited_share")] == pytest.approx(1 / 10)
    quantiles = {q: metrics[metric_key("texts_delivery_seconds", window="hour", quantile=q)] for q in ("0.50", "0.95")}
    assert quantiles == {"0.50": pytest.approx(2, abs=0.01), "0.95": pytest.approx(20, abs=0.01)}
    assert metrics[metric_key("texts_failed_last_day", provider="twilio", code="21211")] == 1
    assert metrics[metric_key("texts_failed_last_day", provider="twilio", code="30005")] == 1
    assert metrics[metric_key("texts_failed_last_day", provider="twilio", code="other")] == 1
    assert (
        metrics[metric_key("texts_segments_today", provider="twilio")] == 7
    )  # six accepted, and one with unclear outcome
    assert metrics[metric_key("texts_dollars_today", provider="twilio")] > 0
    assert metrics[metric_key("text_alerts_open", kind="code")] == 1


def test_metrics_cover_opt_outs_replies_jobs_and_senders(database: Database) -> None:
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", NOW)
        opt_outs.opt_out(session, "+15555550102", "family", NOW)
        opt_outs.opt_in(session, "+15555550102", NOW)
        for provider_message_id, needs_staff, processed_at in (("a", True, NOW), ("b", False, NOW), ("c", False, None)):
            message = IncomingMessage(
                provider_message_id=provider_message_id,
                phone=PHONE,
                to="x",
                body="hm",
                received_at=NOW,
                needs_staff=needs_staff,
            )
            message.processed_at = processed_at
            session.add(message)
        for name, seconds in (("lookup", 5), ("reconciliation", 90_000)):
            leases.take_lease(session, name, "me", timedelta(seconds=1), NOW)
            leases.release_lease(session, name, "me", NOW - timedelta(seconds=seconds))
        for _ in range(3):
            alerts.raise_alert(session, "webhook", "status", NOW, "KeyError")
        session.add(Sender(provider="twilio", address="+15555550199", breaker="open", registration="registered"))
    metrics = scrape(database, hours=2)
    assert metrics[metric_key("phones_opted_out")] == 1
    assert (metrics[metric_key("replies_waiting")], metrics[metric_key("replies_oldest_seconds")]) == (1, 7200)
    assert metrics[metric_key("inbound_unprocessed")] == 1
    assert metrics[metric_key("job_age_seconds", name="lookup")] == 7205
    assert metrics[metric_key("job_age_seconds", name="reconciliation")] == 97_200
    assert metrics[metric_key("webhook_failures_total", webhook="status")] == 3
    sender = {"provider": "twilio", "sender": "1"}
    assert (metrics[metric_key("sender_breaker_open", **sender)], metrics[metric_key("sender_ready", **sender)]) == (
        1,
        1,
    )


def test_labels_contain_no_personal_data(database: Database) -> None:
    with fake_twilio.running(auth_token="token") as twilio:
        installation = Installation(database, twilio)
        installation.enqueue(planned_message("a"), planned_message("b", to="+15555550102"))
        installation.twilio.next.extend(["400/12345", "201"])
        installation.send()
        installation.report("delivered")
    values = [value for _, labels in scrape(database) for _, value in labels]
    assert values
    assert not [value for value in values if not re.fullmatch(r"[a-z_]{1,20}|[0-9]{1,5}|0\.[0-9]{2}", value)]


def test_metrics_queries_use_indexes_and_are_few(database: Database) -> None:
    queries: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _u, sql, *_more: queries.append(sql))
    scrape(database)
    assert len(queries) < 30
    if "sqlite" not in database.url:
        return
    with database.reading() as session:
        for sql in tuple(queries):
            if "FROM outgoing_message" not in sql and "FROM delivery_attempt" not in sql:
                continue
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
            scans = [row[3] for row in plan if re.match(r"SCAN (outgoing_message|delivery_attempt)(?! USING)", row[3])]
            assert not scans, sql


def read_alert_rules() -> dict[str, str]:
    """Return the expression of each alert, by name."""
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    assert all({"summary", "runbook"} <= set(rule["annotations"]) for rule in group["rules"])
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_every_metric_in_an_alert_rule_is_exported(sqlite_database: Database) -> None:
    response = make_client(sqlite_database).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    exported = set(re.findall(r"^# TYPE (\w+)", response.text, re.MULTILINE))
    named = {name for expression in read_alert_rules().values() for name in re.findall(r"homevisits_\w+", expression)}
    assert named
    assert named <= exported
    assert exported == {name for name in exported if name.startswith("homevisits_")}


SERIES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'homevisits_texts{{state="unknown"}}', values: '1x30'}}
      - {{series: 'homevisits_texts_oldest_due_seconds', values: '301x30'}}
      - {{series: 'homevisits_texts_delivered_share', values: '0.94x30'}}
      - {{series: 'homevisits_texts_undelivered_share', values: '0.03x30'}}
      - {{series: 'homevisits_texts_rate_limited_share', values: '0.06x30'}}
      - {{series: 'homevisits_texts_last_hour{{kind="delivery_due"}}', values: '20x30'}}
      - {{series: 'homevisits_texts_last_hour{{kind="accepted"}}', values: '49x30'}}
      - {{series: 'homevisits_texts_last_hour{{kind="attempted"}}', values: '20x30'}}
      - {{series: 'homevisits_webhook_failures_total{{webhook="status"}}', values: '_x20 1x10'}}
      - {{series: 'homevisits_sender_breaker_open{{provider="twilio", sender="1"}}', values: '1x30'}}
      - {{series: 'homevisits_job_age_seconds{{name="lookup"}}', values: '1000x30'}}
      - {{series: 'homevisits_job_age_seconds{{name="reconciliation"}}', values: '80000x30'}}
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        eval_time: 22m
        exp_samples:
{expected}
"""
FIRING = (
    "TextsDelayed", "TextsUnknown", "TextsNotDelivered", "TextsRateLimited", "WebhookFailing", "CircuitBreakerOpen",
    "JobFailing", "WorkerDown",
)  # fmt: skip


def test_prometheus_accepts_the_alert_rules_and_they_fire(tmp_path: Path) -> None:
    promtool = external_programs.find_program("promtool", "prometheus")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
    expected = "\n".join(f"          - {{labels: '{{alertname=\"{name}\"}}', value: 1}}" for name in FIRING)
    test_file = tmp_path / "test.yml"
    test_file.write_text(SERIES.format(rules=RULES, expected=expected), encoding="utf-8")
    run = subprocess.run([promtool, "test", "rules", str(test_file)], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_alert_rules_name_all_infrequent_jobs(sqlite_url: str) -> None:
    app_settings = settings.load_settings(
        {}, mode="development", database_url=sqlite_url, secret_key="k" * 40, public_url="http://127.0.0.1:1"
    )
    infrequent = {job.name for job in worker.build_jobs(app_settings, Database(sqlite_url)) if job.seconds >= 600}
    (named,) = {
        names for expression in read_alert_rules().values() for names in re.findall(r'name!?=?~"([^"]+)"', expression)
    }
    assert set(named.split("|")) == infrequent
