"""Kill a preparation at random moments, resume it, and compare it with an uninterrupted one.

    python benchmarks/kills_prepare.py [--kills 20] [--strikes 1] [--seed 0] [--workers 2] [--people 40]

Each round prepares made media (tones, drawings of faces, small videos) in a child process, ends it by SIGKILL
after a random time, sees that its workers end with it, and lets a second child finish. Every file of the
corpus must then equal that of a preparation left alone. The first ``--strikes`` children of a round end so,
in every fourth round two, and every fifth kill is a Ctrl-C. Prints one line a kill and ends with exit code 1
if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
TELL = "at work"
LIVE_ON = "live on"
LATE = "had finished before"


def listing(root: Path, people: int):
    from corpus_media import tree
    from voiceface.corpus.item import Listing, VideoItem, VoiceItem

    if not root.exists():
        tree(root, people=2, videos=1)
    items = []
    # The same few files again and again: what is tested is the bookkeeping, not the decoders.
    for number in range(people):
        person = f"p{number:03d}"
        items.append(VoiceItem(key=person, person=person, path=f"p{number % 2}.wav"))
        if number % 4 == 0:
            items.append(VideoItem(key=f"{person}-v", person=person, path="v0.mp4"))
        if number % 7 == 0:
            items.append(VoiceItem(key=f"{person}-gone", person=person, path="gone.wav"))
    return Listing(root=root, people=[], items=items)


def child(root: Path, out: Path, people: int, workers: int) -> None:
    """Prepare to the end, or until killed; tells when the first item is at work."""
    from corpus_media import ARGUMENTS
    from voiceface.corpus.prepare import prepare

    # A shell's background job has it ignored, and its children inherit that: no Ctrl-C would arrive.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told = False

    def tell(state) -> None:
        nonlocal told
        if not told and state.done > 0:
            told = True
            print(TELL, flush=True)

    prepare(listing(root, people), out, arguments=ARGUMENTS, workers=workers, progress=tell)


def start(args: argparse.Namespace, root: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", str(root), str(out)]
    command += ["--people", str(args.people), "--workers", str(args.workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers_of(process: int) -> list[int]:
    """Process numbers of a child's children, where the model tells (Linux)."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in path.read_text().split()] if path.exists() else []


def gone(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def strike(args: argparse.Namespace, root: Path, out: Path, wait: float, how: int) -> tuple[str, float]:
    """Start a preparation and end it ``wait`` seconds after its first item; what happened."""
    process = start(args, root, out)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(wait)
    workers = workers_of(process.pid)
    finished = process.poll() is not None
    process.send_signal(how)
    _, errors = process.communicate()
    if how == signal.SIGINT and not finished and "KeyboardInterrupt" not in errors:
        finished = process.returncode == 0
    began = time.monotonic()
    while any(not gone(number) for number in workers):
        if time.monotonic() - began > 20:
            return LIVE_ON, time.monotonic() - began
        time.sleep(0.02)
    return LATE if finished else "", time.monotonic() - began


def alone(args: argparse.Namespace, root: Path, out: Path) -> float:
    """Prepare without a kill; seconds from the first item to the end."""
    process = start(args, root, out)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    began = time.monotonic()
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(errors)
    return time.monotonic() - began


def signal_of(number: int) -> int:
    if os.name != "posix":
        return signal.SIGTERM
    return signal.SIGINT if number % 5 == 0 else signal.SIGKILL


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--strikes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--child", nargs=2, type=Path)
    args = parser.parse_args()
    if args.child:
        child(*args.child, args.people, args.workers)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        bad = rounds(args, Path(folder))
    print(f"{args.kills} kills, {bad} failures")
    return 1 if bad else 0


def rounds(args: argparse.Namespace, folder: Path) -> int:
    """All kills; how many went wrong."""
    from corpus_media import contents
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.table_reader import commits

    draw = random.Random(args.seed)
    root, whole = folder / "root", folder / "whole"
    listing(root, 1)
    span = alone(args, root, whole)
    expected, fingerprint = contents(whole), Corpus.open(whole).fingerprint
    print(f"left alone: {len(expected)} files, {span:.1f} s after the first item, {fingerprint[:12]}")
    bad = late = strikes = 0
    struck: Counter[str] = Counter()
    for number in range(1, args.kills + 1):
        out, how, told = folder / f"kill{number}", signal_of(number), []
        rounds = max(args.strikes, 2 if number % 4 == 0 else 1)
        for _ in range(rounds):
            # Not to the very end, together: a strike on a finished preparation shows nothing.
            wait = draw.uniform(0, 0.8 * span / args.strikes)
            fault, lasted = strike(args, root, out, wait, how)
            torn, done = len(list(out.rglob(".*partial*"))), len(commits(out))
            bad += fault == LIVE_ON
            late += fault == LATE
            strikes += 1
            struck[signal.Signals(how).name] += fault != LATE
            told.append(
                f"{signal.Signals(how).name} after {wait:4.1f} s: {done} shards, {torn} torn files, "
                f"workers {fault or f'gone in {lasted:.2f} s'}"
            )
        alone(args, root, out)
        same = contents(out) == expected and Corpus.open(out).fingerprint == fingerprint
        bad += not same
        end = "to the same bytes" if same else "DIFFERENTLY"
        print(f"{number:2d}  {'; '.join(told)}; resumed {end}", flush=True)
        shutil.rmtree(out)
    told = ", ".join(f"{count} {name}" for name, count in sorted(struck.items()))
    print(f"{strikes} strikes, {late} of them after the end; while at work: {told}")
    # Signals that never arrive would look like a success.
    return bad + (late == strikes)


if __name__ == "__main__":
    sys.exit(main())
