"""Embed thousands of voices and faces: items a second, memory as they grow in number, kills on the way.

``python benchmarks/embed.py VOICES FACES [--count 10000] [--killed 256] [--kills 10]`` with two folders of
media, linked as often as it takes under other names. First ``--killed`` of each are embedded twice, left
alone and with ``--kills`` SIGKILLs at random moments: both files must be equal, byte for byte. Then
``--count`` of each kind; the memory is the process' peak so far (Linux), when ``--early`` were done and at
the end. Ends with 1 if a byte differs.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BLOCK = 64
"""Items a block (voiceface.pipelines.embed)."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("voices", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--killed", type=int, default=256)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", choices=["voices", "faces"], default=["voices", "faces"])
    parser.add_argument("--early", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    same = True
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        folder = Path(scratch)
        if asked.killed:
            same = compared(folder, asked)
        if asked.count:
            many = linked(asked.voices, asked.faces, folder / "many", asked.count)
            for kind in asked.kinds:
                measured(many, folder / f"many-{kind}.npz", kind, asked.count, asked.early)
    return 0 if same else 1


def compared(folder: Path, asked: argparse.Namespace) -> bool:
    """Embed a few of each, left alone and killed; whether both came to the same."""
    few = linked(asked.voices, asked.faces, folder / "few", asked.killed)
    clock = time.perf_counter()
    whole(few, folder / "alone.npz")
    alone = time.perf_counter() - clock
    print(f"{asked.killed:,} of each, left alone: {alone:.0f} s", flush=True)
    killed(few, folder / "killed.npz", asked.kills, alone, random.Random(asked.seed))
    whole(few, folder / "killed.npz")
    pairs = [(folder / f"alone-{kind}.npz", folder / f"killed-{kind}.npz") for kind in ("voices", "faces")]
    same = all(one.read_bytes() == other.read_bytes() for one, other in pairs)
    left = list(folder.glob("*.parts"))
    print(f"then one run to its end: {'the same bytes' if same else 'OTHER BYTES'}, {len(left)} leftovers")
    return same and not left


def linked(voices: Path, faces: Path, folder: Path, count: int) -> Path:
    """A folder with so many links of each kind."""
    folder.mkdir()
    for kind, source in (("voice", voices), ("face", faces)):
        files = sorted(path.resolve() for path in source.iterdir() if path.is_file())
        for k in range(count):
            path = files[k % len(files)]
            (folder / f"{kind}-{k:06}{path.suffix}").symlink_to(path)
    return folder


def started(media: Path, out: Path, kind: str = "both") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "voiceface", "embed", str(media), "--kind", kind, "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def whole(media: Path, out: Path) -> None:
    if started(media, out).wait():
        raise SystemExit("embedding failed")


def killed(media: Path, out: Path, kills: int, alone: float, chance: random.Random) -> None:
    """Start and kill, each time after up to half of what the whole takes."""
    for number in range(1, kills + 1):
        with started(media, out) as running:
            wait = chance.uniform(0.1, alone / 2)
            try:
                running.wait(wait)
                print(f"kill {number:2}: had finished before", flush=True)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                print(f"kill {number:2}: after {wait:4.1f} s, {blocks(out)}", flush=True)


def blocks(out: Path) -> str:
    found = []
    for kind in ("voices", "faces"):
        name = out.with_stem(f"{out.stem}-{kind}")
        count = len(list(name.with_name(name.name + ".parts").glob("?????????.npz")))
        found.append(f"{kind} {'whole' if name.is_file() else f'{count} blocks'}")
    return ", ".join(found)


def measured(media: Path, out: Path, kind: str, count: int, early: int) -> None:
    """Embed so many of a kind and print speed and memory."""
    parts = out.with_name(out.name + ".parts")
    seen: list[tuple[float, int, float]] = []
    with started(media, out, kind) as running:
        while running.poll() is None:
            done = len(list(parts.glob("?????????.npz"))) * BLOCK
            seen.append((time.perf_counter(), done, peak(running.pid)))
            time.sleep(0.1)
    if running.returncode:
        raise SystemExit("embedding failed")
    last = max(done for _, done, _ in seen)
    (begun, first), (ended, _) = (
        next((at, done) for at, done, _ in seen if done >= wanted) for wanted in (min(BLOCK, last), last)
    )
    some = next((memory for _, done, memory in seen if done >= early), float("nan"))
    late = max(memory for *_, memory in seen)
    print(
        f"{kind}: {count:,} at {(last - first) / max(ended - begun, 1e-9):.1f} a second, peak memory "
        f"{some:,.0f} MB when {early:,} were done, {late:,.0f} MB at the end",
        flush=True,
    )


def peak(pid: int) -> float:
    """Most memory that a process has held so far, in MB; 0 where that is not told."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0.0


if __name__ == "__main__":
    sys.exit(main())
