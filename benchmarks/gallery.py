"""A gallery's times and recall beside a product in numpy and indexes of faiss, in one run.

    python benchmarks/gallery.py [--rows VOICES.npz FACES.npz] [--count 100000] [--queries 50] [--hnsw]
                                 [--times 10 100]

Faces are added and voices searched for. With --rows (embeddings by `voiceface embed`, of the same people in
one order) more are made that are distributed like them: a Gaussian along the principal axes of the pairs,
each side brought to length 1, so that a made voice goes with its made face as real ones do. Without, the
variances fall as one over the axis' rank. Rows that vary alike in every direction would be no test: all are
far apart, and every index looks bad. Every search is asked for the ten nearest, query after query in turn by
all methods, with threads as OMP_NUM_THREADS says; faiss takes part where it is installed, --hnsw also builds
its graph (minutes at a million). --times simulates larger galleries: the segments' files are linked under as
many other names, so that a search computes as it would with so many rows, all of them in memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voiceface.pipelines import gallery_search
from voiceface.pipelines.gallery import Gallery, Item
from voiceface.pipelines.gallery_folder import CARD, read_segments, write_segments
from voiceface.pipelines.gallery_segment import SEGMENTS

BLOCK, K = 50_000, 10
Search = Callable[[np.ndarray], object]
Pair = tuple[np.ndarray, np.ndarray]
"""Voices and faces of the same people."""


class Rows:
    """Stands in for the matcher that made the rows: searching needs its name, width and fingerprint alone."""

    name, fingerprint = "measured", "0" * 64

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def probability(self, similarity: np.ndarray) -> np.ndarray:
        """Whatever: times are measured, not answers."""
        return np.asarray(similarity)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, nargs=2)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--dim", type=int, default=70, help="without --rows")
    parser.add_argument("--hnsw", action="store_true")
    parser.add_argument("--times", type=int, nargs="*", default=[])
    asked = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    print(f"{platform.processor() or platform.machine()}, threads: {threads}, load {os.getloadavg()[0]:.1f}")
    random = np.random.default_rng(0)
    make = alike(*sides(asked.rows, asked.dim, random), random)
    queries = make(asked.queries)[0]
    with tempfile.TemporaryDirectory(prefix="voiceface-") as scratch:
        gallery = Gallery.open(Path(scratch) / "gallery", matcher=Rows(queries.shape[1]), create=True)
        faces = added(gallery, make, asked.count, Path(scratch) / "rows.f32")
        product = faces @ queries.T
        order = np.argsort(-product, axis=0).T
        nearest = {"all": order[:, :K], "women": np.stack([row[row % 2 == 1][:K] for row in order])}
        searches = gallery_searches(gallery) | {"numpy: product": lambda query: largest(faces @ query)}
        del product, order
        searches |= faiss_indexes(faces, hnsw=asked.hnsw)
        timed(searches, queries, nearest)
        for exact in (True, False):
            start = time.process_time()
            gallery.search_many(queries, side="voice", k=K, exact=exact)
            each = (time.process_time() - start) / len(queries) * 1000
            print(f"{len(queries)} queries at once, exact={exact}: {each:.2f} ms of processor each")
        recalls(gallery, queries, nearest["all"])
        for times in asked.times:
            simulated(gallery, Path(scratch) / f"times-{times}", times, make, queries)
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0


def added(gallery: Gallery, make: Callable, count: int, copy: Path) -> np.ndarray:
    """Add so many faces, print what it takes, and return them; every other one is a woman's."""
    spent = []
    with copy.open("wb") as file:
        for first in range(0, count, BLOCK):
            faces = make(min(BLOCK, count - first))[1]
            items = [
                Item(path=Path(str(k)), kind="face", person=str(k), attributes={"gender": "mf"[k % 2]})
                for k in range(first, first + len(faces))
            ]
            start = time.process_time()
            gallery.add_rows(faces, items)
            spent.append(time.process_time() - start)
            file.write(faces.tobytes())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
    size = sum(path.stat().st_size for path in gallery.path.rglob("*") if path.is_file())
    half = len(spent) // 2
    print(
        f"{count:,} rows of {gallery.card['dim']}: added in {sum(spent):.1f} s of processor, "
        f"the first half in {sum(spent[:half]):.1f} s; peak memory {peak:,} MB, on disk {size / 1e6:,.0f} MB",
        flush=True,
    )
    return np.fromfile(copy, np.float32).reshape(count, -1)


