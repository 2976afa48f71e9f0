"""One word for one thing: what CONTRIBUTING's glossary replaced stays away from code, help and documents."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EVERYWHERE = {
    r"census": "listing builder",
    r"crew": "worker pool",
    r"dealt|dealing": "split, assigned, shuffled",
    r"acquaintance": "training overlap",
    r"cues?": "generator input",
    r"chips?": "aligned face",
    r"footage": "video items",
    r"foretold|foretell(s|ing)?": "predicted",
    r"realigned": "redetected",
    r"one_space": "embedding space",
    r"reed(?! et al|,)": "roldan_gan",
    r"(?<!-)heard|hears?": "speech features, the recording",
    r"descriptors?": "embedding",
    r"paints?|painters?": "generate, generator",
    r"drawn[ _](faces?|clips?|pictures?|videos?)": "generated",
    r"felt": "emotion",
    r"upright on": "orthogonal to",
    r"never met": "unknown people",
    r"one footing": "the same conditions",
}
"""Patterns of words, also as parts of names, and what is said instead."""
PROSE = {
    r"judge[sd]?|judging": "evaluate, discriminator",
    r"hears|told|tells|foretold|drawn": "plain words",
    r"people who do not exist": "synthetic people",
}
"""Words that documents do without, outside of code."""
ALLOWED = re.compile(
    r"(un)?seen[-_](un)?heard|heard and unheard|(English|Urdu|E) heard|_heard\.txt|\(heard\||\"heard"
    r"|``heard``|what you hear"
    r"|descriptor_mean|get_face_chip|compute_face_descriptor|\"cue\"|\"paint\"|[.`]painter\b|felt_|\.foretell\b"
    r"|\"crew\"|paint_(beard|brows|eyes|glasses|mouth|nostrils)",
    re.IGNORECASE,
)
"""What published lists, dlib and our saved files call their parts, and painting on a canvas."""
JUDGES = ("docs/video.md", "CONTRIBUTING.md")
"""Documents of the blind study, whose raters judge, and the glossary."""


def files(*patterns):
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


CODE = files("src/**/*.py", "benchmarks/*.py", "tools/*.py")
DOCUMENTS = [
    path for path in files("*.md", "docs/**/*.md") if path.name not in ("CHANGELOG.md", "RESULTS.md")
]


def words_in(text, words):
    """``(line number, word, what to say instead)`` of every word that went."""
    return [
        (number, match[0], instead)
        for number, line in enumerate(ALLOWED.sub("", text).splitlines(), 1)
        for pattern, instead in words.items()
        for match in re.finditer(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", line, re.IGNORECASE)
    ]


def prose(text):
    """A document without its code, line by line."""
    without = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", lambda span: "\n" * span[0].count("\n"), without)


@pytest.mark.parametrize("path", CODE + DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words_that_went_stay_away(path):
    found = words_in(path.read_text(encoding="utf-8"), EVERYWHERE)
    assert found == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_are_plain(path):
    here = path.relative_to(ROOT).as_posix()
    found = words_in(prose(path.read_text(encoding="utf-8")), PROSE)
    assert [one for one in found if not (here in JUDGES and one[1].startswith("judg"))] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cue", ["cue"]),
        ("the_cues = []", ["cues"]),
        ("rescue, discuss, barbecue", []),
        ("a drawn face, DRAWN_FACES", ["drawn face", "DRAWN_FACES"]),
        ("seen-heard and unseen-unheard lists", []),
        ("what is heard", ["heard"]),
        ("Reed et al. and reed.py", ["reed"]),
    ],
)
def test_a_word_that_went_is_found(text, words):
    assert [word for _, word, _ in words_in(text, EVERYWHERE)] == words


def test_code_in_a_document_is_no_prose():
    assert words_in(prose("told\n```\ntold\n```\n`told` told"), PROSE) == [
        (1, "told", "plain words"),
        (5, "told", "plain words"),
    ]
