"""Calibration with intervals, and curves to draw: against the plain metrics, loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from voiceface.errors import InputError
from voiceface.metrics.calibration import cllr, ece
from voiceface.metrics.roc import SortedTrials
from voiceface.protocols import retrieval, verification
from voiceface.protocols.calibration import calibration, log_odds_of
from voiceface.protocols.curves import MAX_CURVE_POINTS, roc_points


def told(n=4000, seed=0, share=0.5):
    """Log odds of a model that knows the truth, of ``n`` trials of 80 people."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n) * 2 + np.log(share / (1 - share))
    return odds, rng.random(n) < 1 / (1 + np.exp(-odds))


def test_figures_are_those_of_the_plain_metrics():
    odds, same = told(share=0.3)
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    even = calibration(odds, same, resamples=0)
    assert even.row[0].value == pytest.approx(ece(1 / (1 + np.exp(-odds)), same, weights))
    assert even.row[1].value == pytest.approx(cllr(odds, same))
    # As they come: the share found among the trials is the prior, and the table is scikit-learn's.
    plain = calibration(odds, same, prior=None, resamples=0)
    found, stated = calibration_curve(same, 1 / (1 + np.exp(-odds)), n_bins=10)
    assert np.allclose([x for x in plain.found if x == x], found)
    assert np.allclose([x for x in plain.stated if x == x], stated)
    assert plain.prior == pytest.approx(same.mean()) and plain.row[0].value < 0.03
    assert plain.row[1].value == pytest.approx(cllr(odds - np.log(same.mean() / (1 - same.mean())), same))
    assert sum(plain.weight) == pytest.approx(1)


def test_the_interval_is_that_of_the_literal_bootstrap_over_people():
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(30), 2)
    own = rng.normal(size=(30, 3))[person]
    odds = ((own + rng.normal(size=own.shape)) @ (own + rng.normal(size=own.shape)).T).ravel()
    voice, face = (x.ravel() for x in np.meshgrid(person, person, indexing="ij"))
    found = calibration(odds, voice == face, people=(voice, face), resamples=400)
    values = []
    for _ in range(400):
        count = np.bincount(rng.integers(0, 30, 30), minlength=30)
        weight = np.where(voice == face, count[voice], count[voice] * count[face])
        same, kept = (voice == face)[weight > 0], weight[weight > 0]
        values.append(cllr(odds[weight > 0], same, kept))
    low, high = np.quantile(values, [0.025, 0.975])
    one = found.row[1]
    assert one.low < one.value < one.high and one.people == 30 and one.resamples == 400
    assert one.high - one.low == pytest.approx(high - low, rel=0.25)


def test_knowing_nothing_costs_a_bit_and_lying_costs_more():
    same = np.arange(100) % 2 == 0
    flat = calibration(np.zeros(100), same, resamples=0)
    assert flat.row[1].value == pytest.approx(flat.row[1].chance) and flat.row[0].value == pytest.approx(0)
    perfect = calibration(np.where(same, 20.0, -20.0), same, resamples=0)
    assert perfect.row[0].value < 1e-6 and perfect.row[1].value < 1e-6
    inverted = calibration(np.where(same, -20.0, 20.0), same, resamples=0)
    assert inverted.row[0].value == pytest.approx(1, abs=1e-6) and inverted.row[1].value > 20


def test_probabilities_are_checked_and_certainty_is_finite():
    assert np.isfinite(log_odds_of([0.0, 1.0, 0.5])).all() and log_odds_of([0.5])[0] == 0
    with pytest.raises(InputError, match=r"2 \(first: 1\) of 3 do not lie in \[0, 1\]"):
        log_odds_of([0.5, 1.2, np.nan])
    with pytest.raises(InputError, match="not a list of numbers"):
        log_odds_of(["much"])
    with pytest.raises(InputError, match="prior: is 1"):
        calibration([1.0, 2.0], [1, 0], prior=1.0)
    with pytest.raises(InputError, match="all 2 trials are positive"):
        calibration([1.0, 2.0], [1, 1])


