"""Which frames of a recording are speech, by Silero's detector where it is installed, else by WebRTC's."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voiceface.audio.silero_weights import silero_installed, silero_path
from voiceface.audio.vad import Wave, speech_flags
from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE

SpeechDetector = Literal["auto", "webrtc", "silero"]

_WEBRTC_MS = 20
_THRESHOLD = 0.1
"""Probability from which on a frame is speech. Silero's own program has 0.5, which loses 2 of 874
recordings of people; at 0.1 none is lost and noise alone still fails (docs/measurements/speech-check.md)."""


class SpeechFrames(NamedTuple):
    """A verdict a frame."""

    flags: NDArray[np.bool_]
    frame_ms: int

    @property
    def seconds(self) -> float:
        """Seconds of the frames that are speech."""
        return float(self.flags.sum()) * self.frame_ms / 1000


def installed_detector(detector: SpeechDetector = "auto") -> Literal["webrtc", "silero"]:
    """The detector that a choice stands for on this machine.

    Raises:
        InputError: there is no such detector.
        MissingPartError: it is silero, and the wheel is not installed.
    """
    if detector not in ("auto", "webrtc", "silero"):
        raise InputError("speech detector", f"{detector!r} is unknown", "give auto, webrtc or silero")
    if detector == "silero":
        silero_path()
    return "silero" if detector != "webrtc" and silero_installed() else "webrtc"


def speech_frames(
    wave: Wave, *, rate: int = SAMPLE_RATE, detector: SpeechDetector = "auto", mode: int = 2
) -> SpeechFrames:
    """Judge each frame of a recording: 20 ms by WebRTC's detector, 32 ms by Silero's.

    Args:
        wave: float ``(samples,)`` in [-1, 1].
        rate: sample rate in Hz; Silero's detector takes 16,000.
        detector: ``auto`` is Silero's where the wheel ``silero-vad`` is installed.
        mode: of WebRTC's detector, 0 (lets most through) to 3 (strictest).

    Raises:
        InputError: an unknown detector, another rate or mode, NaN, wrong shape or type.
        MissingPartError: ``silero`` without the wheel.

    >>> speech_frames(np.zeros(1600, np.float32), detector="webrtc").seconds
    0.0
    """
    if installed_detector(detector) == "webrtc":
        return SpeechFrames(speech_flags(wave, rate=rate, mode=mode, frame_ms=_WEBRTC_MS), _WEBRTC_MS)
    from voiceface.audio.silero import FRAME, speech_probabilities  # the network needs torch

    return SpeechFrames(speech_probabilities(wave, rate=rate) >= _THRESHOLD, 1000 * FRAME // SAMPLE_RATE)
