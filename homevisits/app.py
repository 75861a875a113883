"""Application factory of the website."""

from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, jsonify
from flask_babel import Babel, Domain
from flask_bootstrap import Bootstrap5
from flask_login import LoginManager
from flask_wtf import CSRFProtect
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix

from homevisits import all_messages, migrate
from homevisits.core import clock, paths
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.people import account_web
from homevisits.people.models import Heartbeat
from homevisits.people.sign_in import saved_forms_web
from homevisits.web import context, errors, formats, hooks, security
from homevisits.web.navigation import ROLE_NAMES

# Every module with pages; its blueprint is named `bp`.
FEATURES = (
    "homevisits.people.web",
    "homevisits.draws.web",
    "homevisits.invitations.web",
    "homevisits.messages.callbacks.twilio_web",
    "homevisits.messages.monitoring.web",
    "homevisits.messages.callbacks.kannel_web",
    "homevisits.operations.templates_web",
    "homevisits.inbox.today.web",
    "homevisits.inbox.webhooks.twilio_web",
    "homevisits.inbox.webhooks.kannel_web",
    "homevisits.inbox.conversations.web",
    "homevisits.availability.web",
    "homevisits.visits.web",
    "homevisits.calendars.web",
    "homevisits.pay.web",
    "homevisits.attendance.web",
    "homevisits.reports.web",
    "homevisits.operations.delivery.web",
    "homevisits.operations.senders_web",
    "homevisits.operations.quiet_days_web",
)
WORKER_SILENT_AFTER = timedelta(seconds=60)  # without a heartbeat


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """Create the Flask application for `settings`."""
    app = Flask("homevisits", template_folder=str(paths.templates()), static_folder=str(paths.static()))
    app.config.update(_flask_config(settings))
    all_messages.apply_settings(settings)
    app.extensions["homevisits"] = context.Services(settings, database or Database(settings.database_url))
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["role_names"] = ROLE_NAMES
    app.jinja_env.globals["waiting_at"] = {}  # path of a tab -> number of items that wait for the user
    Bootstrap5(app)
    hooks.install(app)
    CSRFProtect(app)
    _PoBabel(app, locale_selector=formats.current_language)
    _install_login(app)
    saved_forms_web.install(app)
    for module in _feature_modules(settings):
        app.register_blueprint(module.bp)
    app.add_url_rule("/healthz", view_func=check_alive)
    app.add_url_rule("/readyz", view_func=check_ready)
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    secure = settings.public_url.startswith("https://")
    return {
        "SECRET_KEY": settings.secret_key,
        "SESSION_COOKIE_NAME": "__Host-homevisits" if secure else "homevisits",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=3650)
        if settings.demo
        else timedelta(hours=settings.session_hours),
        # A form token is valid as long as its session, so that a form left open for hours can still be sent.
        "WTF_CSRF_TIME_LIMIT": None,
        "MAX_CONTENT_LENGTH": settings.max_upload_megabytes * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "MAX_FORM_PARTS": 2000,
        "SEND_FILE_MAX_AGE_DEFAULT": 86_400,
        "BOOTSTRAP_SERVE_LOCAL": True,
        "LANGUAGES": settings.languages,
        "PREFERRED_URL_SCHEME": "https" if secure else "http",
    }


def _feature_modules(settings: Settings) -> list[ModuleType]:
    # Outside the demo, its pages are not even imported.
    names = (*FEATURES, "homevisits.demo.web") if settings.demo else FEATURES
    return [account_web, saved_forms_web, *(import_module(name) for name in names if find_spec(name))]


def _install_login(app: Flask) -> None:
    login = LoginManager(app)
    login.session_protection = None  # a phone changes its address; sessions end by time and by password
    login.user_loader(account_web.load_user)


class _PoDomain(Domain):  # type: ignore[misc]
    """Translations read directly from the .po files, once per process, so that no compilation step is needed."""

    def get_translations(self) -> NullTranslations:
        """Return the translations for the language of the request."""
        return load_translations(formats.current_language())


class _PoBabel(Babel):  # type: ignore[misc]
    """Flask-Babel with the translations of _PoDomain."""

    @property
    def domain_instance(self) -> Domain:
        """Return the domain in which messages are looked up."""
        return _PO_DOMAIN


_PO_DOMAIN = _PoDomain()


@cache
def load_translations(language: str) -> NullTranslations:
    """Load the translations of a language. English needs none."""
    path = Path(__file__).with_name("translations") / language / "LC_MESSAGES" / "messages.po"
    return parse_po_file(path, language) if path.exists() else NullTranslations()


def parse_po_file(path: Path, language: str) -> Translations:
    """Parse a .po file into translations. Fuzzy entries are left out and stay in English."""
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


@security.public
def check_alive() -> Response:
    """Answer health checks of this process."""
    return jsonify(status="ok")


@security.public
def check_ready() -> tuple[Response, int]:
    """Check the database, its migrations and the worker. Returns 503 unless all are ok."""
    checks = {"database": "ok", "migrations": "ok", "worker": "ok"}
    try:
        if not migrate.is_current(context.services().database):
            checks["migrations"] = "behind"
        else:
            with context.reading() as session:
                last_seen = session.scalar(select(Heartbeat.at).where(Heartbeat.name == "worker"))
            if last_seen is None or clock.now() - last_seen > WORKER_SILENT_AFTER:
                checks["worker"] = "silent"
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is 503
        errors.log.exception("readiness_check_failed")
        checks = {"database": "unreachable", "migrations": "unknown", "worker": "unknown"}
    is_ready = all(value == "ok" for value in checks.values())
    return jsonify(status="ok" if is_ready else "not ready", **checks), 200 if is_ready else 503