def test_a_curve_of_few_points_is_the_exact_one():
    odds, same = told(n=300, seed=2)
    odds = np.round(odds, 1)
    points = roc_points([SortedTrials.of(odds, same)])
    fpr, tpr, _ = roc_curve(same, odds, drop_intermediate=False)
    assert np.allclose(points.fpr, fpr) and np.allclose(points.tpr, tpr)


def test_a_long_curve_is_bounded_exact_at_its_ends_and_keeps_its_area():
    rng = np.random.default_rng(3)
    same = rng.random(120_000) < 0.02
    scores = rng.normal(size=len(same)) + 1.5 * same
    report = verification(scores, same, resamples=0)
    points = report.curves["all"]
    assert 500 < len(points.fpr) <= MAX_CURVE_POINTS
    assert (points.fpr[0], points.tpr[0], points.fpr[-1], points.tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(points.tpr, points.fpr) == pytest.approx(report.auc.value, abs=1e-4)
    fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
    corners = set(zip(fpr.round(12), tpr.round(12), strict=True))
    assert {(round(a, 12), round(b, 12)) for a, b in zip(points.fpr, points.tpr, strict=True)} <= corners
    # The outermost corners are all there, and the DET's logarithmic ends are not bare.
    assert np.allclose(points.fpr[:200], fpr[:200]) and np.allclose(points.tpr[-200:], tpr[-200:])
    assert sum(1e-4 < x < 1e-2 for x in points.fpr) > 50 and sum(1e-3 < x < 3e-2 for x in points.fnr) > 30
    assert report.to_dict()["curves"]["all"]["fpr"][-1] == 1


def test_the_curve_of_folds_has_the_mean_of_their_areas():
    rng = np.random.default_rng(4)
    same, fold = rng.random(6000) < 0.2, rng.integers(0, 4, 6000)
    scores = rng.normal(size=6000) + same * (0.5 + fold) + 10 * fold
    report = verification(scores, same, groups=fold, resamples=0)
    points = report.curves["all"]
    assert np.trapezoid(points.tpr, points.fpr) == pytest.approx(report.auc.value, abs=2e-3)
    assert (np.diff(points.fpr) >= 0).all() and (np.diff(points.tpr) >= -1e-12).all()
    assert (points.tpr[0], points.fpr[-1], points.tpr[-1]) == (0, 1, 1) and len(
        points.fpr
    ) <= MAX_CURVE_POINTS


@pytest.mark.parametrize("collapsed", [False, True])
def test_the_cmc_is_recall_at_every_rank(collapsed):
    rng = np.random.default_rng(5)
    people = np.arange(130)
    scores = np.zeros((130, 130)) if collapsed else rng.normal(size=(130, 130)) + 2 * np.eye(130)
    report = retrieval(scores, people=(people, people), ks=(1, 7, 100), resamples=60)
    curve = report.cmc["face->voice"]
    assert curve.ranks[:100] == tuple(range(1, 101)) and curve.ranks[-1] == 130
    for k in (1, 7, 100):
        one, at = report.figure(f"R@{k}", direction="face->voice"), curve.ranks.index(k)
        assert curve.recall[at] == pytest.approx(one.value) and curve.chance[at] == pytest.approx(one.chance)
        assert (curve.low[at], curve.high[at]) == pytest.approx((one.low, one.high))
    assert (curve.recall[-1], curve.chance[-1]) == pytest.approx((1, 1)) and (
        np.diff(curve.recall) >= -1e-12
    ).all()
    if collapsed:
        assert np.allclose(curve.recall, curve.chance, atol=1e-12)


def test_random_scores_of_verification_average_to_exactly_chance():
    """Over all orders of the scores, tied or not."""
    from itertools import permutations

    same, values = [1, 0, 0, 1, 0], [0.1, 0.4, 0.4, 0.9, 0.2]
    areas = [verification(list(o), same, resamples=0).auc.value for o in permutations(values)]
    assert np.mean(areas) == pytest.approx(0.5, abs=1e-12)
