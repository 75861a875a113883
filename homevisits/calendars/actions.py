"""Create, replace and revoke the secret URL of a person's calendar feed."""

import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import update
from sqlalchemy.orm import Session

from homevisits.calendars.models import FeedToken
from homevisits.core.access import Actor
from homevisits.core.problems import PermissionDenied

TOKEN_BYTES = 32


def hash_token(token: str) -> str:
    """Return the stored hash of a token. With 256 random bits a salt or slow hash would add no security."""
    return sha256(token.encode()).hexdigest()


def create_feed_url(session: Session, actor: Actor, now: datetime) -> str:
    """Create the actor's feed URL and return its token, which is shown once. Revoke an earlier URL."""
    revoke_feed_url(session, actor, now)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(FeedToken(person_id=_require_educator_id(actor), sha256=hash_token(token), created_at=now))
    return token


def revoke_feed_url(session: Session, actor: Actor, now: datetime) -> None:
    """Revoke the actor's feed URL. It then serves an empty calendar, which clears subscribed calendars."""
    open_ones = update(FeedToken).where(
        FeedToken.person_id == _require_educator_id(actor), FeedToken.revoked_at.is_(None)
    )
    session.execute(open_ones.values(revoked_at=now))


def record_fetch(session: Session, feed_id: int, now: datetime) -> None:
    """Record that a client fetched the feed."""
    session.execute(update(FeedToken).where(FeedToken.id == feed_id).values(last_fetched_at=now))


def _require_educator_id(actor: Actor) -> int:
    if actor.educator_id is None:
        raise PermissionDenied
    return actor.educator_id
