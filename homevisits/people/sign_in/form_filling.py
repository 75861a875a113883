"""Fill a form of a rendered page with values that were typed before. Works on HTML text; pure.

Only the tags that change are rewritten; everything else in the page stays as it is, character by character.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

PURE = True

Fields = Sequence[tuple[str, str]]  # typed names and values in the order they were sent
Attributes = dict[str, str | None]
BUTTONS = frozenset({"submit", "button", "reset", "image"})
# Hidden fields keep the value of the new page; the user enters passwords and files again.
NEVER_FILLED = frozenset({"hidden", "password", "file"})


@dataclass
class Tag:
    """A start tag and its place in the page. ``content_end``: where the end tag of the element begins."""

    name: str
    attributes: Attributes
    start: int
    end: int
    details: tuple["Tag", ...] = ()  # the disclosures around it
    content_end: int = 0
    text: str = ""
    parts: list["Tag"] = field(default_factory=list)  # controls of a form, options of a select

    def get(self, name: str) -> str:
        """An attribute's value; empty when it is missing."""
        return self.attributes.get(name) or ""

    @property
    def kind(self) -> str:
        """The type of a control: textarea, select, submit, or the type of an input."""
        if self.name == "input":
            return self.get("type").lower() or "text"
        return (self.get("type").lower() or "submit") if self.name == "button" else self.name

    @property
    def is_button(self) -> bool:
        """Whether this is a button and no field."""
        return self.kind in BUTTONS

    @property
    def is_editable(self) -> bool:
        """Whether a person types or chooses something here."""
        return not self.is_button and self.kind != "hidden" and "disabled" not in self.attributes


@dataclass(frozen=True)
class FormMatch:
    """The form of a page that belongs to what was typed. ``same_action``: it is sent to the same address."""

    form: Tag
    same_action: bool

    @property
    def is_editable(self) -> bool:
        """Whether the form has anything to fill in; else it is a button alone."""
        return any(part.is_editable for part in self.form.parts)

    def asks_again(self, kind: str) -> bool:
        """Whether the form has a field of a kind that is never kept: file or password."""
        return any(part.kind == kind for part in self.form.parts)

    def pressed(self, fields: Fields) -> str:
        """The text of the button that was pressed."""
        buttons = [part for part in self.form.parts if part.kind == "submit"]
        named = [each for each in buttons if (each.get("name"), each.get("value")) in fields]
        for each in named or buttons:
            return " ".join((each.text or each.get("value")).split())
        return ""


