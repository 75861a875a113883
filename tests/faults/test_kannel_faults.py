"""Delivery through a real SMS gateway, which sends reports in any order and number."""

import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from homevisits.core import clock
from homevisits.core.db import Database
from homevisits.messages.dispatch import dispatcher
from homevisits.messages.models import OutgoingMessage, ProviderEvent
from homevisits.messages.providers import registry
from tests.faults import kannel, processes
from tests.messages.conftest import enqueue, make_send_policy, make_sender, make_settings, planned_message
from tests.messages.fake_kannel import SECRET, with_kannel

MESSAGE_COUNT = 500


def count_by_state(database: Database) -> Counter[str]:
    """Number of messages by state."""
    with database.reading() as session:
        return Counter(
            dict(session.execute(select(OutgoingMessage.state, func.count()).group_by(OutgoingMessage.state)).all())
        )


@pytest.mark.slow
def test_f10_500_messages_through_a_real_gateway_are_all_delivered(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    settings = {"provider": "kannel", "kannel_username": "u", "kannel_password": "p", "kannel_from": "+15555550188"}
    messages = [
        planned_message(
            str(n),
            to=f"+1555{n:07d}",
            language=("en", "es")[n % 2],
            not_before=clock.now() - timedelta(minutes=1),
            expires_at=clock.now() + timedelta(hours=2),
        )
        for n in range(MESSAGE_COUNT)
    ]
    enqueue(database, *messages)
    with database.transaction() as session:
        make_sender(session, "kannel", "+15555550188")
    with (
        kannel.running(tmp_path) as gateway,
        processes.run_web_server(
            tmp_path, database_url, kannel_url=gateway.url, kannel_secret=SECRET, **settings
        ) as port,
    ):
        kannel_settings = with_kannel(make_settings("http://127.0.0.1:9", database_url), gateway.url, second=False)
        provider = registry.configured_providers(
            kannel_settings.model_copy(
                update={"public_url": f"http://127.0.0.1:{port}", "provider_timeout_seconds": 10}
            )
        )
        while dispatcher.dispatch_due(database, provider, make_send_policy(threads=4), clock.now):
            pass
        deadline = time.monotonic() + 60
        while count_by_state(database) != {"delivered": MESSAGE_COUNT} and time.monotonic() < deadline:
            time.sleep(0.2)
        assert count_by_state(database) == {"delivered": MESSAGE_COUNT}
        assert len(gateway.received_messages()) == MESSAGE_COUNT
    with database.reading() as session:
        statuses = Counter(session.scalars(select(ProviderEvent.status)))
        orders = session.scalars(select(ProviderEvent.status).order_by(ProviderEvent.id)).all()
    assert statuses["delivered"] == MESSAGE_COUNT
    assert list(orders) != sorted(orders)  # the reports arrived out of order
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
