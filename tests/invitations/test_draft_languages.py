"""Families with a language that has only draft templates get a phone call and no message."""

import pytest
from sqlalchemy import select, update

from homevisits.draws.rules import Method
from homevisits.inbox.today import queries
from homevisits.invitations import actions
from homevisits.messages.models import OutgoingMessage
from homevisits.people.models import Family
from tests.factories.large_school import NOW, LargeSchool, family_phone


@pytest.mark.parametrize("language", ["ar", "hmn", "so", "vi"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_draft_template_is_not_sent_and_today_lists_the_call(large_school: LargeSchool, language: str) -> None:
    with large_school.database.transaction() as session:
        session.execute(update(Family).where(Family.name == "Family 02").values(language=language))
    draw_id = large_school.create_draw(Method.EVERYONE, None)
    with large_school.database.transaction() as session:
        families = actions.ask_next(session, large_school.coordinator, draw_id, 20, NOW)
        invited = {family.family: family.call_reason for family in families}
        assert invited["Family 02"] == "no_text"
        assert session.scalars(select(OutgoingMessage).where(OutgoingMessage.phone == family_phone(2))).all() == []
    with large_school.database.reading() as session:
        calls = {row.family: row.reason for row in queries.families_to_call(session, large_school.coordinator, NOW)}
        assert calls["Family 02"] == "no_text"