class Page(HTMLParser):
    """The forms of a page, with the places of their tags."""

    def __init__(self, html: str, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.address = address  # what forms and links without an address of their own refer to
        self.forms: list[Tag] = []
        self.links: list[Tag] = []
        self._loose: list[tuple[str, Tag]] = []  # controls that name their form by its id
        self._details: list[Tag] = []
        self._form: Tag | None = None
        self._open: Tag | None = None  # the textarea, button or option that is being read
        self._select: Tag | None = None
        self._lines = [0]
        for line in html.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self.feed(html)
        self.close()
        by_id = {form.get("id"): form for form in self.forms if form.get("id")}
        for owner, control in self._loose:
            if owner in by_id:
                by_id[owner].parts.append(control)

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, a control or a disclosure."""
        start = self._offset()
        element = Tag(tag, dict(attrs), start, start + len(self.get_starttag_text() or ""), tuple(self._details))
        if tag == "details":
            self._details.append(element)
        elif tag == "form":
            self._form = element
            self.forms.append(element)
        elif tag == "a":
            self.links.append(element)
        elif tag == "option" and self._select:
            self._select.parts.append(element)
            self._open = element
        elif tag in ("input", "textarea", "select", "button"):
            self._control(element)

    def _control(self, found: Tag) -> None:
        if "form" in found.attributes:
            self._loose.append((found.get("form"), found))
        elif self._form:
            self._form.parts.append(found)
        if found.name == "select":
            self._select = found
        elif found.name != "input":
            self._open = found

    def handle_endtag(self, tag: str) -> None:
        """Note where an element ends."""
        if self._open and self._open.name == tag:
            self._open.content_end = self._offset()
            self._open = None
        if tag == "select":
            self._select = None
        elif tag == "form":
            self._form = None
        elif tag == "details" and self._details:
            self._details.pop()

    def handle_data(self, data: str) -> None:
        """Collect the text of a button or an option."""
        if self._open:
            self._open.text += data

    def form_for(self, path: str, fields: Fields, ignored: frozenset[str]) -> FormMatch | None:
        """The form that was sent to `path` with `fields`; `ignored` are the names of fields that are new on each page.

        Among several forms with the same address, prefer equal hidden values. A page that was the last of
        several steps cannot be opened again: then the first step's form, if it has a field for what was typed.
        """
        posts = [form for form in self.forms if form.get("method").lower() == "post"]
        same = [form for form in posts if urlsplit(form.get("action") or self.address).path == path]
        exact = [form for form in same if not _hidden_values(form, ignored) - set(fields)]
        pressed = [form for form in exact if any(_is_pressed(part, fields) for part in form.parts)]
        editable = [form for form in same if any(part.is_editable for part in form.parts)]
        for chosen in (pressed, exact, editable):
            if chosen:
                return FormMatch(chosen[0], same_action=True)
        long = {name for name, value in fields if value}
        for form in posts:
            if any(part.kind == "textarea" and part.get("name") in long for part in form.parts):
                return FormMatch(form, same_action=False)
        return None

    def filled(self, found: FormMatch, fields: Fields, extra: str, notice: str) -> str:
        """The page with the form filled in.

        Args:
            found: the form, from `form_for`
            fields: what was typed
            extra: HTML that is added inside the form
            notice: HTML that is put before the form

        """
        form = found.form
        edits = [(form.start, form.start, notice), (form.end, form.end, extra)]
        for other in self.forms:
            if not other.get("action"):
                edits.append((other.start, other.end, _render_with_attributes(other, action=self.address)))
        edits += [
            (link.start, link.end, _render_with_attributes(link, href=urlsplit(self.address).path + link.get("href")))
            for link in self.links
            if link.get("href").startswith("?")
        ]
        around = {id(each): each for part in (form, *form.parts) for each in part.details}
        edits += [(each.start, each.end, _render_with_attributes(each, open=None)) for each in around.values()]
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(name, []).append(value)
        for part in form.parts:
            if part.is_editable and part.kind not in NEVER_FILLED:
                edits += _fill_control(part, values)
        return _apply_edits(self.html, edits)


def _hidden_values(form: Tag, ignored: frozenset[str]) -> set[tuple[str, str]]:
    return {
        (part.get("name"), part.get("value"))
        for part in form.parts
        if part.kind == "hidden" and part.get("name") not in ignored
    }


def _is_pressed(part: Tag, fields: Fields) -> bool:
    return part.is_button and bool(part.get("name")) and (part.get("name"), part.get("value")) in fields


def _fill_control(part: Tag, values: dict[str, list[str]]) -> Iterator[tuple[int, int, str]]:
    name = part.get("name")
    if part.kind in ("checkbox", "radio"):
        is_chosen = (part.attributes.get("value") or "on") in values.get(name, ())
        yield part.start, part.end, _render_with_mark(part, "checked", on=is_chosen)
    elif name in values:
        if part.kind == "select":
            for option in part.parts:
                value = option.attributes.get("value", option.text.strip()) or ""
                yield option.start, option.end, _render_with_mark(option, "selected", on=value in values[name])
        elif values[name]:
            typed = values[name].pop(0)
            if part.kind == "textarea":
                yield part.end, part.content_end, "\n" + escape(typed)
            else:
                yield part.start, part.end, _render_with_attributes(part, value=typed)


def _render_with_mark(tag: Tag, mark: str, *, on: bool) -> str:
    kept = {name: value for name, value in tag.attributes.items() if name != mark}
    return _render_tag(tag.name, {**kept, mark: None} if on else kept)


def _render_with_attributes(tag: Tag, **changed: str | None) -> str:
    return _render_tag(tag.name, {**tag.attributes, **changed})


def _render_tag(name: str, attributes: Attributes) -> str:
    shown = [key if value is None else f'{key}="{escape(value)}"' for key, value in attributes.items()]
    return f"<{' '.join([name, *shown])}>"


def _apply_edits(html: str, edits: list[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        parts += [html[at:start], text]
        at = end
    return "".join([*parts, html[at:]])
