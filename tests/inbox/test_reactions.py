"""Reactions sent as SMS by iPhone and Android. The quoted text is not part of the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homevisits.inbox.parsing.intent import parse_intent
from homevisits.inbox.parsing.keywords import KEYWORDS_BY_INTENT, Intent
from homevisits.inbox.parsing.reactions import Reaction, parse_reaction

LIKED = [
    "Liked “{}”",
    'Liked "{}"',
    "Loved “{}”",
    "Loved an image",
    "\u200aLiked\u200a “{}”\u200a",
    "👍 to “{}”",
    "👍🏽 to “{}”",
    "❤️ to “{}”",
    "Reacted 👍 to “{}”",
    "Reacted 👍🏾 to “{}”",
    "Reacted ❤️ to “{}”",
    "Le gustó “{}”",
    "Le encantó “{}”",
    "Me gustó “{}”",
    "Reaccionó con 👍 a “{}”",
    "Reaccionó 👍 a «{}»",
    "👍 a “{}”",
    "A ajouté un cœur à « {} »",
    "A aimé « {} »",
]
OTHER = [
    "Disliked “{}”",
    "Laughed at “{}”",
    "Emphasized “{}”",
    "Emphasised “{}”",
    "Questioned “{}”",
    "Removed a heart from “{}”",
    "Removed a like from “{}”",
    "Removed an exclamation from “{}”",
    "Removed 👍 from “{}”",
    "Reacted 😢 to “{}”",
    "👎 to “{}”",
    "No le gustó “{}”",
    "Se rió de “{}”",
    "Destacó “{}”",
    "Enfatizó “{}”",
    "Cuestionó “{}”",
    "Eliminó un me gusta de “{}”",
    "Quitó un corazón de “{}”",
    "Laughed at a photo",
]
QUOTED = (
    "STOP",
    "Lincoln: Ana and Luis would like to visit you. Reply 1 to confirm… STOP ends texts.",
    "1",
    "line one\nline two",
)


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("sentence", LIKED)
def test_f21_like_is_a_probable_yes_and_never_an_answer(sentence: str, quoted: str) -> None:
    assert parse_reaction(sentence.format(quoted)) is Reaction.LIKED
    assert parse_intent(sentence.format(quoted)) is Intent.PROBABLE_YES


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("sentence", OTHER)
def test_f21_other_reaction_has_no_meaning_whatever_it_quotes(sentence: str, quoted: str) -> None:
    assert parse_reaction(sentence.format(quoted)) is Reaction.OTHER
    assert parse_intent(sentence.format(quoted)) is Intent.TAPBACK


@given(st.sampled_from(LIKED + OTHER), st.sampled_from(sorted(KEYWORDS_BY_INTENT[Intent.STOP])), st.text(max_size=40))
def test_f21_reaction_quoting_a_stop_is_not_a_stop(sentence: str, word: str, more: str) -> None:
    assert parse_intent(sentence.format(word.upper())) in (Intent.PROBABLE_YES, Intent.TAPBACK)
    assert parse_intent(sentence.format(f"{more} {word}")) in (Intent.PROBABLE_YES, Intent.TAPBACK)


@pytest.mark.parametrize(
    "body",
    ["I liked it", "Loved meeting you", "STOP", "“STOP”", "Disliked", "Removed", "to “you”", "1 to confirm", "👍", ""],
)
def test_typed_message_is_not_a_reaction(body: str) -> None:
    assert parse_reaction(body) is None
