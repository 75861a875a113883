"""The coordinator's pages: draws, invitations, recorded answers, and what the pages do not allow."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from homevisits.draws.models import Draw, DrawEntry
from homevisits.draws.rules import Method
from homevisits.inbox import processing
from homevisits.inbox.processing import ReceivedMessage
from homevisits.invitations.models import ConsentEntry, FamilyRequest, Invitation
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Family
from homevisits.visits import actions as visits
from tests.factories.large_school import NOW, LargeSchool, family_phone
from tests.factories.school import POLICY, SchoolFixture
from tests.inbox.test_receive import arrange_visit, visit_state
from tests.shell.clients import create_client, create_test_app


@pytest.fixture
def coordinator(large_school: LargeSchool) -> FlaskClient:
    return create_client(create_test_app(large_school.database), large_school.coordinator)


def read_page(client: FlaskClient, path: str, status: int = 200) -> str:
    """Get a page and return its visible text."""
    response = client.get(path)
    assert response.status_code == status, response.get_data(as_text=True)[-2000:]
    return visible_text(response.get_data(as_text=True))


def visible_text(page: str) -> str:
    """The visible text of an HTML page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def post(client: FlaskClient, path: str, status: int = 303, **form: object) -> str:
    response = client.post(path, data=form)
    assert response.status_code == status, response.get_data(as_text=True)[-2000:]
    return visible_text(response.get_data(as_text=True)) if status != 303 else str(response.location)


def test_draw_is_created_shown_checked_and_repeated(coordinator: FlaskClient, large_school: LargeSchool) -> None:
    assert "No draw yet" in read_page(coordinator, "/draws")
    assert "The whole school · 20 families" in read_page(coordinator, "/draws/new")
    form = {
        "school": large_school.school_id,
        "scope": "school:",
        "method": "stratified",
        "sample_size": "6",
        "seed": "dice 4 2",
    }
    draw_url = post(coordinator, "/draws/new", **form)
    page = read_page(coordinator, draw_url)
    assert "dice 4 2" in page
    assert "Family 0" not in page
    check_page = post(coordinator, f"{draw_url}/check", 200)
    assert "Match" in check_page
    with large_school.database.reading() as session:
        assert check_page.count(session.scalars(select(Draw.selected_sha256)).one()) == 3
    error_page = post(coordinator, "/draws/new", 422, **form)
    assert "Enter why you are drawing again" in error_page
    second_url = post(coordinator, "/draws/new", **form, reason="A class was missing.")
    assert "Replaced by draw" in read_page(coordinator, draw_url)
    assert "A class was missing." in read_page(coordinator, second_url)


def test_invalid_draw_shows_errors_and_keeps_the_input(coordinator: FlaskClient, large_school: LargeSchool) -> None:
    form = {
        "school": large_school.school_id,
        "scope": "grade:99",
        "method": "random",
        "sample_size": "many",
        "seed": "my seed",
    }
    response = coordinator.post("/draws/new", data=form)
    assert response.status_code == 422
    page = response.get_data(as_text=True)
    assert 'value="my seed"' in page
    assert 'value="many"' in page
    assert "Please fix 2 items" in visible_text(page)


def test_only_the_next_family_can_be_asked_and_is_shown_with_its_reason(
    coordinator: FlaskClient, large_school: LargeSchool
) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    page = read_page(coordinator, "/asking")
    assert "it is first in the draw" in page
    with large_school.database.reading() as session:
        first, second = session.scalars(
            select(DrawEntry.family_id).where(DrawEntry.draw_id == draw_id).order_by(DrawEntry.position).limit(2)
        )
    post(coordinator, f"/asking/{draw_id}/ask", 422, family=second)
    post(coordinator, f"/asking/{draw_id}/ask", family=first)
    error_page = post(coordinator, f"/asking/{draw_id}/ask", 422, family=first)
    assert "just asked this family" in error_page
    for count in ("", "-3", "0", "51", "many"):
        assert "from 1 to 50" in post(coordinator, f"/asking/{draw_id}/ask", 422, count=count)
    post(coordinator, f"/asking/{draw_id}/ask", count=5)
    with large_school.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Invitation)) == 6


def test_asking_page_cannot_be_sorted_or_filtered(coordinator: FlaskClient, large_school: LargeSchool) -> None:
    large_school.create_draw(Method.EVERYONE, None)
    plain = read_page(coordinator, "/asking")
    for query in ("sort=name", "order=language", "filter=grade", "grade=03", "language=es", "q=absent", "page=2"):
        assert read_page(coordinator, f"/asking?{query}") == plain
    page = coordinator.get("/asking").get_data(as_text=True)
    assert "<select" not in page
    assert 'method="get"' not in page


