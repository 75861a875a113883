"""Views for conversations: list, detail, reply preview and sending, and other staff actions."""

import secrets
from typing import Any

import structlog
from babel import Locale
from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from homevisits.core.access import Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken
from homevisits.inbox.conversations import actions, resolve_unclear
from homevisits.inbox.conversations import labels as conversation_labels
from homevisits.inbox.conversations.actions import Draft
from homevisits.inbox.conversations.queries import access
from homevisits.inbox.conversations.queries import detail as talks
from homevisits.inbox.conversations.queries import listing as lists
from homevisits.inbox.conversations.queries.participants import Participants
from homevisits.invitations import queries as families
from homevisits.invitations import queue
from homevisits.messages import labels
from homevisits.messages.templates import catalog, lint
from homevisits.web import formats
from homevisits.web.context import now, reading, settings, show_notice, transaction
from homevisits.web.security import allow, current_actor, signed_in_actor

bp = Blueprint("conversations", __name__)
log = structlog.get_logger("homevisits.inbox")
MAX_PAGES = 10_000


@bp.record_once
def _counts(state: BlueprintSetupState) -> None:
    # The number of waiting conversations is shown in the navigation.
    names: dict[str, Any] = state.app.jinja_env.globals
    names["waiting_at"].update({"/today": _number, "/my-day": _number})
    names["conversations_waiting"] = waiting


def waiting() -> lists.WaitingCounts:
    """Count the waiting conversations for the current user, once per request."""
    who = signed_in_actor()
    if who is None or not who.may(Permission.CONVERSE):
        return lists.WaitingCounts(0, 0)
    if "conversations_waiting" not in g:
        with reading() as session:
            g.conversations_waiting = lists.count_waiting(session, who, now())
    waiting: lists.WaitingCounts = g.conversations_waiting
    return waiting


def _number() -> int:
    return waiting().count


@bp.route("/conversations", methods=["GET", "POST"])
@allow(Permission.CONVERSE)
def overview() -> str:
    """Show the conversation list. Search uses POST to keep family names out of URLs."""
    values = request.form if request.method == "POST" else request.args
    whose = values.get("whose", "all") if values.get("whose") in lists.FILTERS else "all"
    typed = request.form.get("q", "").strip()[:80]
    page = values.get("page", "1")
    number = int(page) if page.isdecimal() and 1 <= int(page[:9]) <= MAX_PAGES else 1
    with reading() as session:
        listing = lists.list_conversations(session, current_actor(), now(), whose=whose, words=typed, page=number)
        if number > 1 and not listing.rows:  # the list has become shorter since the page was rendered
            listing = lists.list_conversations(session, current_actor(), now(), whose=whose, words=typed)
    return render_template(
        "inbox/conversations.html",
        listing=listing,
        whose=whose,
        q=typed,
        count=waiting(),
        me_id=current_actor().account_id,
        office=access.is_office(current_actor()),
        school_zone=settings().timezone,
    )


@bp.get("/conversations/<int:conversation_id>")
@allow(Permission.CONVERSE)
def conversation(conversation_id: int) -> str:
    """Show a conversation."""
    return _render_conversation(conversation_id, [])


@bp.post("/conversations/<int:conversation_id>/write")
@allow(Permission.CONVERSE)
def write(conversation_id: int) -> str:
    """Return from the preview to the form and keep the draft."""
    return _render_conversation(conversation_id, [])


@bp.post("/conversations/<int:conversation_id>/look")
@allow(Permission.CONVERSE)
def preview(conversation_id: int) -> ResponseReturnValue:
    """Preview a reply: final body, segments and send time."""
    draft = _draft(secrets.token_hex(16))
    try:
        return _render_preview(conversation_id, draft, [])
    except RulesBroken as broken:
        return _render_conversation(conversation_id, list(broken.problems)), 422


