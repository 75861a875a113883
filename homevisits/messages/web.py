"""Web of texts: the delivery page."""

from flask import Blueprint, render_template
from flask_babel import gettext as _

from homevisits.access import Permission
from homevisits.messages import queries
from homevisits.pages import allow, now, reading, settings

bp = Blueprint("messages", __name__)


@bp.get("/delivery")
@allow(Permission.ASK)
def delivery() -> str:
    """Are texts arriving?"""
    with reading() as session:
        page = queries.delivery(session, now())
    return render_template("messages/delivery.html", page=page, reasons=_reasons(), zone=settings().timezone)


def _reasons() -> dict[str, str]:
    """What went wrong and what can be done, in words."""
    bad_number = _("This number cannot get texts. Ask the family for another, or call.")
    sender = _("Our own sender is not registered or not paid. Tell whoever runs this installation.")
    unclear = _("The line broke while it was sent; it may have arrived. It is not sent twice. Call if it matters.")
    switched_off = _("The phone was off or out of reach. Call the family.")
    return {
        "21610": _("This family asked the carrier for no texts. Call instead."),
        **dict.fromkeys(("21211", "21214", "21604", "21614", "21635", "30005", "30006", "21612"), bad_number),
        **dict.fromkeys(("20003", "20005", "30002", "21606", "21703", "21705", "30032", "30034", "21408"), sender),
        **dict.fromkeys(("30003", "30008", "30017", "30022"), switched_off),
        **dict.fromkeys(("30007", "30004"), _("The carrier took it for spam. Tell whoever runs this installation.")),
        **dict.fromkeys(("no_answer", "unreadable_answer", "worker_went_away", "carrier_bug"), unclear),
        **dict.fromkeys(("20500", "20503", "30410", "500", "502", "503"), unclear),
    }
