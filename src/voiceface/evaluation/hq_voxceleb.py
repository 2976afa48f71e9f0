"""HQ-VoxCeleb's retrieval from files: embeddings of generated and of real faces, and the published split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import NamedEmbeddings, read_named_embeddings
from voiceface.protocols.report import Report
from voiceface.protocols.speech_to_face import read_hq_voxceleb_split, speech_to_face


def hq_voxceleb(
    generated: Path,
    faces: Path,
    split: Path | None,
    *,
    gallery: int,
    ks: Sequence[int],
    resamples: int,
    seed: int,
) -> Report:
    """Recall of generated faces among the test people, as `speech_to_face` has it.

    Args:
        generated: .npz of generated faces, with the speakers as people, or in folders by their names.
        faces: .npz of real faces; people, or the folder above a picture (``vox1/masked_faces/NAME/1.jpg``).
        split: ``split.json``; None: everybody in the files.
        gallery: People of a gallery.
        ks: The K of recall at K.
        resamples: Over people.
        seed: Of the resamples.

    Raises:
        InputError: a file cannot be read, nobody of the split is in it, or as `speech_to_face`.
    """
    sides = [read_named_embeddings(path) for path in (generated, faces)]
    rows = [(side.embeddings, _people(side)) for side in sides]
    excluded = {}
    if split is not None:
        named = read_hq_voxceleb_split(split)
        for at, (side, words) in enumerate(zip(sides, ("generated", "real"), strict=True)):
            kept = np.isin(rows[at][1], named)
            if not kept.any():
                raise InputError(side.path, f"has nobody of the test people of {split}", "check the names")
            if not kept.all():
                excluded[f"{words} faces of people who are not in the test part"] = int((~kept).sum())
            rows[at] = rows[at][0][kept], rows[at][1][kept]
    (mine, speakers), (real, owners) = rows
    found = speech_to_face(
        mine, speakers, real, owners, gallery=gallery, ks=ks, resamples=resamples, seed=seed
    )
    return Report(rows=found.rows, excluded=excluded, notes=found.notes)


def _people(side: NamedEmbeddings) -> NDArray[np.str_]:
    if side.people is not None:
        return side.people
    folders = [PurePosixPath(name).parent.name for name in side.names.tolist()]
    if not all(folders):
        raise InputError(side.path, "does not say whose each face is", "embed folders by people's names")
    return np.array(folders)