@bp.post("/conversations/<int:conversation_id>/send")
@allow(Permission.CONVERSE)
def send(conversation_id: int) -> ResponseReturnValue:
    """Send the previewed reply."""
    draft, policy, zone = _draft(request.form.get("key", "")), settings().policy, settings().timezone
    try:
        with transaction() as session:
            row = actions.send_answer(
                session, current_actor(), conversation_id, draft, policy=policy, zone=zone, now=now()
            )
            later = formats.when(row.not_before, row.zone or zone) if row.not_before > now() else None
            if row.urgent_by is not None:
                log.info("urgent_reply_queued", message_id=row.id, account_id=row.urgent_by)
    except RulesBroken as broken:
        if {problem.field for problem in broken.problems} == {"urgent_reason"}:
            return _render_preview(conversation_id, draft, list(broken.problems)), 422
        return _render_conversation(conversation_id, list(broken.problems)), 422
    show_notice(_("Your reply goes out on %(when)s.", when=later) if later else _("Your reply is on its way."))
    return redirect(url_for("conversations.conversation", conversation_id=conversation_id, _anchor="newest"), code=303)


@bp.post("/conversations/<int:conversation_id>/called")
@allow(Permission.CONVERSE)
def mark_answered(conversation_id: int) -> ResponseReturnValue:
    """Mark the conversation as answered by phone or in person."""
    with transaction() as session:
        actions.mark_answered_elsewhere(session, current_actor(), conversation_id, now())
    show_notice(_("Marked as answered."))
    return redirect(url_for("conversations.overview"), code=303)


@bp.post("/conversations/<int:conversation_id>/assign")
@allow(Permission.CONVERSE)
def assign(conversation_id: int) -> ResponseReturnValue:
    """Assign the conversation."""
    typed = request.form.get("account", "")
    try:
        if typed and not typed.isdecimal():
            raise RulesBroken([Problem("not_a_choice", "account")])
        with transaction() as session:
            actions.assign(session, current_actor(), conversation_id, int(typed) if typed else None, now())
    except RulesBroken as broken:
        return _render_conversation(conversation_id, list(broken.problems)), 422
    assigned = _("Assigned. Your colleague finds it under “Assigned to me”.")
    show_notice(assigned if typed else _("This is not assigned to anyone."))
    return redirect(url_for("conversations.conversation", conversation_id=conversation_id), code=303)


@bp.post("/conversations/<int:conversation_id>/texting")
@allow(Permission.CONVERSE)
def change_texting(conversation_id: int) -> ResponseReturnValue:
    """Record an opt-out, or the end of an opt-out, that a family gave to staff."""
    how, resumed = request.form.get("how", ""), request.form.get("do") == "lift"
    try:
        with transaction() as session:
            act = actions.resume_texts if resumed else actions.stop_texts
            act(session, current_actor(), conversation_id, how, now())
    except RulesBroken as broken:
        return _render_conversation(conversation_id, list(broken.problems)), 422
    _show_texting_notice(resumed=resumed)
    return redirect(url_for("conversations.conversation", conversation_id=conversation_id), code=303)


@bp.post("/conversations/<int:conversation_id>/reachable")
@allow(Permission.CONVERSE)
def mark_reachable(conversation_id: int) -> ResponseReturnValue:
    """Mark the number as reachable again."""
    with transaction() as session:
        actions.mark_reachable(session, current_actor(), conversation_id, now())
    show_notice(_("Texts to this number are on again."))
    return redirect(url_for("conversations.conversation", conversation_id=conversation_id), code=303)


@bp.post("/asking/<int:invitation_id>/texting")
@allow(Permission.ASK)
def change_texting_of_invitation(invitation_id: int) -> ResponseReturnValue:
    """Record an opt-out change from the form that records a family's answer."""
    how, resumed = request.form.get("how", ""), request.form.get("do") == "lift"
    with transaction() as session:
        row = queue.get_invitation(session, current_actor(), invitation_id, now())
        contact = families.load_contacts(session, [row.family_id])[row.family_id]
        if contact.phone is None:
            raise NotFound
        act = actions.record_resume if resumed else actions.record_stop
        act(session, current_actor(), contact.phone, how, now())
    _show_texting_notice(resumed=resumed)
    return redirect(url_for("inbox.answer", invitation_id=invitation_id), code=303)


