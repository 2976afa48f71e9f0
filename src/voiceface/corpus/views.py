"""Views: all faces of a corpus decoded and cut to one template, as one memory-mapped array."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES, align, crop_box
from voiceface.media.files import atomic_path

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["BOX_TEMPLATE", "WHOLE", "cut", "view"]

BOX_TEMPLATE, WHOLE = "box", "frame"
"""Templates that are none of dlib's: the detector's box, the whole frame."""

_CHUNK = 512  # faces a task; a few seconds
_ALONE = 3000  # below this starting processes takes longer than decoding


def view(
    corpus: Corpus, *, size: int, template: str, workers: int | None, cache: str | Path | None
) -> npt.NDArray[np.uint8]:
    """The array behind `Corpus.view`, made if it is not there yet."""
    _known(template)
    if size < 1:
        raise InputError("size", f"is {size}", "give at least 1 pixel")
    count = len(corpus.faces)
    if not count:
        return np.zeros((0, size, size, 3), np.uint8)
    folder = Path(cache) if cache is not None else corpus.path / "views"
    path = folder / f"{size}-{template}-{corpus.fingerprint[:12]}.npy"
    if not path.is_file():
        if template == WHOLE:
            corpus.frame(0)
        _make(corpus, path, (count, size, size, 3), template, workers)
    try:
        array: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(path, "is damaged", "delete it; it is made again") from error
    if array.shape != (count, size, size, 3) or array.dtype != np.uint8:
        raise InputError(path, f"holds {array.shape} instead of {count} faces", "delete it; it is made again")
    return array


def cut(
    pixels: npt.NDArray[np.uint8], row: Mapping[str, Any], size: int, template: str
) -> npt.NDArray[np.uint8]:
    """A context crop cut to (size, size, 3) by the box or landmarks of its row."""
    _known(template)
    if template == BOX_TEMPLATE:
        return crop_box(pixels, [row[edge] for edge in ("left", "top", "right", "bottom")], size)
    if template == WHOLE:
        return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
    return align(pixels, np.asarray(row["landmarks"]).reshape(5, 2), size=size, template=template)


def _known(template: str) -> None:
    names = [*TEMPLATES, BOX_TEMPLATE, WHOLE]
    if template not in names:
        near = difflib.get_close_matches(template, names, n=1, cutoff=0.0)[0]
        raise InputError("template", f"there is none called {template!r}", f"did you mean {near!r}?")


def _make(
    corpus: Corpus, path: Path, shape: tuple[int, int, int, int], template: str, workers: int | None
) -> None:
    from voiceface.corpus.worker_pool import default_workers

    count, size = shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        array.flush()
        starts = range(0, count, _CHUNK)
        processes = min(workers or default_workers(), len(starts))
        if count < _ALONE or processes < 2:
            for start in starts:
                _fill(corpus, array, start, template)
            array.flush()
        else:
            tasks = [(corpus.path, temporary, start, size, template) for start in starts]
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                for _ in pool.map(_fill_there, tasks):
                    pass
        # Windows cannot rename a file that is still mapped.
        del array
    for old in path.parent.glob(f"{size}-{template}-*.npy"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()


def _fill_there(task: tuple[Path, Path, int, int, str]) -> None:
    from voiceface.corpus.corpus import Corpus

    path, temporary, start, _, template = task
    array = np.load(temporary, mmap_mode="r+")
    _fill(Corpus.open(path), array, start, template)
    array.flush()


def _fill(corpus: Corpus, array: npt.NDArray[np.uint8], start: int, template: str) -> None:
    table = corpus.tables["faces"]
    size = array.shape[1]
    rows = table.arrow.slice(start, _CHUNK).to_pylist()
    for index, row in enumerate(rows, start):
        picture = corpus.frame(index) if template == WHOLE else corpus.picture(index)
        array[index] = cut(np.asarray(picture), row, size, template)