def gallery_searches(gallery: Gallery) -> dict[str, Search]:
    """The gallery's searches by name."""

    def search(**options: object) -> Search:
        return lambda query: [
            int(hit.path)
            for hit in gallery.search(query, side="voice", k=K, **options)  # type: ignore[arg-type]
        ]

    return {
        "gallery": search(),
        "gallery, women": search(where={"gender": "f"}),
        "gallery, exact": search(exact=True),
        "gallery, exact, women": search(exact=True, where={"gender": "f"}),
        "gallery, one person": search(where={"person": "77"}),
    }


def faiss_indexes(faces: np.ndarray, *, hnsw: bool) -> dict[str, Search]:
    """Searches of faiss' indexes by name; the build of each is printed."""
    try:
        import faiss
    except ImportError:
        print("faiss is not installed")
        return {}
    dim, parts = faces.shape[1], round(len(faces) ** 0.5)
    product = faiss.METRIC_INNER_PRODUCT
    flat = faiss.IndexFlatIP(dim)
    coarse = faiss.IndexFlatIP(dim)
    indexes = {"faiss: flat": flat, "faiss: IVF-flat": faiss.IndexIVFFlat(coarse, dim, parts, product)}
    if hnsw:
        indexes["faiss: HNSW"] = faiss.IndexHNSWFlat(dim, 16, product)
    for name, index in indexes.items():
        start = time.process_time()
        if not index.is_trained:
            index.train(faces)
        index.add(faces)
        print(f"{name} built in {time.process_time() - start:.1f} s of processor", flush=True)

    def search(index: object, name: str = "", value: int = 0) -> Search:
        def run(query: np.ndarray) -> object:
            if name:
                setattr(index.hnsw if name == "efSearch" else index, name, value)
            return index.search(query[None], K)[1][0].tolist()

        return run

    found = {"faiss: flat": search(flat)}
    for share in (0.02, 0.05, 0.1):
        probed = max(1, round(share * parts))
        found[f"faiss: IVF-flat, {probed} of {parts}"] = search(indexes["faiss: IVF-flat"], "nprobe", probed)
    if hnsw:
        found |= {
            f"faiss: HNSW 16, ef {ef}": search(indexes["faiss: HNSW"], "efSearch", ef)
            for ef in (50, 200, 800)
        }
    return found


def timed(searches: dict[str, Search], queries: np.ndarray, nearest: dict[str, np.ndarray]) -> None:
    """Print recall and the median milliseconds of each search, all methods in turn for every query."""
    for run in searches.values():
        run(queries[0])
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
    hits = dict.fromkeys(searches, 0)
    for number, query in enumerate(queries):
        for name, run in searches.items():
            right = nearest["women" if "women" in name else "all"][number]
            wall, processor = time.perf_counter(), time.process_time()
            found = run(query)
            spent[name].append((time.process_time() - processor, time.perf_counter() - wall))
            hits[name] += len(set(found) & set(right.tolist()))
    print("| search | recall of the ten nearest | processor, ms | 95 % below | wall, ms |")
    print("|---|---|---|---|---|")
    for name, times in spent.items():
        processor, wall = np.array(times).T * 1000
        recall = f"{hits[name] / K / len(queries):.3f}" if "person" not in name else ""
        figures = f"{np.median(processor):.1f} | {np.percentile(processor, 95):.1f} | {np.median(wall):.1f}"
        print(f"| {name} | {recall} | {figures} |", flush=True)


def recalls(gallery: Gallery, queries: np.ndarray, nearest: np.ndarray) -> None:
    """Print recall against the share of the items that an indexed search compares."""
    if len(gallery) < gallery_search.EXACT_BELOW:
        return
    usual = gallery_search.PROBED_SHARE
    for share in (0.02, 0.04, 0.08, 0.12, 0.16):
        gallery_search.PROBED_SHARE = share
        start, hits = time.process_time(), 0
        for query, right in zip(queries, nearest, strict=True):
            found = gallery.search(query, side="voice", k=K)
            hits += len({int(hit.path) for hit in found} & set(right.tolist()))
        each = (time.process_time() - start) / len(queries) * 1000
        print(f"{share:.0%} of the items compared: recall {hits / K / len(queries):.3f}, {each:.1f} ms")
    gallery_search.PROBED_SHARE = usual


