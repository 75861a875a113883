import pytest

from homevisits.people.sign_in.form_filling import Fields, FormMatch, Page

NOTHING_IGNORED: frozenset[str] = frozenset()


def match_form(page: Page, path: str = "/note", fields: Fields = ()) -> FormMatch:
    match = page.form_for(path, fields, NOTHING_IGNORED)
    assert match is not None
    return match


def fill(html: str, fields: Fields) -> str:
    """Return the page after filling the form with the action /note."""
    page = Page(html, "/page")
    return page.filled(match_form(page, fields=fields), fields, extra="", notice="")


@pytest.mark.parametrize(
    ("buttons", "fields", "text"),
    [
        ("", [], ""),
        ('<input type="reset" value="Clear">', [], ""),
        ("<button> Send\n it </button>", [], "Send it"),
        ('<input type="submit" value="Send">', [], "Send"),
        ('<button name="do" value="a">First</button><button name="do" value="b">Second</button>', [], "First"),
        (
            '<button name="do" value="a">First</button><button name="do" value="b">Second</button>',
            [("do", "b")],
            "Second",
        ),
    ],
)
def test_pressed_button_is_the_one_that_was_sent_or_the_first(buttons: str, fields: Fields, text: str) -> None:
    page = Page(f'<form method="post" action="/note"><input name="title">{buttons}</form>', "/page")
    assert match_form(page, fields=fields).pressed(fields) == text


def test_controls_outside_the_form_stay_as_they_are() -> None:
    outside = '<input name="title" form="other" value="old"><textarea name="title">old</textarea>'
    inside = '<form id="note" method="post" action="/note"><input name="title" value="{0}"></form>'
    linked = '<input name="place" form="note" value="{0}">'
    filled = fill(outside + inside.format("old") + linked.format("old"), [("title", "new"), ("place", "new")])
    assert filled == outside + inside.format("new") + linked.format("new")


def test_fields_without_a_typed_value_keep_the_value_of_the_page() -> None:
    html = (
        '<form method="post" action="/note"><input name="child" value="{0}"><input name="child" value="old">'
        '<input name="place" value="old"></form>'
    )
    assert fill(html.format("old"), [("child", "new")]) == html.format("new")


def test_form_of_a_first_step_is_found_by_its_text_field() -> None:
    search = '<form method="post" action="/search"><input name="body"></form>'
    write = '<form method="post" action="/write"><textarea name="body"></textarea></form>'
    page = Page(search + write, "/page")
    match = match_form(page, "/write/confirm", [("body", "Dear family")])
    assert (match.form.get("action"), match.same_action) == ("/write", False)
    assert page.form_for("/write/confirm", [("body", "")], NOTHING_IGNORED) is None
    assert page.form_for("/write/confirm", [("other", "Dear family")], NOTHING_IGNORED) is None
