"""A submission to the FAME challenge, from embeddings of its voices and faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voiceface.evaluation.embedding_files import read_named_embeddings
from voiceface.protocols.list_scoring import Embedded, score_trials
from voiceface.protocols.trial_lists import read_fame_trials, write_fame_submission


def fame_submission(voices: Path, faces: Path, trials: Path, out: Path) -> int:
    """Write the L2 distance of every trial's two embeddings (of length 1), and say how many there are.

    Args:
        voices: an .npz of voices named as in the list (``voiceface embed``).
        faces: one of faces.
        trials: the challenge's list, ``key voice face``.
        out: the submission, ``key distance`` (Saeed et al. 2024: lower for the same person).

    Raises:
        InputError: a file cannot be read or written, or an item of the list has no embedding.
    """
    listed = read_fame_trials(trials)
    sides = [read_named_embeddings(path) for path in (voices, faces)]
    left, right = (Embedded(side.names, side.embeddings, what=str(side.path)) for side in sides)
    cosines, _ = score_trials(listed, left, right)
    write_fame_submission(out, listed, np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines)))
    return len(listed)
