"""The web processes: gunicorn, told everything by our settings."""

from typing import Any

from gunicorn.app.base import BaseApplication

from homevisits.app import create_app
from homevisits.core import log_config
from homevisits.core.settings import Settings


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn without files or flags of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for key, value in options(self.settings).items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        # In each process after the fork, so that none shares a database connection with another.
        log_config.configure_logging(self.settings.mode)
        return create_app(self.settings)


def options(settings: Settings) -> dict[str, Any]:
    """What gunicorn is told."""
    return {
        "bind": settings.bind,
        "workers": settings.web_processes,
        "worker_class": "gthread",
        "threads": settings.web_threads,
        "timeout": 60,
        "graceful_timeout": 20,
        "keepalive": 5,
        # Memory that a library loses is given back now and then; not all processes at once.
        "max_requests": 20_000,
        "max_requests_jitter": 2_000,
        "limit_request_line": 4094,
        # Headers of proxies are read by the application, which knows how many proxies there are.
        "secure_scheme_headers": {},
        "proc_name": "homevisits",
        "loglevel": "warning",
        "control_socket_disable": True,
    }


def serve(settings: Settings) -> None:
    """Serve the pages until told to stop."""
    log_config.configure_logging(settings.mode)
    _Server(settings).run()
