"""The forms of a page, read and filled in as a browser would send them. Independent of the code under test."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

TEXT = "Two lines & <tags>\nwith “quotes”, 'more' and ñ 🏠"
BY_TYPE = {
    "email": "someone@example.org",
    "date": "2026-11-03",
    "time": "17:45",
    "number": "7",
    "tel": "+13035550188",
    "url": "https://example.org/a",
}


@dataclass
class Control:
    """A field or button as the page shows it."""

    kind: str
    name: str
    value: str
    chosen: bool = False
    options: list[tuple[str, bool]] = field(default_factory=list)


@dataclass
class Form:
    """A form that is sent with POST."""

    page: str
    action: str
    controls: list[Control] = field(default_factory=list)
    multipart: bool = False

    @property
    def editable(self) -> list[Control]:
        """What a person fills in."""
        return [c for c in self.controls if c.kind not in ("hidden", "submit")]

    def shown(self, *without: str) -> list[tuple[str, str]]:
        """What would be sent if the first button were pressed now."""
        found: list[tuple[str, str]] = []
        for each in self.controls:
            if each.name and each.name not in without:
                if each.kind == "select":
                    chosen = [value for value, on in each.options if on] or [value for value, _on in each.options[:1]]
                    found += [(each.name, value) for value in chosen]
                elif each.kind not in ("checkbox", "radio", "file", "submit") or each.chosen:
                    found.append((each.name, each.value))
        buttons = [each for each in self.controls if each.kind == "submit"]
        return [*found, *[(each.name, each.value) for each in buttons[:1] if each.name]]

    def filled(self) -> list[tuple[str, str]]:
        """Other values than the page shows, in every field: what a person types and chooses."""
        for each in self.editable:
            if each.kind == "select":
                each.options = [(v, n == len(each.options) - 1) for n, (v, _on) in enumerate(each.options)]
            elif each.kind == "checkbox":
                each.chosen = not each.chosen
            elif each.kind == "radio":
                same = [other for other in self.editable if other.name == each.name]
                each.chosen = each is same[-1]
            elif each.kind != "file":
                # A line break is sent by a browser as CR LF, and only from a textarea.
                text = TEXT.replace("\n", "\r\n") if each.kind == "textarea" else TEXT.replace("\n", " ")
                each.value = BY_TYPE.get(each.kind, text)
        return self.shown()


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.loose: list[tuple[str, Control]] = []
        self.form: Form | None = None
        self.control: Control | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(self.page, given.get("action") or self.page, multipart="enctype" in given)
            if given.get("method", "").lower() == "post":
                self.forms.append(self.form)
            self.by_id[given.get("id", "")] = self.form
        elif tag in ("input", "textarea", "select", "button"):
            kind = given.get("type", "text" if tag == "input" else "submit") if tag in ("input", "button") else tag
            default = "on" if kind in ("checkbox", "radio") else ""
            self.control = Control(kind, given.get("name", ""), given.get("value", default), "checked" in given)
            if "form" in given:
                self.loose.append((given["form"], self.control))
            elif self.form:
                self.form.controls.append(self.control)
        elif tag == "option" and self.control:
            self.control.options.append((given["value"], "selected" in given))

    def handle_data(self, data: str) -> None:
        if self.control and self.control.kind == "textarea":
            self.control.value += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "textarea" and self.control:
            # A line break right after the tag is no part of the text; the others are sent as CR LF.
            text = self.control.value.removeprefix("\n")
            self.control.value = text.replace("\r\n", "\n").replace("\n", "\r\n")
            self.control = None


def forms_of(html: str, page: str) -> list[Form]:
    """Every form of a page that is sent with POST."""
    reader = _Reader(page)
    reader.feed(html)
    reader.close()
    for owner, control in reader.loose:
        reader.by_id[owner].controls.append(control)
    return reader.forms
