"""People with a voice and a face: how they are split, and which of their items belong together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Selection, Split
from voiceface.training.encoder_pairs import paired_items

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus


def split_paired(corpus: Corpus, *, seed: int, validation: float, test: float) -> Split:
    """Split people with a voice and a face; people with faces alone are all trained on.

    Half of the people of known gender are in the test part where they are few: the gender of generated
    faces is measured on them.
    """
    whole = Selection.everything(corpus)
    paired = set(np.intersect1d(corpus.person_of("voices"), corpus.person_of("faces")).tolist())
    gender = {person.id: person.gender for person in corpus.people}
    known = sum(bool(gender.get(id)) for id in paired)
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    strata: dict[str, list[str]] = {}
    for id in sorted(set(whole.people)):
        if id not in paired:
            parts["train"].append(id)
        else:
            strata.setdefault(gender.get(id, ""), []).append(id)
    for name, people in sorted(strata.items()):
        share = min(0.5, max(test, 30 / known)) if name and test else test
        row = sorted(people, key=lambda id: hashlib.sha256(f"{seed}\n{id}".encode()).digest())
        ends = round(share * len(row)), round((share + validation) * len(row))
        parts["test"] += row[: ends[0]]
        parts["validation"] += row[ends[0] : ends[1]]
        parts["train"] += row[ends[1] :]
    return Split(*(whole.restrict(parts[part]) for part in ("train", "validation", "test")))


def paired_indices(
    selection: Selection, *, wrong_labels: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of a voice and a face of one person each (`paired_items`); a shorter list is repeated."""
    voices, faces = [], []
    for own_voices, own_faces in paired_items(selection, wrong_labels=wrong_labels):
        count = max(len(own_voices), len(own_faces))
        voices.append(np.resize(own_voices, count))
        faces.append(np.resize(own_faces, count))
    return np.concatenate(voices), np.concatenate(faces)
