"""What Prometheus reads: right on both engines, with nobody's number in it, and every alert rule has its figure."""

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
from tests.messages.conftest import NOW, PHONE, planned
from tests.messages.line import Line

WORD = "a word of at least thirty-two characters"
RULES = paths.config() / "alerts.yml"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def client_of(database: Database, word: str = WORD) -> FlaskClient:
    """A caller from outside."""
    given = settings.load_settings(
        {}, mode="development", database_url=database.url, secret_key="k" * 40, public_url="http://127.0.0.1:1",
        metrics_token=word,
    )  # fmt: skip
    clock.set_source(lambda: NOW)
    return create_app(given, database).test_client()


def scrape(database: Database, **ahead: float) -> Figures:
    """Every figure, so long after NOW."""
    client = client_of(database)
    clock.set_source(lambda: NOW + timedelta(**ahead))
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {WORD}"})
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return {
        (sample.name.removeprefix("homevisits_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_only_who_says_the_word_is_shown(sqlite_database: Database) -> None:
    client = client_of(sqlite_database)
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": WORD}, {"Authorization": "Bearer é"}):
        answer = client.get("/metrics", headers=header)
        assert (answer.status_code, "homevisits_" in answer.text) == (401, False)
    silent = client_of(sqlite_database, word="")
    assert silent.get("/metrics").status_code == 404
    assert silent.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_an_installation_that_has_sent_nothing_has_figures_too(database: Database) -> None:
    found = scrape(database)
    assert found[key("texts", state="unknown")] == 0
    assert found[key("texts_oldest_due_seconds")] == 0
    assert not [name for name, _ in found if name.endswith("_share")]


def test_each_figure_is_what_happened(database: Database) -> None:
    with fake_twilio.running(auth_token="token") as twilio:
        line = Line(database, twilio)
        line.put(*(planned(f"{n}", to=f"+1555555{n:04}") for n in range(10)))
        line.twilio.next.extend(["201"] * 6 + ["html502", "400/21211", "400/99999", "429/20429/1"])
        line.send()
        line.later(seconds=2)
        for number in range(4):
            line.report("delivered", None, number)
        line.later(seconds=18)
        line.report("delivered", None, 4)
        line.report("undelivered", 30005, 5)
        line.put(planned("later", to="+15555550500", not_before=NOW + timedelta(hours=1)))
        line.put(planned("due", to="+15555550501", not_before=NOW - timedelta(minutes=7)))
    found = scrape(database, minutes=10)
    states = {"delivered": 5, "undelivered": 1, "unknown": 1, "rejected": 2, "queued": 3}
    for state, number in states.items():
        assert found[key("texts", state=state)] == number, state
    assert found[key("texts_oldest_due_seconds")] == 17 * 60
    assert found[key("texts_unknown_oldest_seconds")] == 600
    assert found[key("texts_to_see_to")] == 3
    assert found[key("texts_last_hour", what="tried")] == 10
    assert found[key("texts_last_hour", what="taken")] == 6
    assert found[key("texts_delivered_share")] == pytest.approx(5 / 6)
    assert found[key("texts_undelivered_share")] == pytest.approx(1 / 6)
    assert found[key("texts_too_many_share")] == pytest.approx(1 / 10)
    took = {q: found[key("texts_delivery_seconds", window="hour", quantile=q)] for q in ("0.50", "0.95")}
    assert took == {"0.50": pytest.approx(2, abs=0.01), "0.95": pytest.approx(20, abs=0.01)}
    assert found[key("texts_failed_last_day", provider="twilio", code="21211")] == 1
    assert found[key("texts_failed_last_day", provider="twilio", code="30005")] == 1
    assert found[key("texts_failed_last_day", provider="twilio", code="other")] == 1
    assert found[key("texts_segments_today", provider="twilio")] == 7  # six taken, and one that may be
    assert found[key("texts_dollars_today", provider="twilio")] > 0
    assert found[key("text_alerts_open", kind="code")] == 1


def test_what_waits_for_people_and_what_stands_still_is_seen(database: Database) -> None:
    with database.transaction() as session:
        opt_outs.opt_out(session, PHONE, "family", NOW)
        opt_outs.opt_out(session, "+15555550102", "family", NOW)
        opt_outs.opt_in(session, "+15555550102", NOW)
        for provider_message_id, needs, taken in (("a", True, NOW), ("b", False, NOW), ("c", False, None)):
            text = IncomingMessage(
                provider_message_id=provider_message_id,
                phone=PHONE,
                to="x",
                body="hm",
                received_at=NOW,
                needs_person=needs,
            )
            text.taken_at = taken
            session.add(text)
        for name, seconds in (("look", 5), ("days", 90_000)):
            leases.take_lease(session, name, "me", timedelta(seconds=1), NOW)
            leases.release_lease(session, name, "me", NOW - timedelta(seconds=seconds))
        for _ in range(3):
            alerts.raise_alert(session, "webhook", "status", NOW, "KeyError")
        session.add(Sender(provider="twilio", address="+15555550199", breaker="open", registration="registered"))
    found = scrape(database, hours=2)
    assert found[key("phones_stopped")] == 1
    assert (found[key("replies_waiting")], found[key("replies_oldest_seconds")]) == (1, 7200)
    assert found[key("inbound_not_taken")] == 1
    assert found[key("tick_age_seconds", tick="look")] == 7205
    assert found[key("tick_age_seconds", tick="days")] == 97_200
    assert found[key("webhook_failures_total", webhook="status")] == 3
    sender = {"provider": "twilio", "sender": "1"}
    assert (found[key("sender_breaker_open", **sender)], found[key("sender_ready", **sender)]) == (1, 1)


def test_no_label_holds_a_number_a_name_or_words(database: Database) -> None:
    with fake_twilio.running(auth_token="token") as twilio:
        line = Line(database, twilio)
        line.put(planned("a"), planned("b", to="+15555550102"))
        line.twilio.next.extend(["400/12345", "201"])
        line.send()
        line.report("delivered")
    values = [value for _, labels in scrape(database) for _, value in labels]
    assert values
    assert not [value for value in values if not re.fullmatch(r"[a-z_]{1,20}|[0-9]{1,5}|0\.[0-9]{2}", value)]


def test_figures_are_ranges_of_indexes_and_few_questions(database: Database) -> None:
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _u, sql, *_more: asked.append(sql))
    scrape(database)
    assert len(asked) < 30
    if "sqlite" not in database.url:
        return
    with database.reading() as session:
        for sql in tuple(asked):
            if "FROM outgoing_message" not in sql and "FROM delivery_attempt" not in sql:
                continue
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))
            scans = [row[3] for row in plan if re.match(r"SCAN (outbox|attempt)(?! USING)", row[3])]
            assert not scans, sql


