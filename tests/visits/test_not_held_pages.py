"""The pages of a visit from its start on, in English and Spanish: what they offer, and what they refuse."""

import pytest
from sqlalchemy import update

from homevisits.people.models import Account
from tests.factories.school import SchoolFixture
from tests.visits.test_actions import arrange, book, visit_of
from tests.visits.test_overlapping_reports import AFTERNOON, attest
from tests.visits.test_pages import Walk, walk

__all__ = ["walk"]

CANCEL = {"en": "Cancel visit", "es": "Cancelar la visita"}
NOT_HELD = {"en": "It did not take place", "es": "La visita no se realizó"}
CONSEQUENCE = {"en": "no one is paid for it", "es": "nadie recibe pago por ella"}
CLOSED = {"en": "Did not take place", "es": "No se realizó"}
STARTED = {"en": "This visit has started", "es": "Esta visita ya empezó"}
REPORTED = {"en": "has already reported on this visit", "es": "ya dijo cómo fue esta visita"}


def read_in(school_fixture: SchoolFixture, language: str) -> None:
    """Everyone reads the pages in `language`."""
    with school_fixture.session() as session:
        session.execute(update(Account).values(language=language))


def pages_of(visit: str) -> list[tuple[str, str, str]]:
    """Who reads which page of the visit, and where its form to close the visit leads."""
    return [
        ("Grace", visit, f"{visit}/not-held"),
        ("Luis", visit, f"{visit}/not-held"),
        ("coordinator", f"{visit}/office", f"{visit}/office/not-held"),
    ]


@pytest.mark.parametrize("language", ["en", "es"])
def test_from_the_start_on_both_pages_offer_not_held_in_place_of_cancel(walk: Walk, language: str) -> None:
    read_in(walk.school_fixture, language)
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert CANCEL[language] in page
        assert form not in page
        walk.post(who, form, 422)
    walk.at(visit_of(walk.school_fixture, visit_id).starts_at)
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
        assert NOT_HELD[language] in page  # the line of history
        assert "/not-held" not in page
        assert "/cancel" not in page
    walk.at(walk.school_fixture.time_at(7, 18))
    assert CLOSED[language] in walk.get("coordinator", "/visits?view=past")


@pytest.mark.parametrize("language", ["en", "es"])
def test_after_a_report_neither_page_offers_not_held_nor_cancel(walk: Walk, language: str) -> None:
    read_in(walk.school_fixture, language)
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    walk.at(visit_of(walk.school_fixture, visit_id).ends_at)
    walk.post("Grace", f"{visit}/met", outcome="met", both_went="yes", times="planned", place_type="home", who="child")
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert form not in page
        assert CANCEL[language] not in page
        assert REPORTED[language] in walk.post(who, form, 422)
    for who in ("Grace", "Luis"):
        assert "/not-held" not in walk.get(who, f"{visit}/met")


def test_one_of_the_pair_closes_a_visit_from_its_page_and_finds_the_family_again(walk: Walk) -> None:
    visit_id = arrange(walk.school_fixture)
    visit = f"/visits/{visit_id}"
    walk.at(visit_of(walk.school_fixture, visit_id).starts_at)
    assert walk.post("Luis", f"{visit}/not-held") == visit
    assert visit_of(walk.school_fixture, visit_id).state == "not_held"
    assert f"/families/{walk.school_fixture.families['Rivera']}/time" in walk.get("Grace", "/families")


def test_strangers_get_404_for_the_form_that_closes_a_visit(walk: Walk) -> None:
    visit_id = arrange(walk.school_fixture)
    walk.at(visit_of(walk.school_fixture, visit_id).starts_at)
    walk.post("Hoa", f"/visits/{visit_id}/not-held", 404)
    walk.post("Grace", f"/visits/{visit_id}/office/not-held", 403)
    assert visit_of(walk.school_fixture, visit_id).state == "scheduled"


def test_a_proposal_whose_time_came_offers_neither_answers_nor_stand_ins(walk: Walk) -> None:
    visit = f"/visits/{book(walk.school_fixture)}"
    assert f'action="{visit}/decline"' in walk.get("Luis", visit)
    walk.at(walk.school_fixture.time_at(7, 16, 30))
    for who, path, form in pages_of(visit):
        page = walk.get(who, path)
        assert f"{visit}/decline" not in page
        assert f"{visit}/accept" not in page
        assert "/partner" not in page
        assert "/cancel" not in page
        assert (form in page) is (who != "Luis")  # he never said that he comes
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
def test_an_overlap_is_explained_and_names_the_family_only_to_those_on_that_visit(
    walk: Walk, language: str, named: str, unnamed: str
) -> None:
    school_fixture = walk.school_fixture
    first = arrange(school_fixture, family="Rivera", partner="Luis", at=school_fixture.time_at(7, 16, 0))
    second = arrange(school_fixture, family="Smith", partner="Amina", at=school_fixture.time_at(7, 17, 30))
    attest(school_fixture, first, "Grace", AFTERNOON)
    read_in(school_fixture, language)
    walk.at(school_fixture.time_at(7, 21))
    form = {"outcome": "met", "both_went": "yes", "times": "planned", "place_type": "home", "who": "child"}
    for who, sentence in (("Grace", named), ("Amina", unnamed)):
        page = walk.post(who, f"/visits/{second}/met", 422, **form).replace("\u00a0", " ").replace("\u202f", " ")
        assert sentence in page
        assert ("Rivera" in page) is (who == "Grace")