def test_answer_by_phone_is_recorded_and_shown(coordinator: FlaskClient, large_school: LargeSchool) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    post(coordinator, f"/asking/{draw_id}/ask", count=1)
    assert "What did" in read_page(coordinator, "/asking/1/answer")
    error_page = post(coordinator, "/asking/1/answer", 422, answer="maybe", how="text")
    assert "Please fix 2 items" in error_page
    post(coordinator, "/asking/1/answer", answer="yes", how="phone")
    assert "1 asked, 1 said yes" in read_page(coordinator, "/asking")
    with large_school.database.reading() as session:
        assert session.scalars(select(ConsentEntry.answer)).all() == ["yes"]


def test_today_shows_replies_until_they_are_handled(coordinator: FlaskClient, large_school: LargeSchool) -> None:
    assert "Nothing to do right now" in read_page(coordinator, "/today")
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    post(coordinator, f"/asking/{draw_id}/ask", count=20)
    with large_school.database.transaction() as session:
        processing.receive_message(
            session, ReceivedMessage("SM1", family_phone(2), "", "<b>Who</b> is this?"), POLICY, NOW
        )
    page = coordinator.get("/today").get_data(as_text=True)
    assert "&lt;b&gt;Who" in page
    assert "Family 03" in visible_text(page)
    post(coordinator, "/today/read/1")
    assert "Who" not in read_page(coordinator, "/today")


def test_family_that_asked_for_a_visit_is_found_by_name_and_recorded(
    coordinator: FlaskClient, large_school: LargeSchool
) -> None:
    assert "No family by that name" in read_page(coordinator, "/asking/request?q=Nobody")
    assert "Family 07" in read_page(coordinator, "/asking/request?q=family+07")
    with large_school.database.reading() as session:
        family = session.scalars(select(Family.id).where(Family.key == "F07")).one()
    error_page = post(
        coordinator, "/asking/request", 422, family=f"{family}:{large_school.school_id}", how="", q="family 07"
    )
    assert "Family 07" in error_page
    post(coordinator, "/asking/request", family=f"{family}:{large_school.school_id}", how="in_person")
    with large_school.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(FamilyRequest)) == 1


def test_delivery_page_explains_failed_messages_without_numbers(
    coordinator: FlaskClient, large_school: LargeSchool
) -> None:
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    post(coordinator, f"/asking/{draw_id}/ask", count=3)
    with large_school.database.transaction() as session:
        for row, (visit_state, error) in zip(
            session.scalars(select(OutgoingMessage).order_by(OutgoingMessage.id)),
            [("rejected", "21211"), ("unknown", "no_answer"), ("rejected", "99999")],
            strict=False,
        ):
            row.state, row.error = visit_state, error
            phone = row.phone
    page = read_page(coordinator, "/delivery")
    assert "cannot get texts" in page
    assert phone not in page


def test_coordinator_of_another_school_gets_404(large_school: LargeSchool) -> None:
    app = create_test_app(large_school.database)
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    client, other_client = (
        create_client(app, large_school.coordinator),
        create_client(app, large_school.other_coordinator),
    )
    post(client, f"/asking/{draw_id}/ask", count=1)
    for path in ("/draws/1", "/asking/1/answer"):
        assert client.get(path).status_code == 200
        assert other_client.get(path).status_code == 404
    assert other_client.post(f"/asking/{draw_id}/ask", data={"count": 1}).status_code == 404
    assert other_client.post(f"/draws/{draw_id}/check").status_code == 404
    assert other_client.post("/asking/1/answer", data={"answer": "yes", "how": "phone"}).status_code == 404
    assert "Lincoln" not in read_page(other_client, "/asking") + read_page(other_client, "/draws")


def test_today_links_to_the_visit_of_a_call(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    with school_fixture.session() as session:
        processing.receive_message(
            session, ReceivedMessage("SM1", school_fixture.phones["Smith"], "", "9"), POLICY, NOW
        )
        visits.cannot_come(
            session, school_fixture.actors["Luis"], visit_id, school_fixture.educators["Luis"], policy=POLICY, now=NOW
        )
    client = create_client(create_test_app(school_fixture.database), school_fixture.actors["coordinator"])
    page = client.get("/today").get_data(as_text=True)
    assert page.count(f"/visits/{visit_id}/office") == 2
    assert client.get(f"/visits/{visit_id}/office").status_code == 200


def test_withdrawal_recorded_on_a_page_cancels_the_visit(school_fixture: SchoolFixture) -> None:
    visit_id = arrange_visit(school_fixture)
    client = create_client(create_test_app(school_fixture.database), school_fixture.actors["coordinator"])
    post(client, f"/asking/{school_fixture.invitations['Smith']}/answer", answer="withdrawn", how="in_person")
    assert visit_state(school_fixture, visit_id) == "cancelled_by_family"
