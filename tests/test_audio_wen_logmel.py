"""Wen et al.'s log-mels against a slow loop: sample by sample, filter by filter, frame by frame."""

import cmath
import math

import numpy as np
import pytest
import torch

from voiceface.audio.wen_logmel import frame_count, repeat_frames, wen_bank, wen_logmel


def bank_by_hand():
    """Triangles drawn bin by bin between rounded edges."""
    low, high = (2595 * math.log10(1 + f / 700) for f in (20, 7200))
    edges = [700 * (10 ** ((low + (high - low) * i / 65) / 2595) - 1) for i in range(66)]
    bins = [round(edge / 15.625) for edge in edges]
    bank = np.zeros((513, 64))
    for band in range(64):
        left, centre, right = bins[band : band + 3]
        height = 2 / ((right - left) * 15.625)
        for k in range(left, centre):
            bank[k, band] = height * (k - left) / (centre - left)
        for k in range(centre, right):
            bank[k, band] = height * (right - k) / (right - centre)
    return bank


def logmel_by_hand(wave, normalise=True):
    """One recording in plain Python floats."""
    samples = [32768 * float(x) for x in wave]
    bank, rows, last = bank_by_hand(), [], 0.0
    hamming = [0.54 - 0.46 * math.cos(2 * math.pi * i / 399) for i in range(400)]
    for t in range(len(samples) // 160 + 1):
        there = samples[160 * t : 160 * t + 400]
        frame = [there[i % len(there)] if there else 0.0 for i in range(400)]
        lifted = [x - 0.97 * before for x, before in zip(frame, [last, *frame[:-1]], strict=True)]
        last = frame[-1]
        windowed = np.array([x * w for x, w in zip(lifted, hamming, strict=True)])
        power = np.array([abs(np.dot(windowed, turn)) ** 2 for turn in TURNS])
        rows.append([math.log(max(1e-5, float(power @ bank[:, band]))) for band in range(64)])
    rows = np.array(rows)
    if not normalise:
        return rows
    return (rows - rows.mean(0)) / (rows.std(0) + np.finfo(np.float32).eps)


TURNS = [np.array([cmath.exp(-2j * math.pi * k * n / 1024) for n in range(400)]) for k in range(513)]


def noise(*shape, seed=0):
    coloured = np.cumsum(np.random.default_rng(seed).standard_normal(shape), axis=-1)
    return 0.5 * (coloured - coloured.mean(-1, keepdims=True)) / np.abs(coloured).max()


def test_the_bank_is_the_one_drawn_by_hand():
    bank = wen_bank().numpy()
    np.testing.assert_allclose(bank, bank_by_hand(), atol=1e-15)
    assert (bank.max(0) > 0).all()
    # Unit area in Hz, as far as a triangle sampled at its bins has one.
    np.testing.assert_allclose(bank[:, 40:].sum(0) * 15.625, 1, atol=1e-12)


@pytest.mark.parametrize("samples", [1, 159, 160, 399, 400, 1600, 1777])
def test_features_are_those_of_the_slow_loop(samples):
    wave = noise(samples, seed=samples)
    ours = wen_logmel(torch.from_numpy(wave)).numpy()
    assert ours.shape == (frame_count(samples), 64)
    np.testing.assert_allclose(ours, logmel_by_hand(wave), atol=1e-6)
    single = wen_logmel(torch.from_numpy(wave).float()).numpy()
    np.testing.assert_allclose(single, ours, atol=5e-3)


def test_the_floor_is_that_of_16_bit_samples():
    """A band at the floor in some frames shows where the floor lies; scaled otherwise it would differ."""
    wave = np.concatenate([np.zeros(800), noise(800) / 1000, np.zeros(800)])
    assert logmel_by_hand(wave, normalise=False).min() == math.log(1e-5)
    np.testing.assert_allclose(wen_logmel(torch.from_numpy(wave)).numpy(), logmel_by_hand(wave), atol=1e-6)


def test_recordings_in_a_padded_batch_are_each_as_alone():
    sizes = [500, 1600, 2001, 3]
    waves = [torch.from_numpy(noise(size, seed=size)) for size in sizes]
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=0.3)
    features = wen_logmel(batch, lengths=torch.tensor(sizes))
    assert features.shape == (4, frame_count(2001), 64)
    for row, wave in zip(features, waves, strict=True):
        frames = frame_count(len(wave))
        torch.testing.assert_close(row[:frames], wen_logmel(wave), atol=1e-9, rtol=0)
        assert row[frames:].abs().sum() == 0


def test_each_band_has_zero_mean_and_unit_population_deviation():
    features = wen_logmel(torch.from_numpy(noise(2, 16_000)))
    np.testing.assert_allclose(features.mean(1).numpy(), 0, atol=1e-9)
    np.testing.assert_allclose(features.std(1, correction=0).numpy(), 1, atol=1e-6)


def test_silence_gives_zeros():
    assert wen_logmel(torch.zeros(16_000)).abs().max() == 0


@pytest.mark.parametrize(("given", "frames"), [(3, 10), (10, 10), (12, 10), (1, 4)])
def test_short_features_are_repeated_from_their_start(given, frames):
    features = torch.arange(float(given * 2)).view(1, given, 2)
    repeated = repeat_frames(features, frames=frames)
    assert repeated.shape == (1, max(given, frames), 2)
    for place in range(repeated.shape[1]):
        assert torch.equal(repeated[0, place], features[0, place % given])
