"""How far the wrong-label control of the closed-form matcher varies with who is given whose faces.

    python benchmarks/wrong_assignments.py CORPUS [--encoder student] [--assignments 24] [--record]

Five folds over people, the recipe `matcher` with `--wrong-labels`, once for each assignment (its seed). An
interval over test people does not contain this variation. Printed beside it: the AUC of the same scores where
the test people's pairs are exchanged too, so that there is nothing to find or to reverse; and the AUC
among pairs of one group, by the two groups (nearly the genders) of a matcher with the right labels.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from voice_encoders import fold_models

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.metrics.bootstrap import interval
from voiceface.metrics.roc import auc
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.selection_embeddings import embed_selection
from voiceface.protocols.estimate import Estimate
from voiceface.recipes.matcher import recipe
from voiceface.training.encoder_pairs import exchange

EXCHANGES = 5
"""Of the test people's pairs in each fold."""
RESAMPLES = 1000
FOLD, ALL = "one fold", "five folds together"


def groups_of(corpus, encoder):
    """Who of the voices and of the faces is in the upper of the two groups, with the right labels."""
    run, whole = recipe(voice_encoder=encoder), Selection.everything(corpus)
    facts = run.facts(whole)
    model = run.build(facts).eval()
    run.start(model, whole, facts)
    voices = as_tensor(voice_embeddings(corpus, model.encoders.voice()))
    faces = as_tensor(face_embeddings(corpus, model.encoders.face()))
    with torch.no_grad():
        found = model.groups.logit("voice", voices), model.groups.logit("face", model.reduction(faces))
    return [side.numpy() > 0 for side in found]


def exchanged(scores, right, owners, seed):
    """AUC where every test person's voices belong to another one's faces; the true pairs are left out."""
    people = np.unique(owners[0])
    index = {person: k for k, person in enumerate(people.tolist())}
    other = people[exchange(len(people), seed)]
    wrong = other[[index[person] for person in owners[0].tolist()]][:, None] == owners[1][None]
    return float(auc(scores[~right], wrong[~right]))


def assignment(corpus, encoder, groups, seed):
    """AUC of all folds, and of each fold: all pairs, pairs of one group, and exchanged test pairs."""
    scores, labels, folds = [], [], []
    for _, model, _, test in fold_models(corpus, voice_encoder=encoder, wrong_labels=True, seed=seed):
        voices, faces = embed_selection(model, test)
        owners = test.person_of("voices"), test.person_of("faces")
        found = voices.astype(np.float64) @ faces.T
        right = owners[0][:, None] == owners[1][None]
        same = groups[0][test.voices][:, None] == groups[1][test.faces][None]
        others = [exchanged(found, right, owners, 100 + k) for k in range(EXCHANGES)]
        folds.append((float(auc(found.ravel(), right.ravel())), float(auc(found[same], right[same])), others))
        scores.append(found.ravel())
        labels.append(right.ravel())
    return float(auc(np.concatenate(scores), np.concatenate(labels))), folds


def over_assignments(values):
    """Mean and deviation of AUCs (assignments, each), with intervals over assignments."""
    random = np.random.default_rng(0)
    resampled = [values[random.integers(len(values), size=len(values))] for _ in range(RESAMPLES)]
    made = []
    for name, function, chance in (("mean AUC", np.mean, 0.5), ("deviation", np.std, float("nan"))):
        samples = np.array([[function(one)] for one in resampled])
        low, high = (float(end[0]) for end in interval(samples))
        value = float(function(values))
        made.append(Estimate(name=name, value=value, low=low, high=high, chance=chance, n=values.size))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--encoder", default="student")
    parser.add_argument("--assignments", type=int, default=24)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus = Corpus.open(given.corpus)
    groups = groups_of(corpus, given.encoder)
    whole, folds = [], []
    for seed in range(given.assignments):
        value, rows = assignment(corpus, given.encoder, groups, seed)
        whole.append(value)
        folds += rows
        print(
            f"assignment {seed}: {value:.3f}, folds {' '.join(f'{row[0]:.3f}' for row in rows)}", flush=True
        )
    own, same, others = (np.array([row[k] for row in folds]) for k in range(3))
    shape = (given.assignments, -1)
    figures = []
    for row, values in (
        (ALL, np.array(whole)),
        (FOLD, own),
        (f"{FOLD}, pairs of one group", same),
        (f"{FOLD}, test pairs exchanged", others),
    ):
        mean, spread = over_assignments(values.reshape(shape))
        print(f"{row}: {mean}; {spread}; {values.min():.3f} to {values.max():.3f}")
        figures.append((row, mean))
    linked = np.corrcoef(own, same)[0, 1]
    print(f"correlation of a fold's AUC with that among its pairs of one group: {linked:.2f}")
    if given.record:
        record_experiment(
            Path("results"),
            recipe="matcher",
            corpus=corpus.fingerprint,
            protocol="wrong labels, over assignments, 5 folds over people",
            command=f"python benchmarks/wrong_assignments.py CORPUS --encoder {given.encoder} "
            f"--assignments {given.assignments}",
            figures=figures,
        )


if __name__ == "__main__":
    main()
