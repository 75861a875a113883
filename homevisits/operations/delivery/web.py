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
from homevisits.messages import labels, message_types
from homevisits.messages.monitoring import alerts
from homevisits.messages.recipients import trial_allowlist
from homevisits.messages.templates import catalog, files
from homevisits.operations.delivery import costs, export, failed, health, queries, reachability
from homevisits.operations.delivery.chart import build_chart
from homevisits.reports import counts
from homevisits.web import formats
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.problem_wording import describe_problem
from homevisits.web.security import allow, current_actor, local_path

bp = Blueprint("delivery", __name__)

RANGES_DAYS = (7, 30)
WORKER_SILENT_AFTER = timedelta(seconds=60)


@bp.app_template_global()
def text_notice() -> dict[str, Any] | None:
    """Return why families currently receive no messages, for the notice on staff pages; None if they do."""
    current = settings()
    is_console, is_production = current.provider == "console", current.mode == "production"
    if is_console and is_production and not current.second_provider:
        return {"code": "no_provider", "guests": 0}
    if current.texting != "trial" or (is_console and not is_production):
        return None
    with reading() as session:
        return {"code": "trial", "guests": trial_allowlist.count_recipients(session)}


@bp.app_template_global()
def count_failed_messages() -> int:
    """Count the failed messages that the user has to resolve, for the start page."""
    who = current_actor()
    if not who.may(Permission.DELIVERY):
        return 0
    with reading() as session:
        return failed.count_unresolved(session, who.schools(Permission.DELIVERY))


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


def _requested_filter() -> queries.DeliveryFilter:
    """Read the filter from the query string. Invalid values are ignored."""
    typed = request.args.get("school", "")
    school = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 18 else None
    days = 30 if request.args.get("days") == "30" else RANGES_DAYS[0]
    return queries.DeliveryFilter(
        schools=queries.visible_schools(current_actor(), school),
        school=school,
        template=_requested_choice("text", _template_titles()),
        language=_requested_choice("language", catalog.list_languages()),
        first=_today() - timedelta(days=days - 1),
        last=_today(),
        zone=settings().timezone,
    )


