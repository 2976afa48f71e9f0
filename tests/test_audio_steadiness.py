"""Music is told from speech by partials that stand still; what is measured holds at any level."""

import numpy as np
import pytest

from generating_models import speech_like_wave
from synthetic_music import STYLES, music
from test_audio_speech_detection import syllables
from voiceface.audio.steadiness import steadiness
from voiceface.errors import InputError
from voiceface.pipelines.voice_recording import LOW_PLAUSIBILITY, NotSpeechError, read_voice_recording

RATE = 16_000


@pytest.mark.parametrize("style", STYLES)
def test_made_music_is_doubtful_whatever_its_style(style):
    for seed in range(3):
        wave = music(style, seed)
        assert steadiness(wave) > 0.6
        assert read_voice_recording((wave, RATE)).plausibility < LOW_PLAUSIBILITY


def test_what_is_like_speech_glides_and_stays_plausible():
    for wave in (syllables(), *(speech_like_wave(seed) for seed in range(3))):
        assert steadiness(wave) < 0.2
        assert read_voice_recording((wave, RATE)).plausibility == 1


def test_the_level_does_not_count_and_noise_has_no_partials():
    wave = music("lead", 0)
    assert steadiness(0.01 * wave) == pytest.approx(steadiness(wave), abs=0.01)
    assert abs(steadiness(np.random.default_rng(0).normal(size=48_000).astype(np.float32))) < 0.05
    assert steadiness(np.zeros(48_000, np.float32)) == 0 and steadiness(wave[:2000]) == 0


def test_clear_music_is_refused_by_name():
    from generating_models import fake_imaginer

    wave = music("band", 0)
    assert read_voice_recording((wave, RATE)).facts.is_speech  # by the four other signs alone it passes
    with pytest.raises(NotSpeechError, match="music"):
        fake_imaginer()((wave, RATE))
    assert fake_imaginer()((wave, RATE), force=True)


@pytest.mark.parametrize("wave", [np.full(9000, np.nan), np.zeros((2, 9000)), np.zeros(9000, int)])
def test_what_is_no_wave_is_refused(wave):
    with pytest.raises(InputError, match=";"):
        steadiness(wave)
    with pytest.raises(InputError):
        steadiness(np.zeros(9000), rate=8000)
