"""Time and memory of `prepare`, `embed`, `evaluate` and `train` at N, 4 N and 16 N people.

Each has a voice and a face.

    python benchmarks/growth.py [-o growth.json] [--markdown growth.md] [--people 16] [--smoke]

Recordings of 4 s and pictures of 256 pixels are made, then every command runs as a process of its own, on
one thread. Processor seconds are those of the command and its processes; the peak is that of the largest
process. A line through the first two sizes predicts the third: a ratio near 1 is linear growth. `evaluate
retrieval` searches all faces for each of 60 N voices, and the other way round, so that its work grows with
the square. The estimate for VoxCeleb2 takes what one more person (or pair) costs between the two largest
sizes: of all recordings, and for `evaluate` of the test people's.
``--smoke`` makes everything tiny: it shows that all of it runs, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from speed import machine
from whole_process import measured

from voiceface.media.sound import save_sound
from voiceface.recipes.matcher import sample_pairs
from voiceface.synthetic.drawing import draw
from voiceface.synthetic.people import synthetic_person

VOXCELEB2 = 1_128_246  # utterances (Chung, Nagrani, Zisserman 2018, table 2), one face taken of each
VOXCELEB2_TEST = 36_237
_MADE, _SECONDS, _ROWS = 8, 4.0, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took at one size."""

    command: str
    people: int
    workers: int
    processor: float
    """Seconds."""
    wall: float
    """Seconds, of a machine that other work may share."""
    peak: float
    """Megabytes (10^6) of its largest process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """One command over the sizes."""

    command: str
    processor: list[float]
    peak: list[float]
    each: float
    """Processor seconds that one more person costs, between the two largest sizes."""
    predicted: float
    """Processor time at the largest size over that which a line through the others predicts."""
    voxceleb2_hours: float


def make_people(root: Path, people: int) -> Path:
    """A folder for `prepare pairs`: a table, and links to a few recordings and pictures."""
    for folder in ("made", "voices", "faces"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(_MADE):
        if not (root / "made" / f"{number}.wav").exists():
            time_axis = np.arange(round(_SECONDS * 16_000)) / 16_000
            pitch = 90 + 20 * number
            wave = sum(np.sin(2 * np.pi * pitch * k * time_axis) / k for k in range(1, 9))
            syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_axis)
            noise = 0.01 * np.random.default_rng(number).normal(size=len(time_axis))
            save_sound(root / "made" / f"{number}.wav", (0.2 * wave * syllables + noise).astype(np.float32))
            draw(synthetic_person(number), size=256).save(root / "made" / f"{number}.jpg", quality=92)
    rows = ["clip,person,gender"]
    for number in range(people):
        name, made = f"c{number:07}", number % _MADE
        for folder, suffix in (("voices", "wav"), ("faces", "jpg")):
            os.link(root / "made" / f"{made}.{suffix}", root / folder / f"{name}.{suffix}")
        rows.append(f"{name},p{number:07},{'fm'[number % 2]}")
    (root / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def make_rows(path: Path, people: int, seed: int) -> Path:
    """A file of embeddings as `voiceface embed` writes it."""
    count = _ROWS * people
    rows = np.random.default_rng(seed).normal(size=(count, 70)).astype(np.float32)
    names = np.array([f"i{k:08}" for k in range(count)])
    owners = np.array([f"p{k // 10:07}" for k in range(count)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.savez(path, names=names, people=owners, embeddings=rows, model=np.array("{}"))
    return path


def cost(words: Sequence[object], *, people: int, workers: int = 1) -> Cost:
    """Run a command as a process of its own."""
    taken = measured([sys.executable, "-m", "voiceface", *words])
    return Cost(command=str(words[0]), people=people, workers=workers, **asdict(taken))


def at_size(folder: Path, people: int, steps: int) -> list[Cost]:
    """All four commands on a corpus of so many people."""
    root, corpus, rows = make_people(folder / "files", people), folder / "corpus", folder / "rows.npz"
    sides = [
        make_rows(folder / f"made-{kind}.npz", people, seed) for seed, kind in enumerate(("voices", "faces"))
    ]
    training = ["khosla_supcon", "--corpus", corpus, "-o", folder / "run", "--steps", steps]
    return [
        cost(["prepare", "pairs", root, "-o", corpus, "--workers", 1], people=people),
        cost(["embed", corpus, "-o", rows, "--weights", "matcher", "--device", "cpu"], people=people),
        cost(["evaluate", "retrieval", "--voices", sides[0], "--faces", sides[1]], people=people),
        cost(["train", *training, "--validation", 0.25, "--device", "cpu"], people=people),
    ]


def divided(folder: Path, people: int) -> list[Cost]:
    """`prepare` and `embed` in two processes."""
    root, corpus = folder / "files", folder / "corpus-2"
    return [
        cost(["prepare", "pairs", root, "-o", corpus, "--workers", 2], people=people, workers=2),
        cost(
            [
                "embed",
                corpus,
                "-o",
                folder / "two.npz",
                "--weights",
                "matcher",
                "--device",
                "cpu",
                "--workers",
                2,
            ],
            people=people,
            workers=2,
        ),
    ]


def growth(command: str, costs: Sequence[Cost]) -> Growth:
    """How a command grows over three sizes."""
    (n1, n2, n3), (t1, t2, t3) = [c.people for c in costs], [c.processor for c in costs]
    line = t2 + (t2 - t1) / (n2 - n1) * (n3 - n2)
    each = (t3 - t2) / (n3 - n2)
    hours = each * VOXCELEB2 / 3600
    if command == "evaluate":
        hours = (t3 - t2) / (n3**2 - n2**2) * (VOXCELEB2_TEST / _ROWS) ** 2 / 3600
    return Growth(
        command=command,
        processor=[t1, t2, t3],
        peak=[c.peak for c in costs],
        each=each,
        predicted=t3 / line,
        voxceleb2_hours=hours,
    )


def sampling(voices: int) -> dict[str, float]:
    """The pairs that validation samples where a tenth of so many voices and faces validate: 10 a person."""
    people = np.array([f"p{k // 10:07}" for k in range(voices // 10)])
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    left, _, _ = sample_pairs(people, people, most=1_000_000, seed=0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "voices": len(people),
        "all_pairs": float(len(people)) ** 2,
        "pairs": len(left),
        "processor": time.process_time() - begun,
        "megabytes": (after - before) * 1024 / 1e6,
    }


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def table(found: Sequence[Growth], two: Sequence[Cost], costs: Sequence[Cost], sizes: Sequence[int]) -> str:
    """All of it as Markdown."""
    head = " | ".join(f"{size:,}" for size in sizes)
    lines = [
        f"| processor seconds, largest process | {head} | one more person | beside a line | VoxCeleb2 |",
        f"|---|{'---|' * (len(sizes) + 3)}",
    ]
    for one in found:
        cells = " | ".join(f"{t:.1f} s, {m:,.0f} MB" for t, m in zip(one.processor, one.peak, strict=True))
        lines.append(
            f"| `{one.command}` | {cells} | {1000 * one.each:.1f} ms | {one.predicted:.2f} "
            f"| {one.voxceleb2_hours:,.2f} h |"
        )
    lines += [
        "",
        "| in two processes | processor, 1 | processor, 2 | wall, 1 | wall, 2 |",
        "|---|---|---|---|---|",
    ]
    for one in two:
        alone = next(c for c in costs if c.command == one.command and c.people == one.people)
        lines.append(
            f"| `{one.command}`, {one.people:,} people | {alone.processor:.1f} s | {one.processor:.1f} s "
            f"| {alone.wall:.1f} s | {one.wall:.1f} s |"
        )
    return "\n".join(lines)


def main(words: list[str] | None = None) -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args(words)
    people, steps = (8, 2) if given.smoke else (given.people, 100)
    sizes = [people, 2 * people, 3 * people] if given.smoke else [people, 4 * people, 16 * people]
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="voiceface-growth-") as place:
        for size in sizes:
            costs += at_size(Path(place) / str(size), size, steps)
            print(f"{size:,} people done", file=sys.stderr, flush=True)
        largest = Path(place) / str(sizes[-1])
        two = divided(largest, sizes[-1])
        disk = size_of(largest / "corpus") / sizes[-1]
    names = [one.command for one in costs[:4]]
    found = [growth(name, [c for c in costs if c.command == name]) for name in names]
    pairs = sampling(10_000 if given.smoke else VOXCELEB2)
    text = table(found, two, costs, sizes)
    whole = disk * VOXCELEB2 / 1e9
    text += f"\n\nA person takes {disk / 1000:,.0f} kB of the corpus: {whole:,.0f} GB for VoxCeleb2."
    text += f"\nValidation on {pairs['voices']:,} voices samples {pairs['pairs']:,.0f} of "
    text += f"{pairs['all_pairs']:.1e} pairs: {pairs['processor']:.1f} s, {pairs['megabytes']:,.0f} MB."
    print(text)
    if given.markdown is not None:
        given.markdown.write_text(text + "\n", encoding="utf-8")
    if given.out is not None:
        facts = {
            "machine": machine(),
            "smoke": given.smoke,
            "sizes": sizes,
            "growth": [asdict(one) for one in found],
            "costs": [asdict(one) for one in [*costs, *two]],
            "corpus_bytes_a_person": disk,
            "pairs": pairs,
        }
        given.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
