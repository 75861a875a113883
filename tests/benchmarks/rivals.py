"""The rivals: bare Flask routes that do the same work on the same database."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, redirect, render_template_string, request
from sqlalchemy import func, insert, select, update

from homevisits.availability.models import Commitment
from homevisits.calendars.actions import hash_token
from homevisits.calendars.models import FeedToken
from homevisits.core.db import Database
from homevisits.invitations.models import ConsentEntry
from homevisits.people.models import Enrollment, Family, Student, Teaching
from homevisits.visits.models import Visit, VisitEvent, VisitMember
from tests.benchmarks import district

LIST = "<!doctype html><ul>{% for r in rows %}<li>{{ r.name }}: {{ r.given_name }}, {{ r.answer }}{% endfor %}</ul>"


def create_bare_app(database: Database) -> Flask:
    """Create an application of three routes, without sign-in, rules, layout or headers."""
    app = Flask("bare")

    @app.post("/book/<int:family>")
    def book(family: int) -> Any:
        start = datetime.fromisoformat(request.form["start"])
        with database.transaction() as session:
            insert_booking(session, family, int(request.form["partner"]), start)
        return redirect("/", code=303)

    @app.get("/families")
    def families() -> Any:
        newest = (
            select(func.max(ConsentEntry.id))
            .where(ConsentEntry.family_id == Family.id)
            .correlate(Family)
            .scalar_subquery()
        )
        query = (
            select(Family.id, Family.name, Student.given_name, ConsentEntry.answer)
            .join(Student, Student.family_id == Family.id)
            .join(Enrollment, Enrollment.student_id == Student.id)
            .join(Teaching, Teaching.class_id == Enrollment.class_id)
            .outerjoin(ConsentEntry, ConsentEntry.id == newest)
            .where(Teaching.educator_id == district.TEACHER)
            .order_by(Family.name)
        )
        with database.reading() as session:
            return render_template_string(LIST, rows=session.execute(query).all())

    @app.get("/unchanged/<token>")
    def unchanged(token: str) -> Any:
        query = (
            select(FeedToken.id, func.count(), func.max(Visit.updated_at))
            .join(Commitment, Commitment.person_id == FeedToken.person_id)
            .join(VisitMember, VisitMember.commitment_id == Commitment.id)
            .join(Visit, Visit.id == VisitMember.visit_id)
            .where(FeedToken.sha256 == hash_token(token), Commitment.starts_at >= district.NOW - timedelta(days=90))
            .group_by(FeedToken.id)
        )
        with database.reading() as session:
            row = session.execute(query).one()
        tag = f"{row[1]}-{row[2]}"
        response = Response(status=304 if request.headers.get("If-None-Match") == f'"{tag}"' else 200)
        response.set_etag(tag)
        return response

    return app


def insert_booking(session: Any, family: int, partner: int, start: datetime) -> None:
    """Insert the rows of a booking, the same rows as our application does."""
    end, now, name = start + timedelta(minutes=45), district.NOW, secrets.token_hex(16)
    visit = {
        "uid": name, "family_id": family, "school_id": 1, "kind": "first", "state": "proposed",
        "invitation_id": family, "consent_id": family, "lead_id": district.TEACHER, "partner_id": partner,
        "min_trained": 2, "policy": "default", "local_date": start.date(), "local_start": "16:30",
        "timezone": district.ZONE, "starts_at": start, "ends_at": end, "place_type": "home", "booked_at": now,
        "updated_at": now, "idempotency_key": name,
    }  # fmt: skip
    visit_id = session.scalar(insert(Visit).returning(Visit.id), visit)
    members = []
    for person, role, state in ((district.TEACHER, "lead", "coming"), (partner, "partner", "asked")):
        commitment_values = {
            "person_id": person,
            "starts_at": start,
            "ends_at": end + timedelta(minutes=30),
            "active": True,
        }
        commitment = session.scalar(
            insert(Commitment).returning(Commitment.id), commitment_values | {"subject": f"visit:{visit_id}"}
        )
        links = {"opt_in_id": person, "certification_id": person, "commitment_id": commitment}
        member = {"visit_id": visit_id, "educator_id": person, "role": role, "state": state, "asked_at": now}
        members.append(member | links)
    session.execute(insert(VisitMember), members)
    session.execute(insert(VisitEvent), {"visit_id": visit_id, "what": "booked", "at": now})


def cancel_bookings(database: Database) -> None:
    """Cancel all future visits, outside the measured time."""
    upcoming = select(Visit.id).where(Visit.starts_at > district.NOW, Visit.state == "proposed")
    with database.transaction() as session:
        ids = list(session.scalars(upcoming))
        session.execute(update(Visit).where(Visit.id.in_(ids)).values(state="cancelled_by_educator"))
        subject = [f"visit:{visit_id}" for visit_id in ids]
        session.execute(update(Commitment).where(Commitment.subject.in_(subject)).values(active=False))
