"""A gunicorn web process with the whole application, or with a bare route."""

import sys

from flask import Flask, Response

from homevisits import server
from homevisits.core.settings import Settings
from tests.benchmarks.environment import settings_for

THREADS = 4


class BareServer(server._Server):
    """The same server with an application of a single route that ignores its input."""

    def load(self) -> Flask:
        """Create the application after the fork, as the real server does."""
        app = Flask("bare")

        @app.post("/twilio/status/<attempt_id>")
        def delivery_status(attempt_id: str) -> Response:
            return Response("<Response/>", mimetype="text/xml")

        return app


def main(side: str, port: str, database: str) -> None:
    """Serve requests until the process is stopped."""
    settings: Settings = settings_for(
        "http://127.0.0.1:9", database, bind=f"127.0.0.1:{port}", web_processes=1, web_threads=THREADS
    )
    {"bare": BareServer, "ours": server._Server}[side](settings).run()


if __name__ == "__main__":
    main(*sys.argv[1:4])
