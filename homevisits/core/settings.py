"""Settings: one frozen object, read once; the only reader of config/ and the environment."""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
import sqlalchemy as sa

from homevisits.core import paths
from homevisits.policies.rules import Policy

PREFIX = "HOMEVISITS_"
MODES = ("production", "development", "demo")
CARRIERS = ("console", "twilio", "kannel")
AT_LEAST_ONE = (
    "carrier_timeout_seconds", "text_threads", "session_idle_minutes", "session_hours", "web_processes", "web_threads",
)  # fmt: skip


class SettingsWrong(Exception):
    """The process must not start. ``reasons`` names every setting that is wrong or missing, and why."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


@dataclass(frozen=True, repr=False)
class Settings:
    """Every setting, as config/defaults.toml explains it. ``policy`` is the profile itself, read and checked.

    Has no repr: a settings object in a log must not show its secrets.
    """

    mode: str
    database_url: str
    secret_key: str
    public_url: str
    proxies: int
    policy: Policy
    timezone: str
    carrier: str
    second_carrier: str
    texting: str
    text_threads: int
    texts_folder: str
    kannel_url: str
    kannel_username: str
    kannel_password: str
    kannel_from: str
    kannel_secret: str
    metrics_token: str
    twilio_account_sid: str
    twilio_auth_token: str
    twilio_messaging_service_sid: str
    twilio_from: str
    twilio_base_url: str
    carrier_timeout_seconds: int
    text_segment_dollars: str
    session_idle_minutes: int
    session_hours: int
    languages: tuple[str, ...]
    bind: str
    web_processes: int
    web_threads: int
    max_upload_megabytes: int

    @property
    def demo(self) -> bool:
        """Whether this is the demo, which nothing but `homevisits demo` can start."""
        return self.mode == "demo"

    @property
    def segment_price(self) -> Decimal:
        """What one part of a text costs, in dollars."""
        return Decimal(self.text_segment_dollars)


def load(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from config/defaults.toml, the file HOMEVISITS_CONFIG names, the environment and `given`, in that order.

    Raises `SettingsWrong` with every reason when a key is unknown, missing or cannot be.
    """
    reasons: list[str] = []
    values = _values(os.environ if environment is None else environment, given, reasons)
    values["policy"] = _policy(values["policy"], reasons)
    values = _typed(values, reasons)
    if not reasons:
        reasons.extend(_wrong(Settings(**values)))
    if reasons:
        raise SettingsWrong(reasons)
    return Settings(**values)


def for_texts(environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The folder of a district's own texts and the wording, for commands that need nothing else: or `SettingsWrong`."""
    reasons: list[str] = []
    values = _values(os.environ if environment is None else environment, {}, reasons)
    policy = _policy(values["policy"], reasons)
    if (reasons := reasons + _no_folder(values["texts_folder"])) or policy is None:
        raise SettingsWrong(reasons)
    return values["texts_folder"], policy.text_wording


def _no_folder(name: str) -> list[str]:
    return [f"texts_folder: {name} is not a folder"] if name and not Path(name).is_dir() else []


def _values(environment: Mapping[str, str], given: Mapping[str, Any], reasons: list[str]) -> dict[str, Any]:
    """Every key with what was said of it last."""
    values: dict[str, Any] = tomllib.loads((paths.config() / "defaults.toml").read_text(encoding="utf-8"))
    for source, found in (_file(environment, reasons), _environment(environment, values, reasons), ("given", given)):
        for key, value in found.items():
            if key not in values:
                reasons.append(f"{source}: {key} is not a setting (see config/defaults.toml)")
            elif source != "given" and (key, value) == ("mode", "demo"):
                reasons.append(f"{source}: mode cannot be set to demo; run `homevisits demo`")
            else:
                values[key] = value
    return values


def _file(environment: Mapping[str, str], reasons: list[str]) -> tuple[str, dict[str, Any]]:
    name = environment.get(PREFIX + "CONFIG", "")
    if not name:
        return "config", {}
    try:
        return name, tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        reasons.append(f"{PREFIX}CONFIG: {name} cannot be read ({error.strerror})")
    except tomllib.TOMLDecodeError as error:
        reasons.append(f"{name}: not TOML ({error})")
    return name, {}


def _environment(
    environment: Mapping[str, str], values: dict[str, Any], reasons: list[str]
) -> tuple[str, dict[str, Any]]:
    found: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name == PREFIX + "CONFIG":
            continue
        key = name.removeprefix(PREFIX).lower()
        known = values.get(key)
        if isinstance(known, int):
            try:
                found[key] = int(text)
            except ValueError:
                reasons.append(f"{name}: must be a whole number, not {text!r}")
        elif isinstance(known, list):
            found[key] = [part.strip() for part in text.split(",") if part.strip()]
        else:
            found[key] = text
    return "environment", found


def _policy(name: Any, reasons: list[str]) -> Policy | None:
    if isinstance(name, Policy):
        return name
    path = Path(name) if str(name).endswith(".toml") else paths.config() / "policies" / f"{name}.toml"
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        reasons.append(f"policy: {name} cannot be read ({error})")
        return None
    expected = {field.name for field in fields(Policy)} - {"name"}
    wrong = [f"policy {name}: {key} is not known" for key in sorted(read.keys() - expected)]
    wrong += [f"policy {name}: {key} is missing" for key in sorted(expected - read.keys())]
    if wrong:
        reasons.extend(wrong)
        return None
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()}
    policy = Policy(name=path.stem, **lists)
    reasons.extend(f"policy {name}: {reason}" for reason in policy.problems())
    return policy


