"""The web server: gunicorn, configured by the settings of Homevisits."""

from typing import Any

from gunicorn.app.base import BaseApplication

from homevisits.app import create_app
from homevisits.core import log_config
from homevisits.core.settings import Settings


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn without configuration files or command-line options."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for key, value in gunicorn_options(self.settings).items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        # Called in each process after the fork, so that processes do not share database connections.
        log_config.configure_logging(self.settings.mode)
        return create_app(self.settings)


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """Return the gunicorn settings."""
    return {
        "bind": settings.bind,
        "workers": settings.web_processes,
        "worker_class": "gthread",
        "threads": settings.web_threads,
        "timeout": 60,
        "graceful_timeout": 20,
        "keepalive": 5,
        # Restart processes now and then, not all at once, to release leaked memory.
        "max_requests": 20_000,
        "max_requests_jitter": 2_000,
        "limit_request_line": 4094,
        # The application reads proxy headers itself, as it knows the number of proxies.
        "secure_scheme_headers": {},
        "proc_name": "homevisits",
        "loglevel": "warning",
        "control_socket_disable": True,
    }


def serve(settings: Settings) -> None:
    """Serve the website until the process is stopped."""
    log_config.configure_logging(settings.mode)
    _Server(settings).run()
