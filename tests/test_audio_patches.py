"""Patches, spectrograms and windows, against SciPy, librosa's filters and loops."""

import numpy as np
import pytest
import torch
from scipy import signal

from reference_spectrogram import mel_spectrogram
from voiceface.audio.logmel_patches import logmel_patches, patch_count, silent_patches
from voiceface.audio.magnitude_spectrogram import magnitude_spectrogram
from voiceface.audio.preemphasis import preemphasis
from voiceface.errors import InputError


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def patches_as_librosa_defines(wave, rate):
    wave = np.pad(wave, (0, max(0, 40 * 512 - len(wave))))
    mels = mel_spectrogram(wave, rate=rate, fft=1024, hop=512, bands=60)
    decibels = 10 * np.log10(np.maximum(mels, 1e-10))
    both = np.stack(
        [decibels, signal.savgol_filter(decibels, 9, polyorder=1, deriv=1, axis=-1, mode="interp")], axis=-1
    )
    starts = range(0, both.shape[1] - 41 + 1, 20)
    return np.stack([both[:, start : start + 41] for start in starts])


@pytest.mark.parametrize("rate", [16_000, 22_050])
@pytest.mark.parametrize("samples", [100, 20_480, 20_992, 48_001])
def test_patches_are_as_librosa_defines(rate, samples):
    wave = noise(samples, seed=samples)
    ours = logmel_patches(torch.from_numpy(wave), rate=rate)
    assert ours.shape == (patch_count(samples), 60, 41, 2)
    np.testing.assert_allclose(ours.numpy(), patches_as_librosa_defines(wave, rate), atol=1e-6)


def test_patches_of_a_padded_batch_are_each_as_alone_and_the_rest_is_silent():
    sizes = [48_000, 21_000, 300, 35_500]
    waves = [torch.from_numpy(noise(size, seed=size)) for size in sizes]
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=0.5)
    patches = logmel_patches(batch, rate=16_000, lengths=torch.tensor(sizes))
    for row, wave in zip(patches, waves, strict=True):
        own = patch_count(len(wave))
        torch.testing.assert_close(row[:own], logmel_patches(wave, rate=16_000), atol=1e-9, rtol=0)
        assert silent_patches(row[own:]).all()
        assert (row[own:, ..., 1] == 0).all()


def test_silent_patches_are_found_and_only_they():
    wave = torch.from_numpy(np.concatenate([noise(40_000), np.zeros(60_000), noise(40_000, seed=1)]))
    silent = silent_patches(logmel_patches(wave, rate=16_000))
    assert not silent[0] and not silent[-1] and silent.any()
    sound = [float((wave[s * 10_240 : s * 10_240 + 20_480] != 0).double().mean()) for s in range(len(silent))]
    # Noise of -16 dB in 3 to 4 tenths of a patch brings its mean to -70 dB.
    assert all(share < 0.45 for share, is_silent in zip(sound, silent, strict=True) if is_silent)
    assert all(share > 0.25 for share, is_silent in zip(sound, silent, strict=True) if not is_silent)
    assert 0 in sound and 1 in sound and any(0 < share < 1 for share in sound)
    assert silent_patches(logmel_patches(torch.zeros(2, 30_000), rate=16_000)).all()


@pytest.mark.parametrize("samples", [1, 400, 16_000, 16_100, 48_000])
def test_magnitudes_are_those_of_a_loop_over_frames(samples):
    wave = noise(samples)
    ours = magnitude_spectrogram(torch.from_numpy(wave), rate=16_000).numpy()
    frames = -(-samples // 160)
    assert ours.shape == (512, frames)
    padded = np.pad(wave, (0, 400))
    for t in range(0, frames, 7):
        piece = padded[160 * t : 160 * t + 400] * np.hamming(400)
        np.testing.assert_allclose(ours[:, t], np.abs(np.fft.fft(piece, 1024))[:512], atol=1e-12)


def test_magnitudes_follow_rate_and_batch():
    waves = torch.from_numpy(noise(3, 8000))
    spectra = magnitude_spectrogram(waves, rate=8000, bins=128)
    assert spectra.shape == (3, 128, 100)
    for wave, spectrum in zip(waves, spectra, strict=True):
        torch.testing.assert_close(magnitude_spectrogram(wave, rate=8000, bins=128), spectrum)
    with pytest.raises(InputError, match="give 200"):
        magnitude_spectrogram(waves, rate=16_000, bins=100)


@pytest.mark.parametrize("coefficient", [0.0, 0.95, 0.97])
def test_preemphasis_is_its_formula_and_can_be_undone(coefficient):
    wave = noise(2, 500)
    lifted = preemphasis(torch.from_numpy(wave), coefficient=coefficient).numpy()
    undone = np.zeros_like(wave)
    for t in range(500):
        undone[:, t] = lifted[:, t] + (coefficient * undone[:, t - 1] if t else 0)
    np.testing.assert_allclose(undone, wave, atol=1e-12)
    assert (lifted[:, 0] == wave[:, 0]).all()
