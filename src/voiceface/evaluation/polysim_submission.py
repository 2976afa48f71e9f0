"""A submission to POLY-SIM from embeddings: the nearest known person, by voice and face or voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import read_named_embeddings
from voiceface.protocols.identification import score_people
from voiceface.protocols.input_checks import few
from voiceface.protocols.list_scoring import Embedded
from voiceface.protocols.polyglot_identification import (
    polysim_label,
    read_polysim_trials,
    submission_settings,
    write_polysim_submission,
)


def polysim_submission(listed: tuple[Path, Path], known: tuple[Path, Path], trials: Path, out: Path) -> int:
    """Name a person for every trial, and say how many trials there are.

    A trial's score with a person is the cosine with the mean of that person's voices, and, where there is a
    face, the cosine with the mean of the faces added to it; both less the mean over people.

    Args:
        listed: .npz of the list's voices and of its faces, named as in the list (``voiceface embed``).
        known: .npz of the voices and of the faces of the training, with their people.
        trials: the challenge's list, ``key,voices,faces``.
        out: ``submission_VERSION_PHASE_TRAINED_TESTED.csv``.

    Raises:
        InputError: a file cannot be read or written, an item of the list has no embedding, or the known
            voices and faces are not of the same people.
    """
    settings = submission_settings(out)
    rows = read_polysim_trials(trials)
    voices, people = _scores(listed[0], known[0], rows.voices)
    faces, others = _scores(listed[1], known[1], rows.faces)
    if people.tolist() != others.tolist():
        lost = np.setxor1d(people, others)
        fault = f"lack the voice or the face of {few(lost)} people"
        raise InputError(f"{known[0]} and {known[1]}", fault, "give both of everybody")
    labels = np.array([polysim_label(str(person)) for person in people.tolist()])
    both, voice = (labels[scores.argmax(axis=1)].tolist() for scores in (voices + faces, voices))
    write_polysim_submission(out, rows, dict(zip(settings, (both, voice), strict=True)))
    return len(rows.keys)


def _scores(
    listed: Path, known: Path, names: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.generic]]:
    """Cosines (trials, people) of the listed items with the known people, and those people."""
    side, train = read_named_embeddings(listed), read_named_embeddings(known)
    if train.people is None:
        raise InputError(known, "does not say whose each item is", "embed a corpus, or add an array people")
    embedded = Embedded(side.names, side.embeddings, what=str(listed))
    places = embedded.find(names)
    if (places < 0).any():
        lost = np.unique(names[places < 0])
        raise InputError(listed, f"lacks {few(lost)} of the names in the list", "embed them")
    return score_people(embedded.rows[places], train.embeddings, train.people, by="cosine")
