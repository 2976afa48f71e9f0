"""A million people's rows in a gallery: time to add and index, time and recall of a search, memory.

``python benchmarks/gallery.py --rows v.npz f.npz [--count 1000000]``: rows of a matcher (`voiceface embed`),
from which more are made that are distributed like them: a Gaussian in the space of their principal axes, with
their variances, plus what the axes leave over, brought to length 1. Random rows would be no test: far
apart in every direction, they make every index look bad and every search alike.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from voiceface.pipelines.gallery import Gallery, Item


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
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    asked = parser.parse_args()
    real = np.concatenate([np.load(path)["embeddings"] for path in asked.rows]).astype(np.float32)
    make = alike(real, np.random.default_rng(0))
    queries = make(asked.queries)
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        gallery = Gallery.open(Path(scratch) / "gallery", matcher=Rows(real.shape[1]), create=True)
        clock = time.perf_counter()
        tidy, gallery.tidy = gallery.tidy, lambda **_: None  # the index once, at the end
        best = np.full((asked.queries, 10), -2.0)
        names = np.zeros((asked.queries, 10), dtype=int)
        for first in range(0, asked.count, 50_000):
            number = min(50_000, asked.count - first)
            block = make(number)
            items = [
                Item(path=Path(str(first + k)), kind="face", person=str(first + k)) for k in range(number)
            ]
            gallery.add_rows(block, items)
            both = np.concatenate([best, queries @ block.T], axis=1)
            whose = np.concatenate(
                [names, np.broadcast_to(first + np.arange(number), (asked.queries, number))], 1
            )
            order = np.argsort(-both, axis=1)[:, :10]
            best, names = np.take_along_axis(both, order, 1), np.take_along_axis(whose, order, 1)
        print(
            f"{asked.count:,} rows of {real.shape[1]}: added in {time.perf_counter() - clock:.1f} s",
            flush=True,
        )
        clock = time.perf_counter()
        tidy()
        print(f"index built in {time.perf_counter() - clock:.1f} s", flush=True)
        size = sum(p.stat().st_size for p in gallery.path.rglob("*") if p.is_file())
        for exact in (False, True):
            times, hits = [], 0
            for query, right in zip(queries[: 20 if exact else None], names, strict=False):
                clock = time.perf_counter()
                found = gallery.search(query, side="voice", k=10, exact=exact)
                times.append(time.perf_counter() - clock)
                hits += len({int(hit.path) for hit in found} & set(right.tolist()))
            told = f"recall@10 {hits / 10 / len(times):.3f}, median {1000 * np.median(times):.0f} ms"
            print(f"{'exact' if exact else 'index'}: {told}, slowest {1000 * max(times):.0f} ms", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:,.0f} MB, on disk {size / 1e6:,.0f} MB")
    return 0


def alike(real: np.ndarray, random: np.random.Generator):
    """A maker of rows distributed like ``real``."""
    mean = real.mean(axis=0)
    _, values, axes = np.linalg.svd(real - mean, full_matrices=False)
    deviations = values / np.sqrt(len(real) - 1)

    def make(count: int) -> np.ndarray:
        rows = mean + (random.standard_normal((count, len(deviations)), dtype=np.float32) * deviations) @ axes
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return make


if __name__ == "__main__":
    sys.exit(main())
