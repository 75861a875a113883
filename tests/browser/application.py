"""Run the application for a browser test: website in threads of this process, worker jobs on demand, a fixed clock."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from homevisits import worker
from homevisits.app import create_app
from homevisits.core import clock, settings
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Account
from homevisits.people.sign_in import sessions

TOKEN = "the provider's token of these tests"
OURS = "+13035550100"
"""The number families text to."""


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Do not log requests."""


class RunningApplication:
    """A running application. Its clock changes only when the test moves it."""

    def __init__(self, database: Database, now: datetime, given: Settings, app: Flask) -> None:
        self.database, self.now, self.settings, self.app = database, now, given, app
        self.url = given.public_url
        self._sids = count(1)
        clock.set_source(lambda: self.now)

    def move_to(self, moment: datetime) -> None:
        """Let it be `moment`, and let the worker do what is due by then."""
        assert moment >= self.now, "time only goes on"
        self.now = moment
        self.work()

    def pass_by(self, **how_long: float) -> None:
        """Let some time pass."""
        self.move_to(self.now + timedelta(**how_long))

    def work(self) -> None:
        """What the worker does, until nothing is left to do."""
        ticks = worker.build_jobs(self.settings, self.database)
        while sum(tick.run() for tick in ticks):
            pass

    def text(self, phone: str, body: str) -> None:
        """A family texts `body`: the provider brings it with its signature, and the worker sends what we answer."""
        address = f"{self.url}/twilio/inbound"
        form = {"MessageSid": f"SM{next(self._sids):032x}", "From": phone, "To": OURS, "Body": body}
        signature = RequestValidator(TOKEN).compute_signature(address, form)
        request = urllib.request.Request(
            address, urlencode(form).encode(), {"X-Twilio-Signature": signature}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
        self.work()

    def texts_to(self, phone: str) -> list[str]:
        """What the family read so far, oldest first."""
        with self.database.reading() as session:
            sent = select(OutgoingMessage.body).where(
                OutgoingMessage.phone == phone, OutgoingMessage.sent_at.is_not(None)
            )
            return list(session.scalars(sent.order_by(OutgoingMessage.sent_at, OutgoingMessage.id)))

    def session_cookie(self, email: str) -> dict[str, str]:
        """A session of the account, as the sign-in page would begin it: for tests about something else."""
        with self.database.transaction() as session:
            number = session.scalars(select(Account.id).where(Account.email == email)).one()
            token = sessions.begin_session(session, number, self.now)
        signer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        value = signer.dumps({"_permanent": True, "_user_id": token, "_fresh": True})
        return {"name": self.app.config["SESSION_COOKIE_NAME"], "value": value, "url": self.url}


@contextmanager
def run_application(database: Database, now: datetime, *, demo: bool = False) -> Iterator[RunningApplication]:
    """A house on `database` at `now`, served on a free port of loopback."""
    server: BaseWSGIServer = make_server("127.0.0.1", 0, _not_yet, threaded=True, request_handler=_Silent)
    given = settings.load_settings(
        {},
        mode="demo" if demo else "development",
        database_url=database.engine.url.render_as_string(hide_password=False),
        secret_key="a secret of these tests, long enough for any",
        public_url=f"http://127.0.0.1:{server.server_port}",
        twilio_auth_token="" if demo else TOKEN,
    )
    app = create_app(given, database)
    server.app = app
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    house = RunningApplication(database, now, given, app)
    serving.start()
    try:
        yield house
    finally:
        server.shutdown()
        serving.join(10)
        server.server_close()
        clock.set_source(None)


def _not_yet(_environ: object, _start: object) -> list[bytes]:
    raise AssertionError("asked before the app was there")
