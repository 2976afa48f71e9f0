"""Kill `voiceface gallery add` again and again: nothing committed may be lost, nothing half there.

``python benchmarks/kills_gallery.py FOLDER [--kills 20]`` with FOLDER of people's folders of pictures or
recordings. Prints a line a kill and the end; exits with 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from voiceface.pipelines.gallery import Gallery


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        place = Path(scratch) / "gallery"
        command = [sys.executable, "-m", "voiceface", "gallery", "add", str(place), str(asked.folder)]
        before, broken, kills = 0, 0, 0
        while kills < asked.kills:
            started = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
                # Some strike the start, most the adding.
                wait = chance.uniform(0.5, 12.0)
                while time.monotonic() - started < wait and running.poll() is None:
                    time.sleep(0.02)
                struck = running.poll() is None
                if struck:
                    running.send_signal(signal.SIGKILL)
            kills += struck
            there = _whole(place)
            broken += there < before
            print(f"kill {kills:2}: after {wait:4.1f} s, {there} items", flush=True)
            before = there
            if not struck:
                print("all were added before the kills were used up: give a larger folder")
                break
        subprocess.run(command, check=True, env=os.environ)
        print(f"{kills} kills, then one run to its end: {_whole(place)} items, {broken} promises broken")
    return 1 if broken else 0


def _whole(place: Path) -> int:
    """Items of a gallery that opens, whose rows are all whole and whose ids are all different."""
    if not (place / "gallery.json").is_file():
        return 0
    table = Gallery.open(place)._table.to_arrow()
    ids = table["id"].to_pylist()
    assert len(ids) == len(set(ids)), "an item is there twice"
    for column in ("id", "person", "kind", "path", "vector"):
        assert table[column].null_count == 0, f"{column} is missing somewhere"
    return len(ids)


if __name__ == "__main__":
    sys.exit(main())
