"""Views of a corpus: all its faces, or the frames of a clip, cropped to one template."""

from __future__ import annotations

import contextlib
import difflib
import functools
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import current_process, get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.default_workers import default_workers
from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES, align, crop_box
from voiceface.media.files import atomic_path

BOX_TEMPLATE, FRAME_TEMPLATE = "box", "frame"
"""Templates without landmarks: the detector's box, and the whole frame."""

_CHUNK = 512  # faces a task; a few seconds
_MIN_FACES_FOR_PROCESSES = 3000  # below this starting processes takes longer than decoding


def face_view(
    corpus: Corpus,
    *,
    size: int,
    template: str = "dlib",
    workers: int | None = None,
    cache: str | Path | None = None,
) -> npt.NDArray[np.uint8]:
    """All faces of a corpus cropped to one template, (faces, size, size, 3) uint8, memory-mapped read-only.

    Decoded once, on all cores, into ``views/`` (or the folder ``cache``), and read from there afterwards.

    Args:
        corpus: An opened corpus.
        size: Pixels a side.
        template: A name of `voiceface.face.align.TEMPLATES`, ``"box"`` (the detector's box stretched to a
            square, as Roldán's) or ``"frame"`` (the whole picture, where the corpus keeps it).
        workers: Processes; by default one a core.
        cache: Where to keep the array if not in the corpus.

    Raises:
        InputError: no such template, no frames kept, a damaged picture, a full disk.
    """
    _check_template(template)
    if size < 1:
        raise InputError("size", f"is {size}", "give at least 1 pixel")
    count = len(corpus.faces)
    if not count:
        return np.zeros((0, size, size, 3), np.uint8)
    folder = Path(cache) if cache is not None else corpus.path / "views"
    path = folder / f"{size}-{template}-{corpus.fingerprint[:12]}.npy"
    if not path.is_file():
        if template == FRAME_TEMPLATE:
            corpus.frame(0)
        _make(corpus, path, (count, size, size, 3), template, workers)
    try:
        array: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(path, "is damaged", "delete it; it is made again") from error
    if array.shape != (count, size, size, 3) or array.dtype != np.uint8:
        raise InputError(path, f"holds {array.shape} instead of {count} faces", "delete it; it is made again")
    return array


def clip_frames(corpus: Corpus, index: int, *, size: int, template: str = "dlib") -> npt.NDArray[np.uint8]:
    """The frames of clip ``index`` cropped to a template, (frames, size, size, 3) uint8, all by one box.

    Raises:
        InputError: no such template, or a damaged picture.
    """
    _check_template(template)
    pictures = corpus.clip_pictures(index)
    row = corpus.tables["clips"].row(index % len(corpus.clips))
    return np.stack([_crop(np.asarray(picture), row, size, template) for picture in pictures])


def _crop(
    pixels: npt.NDArray[np.uint8], row: Mapping[str, Any], size: int, template: str
) -> npt.NDArray[np.uint8]:
    """A context crop cut to (size, size, 3) by the box or landmarks of its row."""
    if template == BOX_TEMPLATE:
        return crop_box(pixels, [row[edge] for edge in ("left", "top", "right", "bottom")], size)
    if template == FRAME_TEMPLATE:
        return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
    return align(pixels, np.asarray(row["landmarks"]).reshape(5, 2), size=size, template=template)


def _check_template(template: str) -> None:
    names = [*TEMPLATES, BOX_TEMPLATE, FRAME_TEMPLATE]
    if template not in names:
        near = difflib.get_close_matches(template, names, n=1, cutoff=0.0)[0]
        raise InputError("template", f"there is none called {template!r}", f"did you mean {near!r}?")


def _make(
    corpus: Corpus, path: Path, shape: tuple[int, int, int, int], template: str, workers: int | None
) -> None:
    count, size = shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        array.flush()
        starts = range(0, count, _CHUNK)
        # A Dask worker may start no processes of its own.
        processes = 1 if current_process().daemon else min(workers or default_workers(), len(starts))
        if count < _MIN_FACES_FOR_PROCESSES or processes < 2:
            for start in starts:
                _fill(corpus, array, start, template)
            array.flush()
        else:
            tasks = [(corpus.path, temporary, start, size, template) for start in starts]
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                try:
                    for _ in pool.map(_fill_in_process, tasks):
                        pass
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        # Windows cannot rename a file that is still mapped.
        del array
    for old in path.parent.glob(f"{size}-{template}-*.npy"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()


def _fill_in_process(task: tuple[Path, Path, int, int, str]) -> None:
    path, temporary, start, _, template = task
    array = np.load(temporary, mmap_mode="r+")
    _fill(_opened(path), array, start, template)
    array.flush()


@functools.lru_cache(maxsize=1)
def _opened(path: Path) -> Corpus:
    """The corpus, opened once a process."""
    return Corpus.open(path)


def _fill(corpus: Corpus, array: npt.NDArray[np.uint8], start: int, template: str) -> None:
    table = corpus.tables["faces"]
    size = array.shape[1]
    rows = table.arrow.slice(start, _CHUNK).to_pylist()
    for index, row in enumerate(rows, start):
        picture = corpus.frame(index) if template == FRAME_TEMPLATE else corpus.picture(index)
        array[index] = _crop(np.asarray(picture), row, size, template)
