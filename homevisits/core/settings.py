"""Settings from config/defaults.toml, the file named by HOMEVISITS_CONFIG and environment variables."""

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
import sqlalchemy as sa
from pydantic import AfterValidator, Field, PlainValidator, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from homevisits.core import paths
from homevisits.core.languages import UI_LANGUAGES
from homevisits.policies.rules import Policy

PREFIX = "HOMEVISITS_"
RENAMED_KEYS = {
    key.replace("provider", "carrier"): key for key in ("provider", "second_provider", "provider_timeout_seconds")
}


class InvalidSettings(Exception):
    """The settings are invalid. `reasons` names every wrong or missing setting and why."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


def _read_policy(name: Any) -> Policy:
    if isinstance(name, Policy):
        return name
    path = Path(name) if str(name).endswith(".toml") else paths.config() / "policies" / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{name} cannot be read ({error})") from error
    expected = {field.name for field in fields(Policy)} - {"name"}
    wrong = [f"{key} is not known" for key in sorted(values.keys() - expected)]
    wrong += [f"{key} is missing" for key in sorted(expected - values.keys())]
    if not wrong:
        lists: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        policy = Policy(name=path.stem, **lists)
        wrong = policy.problems()
    if wrong:
        raise ValueError(f"{name}: {'; '.join(wrong)}")
    return policy


def _require(value: str, info: ValidationInfo) -> str:
    if not value:
        raise ValueError(f"must be set ({PREFIX}{str(info.field_name).upper()})")
    return value


def _check(holds: Callable[[Any], bool], message: str) -> AfterValidator:
    """Refuse a value that is not empty and for which `holds` is false or raises an error."""

    def check(value: Any) -> Any:
        with suppress(ValueError, KeyError, OSError, InvalidOperation, phonenumbers.NumberParseException):
            if value == "" or holds(value):
                return value
        raise ValueError(message.replace("{}", str(value)))

    return AfterValidator(check)


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname
    with suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    return False


Secret = Annotated[str, Field(repr=False)]
AtLeastOne = Annotated[int, Field(ge=1)]
# Comparing NaN raises InvalidOperation and infinity is not below 10, so both are refused.
Price = _check(lambda dollars: 0 <= Decimal(dollars) < 10, "must be dollars such as 0.0120")
TimeZone = _check(lambda name: bool(ZoneInfo(name)), "'{}' is not an IANA time zone such as America/Denver")
Languages = _check(lambda c: c and {*c} <= {*UI_LANGUAGES}, f"must be some of {', '.join(UI_LANGUAGES)}")
PhoneNumber = _check(
    lambda number: phonenumbers.is_possible_number(phonenumbers.parse(number)), "must be a number such as +13035550123"
)
LongSecret = _check(lambda value: len(value) >= 32, "must have at least 32 characters")


class TemplateSettings(BaseSettings):
    """Settings for commands that only read the message templates."""

    model_config = SettingsConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    policy: Annotated[Policy, PlainValidator(_read_policy)]
    texts_folder: Annotated[str, _check(lambda name: Path(name).is_dir(), "{} is not a folder")]


Loaded = TypeVar("Loaded", bound=TemplateSettings)


class Settings(TemplateSettings):
    """All settings; config/defaults.toml explains each. The repr omits secrets.

    The order of fields matters: a validator sees only the fields defined before its own.
    """

    mode: Literal["production", "development", "demo"]
    provider: Literal["console", "twilio", "kannel"]
    second_provider: Literal["", "kannel"]
    database_url: Annotated[Secret, AfterValidator(_require)]
    secret_key: Annotated[Secret, AfterValidator(_require), LongSecret]
    public_url: Annotated[str, AfterValidator(_require)]
    proxies: int
    timezone: Annotated[str, AfterValidator(_require), TimeZone]
    texting: Literal["trial", "live"]
    text_threads: AtLeastOne
    kannel_url: str
    kannel_username: str
    kannel_password: Secret
    kannel_from: str
    kannel_secret: Annotated[Secret, LongSecret]
    metrics_token: Annotated[Secret, LongSecret]
    twilio_account_sid: str
    twilio_auth_token: Secret
    twilio_from: Annotated[str, PhoneNumber]
    twilio_messaging_service_sid: str
    twilio_base_url: Annotated[str, _check(_on_this_machine, "only an address on this machine may stand in for Twilio")]
    provider_timeout_seconds: AtLeastOne
    text_segment_dollars: Annotated[str, AfterValidator(_require), Price]
    session_idle_minutes: AtLeastOne
    session_hours: AtLeastOne
    languages: Annotated[tuple[str, ...], Field(strict=False), Languages]
    bind: str
    web_processes: AtLeastOne
    web_threads: AtLeastOne
    max_upload_megabytes: int

    @property
    def demo(self) -> bool:
        """Whether this is the demo, which only `homevisits demo` can start."""
        return self.mode == "demo"

    @property
    def segment_price(self) -> Decimal:
        """Price of a message segment in US dollars."""
        return Decimal(self.text_segment_dollars)

    @field_validator("provider", "second_provider", "twilio_account_sid", "twilio_auth_token")
    @classmethod
    def _check_demo_sends_nothing(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("mode") == "demo" and value not in ("", "console"):
            raise ValueError("must not be set in mode demo, which sends no message")
        return value

    @field_validator("second_provider")
    @classmethod
    def _check_second_provider(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("provider") in ("console", value):  # the console accepts every message
            raise ValueError("stands in for another provider (provider must be twilio)")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str, info: ValidationInfo) -> str:
        try:
            driver = sa.make_url(value).drivername
        except sa.exc.ArgumentError as error:
            raise ValueError("is not a database address") from error
        if driver not in ("sqlite", "postgresql+psycopg"):
            raise ValueError("must begin with postgresql+psycopg:// or sqlite:///")
        if info.data.get("mode") == "demo" and driver != "sqlite":
            raise ValueError("must be an SQLite file in mode demo, never a district's database")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str, info: ValidationInfo) -> str:
        url, mode = urlsplit(value), info.data.get("mode")
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
            raise ValueError("must be an address such as https://visits.example.org, without a path")
        if mode == "demo" and not _on_this_machine(value):
            raise ValueError("must be a loopback address in mode demo, which runs on this machine only")
        if mode == "production" and url.scheme == "http" and not _on_this_machine(value):
            raise ValueError("must begin with https:// (only an address on this machine may do without)")
        return value

    @field_validator("kannel_url", "kannel_username", "kannel_password", "kannel_from", "kannel_secret")
    @classmethod
    def _check_kannel(cls, value: str, info: ValidationInfo) -> str:
        if "kannel" in (info.data.get("provider"), info.data.get("second_provider")):
            _require(value, info)
        if info.field_name == "kannel_url" and value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must be an address such as http://127.0.0.1:13013/cgi-bin/sendsms")
        return value

    @field_validator("twilio_account_sid", "twilio_auth_token", "twilio_messaging_service_sid")
    @classmethod
    def _check_twilio(cls, value: str, info: ValidationInfo) -> str:
        has_sender = info.field_name == "twilio_messaging_service_sid" and info.data.get("twilio_from")
        return value if info.data.get("provider") != "twilio" or has_sender else _require(value, info)


def load_settings(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read and validate all settings.

    Sources, later ones win: config/defaults.toml, the file named by HOMEVISITS_CONFIG, the environment, `overrides`.
    Raises `InvalidSettings` with all reasons if a key is unknown or missing or a value is refused.
    """
    return _load(Settings, environment, overrides)


