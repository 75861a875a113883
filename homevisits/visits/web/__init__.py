"""The pages of visits: `mine` (a teacher's day and families), `visit`, `afterwards`, `office` (coordinators)."""

from flask import Blueprint

from homevisits.visits import words

bp = Blueprint("visits", __name__)


@bp.app_context_processor
def _words() -> dict[str, object]:
    return {"visit_words": words}


from homevisits.visits.web import afterwards, leave, mine, office, remind, visit  # noqa: E402 - the pages add themselves to bp

__all__ = ["afterwards", "bp", "leave", "mine", "office", "remind", "visit"]
