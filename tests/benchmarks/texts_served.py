"""One web process under gunicorn, as the house serves its pages: the whole application, or a bare route."""

import sys

from flask import Flask, Response

from homevisits import server
from homevisits.core.settings import Settings
from tests.benchmarks.texts_stage import settings_for

THREADS = 4


class Bare(server._Server):
    """The same server with an application of one route that looks at nothing."""

    def load(self) -> Flask:
        """Made after the fork, as the house's own."""
        app = Flask("bare")

        @app.post("/twilio/status/<attempt_id>")
        def heard(token: str) -> Response:
            return Response("<Response/>", mimetype="text/xml")

        return app


def main(side: str, port: str, database: str) -> None:
    """Serve until stopped."""
    settings: Settings = settings_for(
        "http://127.0.0.1:9", database, bind=f"127.0.0.1:{port}", web_processes=1, web_threads=THREADS
    )
    {"bare": Bare, "ours": server._Server}[side](settings).run()


if __name__ == "__main__":
    main(*sys.argv[1:4])
