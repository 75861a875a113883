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
from tests.messages.conftest import make_send_policy, make_sender, make_settings, planned_message, put
from tests.messages.fake_kannel import SECRET, with_kannel

TEXTS = 500


def counted(database: Database) -> Counter[str]:
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
    texts = [
        planned_message(
            str(n),
            to=f"+1555{n:07d}",
            language=("en", "es")[n % 2],
            not_before=clock.now() - timedelta(minutes=1),
            expires_at=clock.now() + timedelta(hours=2),
        )
        for n in range(TEXTS)
    ]
    put(database, *texts)
    with database.transaction() as session:
        make_sender(session, "kannel", "+15555550188")
    with (
        kannel.running(tmp_path) as gateway,
        processes.serving(tmp_path, database_url, kannel_url=gateway.url, kannel_secret=SECRET, **settings) as port,
    ):
        ours = with_kannel(make_settings("http://127.0.0.1:9", database_url), gateway.url, second=False)
        provider = registry.configured_providers(
            ours.model_copy(update={"public_url": f"http://127.0.0.1:{port}", "provider_timeout_seconds": 10})
        )
        while dispatcher.dispatch_due(database, provider, make_send_policy(threads=4), clock.now):
            pass
        until = time.monotonic() + 60
        while counted(database) != {"delivered": TEXTS} and time.monotonic() < until:
            time.sleep(0.2)
        assert counted(database) == {"delivered": TEXTS}
        assert len(gateway.phones_heard()) == TEXTS
    with database.reading() as session:
        told = Counter(session.scalars(select(ProviderEvent.status)))
        orders = session.scalars(select(ProviderEvent.status).order_by(ProviderEvent.id)).all()
    assert told["delivered"] == TEXTS
    assert list(orders) != sorted(orders)  # the reports arrived out of order
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
