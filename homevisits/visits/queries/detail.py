"""The data of a visit's page: summary, address, evidence for the practices, reports and history."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from homevisits.core.access import Actor, Permission
from homevisits.core.problems import NotFound
from homevisits.draws.models import Draw, DrawEntry
from homevisits.invitations.models import ConsentEntry, FamilyRequest, Invitation
from homevisits.invitations.queries import load_current_answers
from homevisits.people.models import Account as SignIn
from homevisits.people.models import Certification, Family, OptIn, Person
from homevisits.policies.rules import Policy
from homevisits.visits.models import LIVE, Attestation, Reflection, Visit, VisitEvent, VisitMember
from homevisits.visits.queries import summaries
from homevisits.visits.queries.summaries import VisitSummary
from homevisits.visits.rules import AddressWindow, address_window


@dataclass(frozen=True)
class MemberProof:
    """An educator's opt-in and certificate for a visit."""

    name: str
    opted_in_at: datetime
    certified: bool
    certified_until: date | None


@dataclass(frozen=True)
class Evidence:
    """The records behind the five practices of a visit."""

    consent_given_at: datetime
    consent_channel: str
    proofs: tuple[MemberProof, ...]
    drawn_at: datetime | None
    place_in_draw: int | None
    requested_at: datetime | None
    first_visit_on: date | None
    latest_family_answer: str | None  # to this visit's time


@dataclass(frozen=True)
class ReportDetail:
    """An educator's report on the visit."""

    id: int
    educator_id: int
    name: str
    outcome: str
    both_went: bool
    started_at: datetime
    ended_at: datetime
    place_type: str
    who_was_there: tuple[str, ...]


@dataclass(frozen=True)
class HistoryEvent:
    """An event in the visit's history; `by` is the name of the person who did it, None when it was not a person."""

    what: str
    at: datetime
    detail: str
    by: str | None


@dataclass(frozen=True)
class ReflectionText:
    """A reflection."""

    learned: str
    strengths: str
    will_do: str


@dataclass(frozen=True)
class LapsedYes:
    """The family's yes is no longer valid. ``invitation_id`` is set if the reader may record a new answer."""

    invitation_id: int | None


@dataclass(frozen=True)
class VisitDetail:
    """A visit as a particular reader may see it."""

    card: VisitSummary
    address: str | None
    window: AddressWindow
    evidence: Evidence
    reports: tuple[ReportDetail, ...]
    reflection: ReflectionText | None
    reflected_by: frozenset[int]
    history: tuple[HistoryEvent, ...]
    lapsed_yes: LapsedYes | None  # set for a live visit only

    def report_by(self, educator_id: int) -> ReportDetail | None:
        """Return the report of an educator, if any."""
        return next((report for report in self.reports if report.educator_id == educator_id), None)


