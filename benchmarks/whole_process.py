"""What a command takes as a process of its own: wall and processor seconds, and its largest resident size.

    python benchmarks/whole_process.py COMMAND ...

The other benchmarks import `measured`. What Linux reports as a process' largest size begins with that of the
process which started it, however little it uses itself; so a small one is put in between. The time is the
command's and that of all processes that it has ended, the size that of the largest of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SMALL = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss]))
sys.exit(1 if process.returncode else 0)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one command took."""

    wall: float
    """Seconds, of a machine that other work may share."""
    processor: float
    """Seconds."""
    peak: float
    """Megabytes (10^6) of its largest process."""


def measured(command: Sequence[object], *, folder: Path | None = None) -> Taken:
    """Run a command, in a folder; what it prints is lost.

    Raises:
        RuntimeError: it fails, with the end of what it wrote as errors.
    """
    words = [str(word) for word in command]
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _SMALL, *words], capture_output=True, text=True, cwd=folder
    )
    wall = time.monotonic() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    processor, size = json.loads(done.stdout.splitlines()[-1])
    return Taken(wall, processor, size * (1 if sys.platform == "darwin" else 1024) / 1e6)


def main() -> None:
    """Measure the command and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("give a command")
    found = measured(given.command)
    print(f"{found.wall:.2f} s, processor {found.processor:.2f} s, peak memory {found.peak:.0f} MB")


if __name__ == "__main__":
    main()
