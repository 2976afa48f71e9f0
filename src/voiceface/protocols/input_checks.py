"""What a protocol is handed, checked once: a fault is a counted error, never a smaller test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError

Ints = NDArray[np.intp]


def few(values: Sequence[object] | NDArray[np.generic], shown: int = 3) -> str:
    """How many there are and the first of them, for a message."""
    start = ", ".join(str(v) for v in list(values[:shown]))
    return f"{len(values):,} ({start}{', …' if len(values) > shown else ''})"


def as_scores(scores: ArrayLike, what: str = "scores") -> NDArray[np.float64]:
    """Scores (n,) as float64.

    Raises:
        InputError: they are no flat list of numbers, there are none, or one is NaN or infinite.
    """
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(what, "is not a list of numbers", "give one number a trial") from None
    if values.ndim != 1 or not len(values):
        raise InputError(what, f"has shape {values.shape}, not (trials,)", "give one number a trial")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            what, f"{few(bad)} of {len(values):,} are NaN or infinite (by index)", "score every trial"
        )
    return values


def as_labels(labels: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Labels (n,) as booleans; True means the same person.

    Raises:
        InputError: another length, something else than 0 and 1 (a missing label too), or one class only.
    """
    given = np.asarray(labels)
    if given.shape != (n,):
        raise InputError("labels", f"has shape {given.shape} beside {n:,} scores", "give one label a score")
    if given.dtype == object or given.dtype.kind in "US":
        bad = np.array([i for i, v in enumerate(given.tolist()) if str(v) not in {"0", "1", "True", "False"}])
        if not len(bad):
            given = np.array([str(v) in {"1", "True"} for v in given.tolist()])
    else:
        bad = np.flatnonzero(~np.isin(given, (0, 1)))
    if len(bad):
        raise InputError(
            "labels", f"{few(bad)} of {n:,} are neither 0 nor 1 (by index)", "label every trial 1 (same) or 0"
        )
    same: NDArray[np.bool_] = given.astype(bool)
    if same.all() or not same.any():
        kind = "positive" if same.all() else "negative"
        raise InputError("labels", f"all {n:,} trials are {kind}", "give trials of both classes")
    return same


def as_names(values: ArrayLike, n: int, what: str) -> NDArray[np.generic]:
    """A name (or number) for each of ``n`` things, none of them blank.

    Raises:
        InputError: another length, or a blank, None or NaN among them.
    """
    names = np.asarray(values)
    if names.shape != (n,):
        raise InputError(what, f"has shape {names.shape}, not ({n},)", "give one for each")
    if names.dtype == object:
        bad = np.array([i for i, v in enumerate(names.tolist()) if v is None or v != v or v == ""], dtype=int)
        if not len(bad):
            names = names.astype(str)
    elif names.dtype.kind in "US":
        bad = np.flatnonzero(names == names.dtype.type())
    elif names.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(names))
    else:
        return names
    if len(bad):
        raise InputError(what, f"{few(bad)} of {n:,} are blank (by index)", "name every one")
    return names


def index_people(
    voice: ArrayLike, face: ArrayLike, voices: int, faces: int
) -> tuple[Ints, Ints, NDArray[np.generic]]:
    """People of voices and of faces as indices into one sorted list of all people, and that list."""
    a, b = as_names(voice, voices, "people of the voices"), as_names(face, faces, "people of the faces")
    if (a.dtype.kind in "US") != (b.dtype.kind in "US"):
        raise InputError(
            "people",
            f"are {a.dtype} for voices and {b.dtype} for faces",
            "name the same people in the same way on both sides",
        )
    names, index = np.unique(np.concatenate([a, b]), return_inverse=True)
    return index[:voices], index[voices:], names


def check_people(same: NDArray[np.bool_], voice: Ints, face: Ints) -> None:
    """Labels must say what the people say.

    Raises:
        InputError: a positive of two people or a negative of one, with how many.
    """
    bad = np.flatnonzero(same != (voice == face))
    if len(bad):
        raise InputError(
            "labels",
            f"{few(bad)} of {len(same):,} contradict the people of their voice and face (by index)",
            "read the label column and the people of the same list",
        )


def unit_embeddings(vectors: ArrayLike, what: str) -> NDArray[np.float32]:
    """Embeddings (n, d) with rows of length 1 (a row of zeros stays zeros).

    Raises:
        InputError: not a table of finite numbers, or rows of different width.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(
            what, "are no table of numbers of one width", "give an array (items, width)"
        ) from None
    if rows.ndim != 2 or not rows.size:
        raise InputError(what, f"have shape {rows.shape}, not (items, width)", "give one row an item")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(what, f"rows {few(bad)} of {len(rows):,} hold NaN or infinity", "embed them again")
    length = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.where(length > 0, length, 1.0)).astype(np.float32)
    return unit


def as_similarity(
    similarity: ArrayLike | tuple[ArrayLike, ArrayLike],
) -> NDArray[np.floating] | tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A matrix (voices, faces) of scores, or a pair of embeddings with rows of length 1.

    Raises:
        InputError: neither of them, widths differ, or something is not finite.
    """
    if isinstance(similarity, tuple):
        if len(similarity) != 2:
            raise InputError("embeddings", f"are {len(similarity)} tables", "give (voice rows, face rows)")
        voices = unit_embeddings(similarity[0], "voice embeddings")
        faces = unit_embeddings(similarity[1], "face embeddings")
        if voices.shape[1] != faces.shape[1]:
            raise InputError(
                "embeddings",
                f"voices are {voices.shape[1]} wide and faces {faces.shape[1]}",
                "embed both with one model",
            )
        return voices, faces
    matrix = np.asarray(similarity)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
        raise InputError(
            "similarity",
            f"is {matrix.dtype} of shape {matrix.shape}",
            "give scores (voices, faces) or a pair of embeddings (voice rows, face rows)",
        )
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise InputError("similarity", f"rows {few(bad)} hold NaN or infinity", "score every pair")
    return matrix
