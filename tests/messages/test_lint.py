import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.messages import labels
from homevisits.messages.templates import catalog, lint
from homevisits.messages.templates.segments import count_segments

TEMPLATES = [(language, name) for language in catalog.list_languages() for name in catalog.list_templates(language)]
ENGLISH = "Hello {school}"
CHOICE = "Reply 1 yes, 2 another time, 3 not now, 9 call me."


@pytest.mark.parametrize(("language", "name"), TEMPLATES)
def test_template_passes_all_checks(language: str, name: str) -> None:
    letters = catalog.load_pack(language).letters
    assert (
        lint.find_problems(
            catalog.get_template(language, name), catalog.get_template("en", name), language, letters, name
        )
        == []
    )


@pytest.mark.parametrize(("language", "name"), TEMPLATES)
def test_template_fits_in_two_segments_with_the_longest_names(language: str, name: str) -> None:
    assert (
        lint.measure_longest(
            catalog.get_template(language, name), language, catalog.load_pack(language).letters
        ).segments
        <= 2
    )


@given(
    school=st.text("abcdefgñ äéá'-", min_size=1, max_size=47),
    first_name=st.text("KWxyzü é-ł", min_size=1, max_size=30),
    second_name=st.text("HtooáçĐ", min_size=1, max_size=27),
)
def test_approved_template_fits_in_two_segments_with_any_names(school: str, first_name: str, second_name: str) -> None:
    sample = {
        **lint.LONGEST_PARAMS[0],
        "school": school,
        "people": f"{first_name} & {second_name}",
        "partner": first_name[:19],
    }
    for language in ("en", "es"):
        for template in catalog.load_pack(language).templates:
            assert lint.measure(template.text, sample, language, catalog.load_pack(language).letters).segments <= 2, (
                template.name
            )


def test_longest_params_cover_long_unbroken_and_non_gsm_names() -> None:
    assert any(len(sample["school"]) > 40 for sample in lint.LONGEST_PARAMS)
    assert any(len(sample["people"]) > 55 for sample in lint.LONGEST_PARAMS)
    assert any(all(" " not in name for name in sample["people"].split(" & ")) for sample in lint.LONGEST_PARAMS)
    assert any(count_segments(sample["people"]).encoding == "UCS-2" for sample in lint.LONGEST_PARAMS)


def test_spanish_with_accents_needs_more_segments() -> None:
    text = catalog.get_template("es", "invitation")
    assert lint.measure_longest(text, "es", "plain").segments == 2
    assert lint.measure_longest(text, "es", "accents").segments > 3
    assert lint.find_problems(text, catalog.get_template("en", "invitation"), "es", "accents") == ["too_long"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("Reply CANCEL to cancel", "asks_for_a_word"),
        ("Text YES to confirm", "asks_for_a_word"),
        ("text “yes” to confirm", "asks_for_a_word"),
        ("Answer with no to end", "asks_for_a_word"),
        ("To say no, END", "asks_for_a_word"),
        ("Responda SÍ para confirmar", "asks_for_a_word"),
        ("Responda con la palabra cancelar", "asks_for_a_word"),
        ("Ku jawaab haa", "asks_for_a_word"),
        ("Teb yog", "asks_for_a_word"),
        ("Trả lời có để xác nhận", "asks_for_a_word"),
        ("أجيبوا نعم", "asks_for_a_word"),
        ("We visit {child} soon", "names_too_much"),
        ("Dear {family}", "names_too_much"),
        ("We come to {address}", "says_address"),
        ("We come to 1420 N Cherry Creek Ave at noon", "says_address"),
        ("Vamos a la calle San Pedro 14", "says_address"),
        ("About {attendance}", "says_reason"),
        ("Hello {nobody}", "unknown_places"),
        ("Hello {school} " * 14, "too_long"),
        ("Hello {School}", "loose_brace"),
        ("Hello\n{school}", "control_characters"),
        ("Reply 1 yes, 2 another time, 3 not now.", "half_a_choice"),
        ("Reply 1 yes", "other_digits"),
    ],
)
def test_problem_in_a_template_is_reported(text: str, problem: str) -> None:
    assert problem in lint.find_problems(text, ENGLISH, "en", "plain")


@pytest.mark.parametrize(
    "text",
    [
        "No visit, thank you, {school}",
        "The school will text you another time. In the end it is your choice.",
        "STOP ends texts. To get them again, text START.",
        "STOP o ALTO: no más mensajes",
        "Someone will answer. No reason is asked.",
    ],
)
def test_harmless_use_of_a_keyword_is_accepted(text: str) -> None:
    assert lint.find_problems(text, ENGLISH, "en", "plain") == []


@pytest.mark.parametrize(
    "text", ["We come to your home", "Our visit on {day}", "Vamos a su casa", "La visita", "زيارتنا"]
)
def test_discreet_template_that_mentions_the_visit_is_reported(text: str) -> None:
    assert "says_visit" in lint.find_problems(text, "{day}", "en", "accents", "visit_confirm.discreet")
    assert "says_visit" not in lint.find_problems(text, "{day}", "en", "accents", "visit_confirm")


def test_question_offers_the_four_digits_in_every_language() -> None:
    assert lint.find_problems(CHOICE, CHOICE, "en", "plain") == []
    for language in catalog.list_languages():
        for name in ("invitation", "visit_confirm", "visit_moved", "visit_reminder"):
            assert all(digit in catalog.get_template(language, name) for digit in "1239"), (language, name)


@pytest.mark.parametrize(
    "text", ["{school} le llamará pronto", "Responda con el número", "Envíe su respuesta", "ÚLTIMO"]
)
def test_plain_spanish_text_with_accents_that_are_dropped_is_refused(text: str) -> None:
    assert "drops_accents" in lint.find_problems(text, ENGLISH, "es", "plain", "help")
    assert "drops_accents" not in lint.find_problems(text, ENGLISH, "es", "accents", "help")
    assert "drops_accents" not in lint.find_problems(text, ENGLISH, "vi", "plain", "help")


def test_spanish_text_that_a_person_typed_may_have_accents() -> None:
    text = "Le llamará mañana. ¿Está bien?"
    assert lint.find_problems(text, text, "es", "plain") == []


def test_plain_spanish_text_keeps_letters_of_the_gsm_alphabet() -> None:
    assert (
        lint.find_problems("¿Qué fecha prefiere? ¡Gracias, señora Argüello! {school}", ENGLISH, "es", "plain", "help")
        == []
    )


def test_translation_may_offer_all_answers_where_english_names_some() -> None:
    assert lint.find_problems(CHOICE, "Reply 9 and we call you.", "en", "plain") == []
    assert lint.find_problems("Reply 9 and we call you.", CHOICE, "en", "plain") == ["other_digits"]
    assert lint.find_problems(CHOICE, "Thank you.", "en", "plain") == ["other_digits"]


def test_every_problem_and_approval_state_has_a_label() -> None:
    problems = {code for code, _ in lint._content_checks("")} | {
        "unknown_places",
        "too_long",
        "other_digits",
        "says_visit",
        "drops_accents",
    }
    assert problems == set(labels.TEMPLATE_PROBLEMS)
    assert set(labels.APPROVAL_STATES) == {"approved", "changed", "waiting", "missing"}
