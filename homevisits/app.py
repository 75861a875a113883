"""create_app(): the wiring of the web, read from top to bottom."""

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

from homevisits import migrate
from homevisits.core import clock, paths
from homevisits.core.db import Database
from homevisits.core.settings import Settings
from homevisits.messages.templates import catalog
from homevisits.people import account_web
from homevisits.people.models import Heartbeat
from homevisits.people.sign_in import kept_forms_web
from homevisits.web import context, errors, formats, security, shell
from homevisits.web.navigation import NAMES

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
"""Every feature with pages: its room `web` has a blueprint `bp`."""
WORKER_LATE = timedelta(seconds=60)


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """The web application for `settings`."""
    app = Flask("homevisits", template_folder=str(paths.templates()), static_folder=str(paths.static()))
    app.config.update(_config(settings))
    catalog.use(settings.texts_folder, settings.policy.text_wording, settings.public_url)
    app.extensions["homevisits"] = context.Services(settings, database or Database(settings.database_url))
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["hat_names"] = NAMES
    app.jinja_env.globals["waiting_at"] = {}  # a place's address -> how much waits there for the reader
    Bootstrap5(app)
    shell.install(app)
    CSRFProtect(app)
    _Translated(app, locale_selector=formats.language)
    _login(app)
    kept_forms_web.install(app)
    for room in _rooms(settings):
        app.register_blueprint(room.bp)
    app.add_url_rule("/healthz", view_func=alive)
    app.add_url_rule("/readyz", view_func=ready)
    return app


def _config(settings: Settings) -> dict[str, Any]:
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
        # A form token lives as long as its session: what was typed over lunch is not lost.
        "WTF_CSRF_TIME_LIMIT": None,
        "MAX_CONTENT_LENGTH": settings.max_upload_megabytes * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "MAX_FORM_PARTS": 2000,
        "SEND_FILE_MAX_AGE_DEFAULT": 86_400,
        "BOOTSTRAP_SERVE_LOCAL": True,
        "LANGUAGES": settings.languages,
        "PREFERRED_URL_SCHEME": "https" if secure else "http",
    }


def _rooms(settings: Settings) -> list[ModuleType]:
    # The demo's pages are not even loaded anywhere else.
    wanted = (*FEATURES, "homevisits.demo.web") if settings.demo else FEATURES
    return [account_web, kept_forms_web, *(import_module(name) for name in wanted if find_spec(name))]


def _login(app: Flask) -> None:
    login = LoginManager(app)
    login.session_protection = None  # a phone changes its address; sessions end by time and by password
    login.user_loader(account_web.load_user)


class _Sentences(Domain):  # type: ignore[misc]
    """Translations read from the .po files themselves, once a process: nothing to compile, nothing to forget."""

    def get_translations(self) -> NullTranslations:
        """The catalogue of this request's language."""
        return catalogue(formats.language())


class _Translated(Babel):  # type: ignore[misc]
    """Flask-Babel with our catalogues."""

    @property
    def domain_instance(self) -> Domain:
        """Where sentences are looked up."""
        return _SENTENCES


_SENTENCES = _Sentences()


@cache
def catalogue(language: str) -> NullTranslations:
    """The sentences of a language; English is the source itself."""
    path = Path(__file__).with_name("translations") / language / "LC_MESSAGES" / "messages.po"
    return compiled(path, language) if path.exists() else NullTranslations()


def compiled(path: Path, language: str) -> Translations:
    """A .po file as sentences to look up; what is doubtful (fuzzy) stays in English."""
    bytes_of_it = BytesIO()
    with path.open("rb") as source:
        write_mo(bytes_of_it, read_po(source, locale=language))
    bytes_of_it.seek(0)
    return Translations(bytes_of_it)


@security.public
def alive() -> Response:
    """Whether this process answers."""
    return jsonify(status="ok")


@security.public
def ready() -> tuple[Response, int]:
    """Whether this installation can do its work: database, migrations, worker."""
    checks = {"database": "ok", "migrations": "ok", "worker": "ok"}
    try:
        if not migrate.is_current(context.services().database):
            checks["migrations"] = "behind"
        else:
            with context.reading() as session:
                seen = session.scalar(select(Heartbeat.at).where(Heartbeat.name == "worker"))
            if seen is None or clock.now() - seen > WORKER_LATE:
                checks["worker"] = "silent"
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is: not ready
        errors.log.exception("not ready")
        checks = {"database": "unreachable", "migrations": "unknown", "worker": "unknown"}
    good = all(value == "ok" for value in checks.values())
    return jsonify(status="ok" if good else "not ready", **checks), 200 if good else 503
