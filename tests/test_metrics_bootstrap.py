"""The bootstrap over people against literal resampling."""

import numpy as np
import pytest

from voiceface.metrics.bootstrap import (
    interval,
    linear_resamples,
    resample_counts,
    resample_trials,
    two_sided_p,
)
from voiceface.metrics.roc import SortedTrials, area, auc


def test_counts_draw_each_part_from_within_itself():
    parts = [np.arange(5), np.arange(5, 12)]
    counts = resample_counts(parts, 13, 200, seed=3)
    assert (counts[:, :5].sum(axis=1) == 5).all() and (counts[:, 5:12].sum(axis=1) == 7).all()
    assert (counts[:, 12] == 0).all() and counts.std() > 0.5
    np.testing.assert_array_equal(counts, resample_counts(parts, 13, 200, seed=3))
    assert (counts != resample_counts(parts, 13, 200, seed=4)).any()


def test_resamples_are_the_list_written_out_with_repetitions():
    """Positive: once per copy of its person; negative: once per pair of copies of its two people."""
    rng = np.random.default_rng(0)
    people, n = 8, 60
    voice, face = rng.integers(0, people, n), rng.integers(0, people, n)
    face[:20] = voice[:20]
    same = voice == face
    scores = rng.integers(0, 6, n).astype(float) + same
    counts = resample_counts([np.arange(people)], people, 40, seed=1)
    got = resample_trials(
        [SortedTrials.of(scores, same)], [(voice, face)], counts, lambda f, t: np.array([area(f, t)])
    )
    for row, value in zip(counts, got[:, 0], strict=True):
        times = np.where(same, row[voice], row[voice].astype(int) * row[face])
        written = np.repeat(scores, times), np.repeat(same, times)
        if 0 < written[1].sum() < len(written[1]):
            assert value == pytest.approx(auc(*written), abs=1e-12)
        else:
            assert np.isnan(value)


def test_groups_are_averaged_and_empty_ones_left_out():
    trials = [SortedTrials.of([2.0, 1.0], [1, 0]), SortedTrials.of([1.0, 2.0], [1, 0])]
    people = [(np.array([0, 0]), np.array([0, 1])), (np.array([2, 2]), np.array([2, 3]))]
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [2, 0, 2, 0]], dtype=np.uint16)
    got = resample_trials(trials, people, counts, lambda f, t: np.array([area(f, t)]))[:, 0]
    assert got[0] == 0.5 and got[1] == 0.0 and np.isnan(got[2])


def test_linear_resamples_of_a_mean_are_its_first_order():
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    influence = ((x - x.mean()) / len(x))[:, None]
    counts = resample_counts([np.arange(400)], 400, 4000, seed=0)
    samples = linear_resamples(np.array([x.mean()]), influence, counts)[:, 0]
    np.testing.assert_allclose(samples, counts @ x / 400, atol=1e-12)


def test_interval_leaves_out_what_does_not_exist():
    samples = np.append(np.arange(1001.0), np.nan)[:, None]
    low, high = interval(samples)
    assert (low[0], high[0]) == pytest.approx((25.0, 975.0))
    assert np.isnan(interval(np.full((3, 2), np.nan))[0]).all()


def test_interval_of_what_may_be_infinite():
    """The PSNR of equal pictures: its end is infinite, and no difference of infinities is computed."""
    samples = np.append(np.arange(100.0), np.full(901, np.inf))
    with np.errstate(invalid="raise"):
        low, high = interval(np.stack([samples, np.full(1001, np.inf), np.arange(1001.0)], axis=1))
    np.testing.assert_allclose(low, [25.0, np.inf, 25.0])
    np.testing.assert_allclose(high, [np.inf, np.inf, 975.0])


def test_two_sided_p():
    assert two_sided_p(np.ones(999)) == 2 / 1000
    assert two_sided_p(np.array([-1.0, 1.0] * 50)) == 1.0
    assert two_sided_p(np.zeros(10)) == 1.0
