"""Rate limits, outages and failover of providers: messages wait and are never sent twice."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import DeliveryAttempt, Sender
from homevisits.messages.providers import registry
from tests.faults import processes
from tests.messages import fake_kannel, fake_twilio
from tests.messages.conftest import (
    NOW,
    enqueue,
    fixed_clock,
    load_messages,
    make_send_policy,
    make_sender,
    make_settings,
    planned_message,
)
from tests.messages.installation import Installation


@pytest.fixture
def installation(database: Database) -> Iterator[Installation]:
    """An installation with a fake Twilio."""
    with fake_twilio.running(auth_token="token") as twilio:
        yield Installation(database, twilio)


def make_messages(count: int) -> list[object]:
    """Plan `count` messages to different phones."""
    return [planned_message(str(number), to=f"+1555555{number:04d}") for number in range(count)]


def test_f5_rate_limits_and_a_503_give_a_single_message(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.extend(["429/20429/30", "429/20429/7", "503/20503", "201"])
    for retry_after in (30, 7):
        assert installation.send() == {"down": 1}
        delay = (installation.message.next_at - installation.moment).total_seconds()
        assert delay == pytest.approx(retry_after, rel=0.1)
        installation.advance_clock(seconds=delay * 0.9)
        assert (installation.send(), installation.message.attempts) == ({}, 0)
        installation.advance_clock(seconds=delay * 0.1 + 0.1)
    # After a 503 the outcome is unknown: three lookups must find no trace before the message is sent again.
    assert installation.send() == {"unclear": 1}
    for minutes in (0.55, 1.5, 8.1):
        assert (installation.states, installation.send()) == (["unknown"], {})
        installation.advance_clock(minutes=minutes)
        installation.look_up_unclear()
    installation.send()
    assert (installation.sent_count, installation.twilio.requests, installation.states) == (1, 4, ["accepted"])


def test_f5_message_accepted_despite_a_503_is_found_and_not_sent_again(installation: Installation) -> None:
    installation.enqueue()
    installation.twilio.next.extend(["429/20429/1", "taken:503/20503"])
    installation.send()
    installation.advance_clock(seconds=2)
    installation.send()
    installation.advance_clock(seconds=31)
    assert installation.look_up_unclear() == 1
    installation.send()
    assert (installation.sent_count, installation.twilio.requests, installation.states) == (1, 2, ["accepted"])


def test_f11_unknown_status_and_error_code_are_accepted(installation: Installation) -> None:
    installation.enqueue(*make_messages(2))
    installation.send()
    for status in ("partially_delivered", "teleported", "delivered"):
        assert installation.report(status, index=0) == 200
    assert installation.report("undelivered", 39999, index=1) == 200
    assert sorted(installation.states) == ["delivered", "undelivered"]
    assert [event.status for event in installation.events()][:2] == ["partially_delivered", "teleported"]
    assert [kind for kind, key in installation.alerts() if "39999" in key] == ["code"]
    installation.enqueue(planned_message("another", to="+15555559999"))
    installation.twilio.next.append("400/29999")
    installation.send()
    assert installation.states[-1] == "rejected"
    assert [kind for kind, key in installation.alerts() if "29999" in key] == ["code"]


def test_f23_wrong_credentials_are_tried_three_times_a_minute_and_messages_wait(installation: Installation) -> None:
    installation.enqueue(*make_messages(20))
    installation.twilio.next.extend(["401/20003"] * 500)
    calls: Counter[int] = Counter()
    for second in range(300):
        before = installation.twilio.requests
        installation.send()
        calls[second // 60] += installation.twilio.requests - before
        installation.advance_clock(seconds=1)
    assert max(calls.values()) <= 4  # the first minute includes the call that opened the breaker
    assert max(calls[minute] for minute in range(1, 5)) <= 3
    assert set(installation.states) <= {"queued", "held"}
    assert all(row.attempts == 0 for row in load_messages(installation.database))
    assert ("breaker", "twilio +15555550199") in installation.alerts()
    installation.twilio.next.clear()
    for _ in range(60):
        installation.advance_clock(seconds=1)
        installation.send()
    assert (installation.sent_count, set(installation.states)) == (20, {"accepted"})


def test_f24_second_provider_takes_over_but_never_sends_unknown_messages(database: Database) -> None:
    with fake_kannel.running() as kannel:
        with fake_twilio.running(auth_token="token") as twilio:
            settings = fake_kannel.with_kannel(make_settings(twilio.url, database.url), kannel.url)
            both = registry.configured_providers(settings)
            enqueue(database, *make_messages(40))
            with database.transaction() as session:
                make_sender(session, "kannel", settings.kannel_from)
            twilio.next.extend(["reset", "drop", "cut"])
            dispatcher.dispatch_due(database, both, make_send_policy(), fixed_clock(), limit=10)
            accepted_by_twilio = {form["To"] for form in twilio.sent}
        unknown = {row.phone for row in load_messages(database) if row.state == "unknown"}
        assert len(unknown) == 3
        both = registry.configured_providers(settings)  # drops open connections to the stopped provider
        for second in range(120):
            dispatcher.dispatch_due(database, both, make_send_policy(), fixed_clock(NOW + timedelta(seconds=second)))
        kannel_counts = Counter(text["X-Kannel-To"] for text in kannel.sent)
        assert not set(kannel_counts) & unknown
        assert not set(kannel_counts) & accepted_by_twilio
        assert set(kannel_counts.values()) == {1}
        assert Counter(row.state for row in load_messages(database)) == {"unknown": 3, "accepted": 37}
        assert len(kannel_counts) == 30
    with database.reading() as session:
        unclear_ids = session.scalars(
            select(DeliveryAttempt.message_id).where(DeliveryAttempt.outcome == "unclear")
        ).all()
        kannel_ids = session.scalars(
            select(DeliveryAttempt.message_id).where(DeliveryAttempt.provider == "kannel")
        ).all()
        assert not set(unclear_ids) & set(kannel_ids)


# Requests per second that nginx allows. The rates of the adaptation are relative to it, so that a low one proves the
# same on a busy machine; `make soak` uses the rate of a real sender.
ALLOWED_RATE = 50 if os.environ.get("TESTS_SOAK") else 20
NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  log_format calls '$msec $status'; access_log off; keepalive_requests 1000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  limit_req_zone $binary_remote_addr zone=mps:1m rate={allowed}r/s; limit_req_status 429;
  server {{
    listen 127.0.0.1:{taking}; default_type application/json;
    location / {{
      return 201 '{{"sid":"SM$request_id","status":"accepted","num_segments":"1","direction":"outbound-api"}}';
    }}
  }}
  server {{
    listen 127.0.0.1:{limited}; default_type application/json; access_log calls.log calls; error_page 429 @many;
    location @many {{
      add_header Retry-After 1 always;
      return 429 '{{"code":20429,"message":"Too Many Requests","status":429}}';
    }}
    location / {{ limit_req zone=mps burst=5 nodelay; proxy_pass http://127.0.0.1:{taking}; }}
  }}
}}
"""