def simulated(
    gallery: Gallery, place: Path, times: int, make: Callable[[int], Pair], queries: np.ndarray
) -> None:
    """Print what a gallery of so many times the rows takes to open, to search and to add to."""
    (place / SEGMENTS).mkdir(parents=True)
    shutil.copy(gallery.path / CARD, place)
    entries = []
    for entry in read_segments(gallery.path) * times:
        entries.append({**entry, "name": f"{len(entries):016x}"})
        for file in (gallery.path / SEGMENTS).glob(f"{entry['name']}.*"):
            (place / SEGMENTS / file.name.replace(entry["name"], f"{len(entries) - 1:016x}")).hardlink_to(
                file
            )
    write_segments(place, entries)
    before = own_memory()
    start = time.process_time()
    grown = Gallery.open(place, matcher=Rows(queries.shape[1]))
    print(f"{len(grown):,} rows: opened in {time.process_time() - start:.2f} s", flush=True)
    women = {"where": {"gender": "f"}}
    for told, options in (("indexed", {}), ("indexed, women", women), ("exact", {"exact": True})):
        spent = [
            seconds(lambda query, options=options: grown.search(query, side="voice", k=K, **options), query)
            for query in queries[:6]
        ]
        usual, first = np.median(spent[1:]) * 1000, spent[0]  # which compares checksums and reads values
        print(f"  {told}: {usual:,.0f} ms of processor; the first {first:.2f} s", flush=True)
    faces, spent = make(1000)[1], []
    for commit in range(3):
        items = [Item(path=Path(f"new-{commit}-{k}"), kind="face", person="new") for k in range(len(faces))]
        spent.append(seconds(grown.add_rows, faces, items))
    told = ", ".join(f"{one:.2f} s" for one in spent)
    print(f"  1,000 rows added in {told}; {own_memory() - before:,.0f} MB of its own", flush=True)


def seconds(run: Callable[..., object], *given: object) -> float:
    """Seconds of the processor that a call takes."""
    start = time.process_time()
    run(*given)
    return time.process_time() - start


def own_memory() -> float:
    """Megabytes that this process holds, without mapped files; Linux alone tells."""
    status = Path("/proc/self/status")
    found = re.search(r"RssAnon:\s+(\d+)", status.read_text()) if status.is_file() else None
    return int(found[1]) / 1024 if found else float("nan")


def largest(scores: np.ndarray) -> np.ndarray:
    """Indices of the ten largest numbers, best first."""
    top = np.argpartition(scores, -K)[-K:]
    return top[np.argsort(-scores[top])].tolist()


def sides(rows: list[Path] | None, dim: int, random: np.random.Generator) -> list[np.ndarray]:
    """Voices and faces whose distribution is followed."""
    if rows:
        return [np.load(path)["embeddings"].astype(np.float32) for path in rows]
    scale = np.arange(1, dim + 1) ** -0.5
    shared = random.standard_normal((2000, dim)) * scale
    found = [shared + random.standard_normal(shared.shape) * scale for _ in range(2)]
    return [(one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32) for one in found]


def alike(voices: np.ndarray, faces: np.ndarray, random: np.random.Generator) -> Callable:
    """A maker of pairs of rows distributed like these."""
    pairs = np.concatenate([voices, faces], axis=1)
    mean = pairs.mean(axis=0)
    _, values, axes = np.linalg.svd(pairs - mean, full_matrices=False)
    deviations = values / np.sqrt(len(pairs) - 1)

    def make(count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = mean + (random.standard_normal((count, len(deviations)), dtype=np.float32) * deviations) @ axes
        one, other = (
            side / np.linalg.norm(side, axis=1, keepdims=True)
            for side in np.split(rows, [voices.shape[1]], axis=1)
        )
        return one.astype(np.float32), other.astype(np.float32)

    return make


if __name__ == "__main__":
    sys.exit(main())
