"""What a recorder spoilt is mended, alike in every part of a recording, and ordinary sound is left alone."""

import numpy as np
import scipy.io.wavfile

from voiceface.media.sound import load_sound, stream_sound


def speechlike(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Noise below 3 kHz, the same at any rate: a signal whose every sample tells its place."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    waves = sum(np.sin(2 * np.pi * (f * time + rng.random())) for f in rng.uniform(80, 3000, 60))
    return 0.5 * waves / np.sqrt(60) / 3


def test_sound_that_a_recorder_spoilt_is_the_clean_one(tmp_path):
    """Opposite phase, a constant offset, floats far above 1: whole, streamed and in parts."""
    path, clean = tmp_path / "a.wav", (0.8 * speechlike(26, 16000)).astype(np.float32)
    assert load_sound((clean, 16000)).tobytes() == clean.tobytes()

    def likeness(samples):
        scipy.io.wavfile.write(path, 16000, samples.astype(np.float32))
        whole = load_sound(path)
        streamed = np.concatenate(list(stream_sound(path, block_seconds=1.0)))
        part = load_sound(path, start=21.0, stop=24.0)  # after what the mixdown is learnt from
        assert whole.tobytes() == streamed.tobytes()
        np.testing.assert_allclose(load_sound((samples, 16000)), whole, atol=1e-4)
        np.testing.assert_array_equal(part, whole[21 * 16000 : 24 * 16000])
        assert np.abs(whole).max() <= 1 and abs(whole.mean()) < 1e-3
        return np.corrcoef(whole, clean)[0, 1]

    noise = (0.02 * np.random.default_rng(0).standard_normal((2, len(clean)))).astype(np.float32)
    other = (0.05 * np.roll(clean, 80)).astype(np.float32)
    assert likeness(np.stack([clean, -clean], 1)) > 0.9999
    assert likeness(np.stack([clean, -0.8 * clean], 1)) > 0.9999
    assert likeness(np.stack([clean + noise[0], other - clean + noise[1]], 1)) > 0.97
    assert likeness(np.stack([clean + 0.2, 0.2 - clean], 1).astype(np.float32)) > 0.9999
    for offset in (0.03, 0.1, -0.3):
        assert likeness(clean + np.float32(offset)) > 0.9999
    hot = clean * np.float32(10)
    assert np.abs(hot).max() > 4 and likeness(hot) > 0.9999
    assert likeness(np.stack([hot + 1, 1 - hot], 1)) > 0.9999


def test_ordinary_sound_is_not_mended(tmp_path):
    """Stereo with little in common, a recording whose mean is not quite zero, a codec's overshoot."""
    left, right = speechlike(2, 16000), speechlike(2, 16000, seed=1)
    np.testing.assert_allclose(load_sound((np.stack([left, right]), 16000)), (left + right) / 2, atol=1e-6)
    both = np.stack([left + right, left - right])
    np.testing.assert_allclose(load_sound((both, 16000)), left, atol=1e-6)
    near = (left + 1e-3).astype(np.float32)
    assert load_sound((near, 16000)).tobytes() == near.tobytes()
    loud = left * 1.4 / np.abs(left).max()
    np.testing.assert_allclose(load_sound((loud, 16000)), np.clip(loud, -1, 1), atol=1e-6)
