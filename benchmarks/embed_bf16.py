"""What computing embeddings in bf16 saves, and whether the matcher loses anything by it.

    python benchmarks/embed_bf16.py CORPUS [--voices student ge2e campplus] [--faces dlib_layers] [--record]

All voices and aligned faces of a corpus are embedded in float32 and in bf16, block by block in turn, on one
thread; their times are processor seconds. Log-mels stay in float32. The recipe `matcher` is then trained on
the float32 embeddings of five folds' people, as shipped weights are, and compares the unknown people by
either: the difference of AUC, paired on the same trials and resamples of people, of voices in bf16, of faces
in bf16 and of both. A change is one less the cosine, of an encoder's embedding and of the matcher's.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from voice_encoders import fold_models

from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.metrics.bootstrap import interval
from voiceface.models.corpus_embeddings import align_corpus_face
from voiceface.models.encoder_loading import load_face_encoder, load_voice_encoder
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.pair_verification import pair_trials, verification
from voiceface.protocols.paired_comparison import compare
from voiceface.training.devices import computes_in_bf16

BLOCK = 64


def in_turn(embed, items):
    """Rows in float32 and in bf16, of ``embed(items, bf16)``, and the processor seconds of either."""
    embed(items[:2], False), embed(items[:2], True)  # what is loaded and chosen once
    rows, taken = ([], []), [0.0, 0.0]
    for number, first in enumerate(range(0, len(items), BLOCK)):
        for half in (False, True) if number % 2 else (True, False):
            begun = time.process_time()
            rows[half].append(embed(items[first : first + BLOCK], half))
            taken[half] += time.process_time() - begun
    return [np.concatenate(some) for some in rows], taken


def embed_waves(name):
    encoder = load_voice_encoder(name)

    def embed(waves, half):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return encoder.embed(waves)

    return embed


def embed_crops(name):
    encoder = load_face_encoder(name)
    return lambda crops, half: encoder.embed(np.stack(crops), bf16=half)


def changes(left, right):
    """One less the cosine of each row of one with that of the other."""
    left, right = (rows.astype(np.float64) for rows in (left, right))
    return 1 - (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def mean_change(values, people, resamples):
    """The mean change, with its interval over people."""
    _, owners = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(owners, weights=values), np.bincount(owners)
    random = np.random.default_rng(0)
    picked = [random.integers(len(sums), size=len(sums)) for _ in range(resamples)]
    low, high = interval(np.array([[sums[k].sum() / counts[k].sum()] for k in picked]))
    facts = {"n": len(values), "people": len(sums), "resamples": resamples, "chance": 0.0}
    return Estimate(
        name="mean change", value=float(values.mean()), low=float(low[0]), high=float(high[0]), **facts
    )


def of_unknown(corpus, name, voices, faces):
    """Scores by (voices in bf16, faces in bf16), labels, people, folds, changes of log odds and of rows."""
    scores = {(v, f): [] for v in (False, True) for f in (False, True)}
    labels, left, right, folds, odds, moved = [], [], [], [], [], ([], [])
    for fold, model, line, test in fold_models(corpus, voice_encoder=name):
        people = test.person_of("voices"), test.person_of("faces")
        own = [model.project_voices(rows[test.voices]) for rows in voices]
        other = [model.project_faces(rows[test.faces]) for rows in faces]
        for pair in scores:
            trials = pair_trials(own[pair[0]].astype(np.float64) @ other[pair[1]].T, people=people)
            scores[pair].append(trials.scores)
        labels.append(trials.labels)
        left.append(trials.people[0])
        right.append(trials.people[1])
        folds.append(np.full(len(trials.labels), fold))
        odds.append(line["slope"] * (scores[True, True][-1] - scores[False, False][-1]))
        for side, rows in zip(moved, (own, other), strict=True):
            side.append(changes(*rows))
    joined = {pair: np.concatenate(some) for pair, some in scores.items()}
    both = [np.concatenate(some) for some in moved]
    return joined, *map(np.concatenate, (labels, left, right, folds, odds)), both


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--voices", nargs="+", default=["student", "ge2e"])
    parser.add_argument("--faces", default="dlib_layers")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, figures, last = Corpus.open(given.corpus), [], []
    print(f"this processor computes in bf16: {computes_in_bf16('cpu')}", flush=True)
    waves = [corpus.wave(k) for k in range(len(corpus.voices))]
    crops = [align_corpus_face(corpus, k) for k in range(len(corpus.faces))]
    sides = [(given.faces, embed_crops(given.faces), crops, corpus.faces)]
    sides += [(name, embed_waves(name), waves, corpus.voices) for name in given.voices]
    rows = {}
    for name, embed, items, table in sides:
        rows[name], (full, half) = in_turn(embed, items)
        changed = changes(*rows[name])
        mean = mean_change(changed, np.array([one.person for one in table]), given.resamples)
        print(
            f"{name}, {len(items)}: {full:.1f} s in float32, {half:.1f} s in bf16, "
            f"{full / half:.2f} times as fast; change {changed.mean():.2g} on average, "
            f"{changed.max():.2g} at most",
            flush=True,
        )
        last.append((f"{name}, in bf16", mean))
    for name in given.voices:
        scores, labels, left, right, folds, odds, moved = of_unknown(
            corpus, name, rows[name], rows[given.faces]
        )
        facts = {"people": (left, right), "groups": folds, "resamples": given.resamples}
        whole = scores[False, False]
        figures.append((f"{name}, float32", verification(whole, labels, **facts).auc))
        print(f"{name}, float32: {figures[-1][1]}", flush=True)
        for pair, what in (((True, False), "voices"), ((False, True), "faces"), ((True, True), "both")):
            found = compare(scores[pair], whole, labels, **facts).difference
            figures.append((f"{name}, {what} in bf16 less float32", found))
            print(
                f"{name}, {what} in bf16: {found.value:+.5f} [{found.low:+.5f}, {found.high:+.5f}]",
                flush=True,
            )
        for what, side in zip(("voices", "faces"), moved, strict=True):
            ends = f"{side.mean():.2g} on average, {side.max():.2g} at most"
            print(f"{name}: change of the matcher's embeddings of {what}: {ends}")
        odds = np.abs(odds)
        print(
            f"{name}: log odds change by {odds.mean():.3f} on average, {odds.max():.3f} at most", flush=True
        )
    if given.record:
        record_experiment(
            Path("results"),
            recipe="matcher",
            corpus=corpus.fingerprint,
            protocol="embeddings in bf16, 5 folds over people, paired",
            command=f"python benchmarks/embed_bf16.py CORPUS --voices {' '.join(given.voices)} "
            f"--faces {given.faces}",
            figures=figures + last,
        )


if __name__ == "__main__":
    main()
