"""Conversations with families: who waits since when, who may read and answer, and what leaves."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from homevisits.inbox import threads
from homevisits.inbox.models import Thread
from tests.world import NOW, Town

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def phone(town: Town) -> str:
    return town.phones["Rivera"]


def thread_of(town: Town, phone: str) -> Thread:
    with town.session() as session:
        return session.scalars(select(Thread).where(Thread.phone == phone)).one()


def test_the_oldest_word_that_waits_counts_until_somebody_answers(town: Town, phone: str) -> None:
    with town.session() as session:
        threads.heard(session, phone, NOW, waits=False)
    assert thread_of(town, phone).waiting_since is None
    with town.session() as session:
        threads.heard(session, phone, LATER, waits=True)
        threads.heard(session, phone, LATER + timedelta(hours=1), waits=True)
        threads.heard(session, phone, LATER + timedelta(hours=2), waits=False)
    found = thread_of(town, phone)
    assert (found.waiting_since, found.last_at) == (LATER, LATER + timedelta(hours=2))
    with town.session() as session:
        threads.answered(session, phone, LATER + timedelta(hours=3))
        threads.answered(session, "+15555550199", LATER)
    found = thread_of(town, phone)
    assert (found.waiting_since, found.last_at) == (None, LATER + timedelta(hours=3))
