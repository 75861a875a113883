"""Everything about one visit, for its page: people, time, place just in time, the practices with their evidence."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.draws.models import Draw, DrawEntry
from homevisits.invitations.models import ConsentEntry, FamilyRequest, Invitation
from homevisits.invitations.queries import standing
from homevisits.people.models import Account as SignIn
from homevisits.people.models import Certification, Family, OptIn, Person
from homevisits.policies.rules import Policy
from homevisits.visits.models import LIVE, Attestation, Reflection, Visit, VisitEvent, VisitMember
from homevisits.visits.queries import summaries
from homevisits.visits.queries.summaries import Card
from homevisits.visits.rules import AddressWindow, address_window


@dataclass(frozen=True)
class Proof:
    """One of the pair's papers: since when they take part, until when the certificate reaches."""

    name: str
    opted_in_at: datetime
    certified: bool
    certified_until: date | None


@dataclass(frozen=True)
class Evidence:
    """What the five practices rest on, row by row."""

    said_yes_at: datetime
    said_how: str
    proofs: tuple[Proof, ...]
    drawn_at: datetime | None
    place_in_draw: int | None
    requested_at: datetime | None
    first_visit_on: date | None
    family_told: str | None  # the family's newest word about this visit's time


@dataclass(frozen=True)
class Account:
    """What one of the pair said happened."""

    id: int
    by: int
    name: str
    outcome: str
    both_went: bool
    started_at: datetime
    ended_at: datetime
    place_type: str
    who_was_there: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A line of the visit's history; `by` is the name of the person who did it, None when it was not a person."""

    what: str
    at: datetime
    detail: str
    by: str | None


@dataclass(frozen=True)
class Written:
    """A reflection."""

    learned: str
    strengths: str
    will_do: str


@dataclass(frozen=True)
class LapsedYes:
    """The family's yes no longer counts. ``invitation_id``: where the reader may record a new answer, if anywhere."""

    invitation_id: int | None


@dataclass(frozen=True)
class VisitPage:
    """One visit, as one reader may see it."""

    card: Card
    address: str | None
    window: AddressWindow
    evidence: Evidence
    accounts: tuple[Account, ...]
    reflection: Written | None
    reflected: frozenset[int]
    history: tuple[Event, ...]
    lapsed: LapsedYes | None  # a visit ahead whose family's yes no longer counts

    def account_of(self, educator_id: int) -> Account | None:
        """What one person said, if they said anything."""
        return next((each for each in self.accounts if each.by == educator_id), None)