def rules() -> dict[str, str]:
    """Every alert's name and its expression, from the file as it is written."""
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    assert all({"summary", "runbook"} <= set(rule["annotations"]) for rule in group["rules"])
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_every_figure_that_a_rule_names_is_exported(sqlite_database: Database) -> None:
    answer = client_of(sqlite_database).get("/metrics", headers={"Authorization": f"Bearer {WORD}"})
    exported = set(re.findall(r"^# TYPE (\w+)", answer.text, re.MULTILINE))
    named = {name for expression in rules().values() for name in re.findall(r"homevisits_\w+", expression)}
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
      - {{series: 'homevisits_texts_too_many_share', values: '0.06x30'}}
      - {{series: 'homevisits_texts_last_hour{{what="due"}}', values: '20x30'}}
      - {{series: 'homevisits_texts_last_hour{{what="taken"}}', values: '49x30'}}
      - {{series: 'homevisits_texts_last_hour{{what="tried"}}', values: '20x30'}}
      - {{series: 'homevisits_webhook_failures_total{{webhook="status"}}', values: '_x20 1x10'}}
      - {{series: 'homevisits_sender_breaker_open{{provider="twilio", sender="1"}}', values: '1x30'}}
      - {{series: 'homevisits_tick_age_seconds{{tick="look"}}', values: '1000x30'}}
      - {{series: 'homevisits_tick_age_seconds{{tick="days"}}', values: '80000x30'}}
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        eval_time: 22m
        exp_samples:
{expected}
"""
FIRING = (
    "TextsWait", "TextsUnknown", "TextsNotDelivered", "TextsTooFast", "WebhookFails", "BreakerOpen", "TickDead",
    "WorkerDead",
)  # fmt: skip


def test_prometheus_itself_takes_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    promtool = external_programs.find_program("promtool", "prometheus")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
    expected = "\n".join(f"          - {{labels: '{{alertname=\"{name}\"}}', value: 1}}" for name in FIRING)
    given = tmp_path / "given.yml"
    given.write_text(SERIES.format(rules=RULES, expected=expected), encoding="utf-8")
    run = subprocess.run([promtool, "test", "rules", str(given)], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_rules_know_the_ticks_of_the_night(sqlite_url: str) -> None:
    given = settings.load_settings(
        {}, mode="development", database_url=sqlite_url, secret_key="k" * 40, public_url="http://127.0.0.1:1"
    )
    seldom = {tick.name for tick in worker.build_jobs(given, Database(sqlite_url)) if tick.seconds >= 600}
    (named,) = {found for text in rules().values() for found in re.findall(r'tick!?=?~"([^"]+)"', text)}
    assert set(named.split("|")) == seldom