def get_visit_detail(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> VisitDetail:
    """Return a visit for a member of its pair. Raises `NotFound` for other actors."""
    card = _get_summary(session, visit_id)
    if actor.educator_id not in (card.lead.id, card.partner.id):
        raise NotFound
    window = address_window(card.starts_at, card.ends_at, policy)
    is_coming = not card.own_member(actor.educator_id).is_out and card.own_member(actor.educator_id).state == "coming"
    # A visit at a library or by video does not need the home address.
    at_home = card.state in ("scheduled", "confirmed", "completed") and card.place_type == "home"
    lapsed = _find_lapsed_yes(session, actor, card, now)
    shows_address = is_coming and at_home and window.is_open_at(now) and lapsed is None
    address = _get_address(session, card.family_id) if shows_address else None
    return _build_detail(session, card, address=address, window=window, reader_id=actor.educator_id, lapsed_yes=lapsed)


def get_office_detail(session: Session, actor: Actor, visit_id: int, policy: Policy, now: datetime) -> VisitDetail:
    """Return a visit for a coordinator of its school, without address and reflections. Raises `NotFound`."""
    card = _get_summary(session, visit_id)
    if not actor.may_at(Permission.SEE_VISITS, card.school_id):
        raise NotFound
    window = address_window(card.starts_at, card.ends_at, policy)
    return _build_detail(
        session,
        card,
        address=None,
        window=window,
        reader_id=None,
        lapsed_yes=_find_lapsed_yes(session, actor, card, now),
    )


def _find_lapsed_yes(session: Session, actor: Actor, card: VisitSummary, now: datetime) -> LapsedYes | None:
    if card.state not in LIVE:
        return None
    current = load_current_answers(session, [card.family_id], now.date()).get(card.family_id)
    if current is None or not current.has_lapsed:
        return None
    school_id = session.scalars(select(Invitation.school_id).where(Invitation.id == current.invitation_id)).one()
    return LapsedYes(current.invitation_id if actor.may_at(Permission.ASK, school_id) else None)


def _get_summary(session: Session, visit_id: int) -> VisitSummary:
    summaries_ = summaries.load_summaries(session, summaries.select_summaries().where(Visit.id == visit_id))
    if not summaries_:
        raise NotFound
    return summaries_[0]


def _build_detail(
    session: Session,
    card: VisitSummary,
    *,
    address: str | None,
    window: AddressWindow,
    reader_id: int | None,
    lapsed_yes: LapsedYes | None,
) -> VisitDetail:
    written = {
        row.educator_id: ReflectionText(row.learned, row.strengths, row.will_do)
        for row in session.scalars(select(Reflection).where(Reflection.visit_id == card.id))
    }
    return VisitDetail(
        card=card,
        address=address,
        window=window,
        evidence=_load_evidence(session, card),
        reports=_load_reports(session, card),
        reflection=written.get(reader_id) if reader_id is not None else None,
        reflected_by=frozenset(written),
        history=_load_history(session, card.id),
        lapsed_yes=lapsed_yes,
    )


def _get_address(session: Session, family_id: int) -> str | None:
    return session.scalar(select(Family.address).where(Family.id == family_id))


def _load_evidence(session: Session, card: VisitSummary) -> Evidence:
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
    answers = select(ConsentEntry.answer).where(
        ConsentEntry.family_id == card.family_id, ConsentEntry.visit_id == card.id
    )
    return Evidence(
        consent_given_at=row.at,
        consent_channel=row.how,
        proofs=_load_proofs(session, card),
        drawn_at=row.drawn_at,
        place_in_draw=row.position,
        requested_at=row.requested_at,
        first_visit_on=row.local_date,
        latest_family_answer=session.scalar(answers.order_by(ConsentEntry.id.desc()).limit(1)),
    )


def _load_proofs(session: Session, card: VisitSummary) -> tuple[MemberProof, ...]:
    query = (
        select(Person.given_name, Person.family_name, OptIn.at, Certification.id, Certification.valid_until)
        .select_from(VisitMember)
        .join(Person, Person.id == VisitMember.educator_id)
        .join(OptIn, OptIn.id == VisitMember.opt_in_id)
        .outerjoin(Certification, Certification.id == VisitMember.certification_id)
        .where(VisitMember.visit_id == card.id, VisitMember.educator_id.in_([card.lead.id, card.partner.id]))
        .order_by(VisitMember.role, Person.id)
    )
    return tuple(
        MemberProof(f"{row.given_name} {row.family_name}", row.at, row.id is not None, row.valid_until)
        for row in session.execute(query)
    )


def _load_reports(session: Session, card: VisitSummary) -> tuple[ReportDetail, ...]:
    names = {card.lead.id: card.lead.name, card.partner.id: card.partner.name}
    newest: dict[int, Attestation] = {}
    for row in session.scalars(select(Attestation).where(Attestation.visit_id == card.id).order_by(Attestation.id)):
        newest[row.educator_id] = row
    return tuple(
        ReportDetail(
            id=row.id,
            educator_id=row.educator_id,
            name=names[row.educator_id],
            outcome=row.outcome,
            both_went=row.both_went,
            started_at=row.started_at,
            ended_at=row.ended_at,
            place_type=row.place_type,
            who_was_there=tuple(row.who_was_there.split()),
        )
        for row in newest.values()
        if row.educator_id in names
    )


def _load_history(session: Session, visit_id: int) -> tuple[HistoryEvent, ...]:
    query = (
        select(VisitEvent.what, VisitEvent.at, VisitEvent.detail, SignIn.name)
        .outerjoin(SignIn, SignIn.id == VisitEvent.by_account)
        .where(VisitEvent.visit_id == visit_id)
        .order_by(VisitEvent.id)
    )
    return tuple(HistoryEvent(*row) for row in session.execute(query))
