"""Labels of visits on pages: states, kinds, places and history. Each state has a label and a style."""

from collections.abc import Mapping
from types import MappingProxyType

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from homevisits.practices.pairs_and_reflection import find_missing_reflections
from homevisits.visits.queries.detail import Evidence, HistoryEvent, VisitDetail
from homevisits.visits.rules import PartnerMatch
from homevisits.web import formats

STATES: Mapping[str, tuple[str, LazyString]] = MappingProxyType(
    {
        "proposed": ("wait", _l("Waiting for the partner")),
        "needs_partner": ("care", _l("Needs a partner")),
        "scheduled": ("wait", _l("Waiting for the family")),
        "confirmed": ("done", _l("Family confirmed")),
        "completed": ("done", _l("Held")),
        "cancelled_by_family": ("rest", _l("Family said not now")),
        "cancelled_by_educator": ("rest", _l("Canceled")),
        "family_away": ("rest", _l("Nobody was home")),
        "not_held": ("rest", _l("Did not take place")),
        "to_write_up": ("act", _l("Say how it went")),
        "yes": ("act", _l("Said yes")),
        "yes_lapsed": ("care", _l("Must be asked again")),
        "other_time": ("act", _l("Wants another time")),
        "call_me": ("care", _l("Asks for a call")),
        "visited": ("done", _l("Visited")),
    }
)
KINDS = MappingProxyType({"first": _l("First visit"), "second": _l("Second visit")})
PLACES = MappingProxyType(
    {"home": _l("At their home"), "neutral": _l("Somewhere they choose"), "video": _l("By video")}
)
WHO = MappingProxyType(
    {
        "caregiver": _l("Caregiver"),
        "child": _l("Child"),
        "sibling": _l("Sister or brother"),
        "other": _l("Someone else"),
    }
)
EVENTS = MappingProxyType(
    {
        "booked": _l("Booked; waiting for the partner"),
        "accepted": _l("Accepted"),
        "arranged": _l("Both accepted; waiting for the family"),
        "declined": _l("Partner can’t make this time"),
        "moved": _l("Moved to another time"),
        "cancelled": _l("Canceled"),
        "not_held": _l("It did not take place"),
        "cannot_come": _l("One of the two people can’t come"),
        "stand_in": _l("Someone else was asked to stand in"),
        "withdrew": _l("One of the two people stopped taking part"),
        "nobody_left": _l("Closed: neither person can come"),
        "certificate_ended": _l("A certification was withdrawn"),
        "family_confirmed": _l("Family confirmed"),
        "family_other_time": _l("Family wants another time"),
        "family_not_now": _l("Family said not now"),
        "family_withdrawn": _l("Family said not now"),
        "family_call_me": _l("Family asks for a call"),
        "attested": _l("One person reported how it went"),
        "corrected": _l("The other person reported it differently"),
        "agreed": _l("Both people confirmed how it went"),
        "reflected": _l("A reflection was written"),
        "never_came_about": _l("Closed: it did not take place"),
        "family_left": _l("Closed: the family has left the district"),
    }
)
BY_PERSON = MappingProxyType(
    {
        "accepted": _l("%(name)s accepted"),
        "declined": _l("%(name)s can’t make this time"),
        "moved": _l("%(name)s moved it to another time"),
        "cancelled": _l("%(name)s canceled it"),
        "attested": _l("%(name)s reported how it went"),
        "corrected": _l("%(name)s reported it differently"),
    }
)
"""History lines that name the person."""
LANGUAGES = MappingProxyType(
    {
        "es": _l("Spanish"),
        "so": _l("Somali"),
        "vi": _l("Vietnamese"),
        "ar": _l("Arabic"),
        "hmn": _l("Hmong"),
        "am": _l("Amharic"),
        "zh": _l("Chinese"),
        "ru": _l("Russian"),
        "fr": _l("French"),
        "pt": _l("Portuguese"),
        "ne": _l("Nepali"),
        "my": _l("Burmese"),
        "kar": _l("Karen"),
    }
)


