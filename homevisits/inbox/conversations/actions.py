"""Staff actions in a conversation: reply, assign, mark as answered, stop or resume messages."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound, Problem, RulesBroken, refuse_if_any
from homevisits.inbox.conversations import compose, state
from homevisits.inbox.conversations.queries import detail as pages
from homevisits.inbox.conversations.queries import participants as whom
from homevisits.inbox.conversations.queries.participants import Participants
from homevisits.inbox.models import Conversation
from homevisits.inbox.processing import mark_handled
from homevisits.messages import message_types, outbox
from homevisits.messages.dispatch import quiet_hours
from homevisits.messages.models import IncomingMessage, OutgoingMessage, Phone
from homevisits.messages.recipients import opt_outs
from homevisits.messages.templates import catalog, files
from homevisits.messages.templates.rendering import PlannedMessage
from homevisits.messages.templates.segments import Segments, count_segments
from homevisits.people import phones
from homevisits.policies.rules import Policy

MAX_REPLY_DELAY = timedelta(hours=1)
"""Within this time after the family's message, the category is "reply", because the family is waiting."""
ANSWER_USEFUL_FOR = timedelta(hours=24)
"""Drop a reply that could not be sent within this time after it was due."""
CHANNELS = ("phone", "in_person", "letter", "web")
"""Ways in which a family can ask staff to stop or resume messages."""
DECISIONS = ("polite_stop", "wrong_number")
"""Meanings that staff must decide on; a reply alone does not resolve them."""
MAX_REASON_LENGTH = 200
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Draft:
    """A reply that a user wants to send: free text or the name of a template, in one language.

    ``key`` is the idempotency key of the form. ``urgent_reason`` is the reason for sending during quiet hours, or None.
    """

    body: str
    canned: str
    language: str
    key: str
    urgent_reason: str | None = None


@dataclass(frozen=True)
class CheckedDraft:
    """A valid draft with its final body and the earliest time it may be sent (None: immediately)."""

    who: Participants
    text: str
    segments: Segments
    send_at: datetime | None
    category: str
    other_language: bool
    seems_english: bool
    can_mark_urgent: bool


def ready_answers(language: str) -> tuple[str, ...]:
    """Return the names of the reply templates that are available in a language."""
    # Names with a dot are discreet variants of a template, not separate replies.
    known = (
        name
        for name in catalog.list_templates(files.BASE_LANGUAGE)
        if name.startswith(message_types.QUICK_REPLY_PREFIX) and "." not in name
    )
    return tuple(name for name in known if catalog.is_approved(language, name))


def check_draft(
    session: Session, actor: Actor, conversation_id: int, draft: Draft, *, policy: Policy, zone: str, now: datetime
) -> CheckedDraft:
    """Validate a reply. Raises `NotFound`, or `RulesBroken` with all problems.

    ``zone``: the installation's time zone, used for a number that belongs to no family.
    """
    who = whom.find_participants(session, actor, conversation_id, now)
    body = compose.normalize(draft.body)
    refuse_if_any([*_is_closed(who), *_problems(session, who, draft, body)])
    text = catalog.render(draft.language, draft.canned, {"school": who.school}) if draft.canned else body
    text = text if draft.canned else compose.in_sendable_letters(body, _letters(draft.language))
    opening = quiet_hours.next_opening(now, who.zone or zone, quiet_hours.Limits.of(policy))
    last_incoming = whom.last_incoming_at(session, who.number)
    category = "reply" if last_incoming is not None and now - last_incoming <= MAX_REPLY_DELAY else "written"
    can_mark_urgent = category == "written" and opening is not None and _can_mark_urgent(actor, who)
    if can_mark_urgent and draft.urgent_reason is not None:
        category = "urgent"
        refuse_if_any(_reason_problems(draft.urgent_reason))
    return CheckedDraft(
        who=who,
        text=text,
        segments=count_segments(text),
        send_at=None if category in message_types.EXEMPT else opening,
        category=category,
        other_language=draft.language != who.language,
        seems_english=not draft.canned and draft.language != "en" and compose.looks_english(body),
        can_mark_urgent=can_mark_urgent,
    )


