"""Web of what became of texts: are they arriving, which were lost, what a person did about it."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from babel import Locale
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import RulesBroken
from homevisits.demographics.rules import MIN_CELL_COUNT
from homevisits.messages import labels
from homevisits.messages.monitoring import alerts
from homevisits.messages.recipients import trial_allowlist
from homevisits.messages.templates import catalog, files
from homevisits.operations import templates_web
from homevisits.operations.delivery import export, failed, health, queries, reachability
from homevisits.operations.delivery.chart import plot
from homevisits.reports import counts
from homevisits.web import formats
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.problem_wording import sentence
from homevisits.web.security import allow, current_actor, local_path

bp = Blueprint("delivery", __name__)

RANGES = (7, 30)
WORKER_LATE = timedelta(seconds=60)
WRITTEN = "written"
"""The template of texts a person typed."""


@bp.app_template_global()
def text_notice() -> dict[str, Any] | None:
    """Why families get no texts at present, for the pages on which that matters; None: they do."""
    given = settings()
    console, real = given.provider == "console", given.mode == "production"
    if console and real and not given.second_provider:
        return {"code": "no_carrier", "guests": 0}
    if given.texting != "trial" or (console and not real):
        return None
    with reading() as session:
        return {"code": "trial", "guests": trial_allowlist.number(session)}


@bp.app_template_global()
def lost_texts() -> int:
    """How many lost texts wait for the reader, for the page they begin on."""
    who = current_actor()
    if not who.may(Permission.DELIVERY):
        return 0
    with reading() as session:
        return failed.number(session, who.schools(Permission.DELIVERY))


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


def _asked() -> queries.Asked:
    """What the address asks for. Whatever is no text, language or range is not asked for."""
    typed = request.args.get("school", "")
    school = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 18 else None
    days = 30 if request.args.get("days") == "30" else RANGES[0]
    return queries.Asked(
        schools=queries.scope(current_actor(), school),
        school=school,
        template=_one_of("text", _templates()),
        language=_one_of("language", catalog.languages()),
        first=_today() - timedelta(days=days - 1),
        last=_today(),
        zone=settings().timezone,
    )


def _one_of(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str | None:
    typed = request.args.get(name, "")
    return typed if typed in known else None


def _templates() -> dict[str, str]:
    """The texts there are, by their names for people."""
    # A ready answer leaves as what a person wrote.
    # A discreet wording goes out under the name of its text.
    held = [name for name in catalog.templates(files.BASE) if not name.startswith("canned_") and "." not in name]
    names = {name: str(templates_web.NAMES.get(name, name)) for name in held}
    return {**names, WRITTEN: _("Written by a person")}


@bp.get("/delivery")
@allow(Permission.DELIVERY)
def page() -> str:
    """Are texts arriving?"""
    asked = _asked()
    with reading() as session:
        found = queries.became(session, asked)
        wait = queries.waiting(session, asked, now())
        down, seen = queries.senders_down(session, now()), reachability.worker_seen(session)
        values = _of_people(session, asked) | _losses(session, asked)
    notice = text_notice()
    light = health.verdict(
        found,
        wait,
        notice=notice["code"] if notice else None,
        down=down,
        silent=seen is None or now() - seen > WORKER_LATE,
        now=now(),
    )
    return render_template(
        "messages/delivery.html",
        asked=asked,
        found=found,
        wait=wait,
        light=light,
        plot=plot(found.days),
        worst=max(found.days.items(), key=lambda each: each[1]["failed"]),
        smallest=MIN_CELL_COUNT,
        **values,
        **_words(),
    )


def _of_people(session: Session, asked: queries.Asked) -> dict[str, Any]:
    who = current_actor()
    begin, end = (queries.midnight(day, asked.zone) for day in (asked.first, asked.last + timedelta(days=1)))
    return {
        "costs": queries.costs(session, asked, MIN_CELL_COUNT),
        "reach": reachability.reach(session, asked.schools, _ready(), _today()),
        "opt_outs": reachability.opt_outs(session, asked.schools, begin, end),
        "schools": counts.names(session, who.schools(Permission.DELIVERY)),
        "alerts": _alerts(session) if who.may(Permission.SENDERS) else [],
    }


def _losses(session: Session, asked: queries.Asked) -> dict[str, Any]:
    """The lost texts of the schools asked for, whatever else is asked, with the names of families one may know."""
    rows = failed.waiting(session, asked.schools, now())
    return {
        "losses": rows,
        "lost_number": failed.number(session, asked.schools),
        "families": reachability.whose(session, current_actor(), {row.phone for row in rows}),
    }


def _alerts(session: Session) -> list[dict[str, Any]]:
    names = ("id", "kind", "key", "detail", "times", "last_at")
    return [{name: getattr(row, name) for name in names} for row in alerts.open_(session)]


def _words() -> dict[str, Any]:
    return {
        "templates": _templates(),
        "languages_of_texts": {code: language_name(code) for code in catalog.languages()},
        "language_name": language_name,
        "reasons": labels,
        "took": took,
        "cents": lambda segments: round(segments * settings().segment_price * 100),
        "back": request.full_path.rstrip("?"),
        "may_senders": current_actor().may(Permission.SENDERS),
        "may_ask": current_actor().may(Permission.ASK),
    }


def _ready() -> list[str]:
    return [language for language in catalog.languages() if catalog.pack(language).ready]


def language_name(code: str) -> str:
    """A language in the reader's language."""
    return formats.begin(Locale.parse(formats.language()).languages.get(code, code))


def took(seconds: float) -> str:
    """A short time in words."""
    if seconds < 90:
        return str(_("%(num)d s", num=max(1, round(seconds))))
    return formats.length(round(seconds / 60))


@bp.get("/delivery.csv")
@allow(Permission.DELIVERY)
def file() -> Response:
    """The same numbers for a spreadsheet: by day, school and text."""
    asked = _asked()
    with reading() as session:
        rows = queries.table(session, asked)
        names = counts.names(session, current_actor().schools(Permission.DELIVERY))
    content = export.document(rows, names, settings().segment_price)
    disposition = f'attachment; filename="texts-{asked.first}-{asked.last}.csv"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})


@bp.post("/delivery/lost/<int:message_id>")
@allow(Permission.DELIVERY)
def see_to(message_id: int) -> ResponseReturnValue:
    """Somebody sends a lost text once more, has called, or puts it aside."""
    how = request.form.get("how", "")
    try:
        with transaction() as session:
            if how == "retry":
                failed.retry(session, current_actor(), message_id, now())
            else:
                failed.settle(session, current_actor(), message_id, how, request.form.get("note", ""), now())
    except RulesBroken as broken:
        flash(" ".join(sentence(problem) for problem in broken.problems), "wait")
        return redirect(_back(), code=303)
    said = {"retry": _("Sending it again."), "called": _("Saved: you called the family."), "dismissed": _("Dismissed.")}
    show_notice(said[how])
    return redirect(_back(), code=303)


@bp.post("/delivery/alerts/<int:alert_id>")
@allow(Permission.SENDERS)
def seen(alert_id: int) -> ResponseReturnValue:
    """Somebody has seen to what was told once."""
    trial_allowlist.refuse_unless_district(current_actor())
    with transaction() as session:
        alerts.clear(session, current_actor(), alert_id, now())
    show_notice(_("Done. We will let you know if it happens again."))
    return redirect(_back(), code=303)


def _back() -> str:
    return local_path(request.form.get("back"), url_for("delivery.page"))
