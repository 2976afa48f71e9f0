"""What a voice encoder, or a stack of several, gives to the closed-form matcher, paired against the first.

    python benchmarks/voice_encoders.py CORPUS student ge2e campplus+student [--record]

Five folds over people, the recipe `matcher` as it stands. Every encoder is compared with the first one named
on the same trials and resamples of people: AUC of all pairs, and within a gender where it is known. Cllr is
that of the calibrations fitted on each fold's validation people. The last line is the control: the last
encoder with the faces of other people in training.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.evaluation.hold_out_fold import hold_out_fold
from voiceface.models.selection_embeddings import embed_selection
from voiceface.protocols.calibration import calibration
from voiceface.protocols.pair_verification import pair_trials, verification
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes.matcher import recipe

FOLDS = 5
CONTROL = "wrong labels"


def fold_models(corpus, **arguments):
    """Fold, model, its calibration's line, and the selection of the unknown people."""
    run = recipe(**arguments)
    for fold in range(FOLDS):
        held_out = hold_out_fold(run, fold, FOLDS)
        split = held_out.split(corpus)
        facts = held_out.facts(split.train)
        model = held_out.build(facts).eval()
        held_out.start(model, split.train, facts)
        yield fold, model, held_out.calibrate(model, split.validation, facts)["calibration"], split.test


def tested(corpus, **arguments):
    """Scores, log odds, labels, people of both sides and fold of all trials of unknown people."""
    found = []
    for fold, model, line, test in fold_models(corpus, **arguments):
        voices, faces = embed_selection(model, test)
        people = test.person_of("voices"), test.person_of("faces")
        trials = pair_trials(voices.astype(np.float64) @ faces.T, people=people)
        odds = line["slope"] * trials.scores + line["offset"]
        groups = np.full(len(odds), fold)
        found.append((trials.scores, odds, trials.labels, *trials.people, groups))
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def given_encoders(doc, *folders):
    """The arguments of a benchmark of matchers: the corpus, further folders, voice encoders; one thread."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for folder in ("corpus", *folders):
        parser.add_argument(folder, type=Path)
    parser.add_argument("encoders", nargs="+")
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--record", action="store_true")
    parser.set_defaults(folders=" ".join(("corpus", *folders)).upper())
    torch.set_num_threads(1)
    return parser.parse_args()


def record_matchers(given, corpus, figures, *, protocol, encoders=None):
    """Record the figures of the benchmark that was called, of all encoders or of these, given --record."""
    if given.record:
        script, names = Path(sys.argv[0]).name, " ".join(encoders or given.encoders)
        record_experiment(
            Path("results"),
            recipe="matcher",
            corpus=corpus.fingerprint,
            protocol=protocol,
            command=f"python benchmarks/{script} {given.folders} {names}",
            figures=figures,
        )


def main():
    given = given_encoders(__doc__)
    corpus = Corpus.open(given.corpus)
    genders = {person.id: person.gender for person in corpus.people}
    first, figures = None, []
    runs = [(name, {"voice_encoder": name}) for name in given.encoders]
    runs.append((CONTROL, {"voice_encoder": given.encoders[-1], "wrong_labels": True}))
    for name, arguments in runs:
        scores, odds, labels, voice, face, groups = tested(corpus, **arguments)
        first = scores if first is None else first
        own = np.array([genders[one] for one in voice]), np.array([genders[one] for one in face])
        masks = {"all": np.ones(len(scores), dtype=bool), "same gender": (own[0] == own[1]) & (own[0] != "")}
        stated = calibration(odds, labels, people=(voice, face), groups=groups, resamples=given.resamples)
        rows = [(name, one) for one in stated.row if one.name == "Cllr"]
        for stratum, mask in masks.items():
            people = voice[mask], face[mask]
            told = {"people": people, "groups": groups[mask], "resamples": given.resamples}
            if name in (given.encoders[0], CONTROL):
                rows.append((f"{name}, {stratum}", verification(scores[mask], labels[mask], **told).auc))
            if name != given.encoders[0] and name != CONTROL:
                seen = compare(scores[mask], first[mask], labels[mask], **told)
                print(f"{name}, {stratum}: {seen}", flush=True)
                rows.append((f"{name} less {given.encoders[0]}, {stratum}", seen.difference))
        for row, one in rows:
            print(f"{row}: {one}", flush=True)
        figures += rows
    record_matchers(given, corpus, figures, protocol="voice encoders, 5 folds over people, paired")


if __name__ == "__main__":
    main()
