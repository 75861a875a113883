"""The calendar feed, and the page where its URL is created, replaced and revoked."""

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext

from homevisits.calendars import actions, feed
from homevisits.calendars.queries import feeds
from homevisits.core.access import Permission
from homevisits.web.context import now, reading, services, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor, public

bp = Blueprint("calendars", __name__)

FEED_FORMAT_VERSION = 1  # part of every ETag; increase it when the rendering changes
FEED_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@bp.get("/calendar/<token>.ics")
@public
def show_feed(token: str) -> ResponseReturnValue:
    """Serve the feed of a URL. An unchanged feed costs one small query and is not rendered."""
    moment, app = now(), services()
    with app.database.engine.connect() as connection:
        feed_row = feeds.find_feed(connection, actions.hash_token(token), moment)
        if feed_row is None:
            return Response("There is no calendar here.\n", 404, {**FEED_HEADERS, "Content-Type": "text/plain"})
        known = current_app.extensions.setdefault("calendars", {})
        stamp = feeds.compute_fingerprint(connection, feed_row, moment, known) if feed_row.open else ""
        tag = feed.compute_etag((FEED_FORMAT_VERSION, app.settings.public_url, feed_row.language, feed_row.open, stamp))
        fresh = request.if_none_match.contains(tag)
        entries = []
        if feed_row.open and not fresh:
            entries = feeds.list_entries(connection, feed_row.person_id, moment, f"{app.settings.public_url}/visits/")
    if feed_row.worth_noting:
        with transaction() as session:
            actions.record_fetch(session, feed_row.id, moment)
    headers = {**FEED_HEADERS, "ETag": f'"{tag}"'}
    return Response(status=304, headers=headers) if fresh else _build_response(entries, feed_row.language, headers)


def _build_response(entries: list[feed.CalendarEntry], language: str, headers: dict[str, str]) -> Response:
    with force_locale(language):
        words = feed.FeedLabels(
            name=gettext("Home visits"),
            visit=gettext("Home visit"),
            visit_with=gettext("Home visit with %(colleagues)s", colleagues="%(colleagues)s"),
            cancelled=gettext("Canceled: %(visit)s", visit="%(visit)s"),
        )
    return Response(feed.render_feed(entries, words), headers=headers, content_type="text/calendar; charset=utf-8")


@bp.get("/me/calendar")
@allow(Permission.OWN_VISITS)
def show() -> ResponseReturnValue:
    """Show the state of the feed and how to subscribe."""
    return _render_page()


@bp.post("/me/calendar")
@allow(Permission.OWN_VISITS)
def make() -> ResponseReturnValue:
    """Create a new URL. Only this page shows it, because only its hash is stored."""
    with transaction() as session:
        token = actions.create_feed_url(session, current_actor(), now())
    return _render_page(f"{settings().public_url}/calendar/{token}.ics")


@bp.post("/me/calendar/revoke")
@allow(Permission.OWN_VISITS)
def revoke() -> ResponseReturnValue:
    """Revoke the URL. Subscribed calendars become empty at their next fetch."""
    with transaction() as session:
        actions.revoke_feed_url(session, current_actor(), now())
    show_notice(gettext("The address no longer works. Calendars that used it will be empty after their next update."))
    return Response(status=303, headers={"Location": "/me/calendar"})


def _render_page(address: str | None = None) -> ResponseReturnValue:
    who = current_actor()
    with reading() as session:
        known = feeds.find_feed_url(session, who.educator_id) if who.educator_id else None
    return render_template("calendars/mine.html", address=address, known=known, zone=settings().timezone)