def _show_texting_notice(*, resumed: bool) -> None:
    show_notice(_("Texts to this number are on again.") if resumed else _("We will send no more texts to this number."))


@bp.post("/conversations/<int:conversation_id>/decide/<int:incoming_message_id>")
@allow(Permission.CONVERSE)
def decide(conversation_id: int, incoming_message_id: int) -> ResponseReturnValue:
    """Record a staff decision about an unclear message."""
    decision = request.form.get("decision", "")
    with transaction() as session:
        actor, policy = current_actor(), settings().policy
        resolve_unclear.resolve_message(
            session, actor, conversation_id, incoming_message_id, decision, policy=policy, now=now()
        )
    show_notice(_("Done. Removed from your list."))
    return redirect(url_for("conversations.conversation", conversation_id=conversation_id), code=303)


def _draft(key: str) -> Draft:
    form = request.form
    return Draft(
        body=form.get("body", ""),
        canned=form.get("canned", ""),
        language=form.get("language", ""),
        key=key,
        urgent_reason=form.get("urgent_reason", "") if form.get("urgent") else None,
    )


def _render_conversation(conversation_id: int, problems: list[Problem]) -> str:
    everything = request.args.get("all") == "1"
    with reading() as session:
        shown = talks.conversation_detail(session, current_actor(), conversation_id, now(), everything=everything)
    who = shown.participants
    language = request.form.get("language") or who.language
    return render_template(
        "inbox/conversation.html",
        detail=shown,
        who=who,
        zone=who.zone or settings().timezone,
        problems=problems,
        body=request.form.get("body", ""),
        language_of_answer=language,
        written_in=_languages(who.language),
        canned=_quick_replies(who),
        parts_at_most=lint.MAX_SEGMENTS,
        can_lift=who.office and who.stopped is not None and who.stopped.reason != "provider",
        me_id=current_actor().account_id,
        **_template_helpers(),
    )


def _render_preview(conversation_id: int, draft: Draft, problems: list[Problem]) -> str:
    # Show only problems with the reason here. Without a reason, the reply waits until quiet hours end.
    plain = Draft(draft.body, draft.canned, draft.language, draft.key)
    policy, zone = settings().policy, settings().timezone
    with reading() as session:
        checked = actions.check_draft(
            session, current_actor(), conversation_id, plain, policy=policy, zone=zone, now=now()
        )
    return render_template(
        "inbox/preview.html",
        checked=checked,
        who=checked.who,
        zone=checked.who.zone or settings().timezone,
        draft=draft,
        problems=problems,
        price=checked.segments.cost(settings().segment_price),
        **_template_helpers(),
    )


def _template_helpers() -> dict[str, Any]:
    helpers = {"language_name": language_name, "direction": direction}
    return {"conversation_labels": conversation_labels, "reasons": labels, **helpers}


def _quick_replies(who: Participants) -> list[tuple[str, str, str]]:
    """Return the reply templates in the family's language: name, purpose and text."""
    if not who.school:
        return []
    titles = conversation_labels.QUICK_REPLY_TITLES
    order = {name: position for position, name in enumerate(titles)}
    names = sorted(actions.ready_answers(who.language), key=lambda name: (order.get(name, len(order)), name))
    params = {"school": who.school}
    return [(name, str(titles.get(name, name)), catalog.render(who.language, name, params)) for name in names]


def _languages(of_family: str) -> list[tuple[str, str]]:
    """Return the languages for a reply: the family's first, then all languages with templates."""
    codes = dict.fromkeys([of_family, *catalog.list_languages()])
    return [(code, language_name(code)) for code in codes]


def language_name(code: str) -> str:
    """Return a language's name in the user's language."""
    return formats.capitalize_first(Locale.parse(formats.current_language()).languages.get(code, code))


def direction(code: str) -> str:
    """Return the text direction of a language for the `dir` attribute."""
    return catalog.load_pack(code).direction if code in catalog.list_languages() else "auto"
