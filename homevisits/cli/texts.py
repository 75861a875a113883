from typing import Any

import click

from homevisits.cli.output import CommandError, CommandResult, Group, command
from homevisits.core import clock
from homevisits.core.settings import load_settings, load_template_settings
from homevisits.messages import labels
from homevisits.messages.providers import callback_token
from homevisits.messages.templates import catalog, files, lint
from homevisits.messages.templates.segments import count_segments as count


@click.group(cls=Group)
def texts() -> None:
    """Texts to families: length, rules, approval. A district's own texts are in its texts_folder."""


@command(texts)
@click.argument("text")
def segments(text: str) -> CommandResult:
    """Show the encoding, number of segments and characters of TEXT. Write -- before the text."""
    found = count(text)
    document = {"encoding": found.encoding, "segments": found.segments, "characters": found.characters}
    return CommandResult(
        document, f"{found.encoding}, {_format_segments(found.segments)}, {found.characters} characters"
    )


@command(texts)
def check() -> CommandResult:
    """Check every text in every language against the rules, for example its length."""
    catalog.configure(*load_template_settings())
    found = [
        {"language": pack.language, "text": text.name, "code": code, "reason": str(labels.TEMPLATE_PROBLEMS[code])}
        for pack in map(catalog.load_pack, catalog.list_languages())
        for text in pack.templates
        if text.state != "missing"
        for code in _find_faults(pack, text.name)
    ]
    total = sum(len(catalog.list_templates(language)) for language in catalog.list_languages())
    lines = [f"{one['language']}/{one['text']}: {one['reason']}" for one in found]
    lines.append(f"{total} texts, {len(found)} to change." if found else f"{total} texts follow the rules.")
    return CommandResult({"texts": total, "faults": found}, "\n".join(lines), 1 if found else 0)


@command(texts)
def kannel() -> CommandResult:
    """Print the post-url for Kannel's group sms-service, to which it sends incoming texts. Keep it secret."""
    settings = load_settings()
    if not settings.kannel_secret:
        raise CommandError("no_secret", "Kannel has no secret: set kannel_secret.")
    word = callback_token.compute_token(settings.kannel_secret, callback_token.INBOUND)
    address = f"{settings.public_url.rstrip('/')}/kannel/inbound/{word}?id=%I&from=%p&to=%P"
    return CommandResult({"post_url": address}, f'post-url = "{address}"')


@command(texts, name="list")
def list_texts() -> CommandResult:
    """List the state of each text in each language, with its segments for the longest names."""
    catalog.configure(*load_template_settings())
    document, lines = [], []
    for pack in map(catalog.load_pack, catalog.list_languages()):
        rows = [_text_values(pack, text) for text in pack.templates]
        document.append(
            {
                "language": pack.language,
                "name": pack.name,
                "letters": pack.letters,
                "sent": pack.is_ready,
                "texts": rows,
            }
        )
        lines.append(
            f"{pack.language}  {pack.name}: {'in use' if pack.is_ready else 'not in use'}, letters {pack.letters}"
        )
        lines += [f"    {row['text']:<24} {_format_segments(row['parts']):<10}  {_describe_state(row)}" for row in rows]
    return CommandResult({"languages": document}, "\n".join(lines))


@command(texts)
@click.argument("language")
@click.argument("names", nargs=-1)
@click.option("--by", required=True, help="Who approves: a name and why they know the language.")
@click.option("--note", default="", help="Their comment.")
def approve(language: str, names: tuple[str, ...], by: str, note: str) -> CommandResult:
    """Record that a speaker of LANGUAGE approves the texts NAMES (default: all) as they are now."""
    catalog.configure(*load_template_settings())
    if language not in catalog.list_languages():
        raise CommandError(
            "language", f"There are no texts in {language}. Languages: {', '.join(catalog.list_languages())}", 2
        )
    if not by.strip():
        raise CommandError("by", "Enter who approves them.", 2)
    chosen, pack = names or catalog.list_templates(language), catalog.load_pack(language)
    unknown = sorted(set(chosen) - set(catalog.list_templates(language)))
    if unknown:
        raise CommandError("text", f"There is no text {', '.join(unknown)} in {language}.", 2)
    for name in chosen:
        faults = _find_faults(pack, name)
        if faults:
            raise CommandError("rules", f"{language}/{name}: {labels.TEMPLATE_PROBLEMS[faults[0]]}")
    catalog.approve(language, tuple(chosen), by.strip(), clock.now().date(), note.strip())
    ready = catalog.load_pack(language).is_ready
    result = "The language is now in use." if ready else "The language is not in use: other texts need approval."
    where = catalog.district_folder()
    kept = f" Saved in {where / language}." if where else ""
    document = {
        "language": language,
        "approved": sorted(chosen),
        "sent": ready,
        "folder": str(where) if where else None,
    }
    approved = "1 text" if len(chosen) == 1 else f"{len(chosen)} texts"
    return CommandResult(document, f"{approved} approved. {result}{kept}")


def _find_faults(pack: files.LanguagePack, name: str) -> list[str]:
    template_text = catalog.get_template(pack.language, name)
    english = (
        catalog.get_template(files.BASE_LANGUAGE, name)
        if name in catalog.list_templates(files.BASE_LANGUAGE)
        else template_text
    )
    return lint.find_problems(template_text, english, pack.language, pack.letters, name)


def _text_values(pack: files.LanguagePack, text: files.Template) -> dict[str, Any]:
    travels = lint.measure_longest(text.text, pack.language, pack.letters)
    approval = text.approval
    return {
        "text": text.name,
        "state": text.state,
        "by": approval.by if approval else None,
        "on": approval.on.isoformat() if approval else None,
        "own": text.is_own,
        "needed": text.is_required,
        "encoding": travels.encoding,
        "parts": travels.segments,
    }


def _describe_state(row: dict[str, Any]) -> str:
    state = str(labels.APPROVAL_STATES[row["state"]])
    own = ", the district's own" if row["own"] else ""
    return f"{state} by {row['by']} on {row['on']}{own}" if row["state"] == "approved" else state + own


def _format_segments(number: int) -> str:
    return "1 segment" if number == 1 else f"{number} segments"
