"""Run and verify draws. A draw is never changed; a new draw of the same scope needs a reason and keeps the old draw."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, refuse_if_any
from homevisits.draws import queries, rules
from homevisits.draws.models import Draw, DrawEntry
from homevisits.draws.rules import Method
from homevisits.people.models import School

MAX_SEED_LENGTH = 120
MAX_REASON_LENGTH = 400


@dataclass(frozen=True)
class DrawRequest:
    """Parameters of a draw. If `seed` is empty, it is generated."""

    school_id: int
    scope: str  # school | grade | class
    scope_value: str
    method: Method
    sample_size: int | None = None
    seed: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DrawVerification:
    """Result of repeating a draw from its record, compared with the recorded result."""

    roster_sha256: str
    selected_sha256: str
    allocation: str
    same_roster: bool
    same_order: bool
    same_allocation: bool
    same_index_children: bool

    @property
    def same(self) -> bool:
        """Whether the repeated draw equals the record in every part."""
        return self.same_roster and self.same_order and self.same_allocation and self.same_index_children


def draw_families(session: Session, actor: Actor | None, request: DrawRequest, now: datetime) -> Draw:
    """Draw the order in which families are invited. `actor` is None for the command line and imports."""
    if actor is not None and not actor.may_at(Permission.ASK, request.school_id):
        raise NotFound
    # Lock the school: two draws at the same time would both count as current.
    school = session.scalar(select(School).where(School.id == request.school_id).with_for_update())
    if school is None:
        raise NotFound
    listed = queries.list_children(session, school, request.scope, request.scope_value, now)
    current_draw = queries.find_current_draw(session, request.school_id, request.scope, request.scope_value)
    refuse_if_any(_find_problems(request, listed, current_draw))
    seed = request.seed.strip() or secrets.token_hex(8)
    outcome = rules.run_draw([entry.child for entry in listed], request.method, seed, request.sample_size)
    draw = Draw(
        school_id=request.school_id,
        scope=request.scope,
        scope_value=request.scope_value,
        method=request.method.value,
        seed=seed,
        sample_size=sum(place.drawn for place in outcome.places),
        roster_sha256=outcome.roster_sha256,
        selected_sha256=outcome.list_sha256,
        allocation=_to_json({name: list(pair) for name, pair in outcome.shares.items()}),
        reason=request.reason.strip() or None,
        replaces_id=current_draw.id if current_draw else None,
        drawn_at=now,
        drawn_by=actor.account_id if actor else None,
    )
    session.add(draw)
    session.flush()
    session.add_all(_build_entries(draw, outcome, listed))
    session.flush()
    return draw


def verify_draw(session: Session, draw_id: int) -> DrawVerification:
    """Repeat a draw from its own record and compare the results. The current roster is not used."""
    draw = session.get(Draw, draw_id)
    if draw is None:
        raise NotFound
    entries = session.scalars(select(DrawEntry).where(DrawEntry.draw_id == draw_id)).all()
    identifiers = queries.find_student_identifiers(session, [entry.index_student_id for entry in entries])
    children = [
        rules.Child(entry.household_key, student, school, grade)
        for entry in entries
        for student, school, grade in json.loads(entry.students)
    ]
    outcome = rules.run_draw(children, Method(draw.method), draw.seed, draw.sample_size)
    allocation = _to_json({name: list(pair) for name, pair in outcome.shares.items()})
    recorded = {entry.household_key: (entry.position, entry.stratum, entry.sha256) for entry in entries}
    recomputed = {
        place.household: (
            place.position if place.drawn else None,
            place.stratum,
            rules.sort_key(draw.seed, place.household),
        )
        for place in outcome.places
    }
    index_then = {entry.household_key: identifiers.get(entry.index_student_id or 0) for entry in entries}
    return DrawVerification(
        roster_sha256=outcome.roster_sha256,
        selected_sha256=outcome.list_sha256,
        allocation=allocation,
        same_roster=outcome.roster_sha256 == draw.roster_sha256,
        same_order=recorded == recomputed and outcome.list_sha256 == draw.selected_sha256,
        same_allocation=allocation == draw.allocation,
        same_index_children=all(index_then[place.household] == place.index_child for place in outcome.places),
    )


def _find_problems(request: DrawRequest, listed: list[queries.ListedChild], current_draw: Draw | None) -> list[Problem]:
    problems = []
    if not listed:
        problems.append(Problem("nobody_to_draw_from", "scope_value"))
    if request.method is not Method.EVERYONE and (request.sample_size is None or request.sample_size < 1):
        problems.append(Problem("sample_size_missing", "sample_size"))
    if len(request.seed) > MAX_SEED_LENGTH:
        problems.append(Problem("too_long", "seed", {"most": MAX_SEED_LENGTH}))
    if len(request.reason) > MAX_REASON_LENGTH:
        problems.append(Problem("too_long", "reason", {"most": MAX_REASON_LENGTH}))
    if current_draw is not None and not request.reason.strip():
        problems.append(Problem("redraw_needs_reason", "reason"))
    return problems


def _build_entries(draw: Draw, outcome: rules.Outcome, listed: list[queries.ListedChild]) -> list[DrawEntry]:
    families = {entry.child.household: entry.family_id for entry in listed}
    students = {entry.child.student: entry.student_id for entry in listed}
    of_household: dict[str, list[list[str]]] = {}
    for entry in sorted(listed, key=lambda entry: entry.child):
        child = entry.child
        of_household.setdefault(child.household, []).append([child.student, child.school, child.grade])
    return [
        DrawEntry(
            draw_id=draw.id,
            family_id=families[place.household],
            household_key=place.household,
            index_student_id=students[place.index_child],
            students=_to_json(of_household[place.household]),
            stratum=place.stratum,
            sha256=rules.sort_key(draw.seed, place.household),
            position=place.position if place.drawn else None,
        )
        for place in outcome.places
    ]


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
