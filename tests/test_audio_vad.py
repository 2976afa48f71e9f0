"""Voice activity: WebRTC's verdicts, the stretches made of them, and what must never matter."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import webrtcvad

from voiceface.audio.vad import RATES, keep_speech, speech_flags, speech_mask
from voiceface.errors import InputError


def talk(seconds, rate=16_000, seed=0):
    """Something the detector takes for speech in bursts: a buzz through moving resonances, with pauses."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch = np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * time)) / rate
    buzz = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 20))
    gate = np.sin(2 * np.pi * 0.8 * time + rng.uniform(0, 6)) > 0
    return (0.1 * buzz * gate * (1 + 0.5 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def stretches_by_hand(pcm, rate, rejudge, width=2, share=0.9):
    """The window of Wen, Singh, Raj (two frames) as a queue of bytes, told step by step."""
    size = 2 * rate * 20 // 1000
    frames = [pcm[i : i + size] for i in range(0, len(pcm) - size + (0 if rejudge else 1), size)]
    detector = webrtcvad.Vad(2)
    known = [] if rejudge else [detector.is_speech(frame, rate) for frame in frames]
    kept, queue, speaking = set(), [], False
    for now in range(len(frames)):
        queue = [*queue, now][-width:]
        speech = sum(detector.is_speech(frames[i], rate) if rejudge else known[i] for i in queue)
        if speaking:
            kept.add(now)
            if len(queue) - speech > share * width:
                speaking, queue = False, []
        elif speech > share * width:
            kept.update(queue)
            speaking, queue = True, []
    mask = np.zeros(len(pcm) // 2, dtype=bool)
    for frame in kept:
        mask[frame * size // 2 : (frame + 1) * size // 2] = True
    return mask


@pytest.mark.parametrize("rejudge", [False, True])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("extra", [0, 1, 100])
def test_stretches_are_those_told_step_by_step(rate, extra, rejudge):
    wave = np.concatenate([talk(4, rate), np.zeros(extra, np.float32)])
    pcm = np.round(wave * 32768).astype("<i2").tobytes()
    mask = speech_mask(wave, rate=rate, rejudge=rejudge)
    np.testing.assert_array_equal(mask, stretches_by_hand(pcm, rate, rejudge))
    assert 0.1 < mask.mean() < 0.95
    np.testing.assert_array_equal(keep_speech(wave, rate=rate, rejudge=rejudge), wave[mask])


@pytest.mark.parametrize("rejudge", [False, True])
def test_a_wider_window_with_a_smaller_share_starts_anew_at_each_turn(rejudge):
    wave = np.concatenate([talk(3, seed=seed) for seed in range(3)])
    pcm = np.round(wave * 32768).astype("<i2").tobytes()
    expected = stretches_by_hand(pcm, 16_000, rejudge, width=6, share=0.4)
    mask = speech_mask(wave, rate=16_000, window_ms=120, share=0.4, rejudge=rejudge)
    np.testing.assert_array_equal(mask, expected)


def test_a_detectors_memory_makes_judging_again_matter():
    """Else the option would be idle and the published weights would see the same samples without it."""
    rng = np.random.default_rng(1)
    wave = talk(8) + 0.01 * rng.standard_normal(8 * 16_000).astype(np.float32)
    assert (speech_mask(wave, rate=16_000) != speech_mask(wave, rate=16_000, rejudge=True)).any()


def test_flags_are_the_detectors_own():
    wave = talk(3)
    detector = webrtcvad.Vad(3)
    frames = np.round(wave * 32768).astype("<i2")[: len(wave) // 480 * 480].reshape(-1, 480)
    expected = [detector.is_speech(frame.tobytes(), 16_000) for frame in frames]
    assert speech_flags(wave, rate=16_000, mode=3, frame_ms=30).tolist() == expected
    assert 0 < sum(expected) < len(expected)


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 16_000])
@pytest.mark.parametrize("rejudge", [False, True])
def test_silence_of_any_length_leaves_nothing(samples, rejudge):
    kept = keep_speech(np.zeros(samples, np.float32), rate=16_000, rejudge=rejudge)
    assert kept.shape == (0,) and kept.dtype == np.float32


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 0])
def test_another_rate_is_refused_with_the_remedy(rate):
    with pytest.raises(InputError, match=r"resample to one of \(8000, 16000, 32000, 48000\) Hz"):
        speech_mask(np.zeros(rate, np.float32), rate=rate)


@pytest.mark.parametrize("options", [{"mode": 4}, {"frame_ms": 25}, {"window_ms": 10}])
def test_options_the_detector_does_not_have_are_refused(options):
    with pytest.raises(InputError, match=";"):
        speech_mask(np.zeros(1600, np.float32), rate=16_000, **options)


def test_samples_beyond_full_scale_are_clipped_not_wrapped():
    wave = talk(2)
    loud = speech_flags(np.clip(wave * 20, -1, 1), rate=16_000)
    np.testing.assert_array_equal(speech_flags(wave * 20, rate=16_000), loud)


def test_calls_at_once_and_calls_before_do_not_change_an_answer():
    waves = [talk(2, seed=seed) for seed in range(16)]
    alone = [speech_mask(wave, rate=16_000) for wave in waves]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda wave: speech_mask(wave, rate=16_000), waves * 4))
    for got, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_judging_again_leaves_out_a_frame_that_ends_the_recording():
    time = np.arange(16_000) / 16_000
    wave = (0.1 * sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 20))).astype(np.float32)
    assert speech_mask(wave, rate=16_000)[-320:].all()
    ended = speech_mask(wave, rate=16_000, rejudge=True)
    assert ended[-640:-320].all() and not ended[-320:].any()
    assert speech_mask(np.append(wave, wave[:1]), rate=16_000, rejudge=True)[-321:-1].all()
