"""Segment counts: fixed examples, and a comparison with Twilio's own calculator."""

import json
import os
import random
import shutil
import subprocess

import pytest

from homevisits.messages.templates import catalog, graphemes, lint, rendering
from homevisits.messages.templates.segments import GSM7, GSM7_EXTENDED, Segments, count_segments
from tests import external_programs

FAMILY = "👩\u200d👩\u200d👧\u200d👦"
EXAMPLES = [
    ("", Segments("GSM-7", 1, 0)),
    ("a" * 160, Segments("GSM-7", 1, 160)),
    ("a" * 161, Segments("GSM-7", 2, 161)),
    ("a" * 306, Segments("GSM-7", 2, 306)),
    ("a" * 307, Segments("GSM-7", 3, 307)),
    ("ñéÑü¿¡É", Segments("GSM-7", 1, 7)),
    ("line\r\nbreak", Segments("GSM-7", 1, 11)),
    ("€" * 80, Segments("GSM-7", 1, 160)),
    ("€" * 81, Segments("GSM-7", 2, 162)),
    ("a" * 152 + "€" + "a" * 151, Segments("GSM-7", 2, 305)),
    ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 3, 306)),
    ("a" * 152 + "[" + "a" * 6, Segments("GSM-7", 1, 160)),
    ("á" * 70, Segments("UCS-2", 1, 70)),
    ("á" * 71, Segments("UCS-2", 2, 71)),
    ("á" * 134, Segments("UCS-2", 2, 134)),
    ("á" * 135, Segments("UCS-2", 3, 135)),
    ("á€", Segments("UCS-2", 1, 2)),
    ("á" + "{" * 69, Segments("UCS-2", 1, 70)),
    ("😀" * 35, Segments("UCS-2", 1, 35)),
    ("😀" * 36, Segments("UCS-2", 2, 36)),
    ("a" * 66 + "😀" * 3, Segments("UCS-2", 2, 69)),
    (FAMILY, Segments("UCS-2", 1, 1)),
    (FAMILY * 6, Segments("UCS-2", 1, 6)),
    (FAMILY * 7, Segments("UCS-2", 2, 7)),
    ("🇺🇸🇲🇽", Segments("UCS-2", 1, 2)),
    ("👋🏽", Segments("UCS-2", 1, 1)),
    ("e\u0301", Segments("UCS-2", 1, 1)),
    ("한국어", Segments("UCS-2", 1, 3)),
    ("\ud83d\ude00", Segments("UCS-2", 1, 1)),
]
CALCULATOR = """
const {SegmentedMessage} = require('sms-segments-calculator');
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(texts.map((text) => {
  const found = new SegmentedMessage(text);
  return [found.encodingName, found.segmentsCount, found.numberOfCharacters];
})));
"""


@pytest.mark.parametrize(("text", "counted"), EXAMPLES, ids=[f"vector-{number}" for number in range(len(EXAMPLES))])
def test_segments_are_counted_as_carriers_do(text: str, counted: Segments) -> None:
    assert count_segments(text) == counted


def test_gsm7_alphabet_is_complete() -> None:
    assert len(GSM7) == 127  # plus the escape to the ten characters of the extension table
    assert len(GSM7_EXTENDED) == 10
    assert not GSM7 & GSM7_EXTENDED


def test_every_grapheme_break_class_occurs() -> None:
    known = {graphemes.break_class(chr(code)) for code in range(0x110000)}
    assert known == set(graphemes.BreakClass)


def test_empty_text_has_no_graphemes() -> None:
    assert list(graphemes.split_graphemes("")) == []


def test_splitting_graphemes_loses_no_character() -> None:
    text = f"Sí {FAMILY} 🇺🇸🇲 {'e' + chr(0x301) * 9} \r\n ไทย นี้ 한국"
    assert "".join(graphemes.split_graphemes(text)) == text


def make_texts() -> list[str]:
    """Return texts in all our alphabets, at the lengths where a segment ends, with special characters there."""
    texts = [text for text, _ in EXAMPLES if "\ud83d" not in text]
    for letter, lengths in [("a", (159, 160, 161, 305, 306, 307)), ("ñ", (159, 160, 161, 305, 306, 307)),
                            ("á", (69, 70, 71, 133, 134, 135)), ("ب", (69, 70, 71, 133, 134, 135)),
                            ("ế", (69, 70, 71, 133, 134, 135)), ("😀", (34, 35, 36, 66, 67, 68))]:  # fmt: skip
        for length in lengths:
            texts += [letter * length, letter * (length - 1) + "€", letter * (length - 1) + "€a"]
            texts += [
                letter * (length - 1) + special + letter * 3 for special in (FAMILY, "🇺🇸", "👋🏽", "e\u0301", "[", "’")
            ]
    for language in catalog.list_languages():
        for name in catalog.list_templates(language):
            filled = rendering.fill_placeholders(catalog.get_template(language, name), lint.LONGEST_PARAMS[2])
            texts += [filled, rendering.to_gsm7(filled)]
    generator = random.Random(308)
    letters = [
        *"aé€[ \n\rñáếبا",
        "\u0301",
        "\u200d",
        "\ufe0f",
        "👩",
        "👧",
        "❤",
        "🏽",
        "🇺",
        "한",
        "\u1100",
        "\u0600",
        "\u0903",
    ]
    for _ in range(600):
        chosen = generator.sample(letters, generator.randint(1, 8))
        texts.append("".join(generator.choice(chosen) for _ in range(generator.choice((3, 8, 40, 70, 134, 160)))))
    return texts


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command that runs Twilio's calculator."""
    if not shutil.which("node") or not (external_programs.node_folder() / "sms-segments-calculator").exists():
        external_programs.skip_or_fail(
            "Twilio's calculator is not on this machine (.ci/node.sh installs it into build/node, with npm)"
        )
    script = tmp_path_factory.mktemp("calculator") / "ask.js"
    script.write_text(CALCULATOR, encoding="utf-8")
    return ["node", str(script)]


def test_f22_counts_match_twilios_calculator(calculator: list[str]) -> None:
    texts, environment = make_texts(), {**os.environ, "NODE_PATH": str(external_programs.node_folder())}
    run = subprocess.run(
        calculator, env=environment, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    expected = [Segments(*counts) for counts in json.loads(run.stdout)]
    counted = [count_segments(text) for text in texts]
    assert len(texts) == len(expected) >= 308
    assert [(t, c, e) for t, c, e in zip(texts, counted, expected, strict=True) if c != e] == []
