"""Kill a training at random moments, resume it each time, and compare it with an uninterrupted one.

    python benchmarks/kills_training.py [--kills 20] [--seed 0]

A child process trains a GAN (two turns, dropout, weights' average, frozen teacher) and is ended by
SIGKILL after a random time, again and again; then it is let finish. Its weights, run.json, log.jsonl and
last checkpoint must equal, byte for byte or tensor for tensor, those of a child that was left alone.
Prints one line a kill and ends with exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 6000
EVERY = 50


def child(folder: Path) -> None:
    """Train to the end, or until killed."""
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from small_models import CORPUS, Adversaries, Data, small_run
    from voiceface.training.loop import train

    class Dropping(Adversaries):
        def __init__(self) -> None:
            super().__init__()
            self.judge.insert(2, torch.nn.Dropout(0.3))

    class Telling(Data):
        told = False

        def batch(self, step: int) -> dict[str, torch.Tensor]:
            if not self.told:
                self.told = True
                print("training", flush=True)
            return super().batch(step)

    torch.set_num_threads(1)
    run = small_run(
        "adversaries",
        build=lambda facts: Dropping(),
        data=lambda selection, facts: Telling(),
        steps=STEPS,
        every=EVERY,
    )
    train(run, CORPUS, folder, device="cpu", progress=False)


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--child", str(folder)], stdout=subprocess.PIPE, text=True
    )


def where(folder: Path) -> tuple[int, int]:
    """The newest checkpoint's step and the last whole line's step in the log."""
    steps = [int(p.stem.split("-")[1]) for p in (folder / "checkpoints").glob("step-*.pt")]
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    last = 0
    for line in lines:
        try:
            last = json.loads(line)["step"]
        except ValueError:
            break
    return max(steps, default=0), last


def differences(one: Path, two: Path) -> list[str]:
    import torch

    found = []
    for name in ("log.jsonl", "training.json", "weights/model.safetensors", "weights/run.json"):
        if (one / name).read_bytes() != (two / name).read_bytes():
            found.append(name)
    files = [{p.name for p in (folder / "checkpoints").iterdir()} for folder in (one, two)]
    if files[0] != files[1]:
        found.append(f"checkpoints {sorted(files[0] ^ files[1])}")
    for name in files[0] & files[1]:
        states = [torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (one, two)]
        for part in ("model", "average", "optimisers", "best"):
            a, b = (list(leaves(state[part])) for state in states)
            same = len(a) == len(b) and all(
                torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y
                for x, y in zip(a, b, strict=True)
            )
            if not same:
                found.append(f"checkpoints/{name}: {part}")
    return found


def leaves(value):
    if isinstance(value, dict):
        for key in value:
            yield key
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return 0
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        whole, cut = Path(place) / "whole", Path(place) / "cut"
        process = start(whole)
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        if process.wait() != 0:
            return 1
        seconds = time.monotonic() - begun
        print(f"uninterrupted: {STEPS} steps in {seconds:.1f} s, a checkpoint every {EVERY}")
        for number in range(1, options.kills + 1):
            process = start(cut)
            assert process.stdout is not None
            early = number % 5 == 0  # counted from the process's start: imports, set-up, going back
            if not early:
                process.stdout.readline()
            wait = draw.uniform(0.0, 5.0 if early else seconds / options.kills)
            time.sleep(wait)
            process.kill()
            code = process.wait()
            checkpoint, line = where(cut)
            since = "starting" if early else "training"
            reached = f"checkpoint {checkpoint}, log {line}"
            print(f"kill {number:2}: {wait:5.3f} s of {since}, exit {code}, {reached}", flush=True)
        if start(cut).wait() != 0:
            return 1
        found = differences(whole, cut)
    print(
        "identical: log.jsonl, training.json, weights, run.json, checkpoints"
        if not found
        else f"DIFFER: {found}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
