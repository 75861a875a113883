"""Visit pages after the start of a visit, in English and Spanish."""

import pytest
from sqlalchemy import update

from homevisits.people.models import Account
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, load_visit
from tests.visits.test_overlapping_reports import AFTERNOON, attest
from tests.visits.test_pages import PageBrowser, page_browser

__all__ = ["page_browser"]

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
def test_pages_offer_not_held_instead_of_cancel_after_the_start(page_browser: PageBrowser, language: str) -> None:
    set_language(page_browser.school_fixture, language)
    visit_id = arrange(page_browser.school_fixture)
    visit = f"/visits/{visit_id}"
    for name, path, form in pages_of(visit):
        page = page_browser.get(name, path)
        assert CANCEL[language] in page
        assert form not in page
        page_browser.post(name, form, 422)
    page_browser.at(load_visit(page_browser.school_fixture, visit_id).starts_at)
    for name, path, form in pages_of(visit):
        page = page_browser.get(name, path)
        assert CANCEL[language] not in page
        assert f'action="{form}"' in page
        assert NOT_HELD[language] in page
        assert CONSEQUENCE[language] in page
        cancel = form.replace("not-held", "cancel")
        assert STARTED[language] in page_browser.post(name, cancel, 422)
    assert f'action="{visit}/not-held"' in page_browser.get("Grace", f"{visit}/met")
    assert page_browser.post("coordinator", f"{visit}/office/not-held") == f"{visit}/office"
    for name, path, _form in pages_of(visit):
        page = page_browser.get(name, path)
        assert CLOSED[language] in page
        assert NOT_HELD[language] in page  # The entry in the history.
        assert "/not-held" not in page
        assert "/cancel" not in page
    page_browser.at(page_browser.school_fixture.time_at(7, 18))
    assert CLOSED[language] in page_browser.get("coordinator", "/visits?view=past")


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_offer_neither_not_held_nor_cancel_after_a_report(page_browser: PageBrowser, language: str) -> None:
    set_language(page_browser.school_fixture, language)
    visit_id = arrange(page_browser.school_fixture)
    visit = f"/visits/{visit_id}"
    page_browser.at(load_visit(page_browser.school_fixture, visit_id).ends_at)
    page_browser.post(
        "Grace", f"{visit}/met", outcome="met", both_went="yes", times="planned", place_type="home", who="child"
    )
    for name, path, form in pages_of(visit):
        page = page_browser.get(name, path)
        assert form not in page
        assert CANCEL[language] not in page
        assert REPORTED[language] in page_browser.post(name, form, 422)
    for name in ("Grace", "Luis"):
        assert "/not-held" not in page_browser.get(name, f"{visit}/met")


def test_educator_closes_a_visit_and_the_family_can_be_booked_again(page_browser: PageBrowser) -> None:
    visit_id = arrange(page_browser.school_fixture)
    visit = f"/visits/{visit_id}"
    page_browser.at(load_visit(page_browser.school_fixture, visit_id).starts_at)
    assert page_browser.post("Luis", f"{visit}/not-held") == visit
    assert load_visit(page_browser.school_fixture, visit_id).state == "not_held"
    assert f"/families/{page_browser.school_fixture.families['Rivera']}/time" in page_browser.get("Grace", "/families")


def test_closing_a_visit_returns_404_or_403_without_permission(page_browser: PageBrowser) -> None:
    visit_id = arrange(page_browser.school_fixture)
    page_browser.at(load_visit(page_browser.school_fixture, visit_id).starts_at)
    page_browser.post("Hoa", f"/visits/{visit_id}/not-held", 404)
    page_browser.post("Grace", f"/visits/{visit_id}/office/not-held", 403)
    assert load_visit(page_browser.school_fixture, visit_id).state == "scheduled"


def test_started_proposal_offers_neither_answers_nor_replacements(page_browser: PageBrowser) -> None:
    visit = f"/visits/{book(page_browser.school_fixture)}"
    assert f'action="{visit}/decline"' in page_browser.get("Luis", visit)
    page_browser.at(page_browser.school_fixture.time_at(7, 16, 30))
    for name, path, form in pages_of(visit):
        page = page_browser.get(name, path)
        assert f"{visit}/decline" not in page
        assert f"{visit}/accept" not in page
        assert "/partner" not in page
        assert "/cancel" not in page
        assert (form in page) is (name != "Luis")  # He never accepted.
    assert "both people had accepted" in page_browser.get("Luis", visit)


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
    page_browser: PageBrowser, language: str, named: str, unnamed: str
) -> None:
    school_fixture = page_browser.school_fixture
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    second = arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(7, 17, 30))
    attest(school_fixture, first, "Grace", AFTERNOON)
    set_language(school_fixture, language)
    page_browser.at(school_fixture.time_at(7, 21))
    form = {"outcome": "met", "both_went": "yes", "times": "planned", "place_type": "home", "who": "child"}
    for name, sentence in (("Grace", named), ("Amina", unnamed)):
        page = (
            page_browser.post(name, f"/visits/{second}/met", 422, **form).replace("\u00a0", " ").replace("\u202f", " ")
        )
        assert sentence in page
        assert ("Rivera" in page) is (name == "Grace")
