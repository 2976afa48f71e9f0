"""dlib's HOG detector from a file of the cache: dlib itself unpacks it in half a second, in every process.

The unpacked detector is 155 kB that dlib reads in 2 ms. It is written at the first need, from the dlib that
is installed, and read only where the digest before it agrees; without a cache all works as before.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from voiceface.errors import InputError
from voiceface.media.cache_folder import cache_folder
from voiceface.media.files import write_bytes
from voiceface.media.make_folder import make_folder
from voiceface.media.open_file import open_file

_DIGEST = hashlib.sha256().digest_size


def frontal_face_detector(dlib: Any) -> Any:  # noqa: ANN401  dlib ships no types
    """What ``dlib.get_frontal_face_detector()`` returns, sooner; its answers are the same to the bit.

    Args:
        dlib: its compiled module.
    """
    # Without a home folder there is no cache (RuntimeError); an unreadable or unwritable one is none either.
    try:
        path = cache_folder() / "dlib" / f"frontal-face-{dlib.__version__}.detector"
    except RuntimeError:
        return dlib.get_frontal_face_detector()
    detector = _read(path, dlib.fhog_object_detector)
    if detector is None:
        detector = dlib.get_frontal_face_detector()
        with contextlib.suppress(InputError, OSError):
            state = detector.__getstate__()[0]
            make_folder(path.parent)
            write_bytes(path, hashlib.sha256(state).digest() + state)
    return detector


def _read(path: Path, kind: Any) -> Any:  # noqa: ANN401  dlib ships no types
    """The detector in a file; None where there is none, or a damaged one."""
    try:
        with open_file(path) as file:
            data = file.read()
    except (InputError, OSError):
        return None
    state = data[_DIGEST:]
    if hashlib.sha256(state).digest() != data[:_DIGEST]:
        return None
    detector = kind.__new__(kind)
    detector.__setstate__((state,))
    return detector
