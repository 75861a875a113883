"""Create the application, accounts and signed-in clients for tests."""

from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from homevisits.app import create_app
from homevisits.core import clock, settings
from homevisits.core.access import Actor, Grant, Role
from homevisits.core.db import Database
from homevisits.people.models import Account, AccountGrant
from homevisits.people.sign_in import sessions
from tests.factories.school import NOW


def create_test_app(database: Database, **changed: object) -> Flask:
    """Create the application on a test database, at the time of the test school, without CSRF tokens."""
    values = {
        "secret_key": "a secret of the tests, long enough",
        "public_url": "http://localhost",
        "mode": "development",
    }
    app = create_app(settings.load_settings({}, database_url=database.url, **{**values, **changed}), database)
    app.config.update(WTF_CSRF_ENABLED=False)
    clock.set_source(lambda: NOW + timedelta(days=2))
    return app


def create_account(
    database: Database, name: str, *grants: Grant, educator: int | None = None, password_hash: str | None = None
) -> Actor:
    """Create an account with the given grants."""
    with database.transaction() as session:
        row = Account(email=f"{name}@example.org", name=name, educator_id=educator, password_hash=password_hash)
        session.add(row)
        session.flush()
        session.add_all(
            [AccountGrant(account_id=row.id, role=grant.role, school_id=grant.school_id) for grant in grants]
        )
        return Actor(row.id, educator, name, "en", frozenset(grants))


def create_client(app: Flask, actor: Actor | None) -> FlaskClient:
    """Create a client that is signed in as `actor`."""
    client = app.test_client()
    if actor is not None:
        with app.extensions["homevisits"].database.transaction() as session:
            token = sessions.begin_session(session, actor.account_id, clock.now())
        with client.session_transaction() as kept:
            kept["_user_id"] = token
    return client


def district_wide_grants() -> dict[Role, Grant]:
    """Return a grant of each role for the whole district."""
    return {role: Grant(role, None) for role in Role}
