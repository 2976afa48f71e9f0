"""What it costs that `prepare` decodes in a process of its own, with limits of time and memory.

    python benchmarks/decoding_process.py ROOT [--clips 200] [--pairs 5]

ROOT is a data set of the source `pairs`. Prepares its first clips again and again, each time in a fresh
program: by one worker process, as the command does, and in the program itself without limits; in turn, the
first of a pair changing. Prints the seconds of each and the median of the ratios, of wall-clock time and of
processor time (with the workers'), which other programs on the machine disturb less. Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any


class InProcess:
    """A pool of one, which works as soon as it is asked."""

    size = 1

    def submit(self, shard: Any) -> Future[Any]:  # noqa: ANN401
        """The finished work."""
        from voiceface.corpus.shards import run_shard

        future: Future[Any] = Future()
        future.set_result(run_shard(replace(shard, limits=None)))
        return future

    def done(self, future: Future[Any]) -> None:
        """Nothing is to be replaced."""

    def check(self) -> None:
        """It can always work."""


@contextmanager
def in_process(size: int, task: object) -> Iterator[InProcess]:
    yield InProcess()


def prepare(root: Path, out: Path, *, worker: bool) -> None:
    from voiceface.corpus import prepare as module
    from voiceface.corpus.sources.pairs import listing

    if not worker:
        module.local_worker_pool = in_process  # type: ignore[assignment]
    module.prepare(listing(root), out, arguments={"source": "pairs"}, workers=1)


def seconds(root: Path, out: Path, how: str) -> tuple[float, float]:
    """Wall-clock and processor time of one preparation."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, __file__, str(root), "--once", how, "--out", str(out)], check=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(out)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--once", choices=("worker", "program"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        prepare(asked.root, asked.out, worker=asked.once == "worker")
        return
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="voiceface-decoding-") as scratch:
        root = Path(scratch) / "data"
        root.mkdir()
        for name in ("voices", "faces"):
            os.symlink(asked.root.resolve() / name, root / name)
        lines = (asked.root / "pairs.csv").read_text(encoding="utf-8").splitlines()
        (root / "pairs.csv").write_text("\n".join(lines[: asked.clips + 1]) + "\n", encoding="utf-8")
        seconds(root, Path(scratch) / "out", "worker")  # fills the disk's cache
        for number in range(asked.pairs):
            order = ("worker", "program") if number % 2 else ("program", "worker")
            found = {how: seconds(root, Path(scratch) / "out", how) for how in order}
            worker, program = found["worker"], found["program"]
            ratios.append((worker[0] / program[0], worker[1] / program[1]))
            print(
                f"pair {number + 1}: worker {worker[0]:.1f} s ({worker[1]:.1f} s of processor), "
                f"program {program[0]:.1f} s ({program[1]:.1f} s)",
                flush=True,
            )
    wall, processor = (median(one) - 1 for one in zip(*ratios, strict=True))
    print(f"overhead, median of {len(ratios)} pairs: {wall:+.1%} of time, {processor:+.1%} of processor time")


if __name__ == "__main__":
    main()
