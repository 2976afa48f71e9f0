"""A preparation killed at random moments resumes to the very same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "benchmarks" / "kills_prepare.py"


def _kills(count, people):
    command = [sys.executable, str(TOOL), "--kills", str(count), "--people", str(people)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("to the same bytes") == count
    assert f"{count} kills, 0 failures" in done.stdout


def test_three_kills():
    _kills(3, people=8)


@pytest.mark.slow
def test_twenty_kills():
    _kills(20, people=40)
