"""Every command that a document shows can be typed: the command exists, and each of its options."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from voiceface.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    path for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]) if path.name != "RESULTS.md"
]
"""All but the records of experiments, whose commands belong to their commits."""
BELOW = ("train", "evaluate", "tables", "prepare", "gallery", "import-weights")
"""Commands whose next word is a command of its own."""
EXAMPLES = {"separation", "voice_gender", "album", "hardest_negative"}
"""Components that a page adds itself."""
MISTYPED = {"--wieghts"}
"""README shows how an option that is misspelt is answered."""


def commands(text):
    """The ``voiceface ...`` lines of a document's code blocks and code spans, as lists of words."""
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    blocks = [block for language, block in fenced if language in ("", "sh", "console")]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*lines, *(" ".join(span.split()) for span in spans)]:
        line = line.strip().removeprefix("$ ")
        if line.startswith("voiceface "):
            yield shlex.split(line.replace("[", "").replace("]", "").replace("...", ""), comments=True)[1:]


@cache
def options(*names):
    """The options of a command as they are typed, or None where there is no such command."""
    found = app.make_app([*names])
    try:
        for name in names:
            found = found[name]
    except KeyError:
        return None
    if found.default_command is None:
        return frozenset()
    arguments = found.assemble_argument_collection(parse_docstring=True)
    typed = {name for argument in arguments for name in (*argument.names, *argument.negatives)}
    return frozenset(typed | {"--help", "--trust"} | ({"--smoke"} if names[0] == "train" else set()))


def faults(words):
    """What is wrong with a command, one line each."""
    if not words or words[0].startswith("-"):
        return []
    depth = 2 if words[0] in BELOW else 1
    names = tuple(word for word in words[:depth] if not word.startswith("-"))
    if len(names) < depth or EXAMPLES & set(names) or (depth == 2 and names[1].isupper()):
        return []
    there = options(*names)
    if there is None:
        return [f"no command voiceface {' '.join(names)}"]
    given = {word.partition("=")[0] for word in words[depth:] if re.match(r"--?[a-z]", word)}
    return [f"voiceface {' '.join(names)} has no {option}" for option in sorted(given - there - MISTYPED)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documented_commands_exist(path):
    found = [fault for words in commands(path.read_text(encoding="utf-8")) for fault in faults(words)]
    assert sorted(set(found)) == []


def test_what_cannot_be_typed_is_found():
    block = "```python\nx\n```\n```sh\nvoiceface train matcher --lr 1 --lrr 2  # x --y\n```"
    text = f"`voiceface mach a.wav`\n{block}"
    assert [fault for words in commands(text) for fault in faults(words)] == [
        "voiceface train matcher has no --lrr",
        "no command voiceface mach",
    ]
