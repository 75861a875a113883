"""The pages of visits: `mine` (a teacher's day and families), `visit`, `afterwards`, `office` (coordinators)."""

from flask import Blueprint

from homevisits.visits import labels

bp = Blueprint("visits", __name__)


@bp.app_context_processor
def _words() -> dict[str, object]:
    return {"visit_words": labels}


from homevisits.visits.web import after_visit, my_day, office, opt_out, reminder_phone, visit  # noqa: E402, F401 - each module adds its routes to bp