def _requested_choice(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str | None:
    typed = request.args.get(name, "")
    return typed if typed in known else None


def _template_titles() -> dict[str, str]:
    """Return the titles of all templates by name."""
    # A discreet wording ("help.discreet") is sent under the name of its template.
    known = [name for name in catalog.list_templates(files.BASE_LANGUAGE) if "." not in name]
    names = {name: labels.template_title(name) for name in known}
    return {**names, message_types.WRITTEN: _("Written by a person")}


@bp.get("/delivery")
@allow(Permission.DELIVERY)
def show_delivery() -> str:
    """Show the delivery of messages in the last days."""
    selection = _requested_filter()
    with reading() as session:
        results = queries.read_results(session, selection)
        wait = queries.read_pending(session, selection, now())
        down, last_seen = queries.are_all_senders_blocked(session, now()), reachability.worker_last_seen(session)
        values = _read_people_values(session, selection) | _read_failures(session, selection)
    notice = text_notice()
    light = health.assess_delivery(
        results,
        wait,
        notice=notice["code"] if notice else None,
        down=down,
        silent=last_seen is None or now() - last_seen > WORKER_SILENT_AFTER,
        now=now(),
    )
    return render_template(
        "operations/delivery.html",
        selection=selection,
        results=results,
        wait=wait,
        light=light,
        plot=build_chart(results.days),
        worst=max(results.days.items(), key=lambda item: item[1]["failed"]),
        smallest=MIN_CELL_COUNT,
        **values,
        **_template_helpers(),
    )


def _read_people_values(session: Session, selection: queries.DeliveryFilter) -> dict[str, Any]:
    who = current_actor()
    begin, end = (
        queries.local_midnight(day, selection.zone) for day in (selection.first, selection.last + timedelta(days=1))
    )
    return {
        "costs": costs.read_costs(session, selection, MIN_CELL_COUNT),
        "reach": reachability.count_reachable_families(session, selection.schools, _ready_languages(), _today()),
        "opt_outs": reachability.count_opt_outs(session, selection.schools, begin, end),
        "schools": counts.school_names(session, who.schools(Permission.DELIVERY)),
        "alerts": _read_alerts(session) if who.may(Permission.SENDERS) else [],
    }


def _read_failures(session: Session, selection: queries.DeliveryFilter) -> dict[str, Any]:
    """Read the failed messages of the selected schools, with the family names that the user may see."""
    rows = failed.find_unresolved(session, selection.schools, now())
    return {
        "losses": rows,
        "lost_number": failed.count_unresolved(session, selection.schools),
        "families": reachability.find_family_names(session, current_actor(), {row.phone for row in rows}),
    }


def _read_alerts(session: Session) -> list[dict[str, Any]]:
    names = ("id", "kind", "key", "detail", "times", "last_at")
    return [{name: getattr(row, name) for name in names} for row in alerts.open_alerts(session)]


def _template_helpers() -> dict[str, Any]:
    return {
        "templates": _template_titles(),
        "languages_of_texts": {code: language_name(code) for code in catalog.list_languages()},
        "language_name": language_name,
        "reasons": labels,
        "format_seconds": format_seconds,
        "cents": lambda segments: round(segments * settings().segment_price * 100),
        "back": request.full_path.rstrip("?"),
        "may_senders": current_actor().may(Permission.SENDERS),
        "may_ask": current_actor().may(Permission.ASK),
    }


def _ready_languages() -> list[str]:
    return [language for language in catalog.list_languages() if catalog.load_pack(language).is_ready]


def language_name(code: str) -> str:
    """Name a language in the user's language."""
    return formats.capitalize_first(Locale.parse(formats.current_language()).languages.get(code, code))


def format_seconds(seconds: float) -> str:
    """Format a short duration."""
    if seconds < 90:
        return str(_("%(num)d s", num=max(1, round(seconds))))
    return formats.format_duration(round(seconds / 60))


@bp.get("/delivery.csv")
@allow(Permission.DELIVERY)
def download_csv() -> Response:
    """Download the counts as CSV, by day, school and template."""
    selection = _requested_filter()
    with reading() as session:
        rows = queries.read_daily_counts(session, selection)
        names = counts.school_names(session, current_actor().schools(Permission.DELIVERY))
    content = export.render_csv(rows, names, settings().segment_price)
    disposition = f'attachment; filename="texts-{selection.first}-{selection.last}.csv"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})


@bp.post("/delivery/lost/<int:message_id>")
@allow(Permission.DELIVERY)
def resolve_failed(message_id: int) -> ResponseReturnValue:
    """Retry a failed message, or mark it as called or dismissed."""
    how = request.form.get("how", "")
    try:
        with transaction() as session:
            if how == "retry":
                failed.retry(session, current_actor(), message_id, now())
            else:
                note = request.form.get("note", "")
                failed.resolve(session, current_actor(), message_id, how=how, note=note, now=now())
    except RulesBroken as broken:
        flash(" ".join(describe_problem(problem) for problem in broken.problems), "wait")
        return redirect(_return_path(), code=303)
    notices = {
        "retry": _("Sending it again."),
        "called": _("Saved: you called the family."),
        "dismissed": _("Dismissed."),
    }
    show_notice(notices[how])
    return redirect(_return_path(), code=303)


@bp.post("/delivery/alerts/<int:alert_id>")
@allow(Permission.SENDERS)
def clear_alert(alert_id: int) -> ResponseReturnValue:
    """Clear an alert."""
    trial_allowlist.require_district_access(current_actor())
    with transaction() as session:
        alerts.clear_alert(session, current_actor(), alert_id, now())
    show_notice(_("Done. We will let you know if it happens again."))
    return redirect(_return_path(), code=303)


def _return_path() -> str:
    return local_path(request.form.get("back"), url_for("delivery.show_delivery"))