def send_answer(
    session: Session, actor: Actor, conversation_id: int, draft: Draft, *, policy: Policy, zone: str, now: datetime
) -> OutgoingMessage:
    """Add a reply to the outbox and mark the conversation as answered. Idempotent per form key."""
    if not _KEY.fullmatch(draft.key):
        raise RulesBroken([Problem("changed_meanwhile")])
    who, subject = whom.find_participants(session, actor, conversation_id, now), f"thread:{conversation_id}"
    sent = session.scalar(select(OutgoingMessage).where(OutgoingMessage.dedupe_key == f"{subject}:{draft.key}"))
    if sent is not None and sent.phone == who.number:
        return sent
    checked = check_draft(session, actor, conversation_id, draft, policy=policy, zone=zone, now=now)
    urgent = checked.category == "urgent"
    text = PlannedMessage(
        key=draft.key,
        to=checked.who.number,
        language=draft.language,
        template=draft.canned or message_types.WRITTEN,
        params={"school": checked.who.school} if draft.canned else {},
        not_before=checked.send_at or now,
        expires_at=(checked.send_at or now) + ANSWER_USEFUL_FOR,
        zone=checked.who.zone or zone,
        school_id=checked.who.school_id,
        category=checked.category,
        body=None if draft.canned else checked.text,
        urgent_by=actor.account_id if urgent else None,
        urgent_reason=compose.normalize(draft.urgent_reason or "") if urgent else None,
        written_by=actor.account_id,
    )
    row = outbox.put(session, subject, text, now)
    _mark_all_handled(session, actor, checked.who.number, now)
    return row


def _is_closed(who: Participants) -> list[Problem]:
    if who.stopped is not None:
        return [Problem("texting_ended")]
    if not who.may_write:
        return [Problem("not_to_be_texted")]
    return [] if who.phone_state == "ok" else [Problem("phone_gets_no_texts")]


def _problems(session: Session, who: Participants, draft: Draft, body: str) -> list[Problem]:
    if draft.canned:
        held = draft.canned in ready_answers(draft.language) and bool(who.school)
        return [] if held else [Problem("not_a_choice", "canned")]
    if draft.language not in {*catalog.list_languages(), who.language}:
        return [Problem("not_a_choice", "language")]
    if len(body) > compose.MAX_CHARACTERS:
        return [Problem("too_long", "body", {"most": compose.MAX_CHARACTERS})]
    problems = compose.problems(body, draft.language, _letters(draft.language), whom.protected_names(session, who))
    numbers = [number for number in map(phones.to_e164, compose.find_phone_numbers(body)) if number]
    if numbers and whom.includes_staff_number(session, numbers):
        problems.append(Problem("written_staff_number", "body"))
    return problems


def _letters(language: str) -> str:
    return catalog.load_pack(language).letters if language in catalog.list_languages() else "accents"


def _can_mark_urgent(actor: Actor, who: Participants) -> bool:
    if who.school_id is None:
        return who.office and actor.may(Permission.URGENT_TEXT)
    return actor.may_at(Permission.URGENT_TEXT, who.school_id)


def _reason_problems(reason: str) -> list[Problem]:
    words = compose.normalize(reason)
    if not words:
        return [Problem("missing", "urgent_reason")]
    return [Problem("too_long", "urgent_reason", {"most": MAX_REASON_LENGTH})] if len(words) > MAX_REASON_LENGTH else []


def mark_answered_elsewhere(session: Session, actor: Actor, conversation_id: int, now: datetime) -> None:
    """Mark the conversation as answered by phone or in person."""
    _mark_all_handled(session, actor, whom.find_participants(session, actor, conversation_id, now).number, now)


