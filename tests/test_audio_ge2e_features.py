"""What the GE2E encoder is fed, against librosa's filters and definitions written out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_spectrogram import mel_spectrogram
from voiceface.audio.ge2e_features import (
    ge2e_mel,
    ge2e_partials,
    normalise_volume,
    partial_starts,
)


def noise(*shape, seed=0, level=0.1):
    return level * np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("samples", [1, 399, 16_000, 16_001])
def test_mels_are_those_of_the_definition(samples):
    wave = noise(2, samples)
    reference = mel_spectrogram(wave, rate=16_000, fft=400, hop=160, bands=40)
    ours = ge2e_mel(torch.from_numpy(wave))
    assert ours.shape == (2, 1 + samples // 160, 40)
    np.testing.assert_allclose(ours.numpy().transpose(0, 2, 1), reference, atol=1e-12)
    single = ge2e_mel(torch.from_numpy(wave[0]).float())
    np.testing.assert_allclose(single.numpy().T, reference[0], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("level", "expected"), [(0.001, 10**-1.5), (0.0316, 10**-1.5), (0.5, 0.5)])
def test_quiet_waves_are_raised_and_loud_ones_left(level, expected):
    wave = torch.full((1000,), level, dtype=torch.float64)
    torch.testing.assert_close(normalise_volume(wave), torch.full_like(wave, expected))


def test_the_level_is_each_recordings_own_and_padding_does_not_count():
    wave = torch.from_numpy(noise(2, 1000, level=0.001))
    garbage = wave.clone()
    garbage[0, 600:] = 0.9
    lengths = torch.tensor([600, 1000])
    levelled = normalise_volume(garbage, lengths=lengths)
    torch.testing.assert_close(levelled[0, :600], normalise_volume(wave[0, :600]))
    torch.testing.assert_close(levelled[1], normalise_volume(wave[1]))


def test_silence_stays_silence():
    assert normalise_volume(torch.zeros(2, 100)).abs().max() == 0


def windows_by_hand(samples):
    """Every 77th of ceil((samples + 1) / 160) frames, the last only when 1.2 of its 1.6 s are there."""
    frames = math.ceil((samples + 1) / 160)
    starts, at = [], 0
    while not starts or at <= frames - 160 + 77:
        starts.append(at)
        at += 77
    present = samples / 160 - starts[-1]
    return starts[:-1] if len(starts) > 1 and present < 120 else starts


@given(st.integers(1, 400_000))
def test_windows_start_where_the_definition_says(samples):
    assert partial_starts(samples) == windows_by_hand(samples)


def test_windows_are_slices_of_each_recordings_own_mels():
    sizes = [3000, 41_000, 25_600, 60_123]
    waves = [torch.from_numpy(noise(size, seed=size)) for size in sizes]
    lengths = torch.tensor(sizes)
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    batch = batch + 0.5 * (torch.arange(batch.shape[1]) >= lengths[:, None])  # beyond its length: ignored
    partials, counts = ge2e_partials(batch, lengths=lengths)
    assert counts.tolist() == [len(windows_by_hand(size)) for size in sizes]
    expected = []
    for wave in waves:
        mel = ge2e_mel(torch.nn.functional.pad(wave, (0, 40_000)))
        expected += [mel[start : start + 160] for start in windows_by_hand(len(wave))]
    torch.testing.assert_close(partials, torch.stack(expected), atol=1e-10, rtol=1e-8)
