"""Pictures of the person whom a video shows most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.corpus.video_items import SAME_PERSON_DISTANCE
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import HOG_LONG_SIDE
from voiceface.face.dlib_embedding import DLIB_FACE_SIZE, embed_faces
from voiceface.face.find_face import FoundFace, find_face
from voiceface.media.movie import frames, movie_facts

FRAMES = 8
"""Frames of a video that are looked at, evenly over its length: so many pictures of one person say nearly
all that more would, and a long video costs no more than a short one."""


def video_faces(path: str | Path) -> list[FoundFace]:
    """The best face of each of eight frames, of those who are the person that most of them show.

    Args:
        path: a video.

    Raises:
        InputError: it cannot be read, or shows no face in these frames.
    """
    seconds = movie_facts(path).seconds
    found = []
    for number in range(FRAMES):
        start = (number + 0.5) / FRAMES * seconds
        _, picture = next(iter(frames(path, start=start, long_side=HOG_LONG_SIDE)))
        try:
            found.append(find_face(picture))
        except InputError:
            continue  # nobody is seen at that moment
    if not found:
        fault = f"shows no face in {FRAMES} frames of it, or one that is small, turned or not upright"
        raise InputError(path, fault, "give a video that shows one person from the front")
    return [found[index] for index in _one_person(found)]


def _one_person(found: list[FoundFace]) -> npt.NDArray[np.intp]:
    """Indices of the faces that are nearest to the face which most others resemble."""
    aligned = [align(one.picture, one.landmarks, size=DLIB_FACE_SIZE, template="dlib") for one in found]
    rows = embed_faces(np.stack(aligned))
    near = np.linalg.norm(rows[:, None] - rows[None], axis=2) <= SAME_PERSON_DISTANCE
    return np.flatnonzero(near[near.sum(axis=1).argmax()])
