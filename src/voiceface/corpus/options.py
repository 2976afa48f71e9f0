"""What a preparation keeps of the media it reads, the same for every source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from voiceface.audio.speech_activity import SpeechDetector, installed_detector
from voiceface.corpus.face_landmarks import LandmarkSource
from voiceface.errors import InputError
from voiceface.face.haar_cascade import installed_cascade

FaceDetector = Literal["dlib", "haar"]

UNNAMED = {"landmarks": "dlib", "speech_detector": "webrtc", "face_detector": "dlib"}
"""Options that corpora of older versions do not name, and how those were prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """The engine's choices; they stand in ``corpus.json``, and a corpus has one set of them.

    Raises InputError when a value cannot be, MissingPartError without the wheel of the detector
    ``silero`` or ``haar``.
    """

    window_seconds: float = 4.0
    """A video's sound is cut into windows of this length (Roldán III-A); 0 keeps it whole."""
    window_overlap: float = 2.0
    """Seconds that neighbouring windows share."""
    face_fps: float = 1.0
    """Pictures taken a second of video."""
    clip_fps: float = 25.0
    """Frames a second of a clip; 0 keeps the video's own."""
    clip_seconds: float = 10.0
    """A longer stretch becomes several clips."""
    frame_side: int = 0
    """Whole frames are kept beside the faces at this long side in pixels; 0 keeps none."""
    crop_side: int = 256
    """Long side of the context crop around a face, in pixels; a smaller one is not enlarged."""
    detect_side: int = 640
    """Long side at which faces are looked for in video (pictures: the detector's own limit)."""
    face_detector: FaceDetector = "dlib"
    """What finds faces; ``haar`` as Roldán III-A: of each picture the most confident detection alone."""
    landmarks: LandmarkSource = "dlib"
    """What places the landmarks that faces are aligned by; ``mesh`` leaves out faces it cannot trust."""

    speech_detector: SpeechDetector = "auto"
    """What the seconds of speech are measured by; ``auto`` becomes the best that is installed."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, and name the detector that ``auto`` stands for."""
        object.__setattr__(self, "speech_detector", installed_detector(self.speech_detector))
        for name in ("window_seconds", "window_overlap", "clip_fps", "clip_seconds", "frame_side"):
            if getattr(self, name) < 0:
                raise InputError(name, f"is {getattr(self, name)}", "give 0 or more")
        if self.window_seconds and self.window_overlap >= self.window_seconds:
            fault = f"{self.window_overlap} s is a whole window"
            raise InputError("window_overlap", fault, "give less than window_seconds")
        if not 0 < self.face_fps <= 60:
            raise InputError("face_fps", f"is {self.face_fps}", "give more than 0 and at most 60")
        if self.clip_seconds < 1:
            raise InputError("clip_seconds", f"is {self.clip_seconds}", "give at least 1")
        if self.crop_side < 32 or self.detect_side < 80:
            raise InputError("crop_side", "a face needs room", "give crop_side >= 32 and detect_side >= 80")
        if self.landmarks not in get_args(LandmarkSource):
            raise InputError("landmarks", f"is {self.landmarks!r}", "give dlib or mesh")
        if self.face_detector not in get_args(FaceDetector):
            raise InputError("face_detector", f"is {self.face_detector!r}", "give dlib or haar")
        if self.face_detector == "haar":
            installed_cascade()

    def facts(self) -> dict[str, float | int | str]:
        """As JSON holds them.

        >>> PrepareOptions(frame_side=512).facts()["frame_side"]
        512
        """
        return asdict(self)
