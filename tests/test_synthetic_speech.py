"""Voices of synthetic people."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voiceface.errors import InputError, MissingPartError
from voiceface.records import SAMPLE_RATE
from voiceface.synthetic import speech
from voiceface.synthetic.people import synthetic_person
from voiceface.synthetic.sentences import SENTENCES, sentence
from voiceface.synthetic.speech import PROSODIES, speak
from voiceface.synthetic.traits import ACCENTS

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed"
)


def pitch(wave):
    """Median pitch in Hz by the peak of the autocorrelation of loud frames."""
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), 800)[::400]
    frames = frames[np.argsort(-(frames**2).sum(axis=1))[: len(frames) // 3]]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(800), 2048)) ** 2
    lags = np.fft.irfft(spectrum)[:, :400]
    span = lags[:, SAMPLE_RATE // 350 : SAMPLE_RATE // 65]
    return float(np.median(SAMPLE_RATE / (span.argmax(axis=1) + SAMPLE_RATE // 350)))


def loudness(wave):
    return float(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))


@needs_espeak
def test_one_seed_gives_identical_bytes_whatever_was_said_before():
    person = synthetic_person(5)
    first, events = speak(person, seed=3)
    speak(synthetic_person(6), seed=3)
    speak(person, seed=4, emotion="fear")
    again, same = speak(person, seed=3)
    assert first.tobytes() == again.tobytes()
    assert events == same
    speech._espeak.stop()
    assert speak(person, seed=3)[0].tobytes() == first.tobytes()


@needs_espeak
def test_other_seeds_and_other_people_sound_different():
    person, other = synthetic_person(5), synthetic_person(9)
    text = "Somebody hid the old piano."
    waves = [speak(person, text=text, seed=s)[0] for s in (0, 1)] + [speak(other, text=text, seed=0)[0]]
    for i in range(3):
        for j in range(i):
            n = min(len(waves[i]), len(waves[j]))
            assert not np.allclose(waves[i][:n], waves[j][:n], atol=1e-3)


@needs_espeak
@pytest.mark.parametrize("accent", list(ACCENTS))
def test_every_accent_speaks_with_events_in_order(accent):
    person = synthetic_person(11, accent=accent)
    wave, events = speak(person, seed=0)
    seconds = len(wave) / SAMPLE_RATE
    assert wave.dtype == np.float32
    assert 1 < seconds < 15
    assert 0.02 < np.abs(wave).max() <= 1
    assert len(events) > 15
    for a, b in zip(events, events[1:], strict=False):
        assert 0 <= a.start < a.stop <= b.start + 1e-9
    assert events[-1].stop <= seconds + 1e-3


@needs_espeak
def test_traits_are_heard():
    """Pitch follows sex; breath, tempo and resonance reach the variant that speaks."""
    people = [synthetic_person(seed, accent="american") for seed in range(14)]
    hertz = [pitch(speak(p, text="We have never sold the old piano.", room=False)[0]) for p in people]
    sex = [p.voice["sex"] for p in people]
    assert np.corrcoef(sex, np.log(hertz))[0, 1] < -0.7
    low = [h for h, p in zip(hertz, people, strict=True) if p.sex == "m"]
    high = [h for h, p in zip(hertz, people, strict=True) if p.sex == "f"]
    assert np.median(low) < 140 < 165 < np.median(high)
    spoken = [len(speak(p, text="We have never sold the old piano.", room=False)[0]) for p in people]
    assert np.corrcoef([p.voice["tempo"] for p in people], np.log(spoken))[0, 1] < -0.5


@needs_espeak
def test_emotions_change_pitch_rate_and_level():
    person = synthetic_person(21, accent="american")
    text = "The children painted half of the furniture near the river."
    waves = {e: speak(person, text=text, emotion=e, seed=2, room=False)[0] for e in PROSODIES}
    assert pitch(waves["fear"]) > pitch(waves["neutral"]) > pitch(waves["sad"])
    assert len(waves["sad"]) > len(waves["neutral"]) > len(waves["fear"])
    assert loudness(waves["anger"]) > 1.4 * loudness(waves["neutral"]) > 1.4 * loudness(waves["sad"])


@needs_espeak
def test_a_length_asked_for_is_kept_to_the_sample():
    for seconds in (0.7, 6.0):
        wave, events = speak(synthetic_person(2), seconds=seconds)
        assert len(wave) == round(seconds * SAMPLE_RATE)
        assert all(e.stop <= seconds for e in events)
    assert loudness(wave[-SAMPLE_RATE:]) > 1e-3  # filled with speech, not padded
    assert all(a.start < b.start for a, b in zip(events, events[1:], strict=False))
    assert events[-1].stop > 5.5


@needs_espeak
def test_level_and_length_tell_nothing_of_the_person():
    """Side channels: level of a recording against every trait, within what chance allows."""
    people = [synthetic_person(seed) for seed in range(120)]
    waves = [speak(p, seconds=1.5)[0] for p in people]
    assert len({len(w) for w in waves}) == 1
    level = np.log([loudness(w) for w in waves])
    traits = np.array([list(p.voice.values()) for p in people])
    for column in range(traits.shape[1]):
        assert abs(np.corrcoef(traits[:, column], level)[0, 1]) < 0.33, column
    assert np.ptp(level) > 0.4


@needs_espeak
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's list of loaded libraries")
def test_the_library_is_never_in_this_process():
    speak(synthetic_person(1))
    assert "espeak" not in Path("/proc/self/maps").read_text()
    worker = speech._espeak.process
    assert worker is not None
    assert worker.poll() is None


@needs_espeak
def test_a_killed_speaker_is_replaced():
    person = synthetic_person(4)
    before = speak(person)[0]
    speech._espeak.process.kill()
    speech._espeak.process.wait()
    assert speak(person)[0].tobytes() == before.tobytes()


@needs_espeak
def test_nothing_is_left_behind():
    speak(synthetic_person(4))
    folder = Path(speech._espeak.folder.name)
    assert folder.is_dir()
    speech._espeak.stop()
    assert not folder.exists()


@needs_espeak
def test_an_unknown_voice_is_noticed():
    request = {"text": "a", "language": "xx-nowhere", "variant": "language variant\n", "rate": 160}
    head, sound = speech._espeak.ask({**request, "volume": 100, "seed": 1})
    assert "no voice" in head["error"] or "took the voice" in head["error"]
    assert sound == b""


@needs_espeak
def test_bad_input_is_one_line():
    person = synthetic_person(1)
    for arguments in ({"text": " "}, {"emotion": "joy"}, {"seconds": 0.0}, {"seed": -1}):
        with pytest.raises(InputError) as caught:
            speak(person, **arguments)
        assert "\n" not in str(caught.value)


def test_the_missing_library_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(speech, "_espeak", speech._EspeakProcess())
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"pip install .*voiceface\[synthetic\]"):
        speak(synthetic_person(1))


def test_sentences_vary_in_every_language():
    rng = np.random.default_rng(0)
    for language, parts in SENTENCES.items():
        assert len(parts) == 3
        assert all(len(set(part)) == 8 for part in parts)
        assert len({sentence(language, rng) for _ in range(60)}) > 50


def test_the_worker_needs_nothing_but_the_standard_library():
    """It must start where voiceface is not installed, so that nothing of ours is linked with the library."""
    program = Path(speech.__file__).with_name("espeak_worker.py")
    ours = "[m for m in sys.modules if 'voiceface' in m or 'numpy' in m]"
    code = f"import runpy, sys; runpy.run_path({str(program)!r}); print({ours})"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
