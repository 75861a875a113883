from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from babel import Locale
from babel.numbers import format_currency
from flask import Blueprint, abort, render_template, request
from flask_babel import lazy_gettext as _l

from homevisits.core.access import Permission
from homevisits.messages import labels, message_types
from homevisits.messages.templates import catalog, files, lint
from homevisits.messages.templates.segments import Segments, count_segments
from homevisits.web import formats
from homevisits.web.context import settings
from homevisits.web.security import allow

bp = Blueprint("texts", __name__)

SAMPLE_VALUES = MappingProxyType(
    {
        "school": "Riverside Elementary School",
        "people": "Kaonou Xiong & Alicia Moreno",
        "day": "10/13",
        "time": "4:30 pm",
        "partner": "Alicia",
        "visit": "17",
        "choices": "1 10/13, 4:30 pm, 2 10/20, 5:15 pm",
    }
)

SAMPLE_DAYS = MappingProxyType(
    {"en": "Tue, Oct 13", "es": "martes 13 de octubre", "ar": "الثلاثاء 13 أكتوبر", "vi": "Th 3 13 thg 10"}
)
GROUP_TITLES = MappingProxyType(
    {
        "family": _l("To families"),
        "discreet": _l("To families, in the discreet wording"),
        "canned": _l("Quick replies"),
        "staff": _l("To the two people on a visit"),
    }
)


@dataclass(frozen=True)
class TemplateView:
    """A template with sample values, and its segments with sample values and with the longest values."""

    name: str
    title: str
    group: str
    state: str
    own: bool
    approval: files.Approval | None
    example: str
    segments: Segments
    longest: Segments
    other_letters: Segments | None
    faults: tuple[str, ...]


@bp.get("/texts")
@allow(Permission.ASK, Permission.OVERVIEW)
def show_templates() -> str:
    """Show the message templates of a language."""
    packs = [catalog.load_pack(language) for language in catalog.list_languages()]
    packs.sort(key=lambda pack: (not pack.is_ready, pack.language != files.BASE_LANGUAGE, pack.name))
    chosen = request.args.get("language", files.BASE_LANGUAGE)
    if chosen not in catalog.list_languages():
        abort(404)
    pack = catalog.load_pack(chosen)
    shown = [_build_view(pack, text) for text in sorted(pack.templates, key=_sort_key) if text.state != "missing"]
    return render_template(
        "operations/templates.html",
        packs=packs,
        pack=pack,
        groups={title: [text for text in shown if text.group == group] for group, title in GROUP_TITLES.items()},
        needed=[text for text in pack.templates if text.is_required],
        missing=[labels.template_title(text.name) for text in pack.templates if text.state == "missing"],
        own=any(text.is_own for text in pack.templates),
        wording=settings().policy.text_wording,
        language_names=_language_names(),
        price=settings().segment_price,
        dollars=_format_price,
        states=labels.APPROVAL_STATES,
        reasons=labels.TEMPLATE_PROBLEMS,
        kinds={"approved": "done", "waiting": "wait", "changed": "care"},
    )


def _build_view(pack: files.LanguagePack, text: files.Template) -> TemplateView:
    sample = {**SAMPLE_VALUES, "day": SAMPLE_DAYS.get(pack.language, SAMPLE_VALUES["day"])}
    example = catalog.preview(pack.language, text.name, sample)
    letters = "accents" if pack.letters == "plain" else "plain"
    other = count_segments(catalog.preview(pack.language, text.name, sample, letters))
    segments = count_segments(example)
    known = text.name in catalog.list_templates(files.BASE_LANGUAGE)
    english = catalog.get_template(files.BASE_LANGUAGE, text.name) if known else text.text
    return TemplateView(
        name=text.name,
        title=labels.template_title(text.name),
        group=_group_of(text.name),
        state=text.state,
        own=text.is_own,
        approval=text.approval,
        example=example,
        segments=segments,
        longest=lint.measure_longest(text.text, pack.language, pack.letters),
        other_letters=other if other.segments != segments.segments else None,
        faults=tuple(lint.find_problems(text.text, english, pack.language, pack.letters, text.name)),
    )


def _group_of(name: str) -> str:
    if name.endswith(files.DISCREET_SUFFIX):
        return "discreet"
    message_type = message_types.find(name)
    if message_type is None:
        return "family"
    return "canned" if message_type.is_quick_reply else message_type.audience


def _sort_key(text: files.Template) -> tuple[int, str]:
    names = [message_type.name for message_type in message_types.all_types()]
    name = text.name.removesuffix(files.DISCREET_SUFFIX)
    return (names.index(name) if name in names else len(names), text.name)


def _language_names() -> Mapping[str, str]:
    """Name every language in the user's language."""
    names = Locale.parse(formats.current_language()).languages
    return {language: formats.capitalize_first(names.get(language, language)) for language in catalog.list_languages()}


def _format_price(price: Decimal) -> str:
    """Format a price in dollars with four decimals."""
    region = formats.REGIONS[formats.current_language()]
    return str(format_currency(price, "USD", "¤0.0000", region, currency_digits=False))
