"""What the protocols cost and whether they tell the truth: `python benchmarks/protocols.py [table …]`.

Tables: lists (seconds and memory of the ten published lists), retrieval (20,000 x 20,000), parity (the
published misreading), coverage (300 simulated experiments of known truth). The first and third read the
published lists under ``../shared/data/protocols`` beside the checkout, or the folder in VOICEFACE_PROTOCOLS.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import NormalDist

import numpy as np

from voiceface.media.voxceleb_names import read_names
from voiceface.protocols import matching, retrieval, verification
from voiceface.protocols.list_audit import audit_list
from voiceface.protocols.list_scoring import Embedded, score_trials
from voiceface.protocols.trial_lists import PINS_TRIAL_COUNTS, TrialList, read_pins

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "protocols"
FOLDER = Path(os.environ.get("VOICEFACE_PROTOCOLS", _DEFAULT))


def clock() -> float:
    """Processor seconds of this process, all its threads: what the work costs on however busy a machine."""
    return time.process_time()


def peak_mb() -> float:
    """Highest memory of this process so far, in MB; NaN on Windows, which does not tell this way."""
    try:
        import resource
    except ImportError:
        return float("nan")
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor / 1e6


def pins_lists() -> list[TrialList]:
    folder = FOLDER / "learnable_pins"
    return [read_pins(folder / f"veriflist_test_{name}.txt.gz") for name in PINS_TRIAL_COUNTS]


def lists(width: int = 128) -> None:
    """All ten lists scored from cached embeddings, without and with 1,000 resamples over people."""
    rng = np.random.default_rng(0)
    start = clock()
    trials = pins_lists()
    print(f"reading ten lists: {clock() - start:.2f} s of processor")
    sides = []
    for side in ("left", "right"):
        names = np.unique(np.concatenate([getattr(t, side) for t in trials]))
        sides.append((names, rng.normal(size=(len(names), width)).astype(np.float32)))
    print(f"embeddings: {len(sides[0][0]):,} voices, {len(sides[1][0]):,} faces, {width} wide")
    for resamples in (0, 1000):
        start = clock()
        voices, faces = (Embedded(names, vectors) for names, vectors in sides)
        for one in trials:
            scores, kept = score_trials(one, voices, faces)
            report = verification(
                scores, one.labels[kept], people=(one.left_people, one.right_people), resamples=resamples
            )
            if one.name.endswith("random_unseenunheard"):
                print(report.auc)
        seconds = clock() - start
        print(f"ten lists, {resamples} resamples: {seconds:.2f} s of processor, peak {peak_mb():.0f} MB")


def retrieval_20k(items: int = 20_000, people: int = 250, width: int = 128) -> None:
    """Both directions, mAP and R@K, 1,000 resamples."""
    rng = np.random.default_rng(0)
    person = rng.integers(0, people, items)
    own = rng.normal(size=(people, width)).astype(np.float32)
    voices, faces = (own[person] + 3 * rng.normal(size=(items, width)).astype(np.float32) for _ in range(2))
    before = peak_mb()
    for resamples in (0, 1000):
        start = clock()
        report = retrieval((voices, faces), people=(person, person), ks=(1, 5, 10), resamples=resamples)
        seconds = clock() - start
        print(f"{items:,} x {items:,}, {resamples} resamples: {seconds:.1f} s of processor,", end=" ")
        print(f"peak {peak_mb():.0f} MB ({before:.0f} before)")
    print(report)
    start = clock()
    print(matching((voices, faces), people=(person, person), n=(2, 10)))
    print(f"1:2 and 1:10 on the same items: {clock() - start:.1f} s of processor, peak {peak_mb():.0f} MB")


def parity(auc: float = 0.775) -> None:
    """A model of known AUC read by the label column and by the row's parity, and audit's words."""
    meta = read_names(FOLDER / "voxceleb" / "vox1_meta.csv")
    rng = np.random.default_rng(0)
    shift = NormalDist().inv_cdf(auc) * 2**0.5
    attributes = {
        "gender": {str(int(i[3:])): v for i, v in meta.gender.items()},
        "nationality": {str(int(i[3:])): v for i, v in meta.nationality.items()},
    }
    for one in pins_lists():
        scores = rng.normal(size=len(one)) + shift * one.labels
        odd = np.arange(len(one)) % 2 == 0
        right, wrong = (verification(scores, y, resamples=0) for y in (one.labels, odd))
        print(f"AUC {right.auc.value:.3f} (EER {right.eer.value:.3f}) read by parity "
              f"{wrong.auc.value:.3f} (EER {wrong.eer.value:.3f})")  # fmt: skip
        stratum = one.name.split("_")[2]
        shared = {k: v for k, v in attributes.items() if stratum != "random" and k[0].upper() in stratum}
        print(audit_list(one, share=shared))


def coverage(experiments: int = 300, people: int = 100, resamples: int = 400) -> None:
    """How often the 95 % interval covers the truth, for each figure of each protocol."""
    inside: dict[str, list[bool]] = {}
    truth = simulated_truth()
    for seed in range(experiments):
        for name, estimate in simulated(seed, people, resamples).items():
            inside.setdefault(name, []).append(estimate.low <= truth[name] <= estimate.high)
    for name, hits in inside.items():
        print(f"{name:28} truth {truth[name]:.3f} covered {np.mean(hits):.3f} of {experiments}")


def simulated(seed: int, people: int, resamples: int) -> dict:
    """One experiment: voices and faces whose similarity depends on both people, some with several items."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(people, 6))
    person = np.repeat(np.arange(people), 1 + np.arange(people) % 3)
    voices, faces = (own[person] + 1.2 * rng.normal(size=(len(person), 6)) for _ in range(2))
    score = voices @ faces.T
    i, j = np.indices(score.shape)
    report = verification(
        score.ravel(), (person[i] == person[j]).ravel(), resamples=resamples, seed=seed,
        people=(person[i].ravel(), person[j].ravel()),
    )  # fmt: skip
    matched = matching(score, people=(person, person), n=(2, 5, 10), resamples=resamples, seed=seed)
    found = {"verification AUC": report.auc, "verification EER": report.eer}
    return found | {f"matching {e.name}": e for e in matched.rows["voice->face"]}


def simulated_truth() -> dict[str, float]:
    """The same figures on many people once more: the error left is far below an interval's width."""
    values = [{k: e.value for k, e in simulated(10_000 + s, 400, 0).items()} for s in range(12)]
    return {name: float(np.mean([v[name] for v in values])) for name in values[0]}


TABLES = {"lists": lists, "retrieval": retrieval_20k, "parity": parity, "coverage": coverage}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; by default all")
    given = parser.parse_args()
    for wanted in given.tables or TABLES:
        if wanted not in TABLES:
            parser.error(f"there is no table {wanted!r}")
        print(f"\n== {wanted}")
        TABLES[wanted]()


if __name__ == "__main__":
    main()
