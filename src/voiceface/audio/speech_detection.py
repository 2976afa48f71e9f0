"""Whether a recording contains speech: enough to warn of silence, noise, hum and steady tones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from voiceface.audio.ge2e_features import normalise_volume
from voiceface.audio.speech_activity import SpeechDetector, speech_frames
from voiceface.audio.vad import Wave, require_mono
from voiceface.audio.voice_statistics import analyse_frames
from voiceface.audio.wave_checks import as_batch, as_lengths, require_rate
from voiceface.records import SAMPLE_RATE

_FRAME_SECONDS = 0.010


@dataclass(frozen=True, kw_only=True)
class SpeechFacts:
    """What was measured of a recording, and what follows from it."""

    seconds: float
    """Length of the recording."""
    active_seconds: float
    """Seconds of speech by Silero's detector where it is installed, else by WebRTC's strictest mode."""
    voiced_seconds: float
    """Seconds that are loud and periodic between 60 and 400 Hz."""
    voiced_share: float
    """The voiced part of all 10 ms frames."""
    spread: float
    """How much the timbre varies: the norm of the deviations of cepstra 1 to 19 over loud frames."""

    @property
    def is_speech(self) -> bool:
        """Whether all four signs of speech are present: noise, hum, clicks and held tones lack one."""
        return not self.missing

    @property
    def missing(self) -> str:
        """The first sign of speech that is missing, in words for a warning; empty where none is."""
        if self.active_seconds < 0.2:
            return "no voice activity"
        if self.voiced_seconds < 0.1 or self.voiced_share < 0.03:
            return "hardly any voiced sound"
        if self.voiced_share > 0.97 and self.voiced_seconds > 1.5:
            return "a tone without a pause"
        # White, pink and brown noise, hum and clicks stay below 3.6; 1 in 100 recordings of people below 7.
        return "a timbre that never changes" if self.spread < 4.5 else ""


def speech_facts(wave: Wave, *, rate: int = SAMPLE_RATE, detector: SpeechDetector = "auto") -> SpeechFacts:
    """Measure whether a recording contains speech: voice activity, voiced sound, changing timbre.

    Quiet recordings are raised first, so the level does not count. Melodic music passes for
    speech, and a synthetic voice for a person's.

    Args:
        wave: float ``(samples,)`` in [-1, 1], 16 kHz.
        rate: sample rate in Hz.
        detector: of voice activity, as `speech_frames` takes it.

    Raises:
        InputError: another rate, no samples, NaN, wrong shape or type.
        MissingPartError: ``silero`` is not installed.

    >>> speech_facts(np.zeros(16_000, np.float32)).missing
    'no voice activity'
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="speech_facts")
    samples = torch.from_numpy(np.array(require_mono(wave), dtype=np.float32))
    batch = normalise_volume(as_batch(samples))
    activity = speech_frames(batch[0].numpy(), rate=rate, detector=detector, mode=3)
    frames = analyse_frames(batch, as_lengths(None, batch))
    voiced = int(frames.voiced.sum())
    timbres = frames.cepstra[frames.speech][:, 1:]
    return SpeechFacts(
        seconds=len(wave) / rate,
        active_seconds=activity.seconds,
        voiced_seconds=voiced * _FRAME_SECONDS,
        voiced_share=voiced / int(frames.inside.sum()),
        spread=float(timbres.std(0, correction=0).norm()) if len(timbres) else 0.0,
    )


def is_speech(wave: Wave, *, rate: int = SAMPLE_RATE) -> bool:
    """Say whether a recording ``(samples,)`` at 16 kHz contains speech; see :func:`speech_facts`."""
    return speech_facts(wave, rate=rate).is_speech
