"""A training's folder is marked with the people whom it leaves out."""

from __future__ import annotations

from pathlib import Path

from voiceface.errors import InputError

NO_FOLD = "no fold"
"""Stands for a training with the recipe's own split."""

_MARK = ".fold"
"""A hidden file in the folder of a training: the fold that it leaves out."""


def claim_fold(out: Path, people: str, *, below: str = "") -> None:
    """Note in the folder which people its training leaves out; refuse one that left out others.

    Args:
        out: folder of a training, or of the trainings of several folds.
        people: who is left out: ``fold 2/5``.
        below: pattern of the folders of the trainings in it; by default it is that of one.

    Raises:
        InputError: the folder holds a training that left out others, is used by another process, or cannot
            be written to.
    """
    from voiceface.media.files import write_text
    from voiceface.media.make_folder import make_folder
    from voiceface.media.writer_lock import writer_lock
    from voiceface.training.training_folder import holds_progress

    mark, places = out / _MARK, list(out.glob(below)) if below else [out]
    if any(map(holds_progress, places)):
        there = mark.read_text(encoding="utf-8").strip() if mark.is_file() else NO_FOLD
        if there != people:
            fault = f"holds a training that left out {there}, not {people}"
            raise InputError(out, fault, "give the same fold to resume, or a new folder")
    elif mark.is_file() or (people != NO_FOLD and _is_free(out)):
        with writer_lock(make_folder(out), busy="is being trained in by another process"):
            write_text(mark, people + "\n")


def _is_free(out: Path) -> bool:
    """Whether a folder is new, empty, or that of a failed start; training refuses other files."""
    if not out.exists() or (out / "training.json").is_file():
        return True
    return out.is_dir() and not any(out.glob("[!.]*"))
