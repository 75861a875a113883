"""Logging to standard error, a line per event: JSON in production, readable text elsewhere."""

import logging
import sys
from typing import Any

import structlog


def configure_logging(mode: str) -> None:
    """Set up structlog and the standard library's logging for this process."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if mode == "production":
        renderer += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Not the default formatter: with rich installed, it prints local variables, which contain personal data.
        plain = structlog.dev.plain_traceback
        renderer += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=processors, processors=renderer))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("apscheduler", "twilio.http_client", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            *processors,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configure_command_logging() -> None:
    """Send a command's events to standard error, so that standard output has only its result.

    Does nothing if this process has configured structlog already.
    """
    if not structlog.is_configured():
        configure_logging("development")
