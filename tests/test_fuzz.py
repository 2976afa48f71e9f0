"""A slice of `make fuzz`: a few altered files of every kind, and that the fuzzer finds what it looks for."""

import os
import sys
import time

import pytest

import fuzz
from voiceface.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no module resource")


@pytest.mark.parametrize("subject", fuzz.SUBJECTS)
def test_altered_files_are_refused_in_one_line_or_read_right(subject, tmp_path):
    inputs = 20 if subject in ("sounds", "pictures", "tables") else 6  # seconds together, on two busy cores
    counts, faults = fuzz.fuzz(subject, tmp_path, inputs=inputs, seed=1, until=time.monotonic() + 100)
    assert not faults and counts["right"]


def _not_a_number(folder):
    assert float("nan") == 0


def _two_lines(folder):
    error = InputError("x", "is bad")
    error.args = ("two\nlines",)
    raise error


def _traceback(folder):
    raise KeyError("x")


@pytest.mark.parametrize(
    "read", [_not_a_number, _two_lines, _traceback, lambda folder: bytearray(1_500_000_000)]
)
def test_the_fuzzer_knows_a_fault(read, tmp_path):
    assert fuzz.outcome(read, tmp_path) not in ("right", "refused")


def _hang(folder):
    time.sleep(60)


def _crash(folder):
    os._exit(139)


@pytest.mark.parametrize(("read", "found"), [(_hang, "hang"), (_crash, "crash")])
def test_the_fuzzer_survives_hangs_and_crashes(read, found, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 0.5)
    monkeypatch.setattr(fuzz, "FIRST", 0.0)
    monkeypatch.setattr(fuzz.multiprocessing, "get_context", lambda how: multiprocessing_fork())
    monkeypatch.setitem(fuzz.SUBJECTS, "pictures", (fuzz.SUBJECTS["pictures"][0], read))
    counts, faults = fuzz.fuzz("pictures", tmp_path, inputs=2, seed=0, until=time.monotonic() + 60)
    assert counts == {"faults": 2} and next(iter(faults)).startswith(found)


def multiprocessing_fork():
    import multiprocessing.context

    return multiprocessing.context.ForkContext()
