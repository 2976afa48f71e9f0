"""Sync: distances over offsets, confidence and offset, against slow loops and the published definition."""

import math

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.metrics.sync_confidence import REACH, correlation, frame_levels, offset_distances, sync


def rows(frames, seed=0, dim=6):
    return np.random.default_rng(seed).normal(size=(frames, dim))


def slow_distances(sound, picture, reach):
    """Frame by frame: picture t beside sound t - offset, wherever both are."""
    found = []
    for offset in range(-reach, reach + 1):
        apart = []
        for t in range(len(picture)):
            if 0 <= t - offset < len(sound):
                apart.append(
                    math.sqrt(sum((a - b) ** 2 for a, b in zip(picture[t], sound[t - offset], strict=True)))
                )
        found.append(sum(apart) / len(apart))
    return found


def published(sound, picture, reach):
    """As the published program computes it: padded with zeros, a window of distances per frame."""
    padded = torch.nn.functional.pad(torch.from_numpy(sound), (0, 0, reach, reach))
    each = [
        torch.nn.functional.pairwise_distance(
            torch.from_numpy(picture[[t]]).repeat(2 * reach + 1, 1), padded[t : t + 2 * reach + 1], eps=0
        )
        for t in range(len(picture))
    ]
    mean = torch.stack(each, 1).mean(1)
    least, place = torch.min(mean, 0)
    return mean.numpy(), float(torch.median(mean) - least), reach - int(place)


@pytest.mark.parametrize(("frames", "reach"), [(60, 15), (20, 15), (9, 4)])
def test_distances_are_those_of_a_slow_loop(frames, reach):
    sound, picture = rows(frames, 1), rows(frames, 2)
    fast = offset_distances(sound, picture, reach=reach)
    assert fast.shape == (2 * reach + 1,)
    np.testing.assert_allclose(fast, slow_distances(sound, picture, reach), rtol=1e-12)


@pytest.mark.parametrize("shift", [-7, 0, 4])
def test_with_zeros_at_the_ends_it_is_the_published_program(shift):
    base = rows(90, 3)
    picture, sound = base[20:70], base[20 + shift : 70 + shift] + 0.1 * rows(50, 4)
    mean, confidence, offset = published(sound, picture, REACH)
    told = sync(sound, picture, ends="zeros")
    # The published order of places runs from the sound that comes last; ours from offset -reach up.
    np.testing.assert_allclose(told.distances, mean[::-1], rtol=1e-9)
    assert told.confidence == pytest.approx(confidence) and told.offset == offset == shift


@pytest.mark.parametrize("moved", [-15, -5, -1, 0, 1, 5, 15])
def test_the_offset_that_was_made_is_found(moved):
    base = rows(120, 5)
    picture = base[30:90]
    sound = base[30 + moved : 90 + moved]  # picture t is sound t - moved
    told = sync(sound, picture)
    assert told.offset == moved and told.distance == pytest.approx(0.0, abs=1e-9)
    assert told.confidence > 2
    # Played as it is, only an unmoved sound fits.
    assert (told.confidence_at_zero > 2) == (moved == 0)


def test_rows_that_never_change_have_no_confidence_and_offset_zero():
    told = sync(np.ones((40, 3)), np.ones((40, 3)))
    assert (told.confidence, told.offset) == (0.0, 0)


def test_bad_rows_are_refused():
    good = rows(40)
    for sound, picture, words in (
        (good[:30], good, "one row of each"),
        (good[:, :2], good, "one row of each"),
        (good[:19], good[:19], "too few"),
        (good * np.nan, good, "NaN"),
        ([["a"]], good, "no table"),
        (good[0], good, "not \\(frames, width\\)"),
    ):
        with pytest.raises(InputError, match=words):
            sync(sound, picture)


def test_levels_are_those_of_each_frames_own_samples():
    random = np.random.default_rng(0)
    wave = random.normal(size=1700) * 0.1
    levels = frame_levels(wave, rate=1000, fps=10, frames=20)
    for k in range(17):
        part = wave[100 * k : 100 * k + 100]
        assert levels[k] == pytest.approx(10 * math.log10(np.mean(part**2)))
    assert (levels[17:] == -60).all()
    whole = np.round(wave * 20000).astype(np.int16)
    np.testing.assert_allclose(
        frame_levels(whole, rate=1000, fps=10, frames=17),
        levels[:17] + 20 * math.log10(20000 / 32768),
        atol=0.02,
    )


def test_levels_where_frames_do_not_divide_the_rate():
    wave = np.concatenate([np.full(533, 0.5), np.full(534, 0.25)])
    np.testing.assert_allclose(
        frame_levels(wave, rate=16000, fps=30, frames=2),
        [20 * math.log10(0.5), 20 * math.log10(0.25)],
        atol=1e-9,
    )


def test_correlation_is_numpys_and_skips_what_is_unknown():
    a, b = rows(50, 6)[:, 0], rows(50, 7)[:, 0]
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    holed = a.copy()
    holed[::7] = np.nan
    kept = np.isfinite(holed)
    assert correlation(holed, b) == pytest.approx(np.corrcoef(a[kept], b[kept])[0, 1])
    assert math.isnan(correlation(a, np.ones(50))) and math.isnan(correlation([1.0], [1.0]))
