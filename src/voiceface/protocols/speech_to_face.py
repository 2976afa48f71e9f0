"""Faces generated from voices, searched among real people's: HQ-VoxCeleb's retrieval (Bai et al. 2022).

A gallery has one entry a person, the mean embedding of all real faces; the probe is a generated face, by
cosine. Bai et al. take the first 100 test people, with FaceNet's embeddings; here the figure is the mean
over every gallery of that size. Figures of different face encoders are not comparable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.distribution import as_finite_matrix
from voiceface.metrics.recall_in_galleries import recall_in_galleries
from voiceface.metrics.roc import Floats
from voiceface.protocols.input_checks import as_names, few, unit_embeddings
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.report import Report


def speech_to_face(
    rows: ArrayLike,
    people: ArrayLike,
    real: ArrayLike,
    owners: ArrayLike,
    *,
    gallery: int = 100,
    ks: Sequence[int] = (1, 5, 10),
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Recall at K of generated faces in galleries of real people, and their cosine with their own person.

    Args:
        rows: (n, d) embeddings of generated faces.
        people: (n,) the speakers whom they were generated for.
        real: (m, d) embeddings of real faces.
        owners: (m,) whose they are.
        gallery: people of a gallery; equal scores stand in random order
        ks: the K of recall at K
        resamples: resamples over people; 0: no intervals
        seed: random seed of the resamples

    Raises:
        InputError: widths differ, a value is not finite, a speaker has no real face, or fewer people than
            a gallery has.

    >>> faces = [[1.0, 0.0], [0.0, 1.0]]
    >>> report = speech_to_face(faces, ["a", "b"], faces, ["a", "b"], gallery=2, ks=[1], resamples=0)
    >>> print(report.figure("R@1"))
    R@1 1.000 chance 0.500 (n 2, people 2)
    """
    given, theirs = as_finite_matrix(rows, "generated faces"), as_finite_matrix(real, "real faces")
    if given.shape[1] != theirs.shape[1]:
        fault = f"are {given.shape[1]} and {theirs.shape[1]} wide"
        raise InputError("generated and real faces", fault, "embed both with one face encoder")
    names, index = np.unique(as_names(owners, len(theirs), "owners").astype(str), return_inverse=True)
    whose = as_names(people, len(given), "people").astype(str)
    lost = np.setdiff1d(whose, names)
    if len(lost):
        raise InputError("generated faces", f"{few(lost)} people have no real face", "leave them out")
    if not 2 <= gallery <= len(names) or not ks or min(ks) < 1:
        fault = f"of {gallery} people cannot be made of {len(names)}, or K is not from 1"
        raise InputError("galleries", fault, "give --gallery and -k within the number of people")
    scores = unit_embeddings(given, "generated faces") @ _mean_rows(theirs, index.reshape(-1)).T
    own = np.searchsorted(names, whose)
    right = scores[np.arange(len(own)), own]
    above = (scores > right[:, None]).sum(axis=1)
    tied = (scores == right[:, None]).sum(axis=1) - 1
    sampled = People(whose, resamples=resamples, seed=seed)
    found, convention = [], f"mean over every gallery of {gallery} people"
    for k in ks:
        hits = recall_in_galleries(above, tied, len(names) - 1, size=gallery, k=k)
        found.append(
            mean_of_items(f"R@{k}", hits, sampled, chance=min(1.0, k / gallery), convention=convention)
        )
    stranger = float((scores.sum() - right.sum()) / (scores.size - len(own)))
    convention = "with the mean of the person's real faces; chance: with other people's"
    found.append(mean_of_items("cosine", right, sampled, chance=stranger, convention=convention))
    return Report(rows={f"galleries of {gallery} of {len(names)} people": found})


def _mean_rows(rows: Floats, index: NDArray[np.intp]) -> NDArray[np.float32]:
    """The mean row of every person, of length 1."""
    sums = np.zeros((int(index.max()) + 1, rows.shape[1]))
    np.add.at(sums, index, rows)
    return unit_embeddings(sums / np.bincount(index)[:, None], "real faces")


def read_hq_voxceleb_split(path: str | Path, part: Literal["train", "val", "test"] = "test") -> list[str]:
    """Names of the people of a part, of the ``split.json`` that SF2F's program writes for HQ-VoxCeleb.

    It has the parts of ``vox1`` and ``vox2``; of VoxCeleb's tables every tenth row from the ninth on is in
    ``test`` and every tenth in ``val``, whether HQ-VoxCeleb has faces of that person or not.

    Raises:
        InputError: the file is no such split, or somebody is in two parts.
    """
    try:
        split = json.loads("\n".join(read_lines(path)))
        parts = {
            name: [str(one) for box in ("vox1", "vox2") for one in split[box][name]]
            for name in ("train", "val", "test")
        }
    except (json.JSONDecodeError, KeyError, TypeError):
        remedy = 'give {"vox1": {"train": [...], "val": [...], "test": [...]}, "vox2": ...}'
        raise InputError(path, "is no split of HQ-VoxCeleb", remedy) from None
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        twice = sorted(set(parts[first]) & set(parts[second]))
        if twice:
            raise InputError(
                path, f"has {few(twice)} people in {first} and in {second}", "give each one part"
            )
    if not parts[part]:
        raise InputError(path, f"has nobody in {part}", "give the whole split")
    return parts[part]


PROTOCOL = speech_to_face
