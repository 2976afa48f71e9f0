"""Where faces are looked for in a video's frames: near those known, and in whole frames now and then."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from voiceface.corpus.item_rows import detect_faces
from voiceface.corpus.options import PrepareOptions
from voiceface.face.detect import PORTRAIT_SHARE, Detection, detect_hog
from voiceface.face.detect_near import detect_near, distinct_faces
from voiceface.video.cuts import frame_difference, thumbnail

WHOLE_SECONDS = 2.0
"""A frame is searched whole at least so often: a new face of an eighth of its long side is found by then."""
ENLARGED_SECONDS = 4.0
"""And whole and enlarged by two so often: a new face of a sixteenth is."""
CHANGED = 0.3
"""Difference of a frame from the one searched before from which it is searched whole, as after a cut."""
REACH, REACH_PER_SECOND = 0.5, 1.0
"""How far a face may move between two searched frames, in sides of its box."""


@dataclass
class FaceSearch:
    """Searches the frames of one video in turn.

    The first frame is searched as `detect` searches a picture, and so is every one that shows another scene
    than the last, that lacks a face known from it, or that comes after ``ENLARGED_SECONDS`` without such a
    search. The others are searched near the faces of the last; after ``WHOLE_SECONDS`` a look at the whole
    frame, as it is, is added.
    """

    options: PrepareOptions
    _known: list[Detection] = field(default_factory=list)
    _time: float = 0.0
    _picture: npt.NDArray[np.float32] | None = None
    _whole: float = 0.0
    _enlarged: float = 0.0

    def __call__(self, time: float, pixels: npt.NDArray[np.uint8]) -> list[Detection]:
        """The faces of the next frame, highest score first.

        Args:
            time: of the frame in seconds, later than the last.
            pixels: (height, width, 3) uint8.
        """
        if self.options.face_detector == "haar":  # looks at whole frames, as in the work that used it
            return detect_faces(pixels, self.options)
        found = self._near(time, pixels)
        if found is None:
            found = detect_faces(pixels, self.options)
            self._whole = self._enlarged = time
        self._known, self._time = found, time
        return found

    def _near(self, time: float, pixels: npt.NDArray[np.uint8]) -> list[Detection] | None:
        """The faces near known ones; None where the whole frame must be searched as a picture is."""
        before, self._picture = self._picture, thumbnail(pixels)
        # A face of half the frame is found in milliseconds by the search of a picture.
        large = any(face.side >= PORTRAIT_SHARE * max(pixels.shape[:2]) for face in self._known)
        if before is None or large or time >= self._enlarged + ENLARGED_SECONDS - 1e-6:
            return None
        if frame_difference(before, self._picture) >= CHANGED:
            return None
        plain: list[Detection] = []
        if time >= self._whole + WHOLE_SECONDS - 1e-6:
            plain, self._whole = detect_hog(pixels, upsample=0), time
            if len(plain) >= len(self._known):  # large faces: nothing would be added by a look near them
                return plain
        reach = REACH + REACH_PER_SECOND * (time - self._time)
        near = detect_near(pixels, [face.box for face in self._known], reach=reach)
        return None if near is None else distinct_faces(near, plain)