def load_template_settings(environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the folder of the district's own message templates and the wording (plain or discreet)."""
    loaded = _load(TemplateSettings, environment, {})
    return loaded.texts_folder, loaded.policy.text_wording


def _load(kind: type[Loaded], environment: Mapping[str, str] | None, overrides: dict[str, Any]) -> Loaded:
    reasons: list[str] = []
    sources = _sources(os.environ if environment is None else environment, overrides, reasons)
    options: dict[str, Any] = {"_build_sources": (sources, {})}  # in a dict: mypy knows only the fields as arguments
    try:
        loaded = kind(**options)
    except ValidationError as error:
        raise InvalidSettings(reasons + [_reason(details) for details in error.errors()]) from None
    if reasons:
        raise InvalidSettings(reasons)
    return loaded


def _sources(
    environment: Mapping[str, str], overrides: dict[str, Any], reasons: list[str]
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources, highest priority first. Keys not allowed there are added to `reasons`."""
    defaults = tomllib.loads((paths.config() / "defaults.toml").read_text(encoding="utf-8"))
    file = environment.get(PREFIX + "CONFIG", "")
    sources = {"overrides": overrides, "environment": _read_env(environment, reasons), file: _read_file(file, reasons)}
    for source, values in sources.items():
        for key in list(values):
            if key in RENAMED_KEYS:
                reasons.append(f"{source}: {key} is now called {RENAMED_KEYS[key]}")
            elif key not in Settings.model_fields:
                reasons.append(f"{source}: {key} is not a setting (see config/defaults.toml)")
            elif source != "overrides" and (key, values[key]) == ("mode", "demo"):
                reasons.append(f"{source}: mode cannot be set to demo; run `homevisits demo`")
            else:
                continue
            del values[key]
    return tuple(InitSettingsSource(Settings, values) for values in (*sources.values(), defaults))


def _read_file(name: str, reasons: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8")) if name else {}
    except OSError as error:
        reasons.append(f"{PREFIX}CONFIG: {name} cannot be read ({error.strerror})")
    except tomllib.TOMLDecodeError as error:
        reasons.append(f"{name}: not TOML ({error})")
    return {}


def _read_env(environment: Mapping[str, str], reasons: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environment.items():
        key = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or key == "config":
            continue
        field = Settings.model_fields.get(key)
        try:
            values[key] = int(text) if field is not None and field.annotation is int else text
        except ValueError:
            reasons.append(f"{name}: must be a whole number, not {text!r}")
        if key == "languages":
            values[key] = [part.strip() for part in text.split(",") if part.strip()]
    return values


def _reason(error: Any) -> str:
    """Format a pydantic error as "key: what the value must be", without quoting secrets."""
    key = str(error["loc"][0])
    field = Settings.model_fields[key]
    rejected = f", not {error['input']!r}" if field.repr else ""
    match error["type"]:
        case "value_error":
            return f"{key}: {error['ctx']['error']}"
        case "literal_error":
            choices = ", ".join(choice or "empty" for choice in get_args(field.annotation))
            return f"{key}: must be one of {choices}{rejected}"
        case "greater_than_equal":
            return f"{key}: must be at least 1"
        case "missing":
            return f"{key}: is missing in config/defaults.toml"
    kinds = {"int_type": "a whole number", "string_type": "text"}
    return f"{key}: must be {kinds.get(error['type'], 'a list of texts')}{rejected}"