def visit_page(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> VisitPage:
    """One visit for one of its pair. Raises `NotFound` for anyone else."""
    card = _card(session, visit_id)
    if actor.educator_id not in (card.lead.id, card.partner.id):
        raise NotFound
    window = address_window(card.starts_at, card.ends_at, policy)
    going = not card.me(actor.educator_id).out and card.me(actor.educator_id).state == "coming"
    # Who meets the family at the library, or on a screen, has no use for where it lives.
    there = card.state in ("scheduled", "confirmed", "completed") and card.place_type == "home"
    lapsed = _lapsed(session, actor, card, now)
    shows = going and there and window.open_at(now) and lapsed is None
    address = _address(session, card.family_id) if shows else None
    return _page(session, card, address, window, actor.educator_id, lapsed)


def office_page(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> VisitPage:
    """One visit for whoever coordinates its school: never the address, never a reflection. Raises `NotFound`."""
    card = _card(session, visit_id)
    if not actor.may_at(Permission.SEE_VISITS, card.school_id):
        raise NotFound
    window = address_window(card.starts_at, card.ends_at, policy)
    return _page(session, card, None, window, None, _lapsed(session, actor, card, now))


def _lapsed(session: Session, actor: Actor, card: Card, now: datetime) -> LapsedYes | None:
    if card.state not in LIVE:
        return None
    current = standing(session, [card.family_id], now.date()).get(card.family_id)
    if current is None or not current.lapsed:
        return None
    school_id = session.scalars(select(Invitation.school_id).where(Invitation.id == current.invitation_id)).one()
    return LapsedYes(current.invitation_id if actor.may_at(Permission.ASK, school_id) else None)


def _card(session: Session, visit_id: int) -> Card:
    found = summaries.read(session, summaries.cards().where(Visit.id == visit_id))
    if not found:
        raise NotFound
    return found[0]


def _page(
    session: Session,
    card: Card,
    address: str | None,
    window: AddressWindow,
    reader: int | None,
    lapsed: LapsedYes | None,
) -> VisitPage:
    written = {
        row.educator_id: Written(row.learned, row.strengths, row.will_do)
        for row in session.scalars(select(Reflection).where(Reflection.visit_id == card.id))
    }
    return VisitPage(
        card=card,
        address=address,
        window=window,
        evidence=_evidence(session, card),
        accounts=_accounts(session, card),
        reflection=written.get(reader) if reader is not None else None,
        reflected=frozenset(written),
        history=_history(session, card.id),
        lapsed=lapsed,
    )


def _address(session: Session, family_id: int) -> str | None:
    return session.scalar(select(Family.address).where(Family.id == family_id))


def _evidence(session: Session, card: Card) -> Evidence:
    first = aliased(Visit)
    row = session.execute(
        select(
            ConsentEntry.at,
            ConsentEntry.how,
            Draw.drawn_at,
            DrawEntry.position,
            FamilyRequest.at.label("requested_at"),
            first.local_date,
        )
        .select_from(Visit)
        .join(ConsentEntry, ConsentEntry.id == Visit.consent_id)
        .join(Invitation, Invitation.id == Visit.invitation_id)
        .outerjoin(Draw, Draw.id == Invitation.draw_id)
        .outerjoin(DrawEntry, (DrawEntry.draw_id == Invitation.draw_id) & (DrawEntry.family_id == Invitation.family_id))
        .outerjoin(FamilyRequest, FamilyRequest.id == Invitation.family_request_id)
        .outerjoin(first, first.id == Visit.first_visit_id)
        .where(Visit.id == card.id)
    ).one()
    told = select(ConsentEntry.answer).where(ConsentEntry.family_id == card.family_id, ConsentEntry.visit_id == card.id)
    return Evidence(
        said_yes_at=row.at,
        said_how=row.how,
        proofs=_proofs(session, card),
        drawn_at=row.drawn_at,
        place_in_draw=row.position,
        requested_at=row.requested_at,
        first_visit_on=row.local_date,
        family_told=session.scalar(told.order_by(ConsentEntry.id.desc()).limit(1)),
    )


def _proofs(session: Session, card: Card) -> tuple[Proof, ...]:
    found = (
        select(Person.given_name, Person.family_name, OptIn.at, Certification.id, Certification.valid_until)
        .select_from(VisitMember)
        .join(Person, Person.id == VisitMember.educator_id)
        .join(OptIn, OptIn.id == VisitMember.opt_in_id)
        .outerjoin(Certification, Certification.id == VisitMember.certification_id)
        .where(VisitMember.visit_id == card.id, VisitMember.educator_id.in_([card.lead.id, card.partner.id]))
        .order_by(VisitMember.role, Person.id)
    )
    return tuple(
        Proof(f"{row.given_name} {row.family_name}", row.at, row.id is not None, row.valid_until)
        for row in session.execute(found)
    )


def _accounts(session: Session, card: Card) -> tuple[Account, ...]:
    names = {card.lead.id: card.lead.name, card.partner.id: card.partner.name}
    newest: dict[int, Attestation] = {}
    for row in session.scalars(select(Attestation).where(Attestation.visit_id == card.id).order_by(Attestation.id)):
        newest[row.educator_id] = row
    return tuple(
        Account(
            row.id,
            row.educator_id,
            names[row.educator_id],
            row.outcome,
            row.both_went,
            row.started_at,
            row.ended_at,
            row.place_type,
            tuple(row.who_was_there.split()),
        )
        for row in newest.values()
        if row.educator_id in names
    )


def _history(session: Session, visit_id: int) -> tuple[Event, ...]:
    found = (
        select(VisitEvent.what, VisitEvent.at, VisitEvent.detail, SignIn.name)
        .outerjoin(SignIn, SignIn.id == VisitEvent.by_account)
        .where(VisitEvent.visit_id == visit_id)
        .order_by(VisitEvent.id)
    )
    return tuple(Event(*row) for row in session.execute(found))
