"""A preparation killed at random moments resumes to the very same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "benchmarks" / "kills_prepare.py"


def _kills(count, people, strikes=1):
    command = [sys.executable, str(TOOL), "--kills", str(count), "--people", str(people)]
    command += ["--strikes", str(strikes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("to the same bytes") == count
    assert f"{count} kills, 0 failures" in done.stdout


def test_a_preparation_killed_three_times():
    _kills(1, people=8, strikes=3)


@pytest.mark.slow
def test_twenty_kills():
    _kills(20, people=40)
