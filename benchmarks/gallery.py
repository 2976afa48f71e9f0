"""A million people's faces in a gallery: time to add and index, time and recall of a search, memory.

``python benchmarks/gallery.py --rows v.npz f.npz [--count 1000000]``: rows of a matcher (`voiceface embed`),
voices and faces of the same people in one order, from which more are made that are distributed like them: a
Gaussian along the principal axes of the pairs, with their variances, each side brought to length 1. So a made
voice goes with its made face as real ones do. Faces are added, voices are searched for. Random rows would be
no test: far apart in every direction, they make every index look bad and every search alike.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from voiceface.pipelines import gallery as room
from voiceface.pipelines.gallery import Gallery, Item

BLOCK = 50_000


class Rows:
    """Stands in for the matcher that made the rows: searching needs its name, width and fingerprint alone."""

    name, fingerprint = "measured", "0" * 64

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def probability(self, similarity: np.ndarray) -> np.ndarray:
        """Whatever: times are measured, not answers."""
        return np.asarray(similarity)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, nargs=2, required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=50)
    asked = parser.parse_args()
    sides = [np.load(path)["embeddings"].astype(np.float32) for path in asked.rows]
    make = alike(*sides, np.random.default_rng(0))
    queries, own = make(asked.queries)
    real = sides[0] @ sides[1].T
    made = queries @ make(len(real))[1].T
    told = (
        f"similarity of strangers: real {real.std():.3f}, made {made.std():.3f} (deviation); of one person "
    )
    print(f"{told}{np.diag(real).mean():.3f}, {(queries * own).sum(1).mean():.3f} (mean)")
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        gallery = Gallery.open(Path(scratch) / "gallery", matcher=Rows(real_dim(sides)), create=True)
        tidy, gallery.tidy = gallery.tidy, lambda **_: None  # the index once, at the end
        clock = time.perf_counter()
        nearest, spent = added(gallery, make, queries, asked.count)
        wall = time.perf_counter() - clock
        print(f"{asked.count:,} rows of {real_dim(sides)}: added in {spent:.1f} s of {wall:.1f}", flush=True)
        clock = time.perf_counter()
        tidy()
        print(f"index built in {time.perf_counter() - clock:.1f} s", flush=True)
        size = sum(p.stat().st_size for p in gallery.path.rglob("*") if p.is_file())
        usual = room.REFINE_FACTOR
        for refine in (50, 100, 200, 400, usual):
            room.REFINE_FACTOR = refine
            timed(gallery, queries, nearest, f"index, {refine} k compared exactly")
        timed(gallery, queries, nearest, "index, second time")
        timed(gallery, queries, nearest, "index, where gender=f", where={"gender": "f"})
        timed(gallery, queries[:20], nearest, "exact", exact=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:,.0f} MB, on disk {size / 1e6:,.0f} MB")
    return 0


def added(gallery: Gallery, make, queries: np.ndarray, count: int) -> tuple[dict[str, np.ndarray], float]:
    """Add so many faces; each query's ten nearest of all and of the women, and the seconds of adding."""
    best = {kind: np.full((len(queries), 10), -2.0) for kind in ("all", "women")}
    names = {kind: np.zeros((len(queries), 10), dtype=int) for kind in best}
    spent = 0.0
    for first in range(0, count, BLOCK):
        number = min(BLOCK, count - first)
        block = make(number)[1]
        items = [
            Item(path=Path(str(k)), kind="face", person=str(k), attributes={"gender": "f" if k % 2 else "m"})
            for k in range(first, first + number)
        ]
        clock = time.perf_counter()
        gallery.add_rows(block, items)
        spent += time.perf_counter() - clock
        for kind, step in (("all", 1), ("women", 2)):
            some = np.arange(first + step - 1, first + number, step)
            scores = np.concatenate([best[kind], queries @ block[step - 1 :: step].T], axis=1)
            whose = np.concatenate([names[kind], np.broadcast_to(some, (len(queries), len(some)))], axis=1)
            order = np.argsort(-scores, axis=1)[:, :10]
            best[kind] = np.take_along_axis(scores, order, 1)
            names[kind] = np.take_along_axis(whose, order, 1)
    return names, spent


def timed(gallery: Gallery, queries: np.ndarray, nearest: dict, told: str, **options) -> None:
    """Print recall of the ten nearest and time of a search."""
    times, hits = [], 0
    right = nearest["women" if "where" in options else "all"]
    for query, wanted in zip(queries, right, strict=False):
        clock = time.perf_counter()
        found = gallery.search(query, side="voice", k=10, **options)
        times.append(time.perf_counter() - clock)
        hits += len({int(hit.path) for hit in found} & set(wanted.tolist()))
    median, slow = np.percentile(np.array(times) * 1000, [50, 95])
    print(
        f"{told}: recall@10 {hits / 10 / len(times):.3f}, median {median:.0f} ms, 95 % {slow:.0f} ms",
        flush=True,
    )


def real_dim(sides: list[np.ndarray]) -> int:
    """Numbers of a row."""
    return sides[0].shape[1]


def alike(voices: np.ndarray, faces: np.ndarray, random: np.random.Generator):
    """A maker of pairs of rows distributed like these."""
    pairs = np.concatenate([voices, faces], axis=1)
    mean = pairs.mean(axis=0)
    _, values, axes = np.linalg.svd(pairs - mean, full_matrices=False)
    deviations = values / np.sqrt(len(pairs) - 1)

    def make(count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = mean + (random.standard_normal((count, len(deviations)), dtype=np.float32) * deviations) @ axes
        sides = np.split(rows, [voices.shape[1]], axis=1)
        one, other = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
        return one.astype(np.float32), other.astype(np.float32)

    return make


if __name__ == "__main__":
    sys.exit(main())
