"""The demo cannot be enabled in production, and refuses databases with real data."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from homevisits import migrate
from homevisits.app import create_app
from homevisits.core import settings
from homevisits.core.db import Database
from homevisits.core.settings import InvalidSettings
from homevisits.demo import run
from homevisits.demo import settings as demo_settings
from homevisits.demo.settings import DemoFolder
from homevisits.people.installation import check_database_purpose, find_purpose
from homevisits.people.models import District
from tests.shell import clients

SECRET = "a secret of the tests, long enough"


def folder_of(tmp_path: Path) -> DemoFolder:
    folder = DemoFolder(tmp_path / "demo")
    folder.path.mkdir()
    return folder


def district(database: Database, kind: str) -> None:
    with database.transaction() as session:
        session.execute(
            insert(District), [{"source_id": "d", "name": "D", "timezone": "America/Denver", "purpose": kind}]
        )


def test_environment_cannot_enable_the_demo(tmp_path: Path) -> None:
    values = {"HOMEVISITS_DATABASE_URL": "sqlite:///x", "HOMEVISITS_SECRET_KEY": SECRET,
              "HOMEVISITS_PUBLIC_URL": "http://127.0.0.1:1"}  # fmt: skip
    with pytest.raises(InvalidSettings, match="cannot be set to demo"):
        settings.load_settings({**values, "HOMEVISITS_MODE": "demo"})
    file = tmp_path / "own.toml"
    file.write_text('mode = "demo"\n')
    with pytest.raises(InvalidSettings, match="cannot be set to demo"):
        settings.load_settings({**values, "HOMEVISITS_CONFIG": str(file)})


@pytest.mark.parametrize(
    "overrides",
    [
        {"twilio_auth_token": "x"},
        {"twilio_account_sid": "ACx"},
        {"provider": "twilio", "twilio_account_sid": "ACx", "twilio_auth_token": "x", "twilio_from": "+13035550100"},
        {"public_url": "https://visits.example.org"},
        {"database_url": "postgresql+psycopg://localhost/real"},
    ],
)
def test_demo_refuses_providers_and_public_addresses(overrides: dict[str, str]) -> None:
    values = {"database_url": "sqlite:///x", "secret_key": SECRET, "public_url": "http://127.0.0.1:1", **overrides}
    with pytest.raises(InvalidSettings, match="mode demo"):
        settings.load_settings({}, mode="demo", **values)


def test_twilio_setting_in_the_environment_stops_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEVISITS_TWILIO_AUTH_TOKEN", "x")
    with pytest.raises(InvalidSettings, match="mode demo"):
        demo_settings.load_demo_settings(folder_of(tmp_path), 8077)


@pytest.mark.parametrize("mode", ["production", "development"])
def test_demo_pages_are_not_found_outside_the_demo(sqlite_database: Database, mode: str) -> None:
    app = clients.create_test_app(sqlite_database, mode=mode)
    assert not [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/demo")]
    client = app.test_client()
    for address in ("/demo/", "/demo/phone", "/demo/phone/1"):
        assert client.get(address).status_code == 404
    for address in ("/demo/be", "/demo/clock", "/demo/phone/1"):
        assert client.post(address, data={"part": "lead"}).status_code == 404
    assert "demo-bar" not in client.get("/sign-in").text


def test_production_refuses_a_demo_database(sqlite_database: Database) -> None:
    district(sqlite_database, "demo")
    real = settings.load_settings(
        {}, database_url=sqlite_database.url, secret_key=SECRET, public_url="https://x.example.org"
    )
    with pytest.raises(InvalidSettings, match="nobody in it is real"):
        check_database_purpose(sqlite_database, real)


def test_demo_refuses_real_and_empty_databases(sqlite_database: Database) -> None:
    demo = settings.load_settings(
        {}, mode="demo", database_url=sqlite_database.url, secret_key=SECRET, public_url="http://127.0.0.1:1"
    )
    with pytest.raises(InvalidSettings, match="does not belong to the demo"):
        check_database_purpose(sqlite_database, demo)
    district(sqlite_database, "real")
    with pytest.raises(InvalidSettings, match="does not belong to the demo"):
        check_database_purpose(sqlite_database, demo)
    with sqlite_database.transaction() as session:
        session.execute(update(District).values(purpose="demo"))
    check_database_purpose(sqlite_database, demo)
    with sqlite_database.reading() as session:
        assert find_purpose(session) == "demo"


def test_folder_with_a_real_database_is_not_changed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    database = Database(f"sqlite:///{folder.database}")
    migrate.upgrade(database)
    district(database, "real")
    database.dispose()
    before = folder.database.read_bytes()
    with pytest.raises(InvalidSettings, match="does not belong to the demo"):
        run.prepare(folder.path, 8077, print_line=lambda _line: None)
    assert folder.database.read_bytes() == before


def test_reset_does_not_remove_a_real_database(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    database = Database(f"sqlite:///{folder.database}")
    migrate.upgrade(database)
    district(database, "real")
    database.dispose()
    with pytest.raises(InvalidSettings, match="does not belong to the demo"):
        run.prepare(folder.path, 8077, reset=True, print_line=lambda _line: None)
    assert folder.database.exists()


def test_secret_is_private_and_permanent(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    secret = folder.secret()
    assert len(secret) >= 32
    assert folder.secret() == secret
    assert stat.S_IMODE((folder.path / "secret").stat().st_mode) == 0o600


def test_demo_app_requires_demo_settings(tmp_path: Path) -> None:
    app = create_app(demo_settings.load_demo_settings(folder_of(tmp_path), 8077))
    assert any(rule.rule == "/demo/" for rule in app.url_map.iter_rules())