def mark_read(session: Session, actor: Actor, incoming_message_id: int, now: datetime) -> None:
    """Mark an incoming message as handled; the conversation keeps waiting if other messages need staff."""
    mark_handled(session, actor, incoming_message_id, now)
    session.flush()
    close_if_nothing_waits(
        session,
        session.scalars(select(IncomingMessage.phone).where(IncomingMessage.id == incoming_message_id)).one(),
        now,
    )


def assign(session: Session, actor: Actor, conversation_id: int, account_id: int | None, now: datetime) -> None:
    """Assign the conversation to a colleague who may read it, or remove the assignment."""
    who = whom.find_participants(session, actor, conversation_id, now)
    if account_id is not None and account_id not in {
        one.account_id for one in pages.possible_assignees(session, who, now)
    }:
        raise RulesBroken([Problem("not_a_choice", "account")])
    session.execute(
        update(Conversation)
        .where(Conversation.id == who.id)
        .values(assigned_to=account_id, assigned_at=None if account_id is None else now)
    )


def stop_texts(session: Session, actor: Actor, conversation_id: int, how: str, now: datetime) -> None:
    """Record an opt-out that a family gave to staff. Every reader of the conversation may record it."""
    who = whom.find_participants(session, actor, conversation_id, now)
    record_stop(session, actor, who.number, how, now)


def resume_texts(session: Session, actor: Actor, conversation_id: int, how: str, now: datetime) -> None:
    """Record that a family asked staff to resume messages."""
    who = whom.find_participants(session, actor, conversation_id, now)
    if not who.office:
        raise NotFound
    record_resume(session, actor, who.number, how, now)


def record_stop(session: Session, actor: Actor, phone: str, how: str, now: datetime) -> None:
    """Record an opt-out for `phone` given to staff; `how` is in `CHANNELS`."""
    refuse_if_any(_channel_problems(how))
    opt_outs.opt_out(session, phone, "staff", now, how=how, by_account=actor.account_id)


def record_resume(session: Session, actor: Actor, phone: str, how: str, now: datetime) -> None:
    """Record that `phone` may receive messages again. An opt-out held by the provider stays in force."""
    refuse_if_any(_channel_problems(how))
    lifted = opt_outs.opt_in_by_staff(session, phone, now, actor.account_id, how=how)
    if lifted is None and not opt_outs.may_receive(session, phone):
        raise RulesBroken([Problem("opted_out_at_provider")])
    clear_phone_state(session, phone, "wrong_number")


def mark_reachable(session: Session, actor: Actor, conversation_id: int, now: datetime) -> None:
    """Mark the number as reachable again, because staff verified it or the family wrote from it."""
    who = whom.find_participants(session, actor, conversation_id, now)
    if not who.office:
        raise NotFound
    clear_phone_state(session, who.number, "landline", "bad", "wrong_number")


def clear_phone_state(session: Session, phone: str, *states: str) -> None:
    """Reset the phone's state if it is one of `states`."""
    marked = update(Phone).where(Phone.e164 == phone, Phone.state.in_(states))
    session.execute(marked.values(state="ok", code=None, since=None))


def _channel_problems(how: str) -> list[Problem]:
    return [] if how in CHANNELS else [Problem("how_told_missing", "how")]


def _mark_all_handled(session: Session, actor: Actor, phone: str, now: datetime) -> None:
    """Mark all waiting messages of the phone as handled, except those that need a decision."""
    open_ = (IncomingMessage.phone == phone, IncomingMessage.needs_staff.is_(True))
    session.execute(
        update(IncomingMessage)
        .where(*open_, IncomingMessage.intent.is_(None) | IncomingMessage.intent.not_in(DECISIONS))
        .values(needs_staff=False, handled_at=now, handled_by=actor.account_id)
    )
    close_if_nothing_waits(session, phone, now)


def close_if_nothing_waits(session: Session, phone: str, now: datetime) -> None:
    """Clear the waiting flag of the conversation unless a message of the phone still needs staff."""
    if (
        session.scalar(
            select(IncomingMessage.id).where(IncomingMessage.phone == phone, IncomingMessage.needs_staff).limit(1)
        )
        is None
    ):
        state.record_answer(session, phone, now)
