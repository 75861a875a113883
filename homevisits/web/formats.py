"""Moments, days, money and hours as the reader's language writes them, in the school's zone."""

import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

import babel.dates
import babel.numbers
from flask import current_app, g, has_request_context, request
from flask_babel import gettext, ngettext
from flask_login import current_user
from jinja2 import Environment

from homevisits.core import clock, local_time
from homevisits.core.languages import UI_LANGUAGES

REGIONS = MappingProxyType({code: language.locale for code, language in UI_LANGUAGES.items()})
DAY_PATTERNS = MappingProxyType({language.locale: language.day for language in UI_LANGUAGES.values()})


def offered_languages() -> dict[str, str]:
    """Return the languages of this installation (setting `languages`), the default language first."""
    return {code: UI_LANGUAGES[code].name for code in current_app.config["LANGUAGES"]}


def current_language() -> str:
    """Return the language of the request: from the account, the cookie or the browser, if offered."""
    if not has_request_context():
        return "en"
    if "language" not in g:
        codes = list(offered_languages())
        g.language = _chosen(codes) or request.accept_languages.best_match(codes) or codes[0]
    language: str = g.language
    return language


def _chosen(codes: list[str]) -> str | None:
    of_account = current_user.actor.language if current_user and current_user.is_authenticated else None
    cookie = request.cookies.get("language")
    return next((choice for choice in (of_account, cookie) if choice in codes), None)


def _region(lang: str | None) -> str:
    return REGIONS.get(lang or current_language(), "en_US")


# Pages repeat the same few dates, times and amounts, and formatting with Babel is slow.
@lru_cache(maxsize=4096)
def _date(value: date, pattern: str, region: str) -> str:
    return babel.dates.format_date(value, pattern, locale=region)


@lru_cache(maxsize=2048)
def _time(value: time, region: str) -> str:
    return _lower(babel.dates.format_time(value, "h:mm a", locale=region))


@lru_cache(maxsize=4096)
def _money(cents: int, region: str) -> str:
    return babel.numbers.format_currency(Decimal(cents) / 100, "USD", locale=region)


def _lower(text: str) -> str:
    # CLDR has "PM" and "p.m."; the pages use "4:30 pm", which avoids a second period at the end of a sentence.
    short = re.sub(r"([ap])\.\s?m\.", r"\1m", text)
    return short.replace("AM", "am").replace("PM", "pm").replace("\u202f", "\u00a0")


def when(moment: datetime, zone: str, lang: str | None = None) -> str:
    """Format a moment as "Tue, Oct 6, 4:30 pm" in `zone`; with the year if it is not the current one."""
    local = local_time.to_local(moment, zone)
    return f"{day(local.date(), lang=lang)}, {hour(local.time(), lang)}"


def day(value: date | datetime, zone: str = "UTC", lang: str | None = None) -> str:
    """Format a day as "Tue, Oct 6", in Spanish "mar 6 oct". A moment is first converted to `zone`."""
    if isinstance(value, datetime):
        value = local_time.to_local(value, zone).date()
    this_year = clock.now().astimezone(ZoneInfo(zone)).year
    region = _region(lang)
    this, other = DAY_PATTERNS[region]
    return _date(value, this if value.year == this_year else other, region)


def month(value: date, lang: str | None = None) -> str:
    """Format a month as "October 2026", in Spanish "octubre de 2026"."""
    region = _region(lang)
    return _date(value, "LLLL 'de' y" if region.startswith("es") else "LLLL y", region)


def hour(value: time | datetime, lang: str | None = None) -> str:
    """Format a time of day as "4:30 pm"."""
    return _time(time(value.hour, value.minute), _region(lang))


def clock_time(moment: datetime, zone: str, lang: str | None = None) -> str:
    """Format the time of day of a moment in `zone` as "4:30 pm"."""
    return hour(local_time.to_local(moment, zone).time(), lang)


def span(start: datetime, end: datetime, zone: str, lang: str | None = None) -> str:
    """Format two moments of a day as "Tue, Oct 6, 4:30 pm – 5:15 pm"."""
    return f"{when(start, zone, lang)} – {clock_time(end, zone, lang)}"


def money(cents: int | None, lang: str | None = None) -> str:
    """Format cents as "$1,234.50"; a dash if None."""
    if cents is None:
        return "—"
    return _money(cents, _region(lang))


def hours(minutes: int | Decimal | None) -> str:
    """Format minutes as decimal hours, such as "0.75", as payroll offices do."""
    return "—" if minutes is None else f"{Decimal(minutes) / 60:.2f}"


def capitalize_first(text: str) -> str:
    """Convert the first letter to upper case and leave the others unchanged."""
    return text[:1].upper() + text[1:]


def grade(code: str) -> str:
    """Format a CEDS grade code: "01" as "Grade 1", "KG" as "Kindergarten", in Spanish "1.er grado"."""
    names = {
        "PK": gettext("Prekindergarten"),
        "PR": gettext("Prekindergarten"),
        "TK": gettext("Transitional kindergarten"),
        "KG": gettext("Kindergarten"),
    }
    if code in names:
        return str(names[code])
    if not code.isdecimal():
        return str(gettext("Grade level %(code)s", code=code))
    number = int(code)
    ordinal = f"{number}.{'er' if number in (1, 3) else 'º'}"
    return str(gettext("Grade %(number)s", number=ordinal if current_language() == "es" else number))


def format_duration(minutes: int) -> str:
    """Format minutes as "1 h 15 min"."""
    whole, rest = divmod(int(minutes), 60)
    if not whole:
        return str(ngettext("%(num)d minute", "%(num)d minutes", rest))
    return str(
        gettext("%(hours)d h %(minutes)d min", hours=whole, minutes=rest) if rest else gettext("%(h)d h", h=whole)
    )


def install_filters(environment: Environment) -> None:
    """Register these functions as template filters."""
    environment.filters.update(
        when=when,
        day=day,
        month=month,
        hour=hour,
        clock=clock_time,
        money=money,
        hours=hours,
        duration=format_duration,
        grade=grade,
        begin=capitalize_first,
    )
    environment.globals["span"] = span
