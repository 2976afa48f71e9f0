"""Is it speech? What is not is told with its reason; what is, on real recordings, nearly always passes."""

from pathlib import Path

import numpy as np
import pytest

from voiceface.audio.speech_detection import is_speech, speech_facts
from voiceface.errors import InputError

LIBRI = Path(__file__).parents[2] / "shared" / "data" / "libri_voices"
TIME = np.arange(48_000) / 16_000
RNG = np.random.default_rng(0)


def harmonics(hz, count):
    return sum(np.sin(2 * np.pi * hz * k * TIME) / k for k in range(1, count))


def pink():
    spectrum = np.fft.rfft(RNG.standard_normal(48_000)) / np.sqrt(np.arange(24_001) + 1)
    return np.fft.irfft(spectrum)


def brown():
    walk = np.cumsum(RNG.standard_normal(48_000))
    return walk - walk.mean()


OTHER_SOUNDS = {
    "silence": np.zeros(48_000),
    "dither": RNG.standard_normal(48_000) / 32_768,
    "quiet noise": RNG.standard_normal(48_000) * 0.003,
    "white noise": RNG.standard_normal(48_000) * 0.3,
    "pink noise": pink(),
    "brown noise": brown() / 300,
    "bursts of noise": 0.2 * RNG.standard_normal(48_000) * (np.sin(2 * np.pi * 4 * TIME) > 0),
    "mains hum": 0.1 * harmonics(50, 10),
    "mains hum in noise": 0.1 * harmonics(50, 10) + 0.02 * RNG.standard_normal(48_000),
    "a held tone": 0.3 * np.sin(2 * np.pi * 1000 * TIME),
    "a held buzz": 0.1 * harmonics(150, 30),
    "a siren": 0.3 * np.sin(2 * np.pi * 700 * TIME + 200 * np.sin(np.pi * TIME)),
    "clicks": (RNG.random(48_000) < 1e-3) * 0.8,
}


def syllables(seconds=3.0, f0=140.0):
    """Vowels of moving resonances between hisses and pauses: enough like speech for the four signs."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    phase = np.cumsum(f0 * (1 + 0.15 * np.sin(2 * np.pi * 0.6 * time))) / 16_000
    first = 500 + 250 * np.sin(2 * np.pi * 1.9 * time)
    second = 1500 + 600 * np.sin(2 * np.pi * 1.3 * time + 1)
    wave = np.zeros_like(time)
    for k in range(1, 28):
        hz = k * f0
        gain = 1 / (1 + ((hz - first) / 90) ** 2) + 0.5 / (1 + ((hz - second) / 120) ** 2)
        wave += gain * np.sin(2 * np.pi * k * phase)
    turn = (time * 3.1) % 1
    hiss = np.diff(np.random.default_rng(1).standard_normal(len(time) + 1))
    wave = np.where(turn < 0.55, wave * np.sin(np.pi * turn / 0.55), np.where(turn < 0.7, 0.15 * hiss, 0))
    return (0.2 * wave + 0.0003 * np.random.default_rng(2).standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("sound", OTHER_SOUNDS.values(), ids=OTHER_SOUNDS)
@pytest.mark.parametrize("level", [0.05, 1.0])
def test_other_sounds_are_not_taken_for_speech(sound, level):
    wave = (level * sound).astype(np.float32)
    facts = speech_facts(wave)
    assert not facts.is_speech and facts.missing
    assert not is_speech(wave)


@pytest.mark.parametrize("level", [0.003, 0.1, 1.0])
def test_syllables_are_speech_at_any_level(level):
    wave = level * syllables()
    facts = speech_facts(wave)
    assert facts.is_speech, facts
    assert facts.seconds == 3 and 1 < facts.active_seconds <= 3 and 0.8 < facts.voiced_seconds < 2.2


def test_each_sign_has_its_reason():
    expected = {
        "silence": "no voice activity",
        "white noise": "hardly any voiced sound",
        "a held buzz": "a tone without a pause",
        "brown noise": "a timbre that never changes",
    }
    for name, reason in expected.items():
        assert speech_facts(OTHER_SOUNDS[name].astype(np.float32)).missing == reason


@pytest.mark.parametrize("samples", [1, 800])
def test_the_shortest_recordings_get_an_answer(samples):
    assert not speech_facts(syllables()[:samples]).is_speech


@pytest.mark.parametrize(
    "wave", [np.zeros(0, np.float32), np.full(900, np.nan), np.zeros((2, 900)), np.zeros(9, int)]
)
def test_what_is_no_wave_is_refused(wave):
    with pytest.raises(InputError, match=";"):
        speech_facts(wave)


@pytest.mark.slow
@pytest.mark.skipif(not LIBRI.exists(), reason="the shared recordings are not here")
def test_people_are_heard_even_in_noise():
    from voiceface.media.sound import load_sound

    files = sorted(file for file in LIBRI.rglob("*") if file.suffix in {".ogg", ".flac", ".opus", ".wav"})[
        :60
    ]
    assert len(files) == 60
    waves = [load_sound(file, max_seconds=6) for file in files]
    rng = np.random.default_rng(0)
    noisy = [
        (wave + rng.standard_normal(len(wave)) * wave.std() * 10 ** (-10 / 20)).astype(np.float32)
        for wave in waves
    ]
    assert np.mean([is_speech(wave) for wave in waves]) == 1
    assert np.mean([is_speech(wave) for wave in noisy]) > 0.95
