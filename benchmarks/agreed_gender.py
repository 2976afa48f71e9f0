"""Matching within a gender on hundreds of people: those of whom two independent models say the same gender.

    export VOICEFACE_FACERES=$PWD/vladmandic-human-3.3.6.tgz      (tools/second_recogniser.py says where from)
    python benchmarks/agreed_gender.py CORPUS VOICES student ge2e campplus+student [--record]

VOICES is a folder with ``voices.csv`` (clip, sex: f or m, age) and CLIP.ogg: a logistic regression on the 66
statistics of its speakers from 15 years on gives the gender of a voice, HSE-FaceRes' own head that of a face.
Neither is an encoder that is tested. Both are compared with the genders that the corpus states, and their
disagreement about the others is printed. Then the recipe `matcher` with each encoder, five folds over people:
AUC of all pairs, of pairs within a stated gender, and within an agreed one.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from voice_encoders import given_encoders, record_matchers, tested

from voiceface.audio.voice_statistics import voice_statistics
from voiceface.corpus.corpus import Corpus
from voiceface.media.sound import load_sound
from voiceface.protocols.pair_verification import verification

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from second_recogniser import describe_corpus, load_faceres  # noqa: E402

ADULT = 15


def gender_of_voices(corpus, folder):
    """Probability of a woman's voice, by statistics of other speakers' voices."""
    with (folder / "voices.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["age"]) >= ADULT]
    waves = [load_sound(folder / f"{row['clip']}.ogg") for row in rows]
    known = np.stack([statistics(wave) for wave in waves])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    classifier.fit(known, [row["sex"] == "f" for row in rows])
    waves = (np.asarray(corpus.wave(k), dtype=np.float32) / 32768 for k in range(len(corpus.voices)))
    return classifier.predict_proba(np.stack([statistics(wave) for wave in waves]))[:, 1]


def statistics(wave):
    """The 66 numbers of one recording."""
    return voice_statistics(torch.from_numpy(np.asarray(wave, dtype=np.float32))).numpy()


def by_person(owners, women):
    """Mean over each person's recordings or pictures."""
    return {one: float(women[owners == one].mean()) for one in np.unique(owners)}


def agreed_genders(corpus, folder):
    """Person to ``f`` or ``m`` where both models agree; what they are worth and how often they differ."""
    voices = by_person(corpus.column("voices", "person"), gender_of_voices(corpus, folder))
    women = 1 - describe_corpus(load_faceres(), corpus)["male"]
    faces = by_person(corpus.column("faces", "person"), women)
    stated = {person.id: person.gender for person in corpus.people if person.gender in ("f", "m")}
    for name, found in (("voice", voices), ("face", faces)):
        right = [(found[one] > 0.5) == (gender == "f") for one, gender in stated.items() if one in found]
        print(f"{name}: right about {sum(right)} of {len(right)} people whose gender is stated")
    both = sorted(set(voices) & set(faces))
    agreed = {
        one: "f" if voices[one] > 0.5 else "m" for one in both if (voices[one] > 0.5) == (faces[one] > 0.5)
    }
    women = sum(gender == "f" for gender in agreed.values())
    print(f"{len(agreed)} of {len(both)} people agreed ({women} women); {len(both) - len(agreed)} differ")
    wrong = [one for one, gender in agreed.items() if stated.get(one, gender) != gender]
    print(f"of those whose gender is stated, {len(wrong)} are agreed wrongly")
    return agreed


def main():
    given = given_encoders(__doc__, "voices")
    corpus = Corpus.open(given.corpus)
    stated = {person.id: person.gender for person in corpus.people}
    agreed, figures = agreed_genders(corpus, given.voices), []
    for encoder in given.encoders:
        scores, _, labels, voice, face, groups = tested(corpus, voice_encoder=encoder)
        for name, genders in (("all", None), ("same stated gender", stated), ("same agreed gender", agreed)):
            mask = np.ones(len(scores), dtype=bool)
            if genders is not None:
                own = [np.array([genders.get(one, "") for one in side]) for side in (voice, face)]
                mask = (own[0] == own[1]) & (own[0] != "")
            people = voice[mask], face[mask]
            told = {"people": people, "groups": groups[mask], "resamples": given.resamples}
            figure = verification(scores[mask], labels[mask], **told).auc
            print(f"{encoder}, {name}: {figure}", flush=True)
            figures.append((f"{encoder}, {name}", figure))
    record_matchers(given, corpus, figures, protocol="within an agreed gender, 5 folds over people")


if __name__ == "__main__":
    main()
