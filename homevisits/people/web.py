"""Pages: People, recording a training, Roster, and an educator's page Me."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from homevisits.core import local_time
from homevisits.core.access import Permission
from homevisits.core.problems import PermissionDenied, Problem, RulesBroken
from homevisits.people import phones, queries
from homevisits.people.actions import opt_in as opt_in_actions
from homevisits.people.actions import record_training as training_actions
from homevisits.people.forms import training
from homevisits.people.importing import apply
from homevisits.people.importing.csv_reader import Finding
from homevisits.web.context import now, reading, services, settings, show_notice, transaction
from homevisits.web.problem_wording import describe_problem
from homevisits.web.security import allow, current_actor, page_permissions

bp = Blueprint("people", __name__)
bp.add_app_template_filter(phones.format_phone, "phone")
MAX_FINDINGS_SHOWN = 100  # the command line lists all


def _today() -> date:
    return local_time.to_local(now(), settings().timezone).date()


@bp.get("/people")
@allow(Permission.PEOPLE)
def people() -> str:
    """Show the educators with certification and opt-in, and the trainings."""
    with reading() as session:
        educators = queries.list_educators(session, current_actor(), _today())
        trainings = queries.list_trainings(session, current_actor())
    schools: dict[str, list[queries.EducatorRow]] = {}
    for educator in educators:
        schools.setdefault(educator.school, []).append(educator)
    return render_template("people/people.html", schools=schools, trainings=trainings)


@bp.get("/people/training")
@allow(Permission.PEOPLE)
def new_training() -> str:
    """Show the form for a training."""
    return _training_page(training.TrainingForm(held_on=_today().isoformat()), [])


@bp.post("/people/training")
@allow(Permission.PEOPLE)
def record_training() -> ResponseReturnValue:
    """Record a training and certify its participants."""
    form = training.read_form(request.form, request.form.getlist("participants"))
    new_training, problems = training.parse_form(form)
    if new_training is None:
        return _training_page(form, problems), 422
    try:
        with transaction() as session:
            training_actions.record_training(session, current_actor(), new_training, settings().policy, now())
    except RulesBroken as broken:
        return _training_page(form, list(broken.problems)), 422
    number = len(set(new_training.participants))
    show_notice(ngettext("One person is now certified.", "%(num)d people are now certified.", number))
    return redirect(url_for("people.people"), code=303)


def _training_page(form: training.TrainingForm, problems: list[Problem]) -> str:
    with reading() as session:
        educators = queries.list_educators(session, current_actor(), _today())
        trainers = queries.list_educator_trainers(session, _today())
        parents = queries.list_parent_trainers(session)
    return render_template(
        "people/training.html",
        typed=form,
        problems=problems,
        educators=educators,
        trainers=trainers,
        parents=parents,
        today=_today(),
    )


@bp.get("/roster")
@allow(Permission.ROSTER)
def roster() -> str:
    """Show the totals of the imported roster."""
    return _roster_page(None)


@bp.post("/roster")
@allow(Permission.ROSTER)
def import_roster() -> ResponseReturnValue:
    """Import a roster zip from the student information system, completely or not at all."""
    upload = request.files.get("file")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "roster.zip"
        if upload is not None:
            upload.save(path)
        report = apply.import_oneroster(services().database, path, now(), timezone=settings().timezone)
    if report.errors:
        return _roster_page(report), 422
    show_notice(_("Roster imported: %(number)s students.", number=report.counts["students"]))
    return (_roster_page(report), 200) if report.warnings else redirect(url_for("people.roster"), code=303)


def _roster_page(report: apply.ImportReport | None) -> str:
    with reading() as session:
        schools = queries.count_roster_by_school(session, _today())
    return render_template(
        "people/roster.html",
        schools=schools,
        report=report,
        shown=MAX_FINDINGS_SHOWN,
        describe_finding=describe_finding,
    )


def describe_finding(finding: Finding) -> str:
    """Return the sentence for a finding in the user's language."""
    return describe_problem(Problem(finding.code, None, finding.params))


@bp.get("/me")
@allow(Permission.OWN_VISITS)
def me() -> str:
    """Show an educator's opt-in, certification and reminder phone."""
    return render_me_page()


def render_me_page(typed: str | None = None, problems: Sequence[Problem] = ()) -> str:
    """Render the page Me. `typed` is a refused phone number, `problems` the reasons."""
    educator = current_actor().educator_id
    if educator is None:
        raise PermissionDenied
    with reading() as session:
        part = queries.get_participation(session, educator, _today())
    return render_template("people/me.html", part=part, me_links=page_permissions(), typed=typed, problems=problems)


@bp.post("/me/opt-in")
@allow(Permission.OWN_VISITS)
def opt_in() -> ResponseReturnValue:
    """Opt in."""
    with transaction() as session:
        opt_in_actions.opt_in(session, current_actor(), now())
    show_notice(_("You are taking part in home visits. You can leave here at any time, without giving a reason."))
    return redirect(url_for("people.me"), code=303)