def _typed(values: dict[str, Any], reasons: list[str]) -> dict[str, Any]:
    values["languages"] = tuple(values["languages"])
    for key, kind in get_type_hints(Settings).items():
        if kind in (int, str) and type(values[key]) is not kind:
            reasons.append(f"{key}: must be {'a whole number' if kind is int else 'text'}, not {values[key]!r}")
    return values


def _wrong(given: Settings) -> list[str]:
    found = [f"{key}: must be set (HOMEVISITS_{key.upper()})" for key in _missing(given)]
    if given.mode not in MODES:
        found.append(f"mode: must be one of {', '.join(MODES)}, not {given.mode!r}")
    if given.carrier not in CARRIERS:
        found.append(f"carrier: must be one of {', '.join(CARRIERS)}, not {given.carrier!r}")
    found += _wrong_texting(given)
    found += _wrong_addresses(given)
    if given.secret_key and len(given.secret_key) < 32:
        found.append("secret_key: must have at least 32 characters")
    try:
        ZoneInfo(given.timezone)
    except (KeyError, ValueError, OSError):
        found.append(f"timezone: {given.timezone!r} is not an IANA time zone such as America/Denver")
    if not _price(given.text_segment_dollars):
        found.append("text_segment_dollars: must be dollars such as 0.0120")
    for key in AT_LEAST_ONE:
        if getattr(given, key) < 1:
            found.append(f"{key}: must be at least 1")
    if not set(given.languages) <= {"en", "es"} or not given.languages:
        found.append("languages: must be some of en, es")
    if given.demo:
        found += _wrong_demo(given)
    return found


def _missing(given: Settings) -> list[str]:
    needed = ["database_url", "secret_key", "public_url"]
    if given.carrier == "twilio":
        needed += ["twilio_account_sid", "twilio_auth_token"]
        if not given.twilio_messaging_service_sid and not given.twilio_from:
            needed.append("twilio_messaging_service_sid")
    if "kannel" in (given.carrier, given.second_carrier):
        needed += ["kannel_url", "kannel_username", "kannel_password", "kannel_from", "kannel_secret"]
    return [key for key in needed if not getattr(given, key)]


def _wrong_texting(given: Settings) -> list[str]:
    found = []
    if given.second_carrier not in ("", "kannel"):
        found.append(f"second_carrier: must be empty or kannel, not {given.second_carrier!r}")
    elif given.second_carrier and given.carrier in ("console", given.second_carrier):  # the console takes every text
        found.append("second_carrier: stands in for another carrier (carrier must be twilio)")
    if given.texting not in ("trial", "live"):
        found.append(f"texting: must be trial or live, not {given.texting!r}")
    for key in ("kannel_secret", "metrics_token"):
        if 0 < len(getattr(given, key)) < 32:
            found.append(f"{key}: must have at least 32 characters")
    if given.kannel_url and urlsplit(given.kannel_url).scheme not in ("http", "https"):
        found.append("kannel_url: must be an address such as http://127.0.0.1:13013/cgi-bin/sendsms")
    return found + _no_folder(given.texts_folder)


def _wrong_addresses(given: Settings) -> list[str]:
    found = []
    if given.database_url:
        try:
            if sa.make_url(given.database_url).drivername not in ("sqlite", "postgresql+psycopg"):
                found.append("database_url: must begin with postgresql+psycopg:// or sqlite:///")
        except sa.exc.ArgumentError:
            found.append("database_url: is not a database address")
    public = urlsplit(given.public_url)
    if given.public_url and (
        public.scheme not in ("http", "https") or not public.hostname or public.path not in ("", "/")
    ):
        found.append("public_url: must be an address such as https://visits.example.org, without a path")
    elif given.mode == "production" and public.scheme == "http" and not _loopback(public.hostname):
        found.append("public_url: must begin with https:// (only an address on this machine may do without)")
    if given.twilio_base_url and not _loopback(urlsplit(given.twilio_base_url).hostname):
        found.append("twilio_base_url: only an address on this machine may stand in for Twilio")
    if given.twilio_from and not _phone(given.twilio_from):
        found.append("twilio_from: must be a number such as +13035550123")
    return found


def _price(dollars: str) -> bool:
    try:
        return 0 <= Decimal(dollars) < 10  # NaN cannot be compared, infinity is not under ten
    except InvalidOperation:
        return False


def _phone(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _wrong_demo(given: Settings) -> list[str]:
    found = []
    if given.carrier != "console" or given.second_carrier or given.twilio_account_sid or given.twilio_auth_token:
        found.append("mode demo: sends no text; take the Twilio settings away")
    if not _loopback(urlsplit(given.public_url).hostname):
        found.append("mode demo: runs on this machine only (public_url must be a loopback address)")
    if given.database_url and not given.database_url.startswith("sqlite"):
        found.append("mode demo: has an SQLite file of its own, never a district's database")
    return found


def _loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
