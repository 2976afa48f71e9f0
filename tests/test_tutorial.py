"""The tutorial works as it is typed: its commands one after another, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
UNLIKE = ("pip install", "-m venv", "prepare videos")
"""What is set up already, and what needs the reader's own files."""


def blocks(text):
    """Code of the tutorial in order, as (language, code)."""
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def steps(text):
    """What is run: each line of shell, each block of Python."""
    for language, code in blocks(text):
        if language == "python":
            yield [sys.executable, "-W", "error::SyntaxWarning", "-c", code]
            continue
        for line in code.replace("\\\n", " ").splitlines():
            if line.strip() and not any(one in line for one in UNLIKE):
                typed = re.sub(r"^voiceface\b", f"{sys.executable} -m voiceface", line)
                yield ["sh", "-c", re.sub(r"^python\b", sys.executable, typed)]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the tutorial's lines are a Unix shell's")
def test_the_tutorial_works_as_it_is_typed(tmp_path):
    pytest.importorskip("espeakng_loader", reason="the speech synthesiser is not installed")
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    done = []
    for step in steps(TUTORIAL.read_text(encoding="utf-8")):
        ran = subprocess.run(step, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, (step[-1], ran.stderr)
        done.append(step[-1])
    assert len(done) >= 10
    made = [
        "face-4.png",
        "clip.mp4",
        "given.mp4",
        "mine.png",
        "again.mp4",
        "report.html",
        "runs/first/weights",
    ]
    assert [name for name in made if not (tmp_path / name).exists()] == []
