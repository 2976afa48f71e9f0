"""Calibration against scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from voiceface.metrics.calibration import Logistic, cllr, ece, fit_logistic, reliability

RNG = np.random.default_rng(0)
LABELS = RNG.random(4000) < 0.3
SCORES = RNG.normal(size=4000) * 2 + 1.5 * LABELS + 5


def test_reliability_matches_scikit_learn():
    p = fit_logistic(SCORES, LABELS)(SCORES)
    found, stated = calibration_curve(LABELS, p, n_bins=10)
    ours = reliability(p, LABELS)
    used = ours.weight > 0
    np.testing.assert_allclose(ours.found[used], found)
    np.testing.assert_allclose(ours.stated[used], stated)
    assert ours.weight.sum() == pytest.approx(1)


def test_ece_is_the_gap():
    p = np.repeat([0.25, 0.95], 100)
    y = np.concatenate([np.arange(100) < 45, np.arange(100) < 95])
    assert ece(p, y) == pytest.approx(0.1)
    assert ece(p, y, np.repeat([3.0, 1.0], 100)) == pytest.approx(0.15)
    with pytest.raises(ValueError, match="outside"):
        ece([1.2], [1])


def test_weights_are_repetitions():
    times = RNG.integers(1, 4, 4000)
    again = np.repeat(SCORES, times), np.repeat(LABELS, times)
    assert cllr(SCORES - 5, LABELS, times) == pytest.approx(cllr(again[0] - 5, again[1]))
    weighted, written = fit_logistic(SCORES, LABELS, times), fit_logistic(*again)
    assert weighted.slope == pytest.approx(written.slope, rel=1e-6)
    assert weighted.offset == pytest.approx(written.offset, rel=1e-6)


def test_cllr_of_true_ratios_is_low_and_of_wrong_ones_high():
    odds = (1.5 * (SCORES - 5) - 1.5**2 / 2) / 4  # two normals, same spread 2, means 5 and 6.5
    loops = [np.log2(1 + np.exp(-r)) for r in odds[LABELS]], [np.log2(1 + np.exp(r)) for r in odds[~LABELS]]
    assert cllr(odds, LABELS) == pytest.approx((np.mean(loops[0]) + np.mean(loops[1])) / 2)
    assert cllr(odds, LABELS) < cllr(3 * odds, LABELS)
    assert cllr(odds, LABELS) < 1 < cllr(-odds, LABELS)
    assert cllr([2000.0, -2000.0], [1, 0]) == 0.0


def test_logistic_fit_is_the_minimum_of_platts_loss():
    ours = fit_logistic(SCORES, LABELS)
    n = LABELS.sum()
    target = np.where(LABELS, (n + 1) / (n + 2), 1 / (4000 - n + 2))

    def loss(theta):
        logit = theta[0] * SCORES + theta[1]
        return np.mean(np.logaddexp(0, logit) - target * logit)

    best = minimize(loss, [0.1, 0.0], tol=1e-12).x
    np.testing.assert_allclose([ours.slope, ours.offset], best, rtol=1e-4)
    plain = LogisticRegression(C=1e9).fit(SCORES[:, None], LABELS)  # unsmoothed targets: nearly the same here
    assert ours.slope == pytest.approx(plain.coef_[0, 0], rel=0.01)


def test_prior_moves_the_offset_only():
    plain, balanced = fit_logistic(SCORES, LABELS), fit_logistic(SCORES, LABELS, prior=0.5)
    share = LABELS.mean()
    assert balanced.offset - plain.offset == pytest.approx(np.log((1 - share) / share), abs=0.1)
    assert balanced.slope == pytest.approx(plain.slope, rel=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_separable_and_flat_scores_stay_finite(scale):
    y = np.arange(20) < 10
    fit = fit_logistic(np.where(y, 1.0, 0.0) * scale, y)
    assert np.isfinite([fit.slope, fit.offset]).all() and fit(scale) > 0.8 > 0.2 > fit(0.0)
    flat = fit_logistic(np.full(20, scale), y)
    assert flat.slope == 0 and flat(scale) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="both classes"):
        fit_logistic([1.0], [1])


def test_probability_does_not_overflow():
    np.testing.assert_allclose(Logistic(1.0, 0.0)([-1e4, 0.0, 1e4]), [0, 0.5, 1])
