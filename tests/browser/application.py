"""Run the application for a browser test: website in threads of this process, worker jobs on demand, a fixed clock."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
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
OUR_NUMBER = "+13035550100"
"""Our number, which families text to."""


class SilentRequestHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Do not log requests."""


class RunningApplication:
    """A running application. Its clock changes only when the test moves it."""

    def __init__(self, database: Database, now: datetime, app_settings: Settings, app: Flask) -> None:
        self.database, self.now, self.settings, self.app = database, now, app_settings, app
        self.url = app_settings.public_url
        self._sids = count(1)
        clock.set_source(lambda: self.now)

    def advance_to(self, moment: datetime) -> None:
        """Set the clock to `moment` and run the worker jobs that are due."""
        assert moment >= self.now, "time only goes on"
        self.now = moment
        self.run_jobs()

    def run_jobs(self) -> None:
        """Run the worker jobs until nothing is due."""
        jobs = worker.build_jobs(self.settings, self.database)
        while sum(job.run() for job in jobs):
            pass

    def receive_text(self, phone: str, body: str) -> None:
        """Receive `body` from a family through the signed webhook, and run the worker jobs."""
        url = f"{self.url}/twilio/inbound"
        form = {"MessageSid": f"SM{next(self._sids):032x}", "From": phone, "To": OUR_NUMBER, "Body": body}
        signature = RequestValidator(TOKEN).compute_signature(url, form)
        request = urllib.request.Request(
            url, urlencode(form).encode(), {"X-Twilio-Signature": signature}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            assert response.status == 200
        self.run_jobs()

    def texts_to(self, phone: str) -> list[str]:
        """Return the texts sent to `phone`, oldest first."""
        with self.database.reading() as session:
            sent = select(OutgoingMessage.body).where(
                OutgoingMessage.phone == phone, OutgoingMessage.sent_at.is_not(None)
            )
            return list(session.scalars(sent.order_by(OutgoingMessage.sent_at, OutgoingMessage.id)))

    def session_cookie(self, email: str) -> dict[str, str]:
        """Return the cookie of a new session, as the sign-in page would set it."""
        with self.database.transaction() as session:
            account_id = session.scalars(select(Account.id).where(Account.email == email)).one()
            token = sessions.begin_session(session, account_id, self.now)
        signer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        value = signer.dumps({"_permanent": True, "_user_id": token, "_fresh": True})
        return {"name": self.app.config["SESSION_COOKIE_NAME"], "value": value, "url": self.url}


@contextmanager
def run_application(database: Database, now: datetime, *, demo: bool = False) -> Iterator[RunningApplication]:
    """Run the application on `database` at `now`, on a free port of the loopback interface."""
    server: BaseWSGIServer = make_server(
        "127.0.0.1", 0, reject_request, threaded=True, request_handler=SilentRequestHandler
    )
    app_settings = settings.load_settings(
        {},
        mode="demo" if demo else "development",
        database_url=database.engine.url.render_as_string(hide_password=False),
        secret_key="a secret of these tests, long enough for any",
        public_url=f"http://127.0.0.1:{server.server_port}",
        twilio_auth_token="" if demo else TOKEN,
    )
    app = create_app(app_settings, database)
    server.app = app
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    application = RunningApplication(database, now, app_settings, app)
    thread.start()
    try:
        yield application
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        clock.set_source(None)


def reject_request(_environ: object, _start: object) -> list[bytes]:
    raise AssertionError("asked before the app was there")
