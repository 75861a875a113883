"""The blueprint of all pages about visits."""

from flask import Blueprint

from homevisits.visits import labels

bp = Blueprint("visits", __name__)


@bp.app_context_processor
def _labels() -> dict[str, object]:
    return {"visit_words": labels}
