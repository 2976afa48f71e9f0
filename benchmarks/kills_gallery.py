"""Kill who adds to a gallery again and again: nothing committed may be lost, nothing half there.

``python benchmarks/kills_gallery.py [FOLDER] [--kills 20] [--command-kills 8]``. Made rows are added block by
block, so fast that the strikes fall into the adding, some into a commit (the first quarter into the start).
After each, the gallery must open; every block that was told to be there must be there, each block whole or
not at all, and every row be the one that was made. With FOLDER (people's folders of pictures or recordings)
then the same with `voiceface gallery add`: strikes fall before the first and after later blocks, and the
items may never become fewer. Prints a line a kill; exits with 1 where a promise was broken.
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

import numpy as np
import pyarrow as pa

from voiceface.pipelines.gallery import Gallery, Item
from voiceface.pipelines.gallery_segment import item_table

BLOCK, DIM = 64, 576
BLOCKS = 4000


class Rows:
    """Stands in for the matcher that made the rows."""

    name, fingerprint, dim = "made", "0" * 64, DIM


def made(block: int) -> tuple[np.ndarray, list[Item]]:
    """The rows of a block, and whose they are."""
    rows = np.random.default_rng(block).standard_normal((BLOCK, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    places = range(block * BLOCK, (block + 1) * BLOCK)
    told = {"gender": "f" if block % 2 else "m"}
    return rows, [Item(path=Path(str(k)), kind="face", person=f"p{k % 50}", attributes=told) for k in places]


def writer(place: Path) -> None:
    """Add block after block and tell of each when it is there, until killed."""
    gallery = Gallery.open(place, matcher=Rows(), create=True)
    first = len(gallery) // BLOCK
    for block in range(first, BLOCKS):
        gallery.add_rows(*made(block))
        print(block, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--command-kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writer", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.writer:
        writer(asked.writer)
        return 0
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        broken = rows_killed(Path(scratch) / "rows", asked.kills, chance)
        if asked.folder:
            broken += command_killed(Path(scratch) / "gallery", asked.folder, asked.command_kills, chance)
    print(f"{broken} promises broken")
    return 1 if broken else 0


def rows_killed(place: Path, kills: int, chance: random.Random) -> int:
    """Kill the writer of made rows; the number of promises broken."""
    broken = told = 0
    command = [sys.executable, __file__, "--writer", str(place)]
    for number in range(1, kills + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            before, wait = told, chance.uniform(0.0, 1.5)
            if number <= kills // 4:  # these strike the start, and the making of the gallery
                wait *= 4
            elif line := running.stdout.readline():  # the first commit of this round: now it is at work
                told = int(line) + 1
            time.sleep(wait)
            running.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) + 1 for line in running.stdout.read().split())])
        found = _count(place)
        broken += wrong(place, told) if found else told > 0
        half = f"{found // BLOCK} blocks there" + (f" and {found % BLOCK} ITEMS" if found % BLOCK else "")
        print(
            f"kill {number:2}: {told - before:3} blocks told in {wait:.2f} s, {told} in all; {half}",
            flush=True,
        )
        told = found // BLOCK
    return broken


def wrong(place: Path, told: int) -> int:
    """How many promises a gallery of made rows breaks."""
    vectors, table = _contents(place)
    number = {path: k for k, path in enumerate(table["path"].to_pylist())}
    columns = {name: table[name].to_pylist() for name in ("id", "person", "gender")}
    whole = len(number) == len(vectors) == len(set(columns["id"])) and len(vectors) % BLOCK == 0
    broken = int(not whole) + int(len(vectors) < told * BLOCK)
    for block in range(len(vectors) // BLOCK):
        rows, items = made(block)
        places = [number.get(str(item.path), -1) for item in items]
        same = min(places) >= 0 and np.allclose(vectors[places], rows, atol=1e-6)
        broken += not same or any(
            (columns["person"][k], columns["gender"][k]) != (item.person, item.attributes["gender"])
            for k, item in zip(places, items, strict=True)
        )
    return broken


def command_killed(place: Path, folder: Path, kills: int, chance: random.Random) -> int:
    """Kill `voiceface gallery add`; the number of promises broken."""
    command = [sys.executable, "-m", "voiceface", "gallery", "add", str(place), str(folder)]
    before = broken = done = 0
    while done < kills:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            # Some strike the start, the others a moment after a block came to those there.
            wanted = before + 64 * chance.choice([0, 1, 1])
            struck = _struck(running, place, wanted, chance.uniform(0.0, 6.0))
        done += struck
        there = _whole(place)
        broken += there < before
        print(f"kill {done:2}: {there - before} items more, {there} in all", flush=True)
        before = there
        if not struck:
            print("all were added before the kills were used up: give a larger folder")
            break
    subprocess.run(command, check=True)
    print(f"{done} kills, then one run to its end: {_whole(place)} items")
    return broken


def _struck(running: subprocess.Popen[bytes], place: Path, wanted: int, moment: float) -> bool:
    """Wait until so many items are there and a moment more, then kill; False if it had ended by then."""
    start = time.monotonic()
    while running.poll() is None and (_count(place) < wanted or time.monotonic() - start < moment):
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    return running.wait() != 0


def _count(place: Path) -> int:
    return len(Gallery.open(place)) if (place / "gallery.json").is_file() else 0


def _contents(place: Path) -> tuple[np.ndarray, pa.Table]:
    """Vectors and columns of all items."""
    found = [segment.contents() for segment in Gallery.open(place)._store.segments]
    if not found:
        return np.zeros((0, DIM), np.float32), item_table([], dict.fromkeys(("person", "path", "gender"), ()))
    tables = [items for _, _, items in found]
    return np.concatenate([rows for rows, _, _ in found]), pa.concat_tables(tables, promote_options="default")


def _whole(place: Path) -> int:
    """Items of a gallery that opens, whose rows are all whole and whose ids are all different."""
    if not (place / "gallery.json").is_file():
        return 0
    _, table = _contents(place)
    ids = table["id"].to_pylist()
    assert len(ids) == len(set(ids)), "an item is there twice"
    for column in ("id", "person", "path"):
        assert table[column].null_count == 0, f"{column} is missing somewhere"
    return len(ids)


if __name__ == "__main__":
    sys.exit(main())
