"""Freed memory stays in the process during training, on glibc, and goes back after it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from voiceface.training import keep_memory
from voiceface.training.keep_memory import keep_freed_memory

PROGRAM = """
import resource
import numpy as np
from voiceface.training.keep_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(16_000_000, np.float32)  # 64 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

outside = faults()
with keep_freed_memory():
    np.ones(16_000_000, np.float32)
    inside, held = faults(), resident()
print(outside, inside, held - resident())
"""


@pytest.mark.skipif(keep_memory._glibc() is None, reason="another C library than glibc")
def test_freed_memory_is_used_again_and_given_back_at_the_end():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    outside, inside, returned = map(int, done.stdout.split())
    assert inside < outside / 4 and returned > 50e6, done.stdout


@pytest.mark.parametrize("fault", [ValueError, AttributeError, OSError])
def test_elsewhere_nothing_is_touched(fault, monkeypatch):
    def unknown(name):
        raise fault(name)

    monkeypatch.setattr(os, "confstr", unknown, raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("another C library was asked"))
    with keep_freed_memory():
        assert keep_memory._glibc() is None