@pytest.mark.slow
def test_f6_sender_above_the_rate_limit_adapts_to_the_allowed_rate(database: Database, tmp_path: Path) -> None:
    nginx, taking, limited = processes.find_program("nginx"), processes.free_port(), processes.free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(taking=taking, limited=limited, allowed=ALLOWED_RATE))
    due, expires = clock.now() - timedelta(minutes=1), clock.now() + timedelta(hours=2)
    numbers = range(160 * ALLOWED_RATE)
    enqueue(
        database,
        *(planned_message(str(n), to=f"+1555{n:07d}", not_before=due, expires_at=expires) for n in numbers),
    )
    with database.transaction() as session:
        session.execute(
            update(Sender).where(Sender.provider == "twilio").values(segments_per_second=1.6 * ALLOWED_RATE)
        )
    settings = make_settings(f"http://127.0.0.1:{limited}", database.url)
    with processes.run_program([nginx, "-p", str(tmp_path), "-c", "nginx.conf"], tmp_path / "nginx.log"):
        processes.wait_for(lambda: processes.is_listening(limited), 10)
        twilio, started = registry.configured_providers(settings), time.monotonic()
        share_of_rate = 0.0
        # Three seconds at the full rate are enough; a busy machine gets up to 150 seconds to reach them.
        while share_of_rate < 0.95 and time.monotonic() - started < 150:
            dispatcher.dispatch_due(
                database, twilio, make_send_policy(threads=4), clock.now, limit=200, stop=threading.Event()
            )
            calls = [(float(row[:14]), row[-3:]) for row in (tmp_path / "calls.log").read_text().splitlines()]
            accepted_times = [at for at, code in calls if code == "201" and at >= calls[0][0] + 10]
            share_of_rate = max(
                (sum(at <= other < at + 3 for other in accepted_times) for at in accepted_times[::10]), default=0
            ) / (3 * ALLOWED_RATE)
    late_codes = Counter(code for at, code in calls if at >= calls[0][0] + 10)
    assert share_of_rate >= 0.95, Counter(code for _at, code in calls)
    assert late_codes["429"] <= 0.10 * late_codes.total()
