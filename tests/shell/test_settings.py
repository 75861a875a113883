"""Settings: all errors are reported at once, without secrets."""

from pathlib import Path

import pytest

from homevisits.core.languages import UI_LANGUAGES
from homevisits.core.settings import InvalidSettings, load_settings, load_template_settings
from homevisits.policies.rules import Policy

SECRET = "never-shown-" * 4
GIVEN = {"database_url": f"postgresql+psycopg://u:{SECRET}@db/x", "secret_key": SECRET, "public_url": "https://x.org"}
SECRETS = {"kannel_password": SECRET, "kannel_secret": SECRET, "metrics_token": SECRET, "twilio_auth_token": SECRET}


def reasons_of(environment: dict[str, str] | None = None, **overrides: object) -> list[str]:
    with pytest.raises(InvalidSettings) as error:
        load_settings(environment or {}, **overrides)
    assert SECRET not in str(error.value)
    return sorted(error.value.reasons)


def test_environment_overrides_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('web_threads = 7\nweb_processes = 8\nlanguages = ["es"]\n')
    environment = {"HOMEVISITS_CONFIG": str(file), "HOMEVISITS_WEB_THREADS": "9", "HOMEVISITS_LANGUAGES": "es, en"}
    loaded = load_settings({**environment, "PATH": "/bin"}, **GIVEN, bind="127.0.0.1:1")
    values = (loaded.web_threads, loaded.web_processes, loaded.languages, loaded.bind, loaded.session_hours)
    assert values == (9, 8, ("es", "en"), "127.0.0.1:1", 12)
    assert isinstance(loaded.policy, Policy)


def test_all_wrong_settings_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('typo = 1\nweb_threads = "4"\nbind = 5\nproxies = true\nsession_hours = 0\n')
    environment = {
        "HOMEVISITS_CONFIG": str(file),
        "HOMEVISITS_UNKNOWN": "1",
        "HOMEVISITS_TEXT_THREADS": "many",
        "HOMEVISITS_PROVIDER": "pigeon",
        "HOMEVISITS_TIMEZONE": "Mars/Olympus",
        "HOMEVISITS_TEXT_SEGMENT_DOLLARS": "NaN",
        "HOMEVISITS_LANGUAGES": "",
        "HOMEVISITS_TEXTS_FOLDER": "/no/such/folder",
        "HOMEVISITS_POLICY": "missing",
        "HOMEVISITS_METRICS_TOKEN": "short",
        "HOMEVISITS_TWILIO_FROM": "nobody",
        "HOMEVISITS_TWILIO_BASE_URL": "https://example.org",
        "HOMEVISITS_PUBLIC_URL": "http://x.org",
        "HOMEVISITS_DATABASE_URL": "mysql://x",
    }
    reasons = reasons_of(environment)
    assert [reason for reason in reasons if not reason.startswith("policy")] == sorted(
        [
            f"{file}: typo is not a setting (see config/defaults.toml)",
            "environment: unknown is not a setting (see config/defaults.toml)",
            "HOMEVISITS_TEXT_THREADS: must be a whole number, not 'many'",
            "web_threads: must be a whole number, not '4'",
            "proxies: must be a whole number, not True",
            "bind: must be text, not 5",
            "session_hours: must be at least 1",
            "provider: must be one of console, twilio, kannel, not 'pigeon'",
            "timezone: 'Mars/Olympus' is not an IANA time zone such as America/Denver",
            "text_segment_dollars: must be dollars such as 0.0120",
            f"languages: must be some of {', '.join(UI_LANGUAGES)}",
            "texts_folder: /no/such/folder is not a folder",
            "metrics_token: must have at least 32 characters",
            "twilio_from: must be a number such as +13035550123",
            "twilio_base_url: only an address on this machine may stand in for Twilio",
            "public_url: must begin with https:// (only an address on this machine may do without)",
            "database_url: must begin with postgresql+psycopg:// or sqlite:///",
            "secret_key: must be set (HOMEVISITS_SECRET_KEY)",
        ]
    )
    assert [reason for reason in reasons if reason.startswith("policy: missing cannot be read")]


def test_settings_of_the_provider_are_required() -> None:
    assert reasons_of(**GIVEN, provider="twilio", second_provider="kannel", twilio_account_sid="AC1") == [
        f"{key}: must be set (HOMEVISITS_{key.upper()})"
        for key in (
            "kannel_from", "kannel_password", "kannel_secret", "kannel_url", "kannel_username",
            "twilio_auth_token", "twilio_messaging_service_sid",
        )
    ]  # fmt: skip
    assert load_settings(
        {}, **GIVEN, provider="twilio", twilio_account_sid="AC1", twilio_auth_token="t", twilio_from="+13035550123"
    )


@pytest.mark.parametrize("source", ["environment", "overrides", "file"])
@pytest.mark.parametrize("old", ["carrier", "second_carrier", "carrier_timeout_seconds"])
def test_former_name_of_a_setting_is_refused_with_the_new_name(tmp_path: Path, old: str, source: str) -> None:
    new = old.replace("carrier", "provider")
    file = tmp_path / "own.toml"
    file.write_text(f'{old} = "twilio"\n')
    environment = {"environment": {f"HOMEVISITS_{old.upper()}": "twilio"}, "file": {"HOMEVISITS_CONFIG": str(file)}}
    overrides = {old: "twilio"} if source == "overrides" else {}
    named = str(file) if source == "file" else source
    assert reasons_of(environment.get(source), **GIVEN, **overrides) == [f"{named}: {old} is now called {new}"]


def test_no_secret_is_in_the_repr_or_in_an_error() -> None:
    loaded = load_settings({}, **GIVEN, **SECRETS)
    assert SECRET not in f"{loaded!r} {loaded} {[loaded]}"
    assert "mode='production'" in repr(loaded)
    assert reasons_of(**{**GIVEN, "database_url": SECRET}, **SECRETS) == ["database_url: is not a database address"]
    wrong = {"secret_key": [SECRET], "metrics_token": [SECRET], "twilio_auth_token": [SECRET]}
    assert reasons_of(**{**GIVEN, **wrong}) == [f"{key}: must be text" for key in sorted(wrong)]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}, **GIVEN).bind = "elsewhere"


def test_text_commands_need_no_other_setting(tmp_path: Path) -> None:
    assert load_template_settings({"HOMEVISITS_TEXTS_FOLDER": str(tmp_path)}) == (str(tmp_path), "plain")
    with pytest.raises(InvalidSettings, match="is not a folder"):
        load_template_settings({"HOMEVISITS_TEXTS_FOLDER": "/no/such/folder"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("min_trained = 1\nmystery = 2\n", "mystery is not known; address_from_hours is missing"),
        ("=", "cannot be read"),
    ],
)
def test_wrong_policy_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    (found,) = reasons_of(**GIVEN, policy=str(file))
    assert found.startswith("policy: ")
    assert reason in found