def _(message: str, **values: object) -> str:
    return str(gettext(message, **values))


def event(entry: HistoryEvent) -> str:
    """Return the label of an event in a visit's history."""
    if entry.by and entry.what in BY_PERSON:
        return str(BY_PERSON[entry.what]) % {"name": entry.by}
    return str(EVENTS.get(entry.what, entry.what))


def describe_match(match: PartnerMatch) -> str:
    """Return the reasons why a colleague is a good partner for a visit, as a line of text."""
    reasons = []
    if match.has_visited_before:
        reasons.append(_("Knows this family from a visit"))
    if match.shared_language:
        reasons.append(_("Speaks %(language)s", language=LANGUAGES.get(match.shared_language, match.shared_language)))
    if match.teaches_child:
        reasons.append(_("Teaches a child of the family"))
    if match.upcoming_visits == 0:
        reasons.append(_("Has no other visit in these two weeks"))
    elif match.upcoming_visits == 1:
        reasons.append(_("Has one other visit in these two weeks"))
    else:
        reasons.append(_("Has %(number)d other visits in these two weeks", number=match.upcoming_visits))
    return ". ".join(reasons) + "."


def marks(page: VisitDetail) -> dict[int, tuple[str, str]]:
    """Return the status of each of the five practices for a visit, and the evidence for it."""
    evidence, card = page.evidence, page.card
    coming = all(seat.state == "coming" for seat in (card.lead, card.partner))
    certified = all(proof.certified for proof in evidence.proofs)
    due = (
        find_missing_reflections({card.lead.id, card.partner.id}, page.reflected_by)
        if card.state == "completed"
        else ()
    )
    in_pair = "kept" if coming and not due else "open"
    return {
        1: (_voluntary_kept(page), _voluntary(page, card.timezone)),
        2: ("kept" if certified else "open", _trained(evidence)),
        3: ("kept", _fair(evidence, card.timezone)),
        4: ("kept", _hopes(evidence)),
        5: (in_pair, _("%(one)s and %(other)s", one=card.lead.name, other=card.partner.name)),
    }


def _voluntary_kept(page: VisitDetail) -> str:
    return "kept" if page.card.member_out is None and page.lapsed_yes is None else "open"


def _voluntary(page: VisitDetail, zone: str) -> str:
    evidence = page.evidence
    family = _("the family said yes on %(day)s", day=formats.day(evidence.consent_given_at, zone))
    if page.lapsed_yes is not None:
        family = _("the family’s yes of %(day)s no longer counts", day=formats.day(evidence.consent_given_at, zone))
    people = [
        _("%(name)s has taken part since %(day)s", name=proof.name, day=formats.day(proof.opted_in_at, zone))
        for proof in evidence.proofs
    ]
    return "; ".join([family, *people])


def _trained(evidence: Evidence) -> str:
    lines = []
    for proof in evidence.proofs:
        if proof.certified and proof.certified_until:
            day = formats.day(proof.certified_until)
            lines.append(_("%(name)s is certified until %(day)s", name=proof.name, day=day))
        elif proof.certified:
            lines.append(_("%(name)s is certified", name=proof.name))
        else:
            lines.append(_("%(name)s goes along without a certification, as the policy allows", name=proof.name))
    return "; ".join(lines)


def _fair(evidence: Evidence, zone: str) -> str:
    if evidence.drawn_at is not None:
        day = formats.day(evidence.drawn_at, zone)
        if evidence.place_in_draw is None:
            return _("next in line in the draw of %(day)s, after a family said not now", day=day)
        return _("number %(place)s in the draw of %(day)s", place=evidence.place_in_draw, day=day)
    assert evidence.requested_at is not None
    return _("the family asked for a visit on %(day)s", day=formats.day(evidence.requested_at, zone))


def _hopes(evidence: Evidence) -> str:
    if evidence.first_visit_on is None:
        return _("a first visit: hopes and dreams, no grades, no attendance")
    return _("the first visit was on %(day)s", day=formats.day(evidence.first_visit_on))
