"""What a user waits for: whole-process times and peak memory of the doors, in fresh processes.

    python benchmarks/doors.py [--voice FILE] [--faces FILE...] [--clips FOLDER...] [--pairs FOLDER]

Prints the median of five runs of `import voiceface`, `voiceface --help` and `voiceface match` (one voice,
ten faces; made ones where no files are given), and of `voiceface prepare` the clips or pairs a second and
core. Peak memory is the largest resident size of a process.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from whole_process import measured

RUNS = 5


def timed(command: list[str], runs: int = RUNS) -> tuple[float, float, float]:
    """Median wall and processor seconds and the largest resident size in MB."""
    taken = [measured(command) for _ in range(runs)]
    walls, processors = [one.wall for one in taken], [one.processor for one in taken]
    return statistics.median(walls), statistics.median(processors), max(one.peak for one in taken)


def made(folder: Path) -> tuple[Path, list[Path]]:
    """A six-second voice and ten drawings of synthetic people."""
    from voiceface.media.picture import save_png
    from voiceface.media.sound import save_sound
    from voiceface.synthetic.drawing import draw
    from voiceface.synthetic.people import synthetic_person
    from voiceface.synthetic.speech import speak

    voice = folder / "voice.wav"
    save_sound(voice, speak(synthetic_person(0), seconds=6.0)[0])
    faces = []
    for seed in range(10):
        faces.append(folder / f"face-{seed}.png")
        save_png(faces[-1], draw(synthetic_person(seed), seed=seed))
    return voice, faces


def row(name: str, found: tuple[float, float, float]) -> None:
    """Print one line."""
    print(f"| {name} | {found[0]:.2f} s | {found[1]:.2f} s | {found[2]:.0f} MB |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voice", type=Path)
    parser.add_argument("--faces", type=Path, nargs="*")
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--pairs", type=Path)
    given = parser.parse_args()
    door = [sys.executable, "-m", "voiceface"]
    print("| what | wall, median of 5 | processor | peak memory |\n|---|---|---|---|")
    row("`python -c pass`", timed([sys.executable, "-c", "pass"]))
    row("`import voiceface`", timed([sys.executable, "-c", "import voiceface"]))
    row("`voiceface --help`", timed([*door, "--help"]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        voice, faces = (given.voice, given.faces) if given.voice else made(folder)
        row(f"`voiceface match`, {len(faces)} faces", timed([*door, "match", str(voice), *map(str, faces)]))
        for source, roots in (("videos", given.clips), ("pairs", [given.pairs] if given.pairs else [])):
            for root in roots:
                prepare(door, source, root, folder / "corpus")


def prepare(door: list[str], source: str, root: Path, out: Path) -> None:
    """Print what one process prepares a second."""
    from voiceface.corpus.corpus import Corpus

    shutil.rmtree(out, ignore_errors=True)
    wall, processor, size = timed(
        [*door, "prepare", source, str(root), "-o", str(out), "--workers", "1"], runs=1
    )
    corpus = Corpus.open(out)
    count = len(corpus.clips) or len(corpus.faces)
    what = "clips" if len(corpus.clips) else "pairs"
    rate = f"{count} {what}, {count / wall:.2f} a second, {count / processor:.2f} a processor second"
    name = f"`voiceface prepare {source}` ({root.name}): {rate}"
    print(f"| {name} | {wall:.1f} s | {processor:.1f} s | {size:.0f} MB |")


if __name__ == "__main__":
    main()
