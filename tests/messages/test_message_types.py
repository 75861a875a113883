"""The registry of message types: complete, consistent with the templates, and checked against the policy at start."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homevisits import all_messages
from homevisits.app import create_app
from homevisits.cli import output
from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings, Settings, load_settings
from homevisits.messages import message_types, outbox
from homevisits.messages.message_types import MessageType
from homevisits.messages.templates import catalog, rendering
from homevisits.messages.templates.files import DISCREET_SUFFIX
from homevisits.visits import message_types as visit_messages
from homevisits.visits.models import VisitState
from homevisits.worker import run as run_worker
from tests.messages.conftest import planned_message

ALL_TYPES = {message_type.name: message_type for message_type in message_types.all_types()}
TEMPLATES = catalog.list_templates("en")
SITE = "site"  # the installation's address, which every template may use


def settings_with(*texts_off: str) -> Settings:
    settings = load_settings({}, database_url="sqlite:///x", secret_key="k" * 40, public_url="http://127.0.0.1:1")
    return settings.model_copy(update={"policy": replace(settings.policy, texts_off=texts_off)})


def test_every_template_has_a_type_and_every_type_a_template() -> None:
    assert {name.removesuffix(DISCREET_SUFFIX) for name in TEMPLATES} == ALL_TYPES.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_uses_only_placeholders_of_its_type(name: str) -> None:
    placeholders = rendering.placeholders(catalog.get_template("en", name))
    assert placeholders <= ALL_TYPES[name.removesuffix(DISCREET_SUFFIX)].placeholders | {SITE}


def test_states_of_visit_messages_exist() -> None:
    declared = {state for message in visit_messages.MESSAGES for state in message.states}
    assert declared <= {state.value for state in VisitState}


def test_staff_messages_are_never_required() -> None:
    assert not [
        name for name, message_type in ALL_TYPES.items() if message_type.audience == "staff" and message_type.required
    ]


def test_only_visit_messages_can_be_switched_off() -> None:
    # Only the plan of a visit's messages obeys `texts_off`.
    switchable = {name for name, message_type in ALL_TYPES.items() if message_type.can_be_switched_off}
    assert switchable
    assert switchable <= visit_messages.BY_NAME.keys()


def test_unknown_name_is_refused() -> None:
    assert message_types.find("nothing") is None
    with pytest.raises(message_types.UnknownMessageType, match="nothing"):
        message_types.get("nothing")


def test_outbox_refuses_message_of_unknown_type(database: Database) -> None:
    now = datetime(2026, 10, 5, 16, tzinfo=UTC)
    unknown = replace(
        planned_message("1", not_before=now, expires_at=now + timedelta(hours=1)), template="nothing", body="Hi"
    )
    with database.transaction() as session, pytest.raises(message_types.UnknownMessageType):
        outbox.put(session, "visit:1", unknown, now)


def test_quick_reply_of_a_district_needs_no_registration() -> None:
    message_type = message_types.get("canned_bring_a_book")
    assert (message_type.label, message_type.category, message_type.required) == (
        "canned_bring_a_book",
        "written",
        False,
    )


def test_message_written_by_staff_has_a_type_without_template() -> None:
    assert message_types.get(message_types.WRITTEN).category == "written"
    assert message_types.WRITTEN not in ALL_TYPES


def test_duplicate_name_is_refused_and_changes_nothing() -> None:
    duplicate = MessageType(name="hello", label="Hello")
    with pytest.raises(ValueError, match="hello is declared twice"):
        message_types.register((duplicate, duplicate))
    with pytest.raises(ValueError, match="written is declared twice"):
        message_types.register((MessageType(name="written", label="Written"),))
    assert {message_type.name for message_type in message_types.all_types()} == ALL_TYPES.keys()


def test_empty_registry_raises_an_error() -> None:
    message_types.register(())
    try:
        for read_registry in (message_types.all_types, lambda: message_types.find("help")):
            with pytest.raises(RuntimeError, match=r"import homevisits\.all_messages"):
                read_registry()
    finally:
        message_types.register(ALL_TYPES.values())


def test_messages_that_can_be_switched_off_are_accepted() -> None:
    all_messages.apply_settings(settings_with("visit_thanks", "staff_asked"))


@pytest.mark.parametrize(
    "name", ["stop_confirmed", "help", "visit_cancelled", "visit_off", "visit_moved", "visit_confirm", "invitation"]
)
def test_switching_off_a_message_that_families_need_refuses_to_start(name: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        all_messages.apply_settings(settings_with("visit_thanks", name))
    switchable = sorted(name for name, message_type in ALL_TYPES.items() if message_type.can_be_switched_off)
    assert error.value.reasons == [
        f"policy: default: texts_off: {name} cannot be switched off; only these can: {', '.join(switchable)}"
    ]


def test_website_and_worker_do_not_start_with_an_unknown_name_in_texts_off() -> None:
    settings = settings_with("visit_thank")
    for start in (create_app, run_worker):
        with pytest.raises(InvalidSettings, match="there is no message visit_thank to switch off; only these can: "):
            start(settings)


def test_command_names_every_wrong_name_in_texts_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default_policy = Path("config/policies/default.toml").read_text(encoding="utf-8")
    policy_file = tmp_path / "ours.toml"
    policy_file.write_text(
        default_policy.replace("texts_off = []", 'texts_off = ["help", "visit_thank"]'), encoding="utf-8"
    )
    monkeypatch.setenv("HOMEVISITS_POLICY", str(policy_file))
    monkeypatch.setenv("HOMEVISITS_DATABASE_URL", f"sqlite:///{tmp_path / 'x.sqlite'}")
    monkeypatch.setenv("HOMEVISITS_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("HOMEVISITS_PUBLIC_URL", "http://127.0.0.1:1")

    def use_application() -> output.CommandResult:
        with output.open_application():
            raise AssertionError("opened")

    result = output.catch_errors(use_application)
    assert result.exit_code == 2
    assert result.text.startswith("Homevisits cannot start:\n  - policy: ours: texts_off: help cannot be switched off")
    assert "  - policy: ours: texts_off: there is no message visit_thank to switch off" in result.text
