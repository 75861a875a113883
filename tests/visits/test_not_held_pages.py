"""Visit pages after the start of a visit, in English and Spanish."""

import pytest
from sqlalchemy import update

from homevisits.people.models import Account
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, load_visit
from tests.visits.test_overlapping_reports import AFTERNOON, attest
from tests.visits.test_pages import Walk, walk

__all__ = ["walk"]

CANCEL = {"en": "Cancel visit", "es": "Cancelar la visita"}
NOT_HELD = {"en": "It did not take place", "es": "La visita no se realizó"}
CONSEQUENCE = {"en": "no one is paid for it", "es": "nadie recibe pago por ella"}
CLOSED = {"en": "Did not take place", "es": "No se realizó"}
STARTED = {"en": "This visit has started", "es": "Esta visita ya empezó"}
REPORTED = {"en": "has already reported on this visit", "es": "ya dijo cómo fue esta visita"}


def set_language(school_fixture: SchoolFixture, language: str) -> None:
    """Set the language of all accounts."""
    with school_fixture.session() as session:
        session.execute(update(Account).values(language=language))


def pages_of(visit: str) -> list[tuple[str, str, str]]:
    """Return (reader, page, address of the form that closes the visit as not held)."""
    return [
        ("Grace", visit, f"{visit}/not-held"),
        ("Luis", visit, f"{visit}/not-held"),
        ("coordinator", f"{visit}/office", f"{visit}/office/not-held"),
    ]


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_offer_not_held_instead_of_cancel_after_the_start(walk: Walk, language: str) -> None:
    set_language(walk.school_fixture, language)
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert CANCEL[language] in page
        assert form not in page
        walk.post(who, form, 422)
    walk.at(load_visit(walk.school_fixture, visit_id).starts_at)
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert CANCEL[language] not in page
        assert f'action="{form}"' in page
        assert NOT_HELD[language] in page
        assert CONSEQUENCE[language] in page
        cancel = form.replace("not-held", "cancel")
        assert STARTED[language] in walk.post(who, cancel, 422)
    assert f'action="{visit}/not-held"' in walk.get("Grace", f"{visit}/met")
    assert walk.post("coordinator", f"{visit}/office/not-held") == f"{visit}/office"
    for who, path, _form in pages_of(visit):
        page = walk.get(who, path)
        assert CLOSED[language] in page
        assert NOT_HELD[language] in page  # The entry in the history.
        assert "/not-held" not in page
        assert "/cancel" not in page
    walk.at(walk.school_fixture.time_at(7, 18))
    assert CLOSED[language] in walk.get("coordinator", "/visits?view=past")


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_offer_neither_not_held_nor_cancel_after_a_report(walk: Walk, language: str) -> None:
    set_language(walk.school_fixture, language)
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    walk.at(load_visit(walk.school_fixture, visit_id).ends_at)
    walk.post("Grace", f"{visit}/met", outcome="met", both_went="yes", times="planned", place_type="home", who="child")
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert form not in page
        assert CANCEL[language] not in page
        assert REPORTED[language] in walk.post(who, form, 422)
    for who in ("Grace", "Luis"):
        assert "/not-held" not in walk.get(who, f"{visit}/met")


def test_educator_closes_a_visit_and_the_family_can_be_booked_again(walk: Walk) -> None:
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    walk.at(load_visit(walk.school_fixture, visit_id).starts_at)
    assert walk.post("Luis", f"{visit}/not-held") == visit
    assert load_visit(walk.school_fixture, visit_id).state == "not_held"
    assert f"/families/{walk.school_fixture.families['Rivera']}/time" in walk.get("Grace", "/families")


def test_closing_a_visit_returns_404_or_403_without_permission(walk: Walk) -> None:
    visit_id = arrange(walk.school_fixture)
    walk.at(load_visit(walk.school_fixture, visit_id).starts_at)
    walk.post("Hoa", f"/visits/{visit_id}/not-held", 404)
    walk.post("Grace", f"/visits/{visit_id}/office/not-held", 403)
    assert load_visit(walk.school_fixture, visit_id).state == "scheduled"


def test_started_proposal_offers_neither_answers_nor_replacements(walk: Walk) -> None:
    visit = f"/visits/{book(walk.school_fixture)}"
    assert f'action="{visit}/decline"' in walk.get("Luis", visit)
    walk.at(walk.school_fixture.time_at(7, 16, 30))
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert f"{visit}/decline" not in page
        assert f"{visit}/accept" not in page
        assert "/partner" not in page
        assert "/cancel" not in page
        assert (form in page) is (who != "Luis")  # He never accepted.
    assert "both people had accepted" in walk.get("Luis", visit)


@pytest.mark.parametrize(
    ("language", "named", "unnamed"),
    [
        (
            "en",
            "Grace Test has a visit with the Rivera family on Wed, Oct 7 from 4:00 pm to 7:00 pm.",
            "Grace Test has another visit on Wed, Oct 7 from 4:00 pm to 7:00 pm.",
        ),
        (
            "es",
            "Grace Test tiene una visita con la familia Rivera el mié 7 oct, de 4:00 pm a 7:00 pm.",
            "Grace Test tiene otra visita el mié 7 oct, de 4:00 pm a 7:00 pm.",
        ),
    ],
)
def test_overlap_message_names_the_family_only_to_its_own_team(
    walk: Walk, language: str, named: str, unnamed: str
) -> None:
    school_fixture = walk.school_fixture
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    second = arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(7, 17, 30))
    attest(school_fixture, first, "Grace", AFTERNOON)
    set_language(school_fixture, language)
    walk.at(school_fixture.time_at(7, 21))
    form = {"outcome": "met", "both_went": "yes", "times": "planned", "place_type": "home", "who": "child"}
    for who, sentence in (("Grace", named), ("Amina", unnamed)):
        page = walk.post(who, f"/visits/{second}/met", 422, **form).replace("\u00a0", " ").replace("\u202f", " ")
        assert sentence in page
        assert ("Rivera" in page) is (who == "Grace")
