"""The commands that a demo suggests, as they can be typed where it ran."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from voiceface.demo.user_files import shown_name

Suggestion = tuple[str, str]
"""A command, and what it does."""


def next_commands(out: Path, voice: Path | None = None, best: Path | None = None) -> list[Suggestion]:
    """Three commands.

    Args:
        out: the demo's folder.
        voice: the user's recording; None where the demo had its own voices.
        best: the picture that fits it best, if there were pictures.
    """
    voiceface = _program("voiceface", ["-m", "voiceface"])
    recording = voice or out / "voice-1.wav"
    others = _line([*voiceface, "imagine", recording, "-o", "face.png", "-n", "4", "--seed", "7"])
    imagine = (others, "four other faces for the voice")
    if voice is None or best is None:
        told = (
            "the same with your own voice and pictures"
            if voice is None
            else "pictures ranked by the voice too"
        )
        says = _line([*voiceface, "animate", recording, "--seed", "7", "-o", "clip.mp4"])
        return [(demo_command(), told), imagine, (says, "another face says what the voice says")]
    return [
        imagine,
        (_line([*voiceface, "match", voice, best, "--json"]), "a probability that a program can read"),
        (
            _line([*voiceface, "animate", voice, "--face", best, "-o", "clip.mp4"]),
            "the face in a picture says it; ask the person first",
        ),
    ]


def demo_command() -> str:
    """How the demo is run with the user's files: through make where it was."""
    if "MAKELEVEL" in os.environ:
        return 'make demo VOICE=voice.wav FACES="a.jpg b.jpg"'
    python = _program("python", [])
    return f"{_line(python)} -m voiceface.demo --voice voice.wav --faces a.jpg b.jpg"


def _program(name: str, otherwise: list[str]) -> list[str]:
    """A program of this environment, by the shortest name that finds it."""
    here = shutil.which(name, path=os.path.dirname(sys.executable))
    if here is None:
        return [sys.executable, *otherwise]
    on_path = shutil.which(name)
    if on_path is not None and os.path.samefile(os.path.dirname(on_path), os.path.dirname(here)):
        return [name]
    try:
        return [str(Path(here).relative_to(Path.cwd()))]
    except ValueError:
        return [here]


def _line(words: Sequence[object]) -> str:
    texts = [shown_name(str(word)) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)
