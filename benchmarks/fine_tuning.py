"""What fine-tuning of the closed-form matcher gives to new people, and what it costs the old ones.

    python benchmarks/fine_tuning.py CORPUS [--voice-encoder student] [--record]

Five folds test; of the other people 200 are new and the rest old. A matcher of the old people is fine-tuned
with 20, 50 and 200 new ones and compared with itself before, on the test people, paired over the same
trials and resamples of people. "Same" are new people recorded like the old ones; "line" are new people whose
voices came through a narrow line (300 to 3,400 Hz, noise at 15 dB): the gain is on test people recorded so
too, the loss on test people recorded as before.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import fold_people
from voiceface.evaluation.experiment_records import record_experiment
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.protocols.pair_verification import pair_trials
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes.matcher import recipe
from voiceface.training.encoder_pairs import EncoderPairs, paired_items

NEW = (20, 50, 200)
FOLDS = 5


def narrow_line(wave, seed):
    """A recording as a float wave, through a narrow line."""
    random = np.random.default_rng(seed)
    spectrum, hertz = np.fft.rfft(wave.astype(np.float64)), np.fft.rfftfreq(len(wave), 1 / 16_000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    line = np.fft.irfft(spectrum, len(wave))
    line += random.normal(0, line.std() * 10 ** (-15 / 20), len(line))
    return (0.7 * line / max(np.abs(line).max(), 1e-9)).astype(np.float32)


def pairs_of(selection):
    """Indices of each person's first voice and face."""
    items = paired_items(selection, wrong_labels=None)
    return np.array([voices[0] for voices, _ in items]), np.array([faces[0] for _, faces in items])


def tuned(model, rows, ridge):
    new = copy.deepcopy(model)
    new.adapt(*rows, ridge=ridge)
    return new


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--voice-encoder", default="student")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus = Corpus.open(given.corpus)
    run = recipe(voice_encoder=given.voice_encoder)
    pairs, ridge = EncoderPairs(run.arguments), run.arguments["ridge"]
    faces, voices = as_tensor(face_embeddings(corpus, pairs.encoders.face())), {}
    voices["same"] = as_tensor(voice_embeddings(corpus, pairs.encoders.voice()))
    waves = [narrow_line(corpus.wave(k), k) for k in range(len(corpus.voices))]
    voices["line"] = as_tensor(pairs.encoders.voice().embed(waves))
    scores = {}
    shared = {"labels": [], "voice": [], "face": [], "groups": []}
    for fold in range(FOLDS):
        split = fold_people(corpus, fold=fold, folds=FOLDS, validation=0.0)
        order = np.random.default_rng(fold).permutation(split.train.people)
        old, new = split.train.restrict(order[max(NEW) :].tolist()), order[: max(NEW)]
        model = run.build(run.facts(old))
        run.start(model.eval(), old, {})
        models = {("before", kind): model for kind in voices}
        for kind, rows in voices.items():
            for count in NEW:
                left, right = pairs_of(split.train.restrict(new[:count].tolist()))
                models[f"{count} new people", kind] = tuned(model, (rows[left], faces[right]), ridge)
        test = split.test
        people = test.person_of("voices"), test.person_of("faces")
        right = faces[torch.from_numpy(test.faces)].numpy()
        for (name, kind), one in models.items():
            for spoken in {kind, "same"}:
                left = voices[spoken][torch.from_numpy(test.voices)].numpy()
                similarity = one.project_voices(left).astype(np.float64) @ one.project_faces(right).T
                trials = pair_trials(similarity, people=people)
                scores.setdefault((name, kind, spoken), []).append(trials.scores)
        shared["labels"].append(trials.labels)
        for side, owners in zip(("voice", "face"), trials.people, strict=True):
            shared[side].append(owners)
        shared["groups"].append(np.full(len(trials.labels), fold))
    labels, voice, face, groups = (np.concatenate(found) for found in shared.values())
    figures = []
    for (name, kind, spoken), found in scores.items():
        if name == "before":
            continue
        first, second = np.concatenate(found), np.concatenate(scores["before", kind, spoken])
        seen = compare(first, second, labels, people=(voice, face), groups=groups, resamples=300)
        test = "new people's kind" if kind == spoken else "old people's kind"
        print(f"{kind:5} {name:15} {test}: {seen}")
        figures.append((f"{kind}, {name}, tested on the {test}", seen.difference))
    if given.record:
        record_experiment(
            Path("results"),
            recipe="matcher",
            corpus=corpus.fingerprint,
            protocol=f"fine-tuning {given.voice_encoder}, gain over the weights before, 5 folds",
            command=f"python benchmarks/fine_tuning.py CORPUS --voice-encoder {given.voice_encoder}",
            figures=figures,
        )


if __name__ == "__main__":
    main()
