"""Tasks for workers, in a module that loads at once."""

import os
import signal
from pathlib import Path

from voiceface.errors import InputError


def square_or_die(argument):
    number, marks = argument
    if number in (2, 5):
        mark = Path(marks) / str(number)
        if number == 5 or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    if number == 7:
        raise InputError("7", "is no good", "leave it out")
    return number * number


NAMES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def environment_there(_argument):
    return tuple(os.environ.get(name) for name in NAMES)
