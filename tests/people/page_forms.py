"""Parse the forms of a page and fill them in as a browser does, independently of the code under test."""

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
    """A field or button of a form."""

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
        """Controls that a person fills in."""
        return [control for control in self.controls if control.kind not in ("hidden", "submit")]

    def fields(self, *without: str) -> list[tuple[str, str]]:
        """Return the fields that a browser would send with the first button."""
        fields: list[tuple[str, str]] = []
        for control in self.controls:
            if control.name and control.name not in without:
                if control.kind == "select":
                    chosen = [value for value, on in control.options if on] or [
                        value for value, _on in control.options[:1]
                    ]
                    fields += [(control.name, value) for value in chosen]
                elif control.kind not in ("checkbox", "radio", "file", "submit") or control.chosen:
                    fields.append((control.name, control.value))
        buttons = [control for control in self.controls if control.kind == "submit"]
        return [*fields, *[(control.name, control.value) for control in buttons[:1] if control.name]]

    def fill(self) -> list[tuple[str, str]]:
        """Change the value of every control and return the fields to send."""
        for control in self.editable:
            if control.kind == "select":
                control.options = [(v, n == len(control.options) - 1) for n, (v, _on) in enumerate(control.options)]
            elif control.kind == "checkbox":
                control.chosen = not control.chosen
            elif control.kind == "radio":
                same = [other for other in self.editable if other.name == control.name]
                control.chosen = control is same[-1]
            elif control.kind != "file":
                # Only a textarea can contain line breaks. Browsers send them as CR LF.
                text = TEXT.replace("\n", "\r\n") if control.kind == "textarea" else TEXT.replace("\n", " ")
                control.value = BY_TYPE.get(control.kind, text)
        return self.fields()


class _FormParser(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.detached: list[tuple[str, Control]] = []
        self.form: Form | None = None
        self.control: Control | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(self.page, attributes.get("action") or self.page, multipart="enctype" in attributes)
            if attributes.get("method", "").lower() == "post":
                self.forms.append(self.form)
            self.by_id[attributes.get("id", "")] = self.form
        elif tag in ("input", "textarea", "select", "button"):
            kind = attributes.get("type", "text" if tag == "input" else "submit") if tag in ("input", "button") else tag
            default = "on" if kind in ("checkbox", "radio") else ""
            self.control = Control(
                kind, attributes.get("name", ""), attributes.get("value", default), "checked" in attributes
            )
            if "form" in attributes:
                self.detached.append((attributes["form"], self.control))
            elif self.form:
                self.form.controls.append(self.control)
        elif tag == "option" and self.control:
            self.control.options.append((attributes["value"], "selected" in attributes))

    def handle_data(self, data: str) -> None:
        if self.control and self.control.kind == "textarea":
            self.control.value += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "textarea" and self.control:
            # HTML drops a line break right after the tag. Browsers send the others as CR LF.
            text = self.control.value.removeprefix("\n")
            self.control.value = text.replace("\r\n", "\n").replace("\n", "\r\n")
            self.control = None


def parse_forms(html: str, page: str) -> list[Form]:
    """Return every form of a page that is sent with POST."""
    parser = _FormParser(page)
    parser.feed(html)
    parser.close()
    for owner, control in parser.detached:
        parser.by_id[owner].controls.append(control)
    return parser.forms
