"""ROC figures against scikit-learn, slow loops and every order of ties."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from voiceface.metrics.roc import EER_CONVENTIONS, auc, eer, min_dcf, roc, tpr_at_fpr

# A loaded machine is no fault of an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@st.composite
def trials(draw):
    """Few distinct scores, so that ties are the rule, with weights; both classes present."""
    n = draw(st.integers(2, 30))
    scores = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    labels = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < len(y)))
    weights = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    return np.array(scores, float), np.array(labels), np.array(weights, float)


def slow_auc(scores, labels, weights):
    won = total = 0.0
    for s, y, w in zip(scores, labels, weights, strict=True):
        for t, z, v in zip(scores, labels, weights, strict=True):
            if y and not z:
                total += w * v
                won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
    return won / total


@given(trials())
def test_auc_is_the_share_of_ordered_pairs(case):
    scores, labels, weights = case
    assert auc(scores, labels, weights) == pytest.approx(slow_auc(scores, labels, weights), abs=1e-12)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(trials())
def test_weights_are_repetitions(case):
    scores, labels, weights = case
    times = weights.astype(int)
    repeated = np.repeat(scores, times), np.repeat(labels, times)
    for figure in (auc, eer, min_dcf, lambda s, y, w=None: tpr_at_fpr(s, y, 0.3, w)):
        assert figure(scores, labels, weights) == pytest.approx(figure(*repeated), abs=1e-12)


@given(trials())
def test_curve_matches_scikit_learn(case):
    scores, labels, weights = case
    fpr, tpr, thresholds = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    ours = roc(scores, labels, weights)
    np.testing.assert_allclose(ours.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(ours.tpr, tpr, atol=1e-12)
    np.testing.assert_array_equal(ours.thresholds, thresholds)


def slow_eer(scores, labels):
    """Walk the corners of the ROC and cut the segment that crosses FPR = 1 - TPR."""
    p, n = labels.sum(), (~labels).sum()
    corners = [(0.0, 0.0)]
    for t in sorted(set(scores), reverse=True):
        corners.append((float((scores[~labels] >= t).sum() / n), float((scores[labels] >= t).sum() / p)))
    for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
        if x1 + y1 >= 1.0 - 1e-12:
            share = (1 - x0 - y0) / (x1 + y1 - x0 - y0)
            return x0 + share * (x1 - x0)
    raise AssertionError


@given(trials())
def test_interpolated_eer_is_the_crossing(case):
    scores, labels, _ = case
    assert eer(scores, labels) == pytest.approx(slow_eer(scores, labels), abs=1e-9)


@given(trials())
def test_inverting_scores_mirrors_auc_and_eer(case):
    scores, labels, weights = case
    assert auc(-scores, labels, weights) == pytest.approx(1 - auc(scores, labels, weights), abs=1e-12)
    assert eer(-scores, labels, weights) == pytest.approx(1 - eer(scores, labels, weights), abs=1e-12)


def test_nearest_convention_is_the_nearest_corner():
    rng = np.random.default_rng(0)
    labels = rng.random(501) < 0.3
    scores = rng.normal(size=501) + labels
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    i = np.argmin(np.abs(fpr + tpr - 1))
    assert eer(scores, labels, convention="nearest") == pytest.approx((fpr[i] + 1 - tpr[i]) / 2)
    assert eer(scores, labels, convention="nearest") != eer(scores, labels)


def test_folds_convention_averages_rates_at_every_threshold():
    rng = np.random.default_rng(1)
    labels = np.arange(600) % 2 == 0
    labels[:300] = rng.random(300) < 0.5  # folds of unequal make-up, or averaging would change nothing
    scores = rng.normal(size=600) + labels + np.linspace(0, 3, 600)
    thresholds = np.append(np.inf, np.sort(scores)[::-1])
    rates = []
    for part in np.array_split(np.arange(600), 10):
        s, y = scores[part], labels[part]
        rates.append([[(s[~y] >= t).mean(), (s[y] >= t).mean()] for t in thresholds])
    fpr, tpr = np.mean(rates, axis=0).T
    i = np.flatnonzero(fpr + tpr >= 1)[0]
    share = (1 - fpr[i - 1] - tpr[i - 1]) / (fpr[i] + tpr[i] - fpr[i - 1] - tpr[i - 1])
    expected = fpr[i - 1] + share * (fpr[i] - fpr[i - 1])
    assert eer(scores, labels, convention="folds") == pytest.approx(expected, abs=1e-12)
    assert abs(expected - eer(scores, labels)) > 1e-4


def test_folds_of_one_class_are_refused():
    with pytest.raises(ValueError, match="fold 1 of 2 holds no negative"):
        eer([4, 3, 2, 1], [1, 1, 0, 0], convention="folds", folds=2)
    with pytest.raises(ValueError, match="choose from"):
        eer([1, 0], [1, 0], convention="best")


@given(trials())
def test_min_dcf_is_the_cheapest_threshold(case):
    scores, labels, _ = case
    costs = []
    for t in [np.inf, *set(scores)]:
        accepted = scores >= t
        costs.append((0.1 * 2 * (~accepted[labels]).mean() + 0.9 * accepted[~labels].mean()) / min(0.2, 0.9))
    assert min_dcf(scores, labels, prior=0.1, miss=2.0) == pytest.approx(min(costs), abs=1e-12)


@given(trials(), st.floats(0, 1))
def test_tpr_at_fpr_lies_on_the_polyline(case, rate):
    scores, labels, _ = case
    curve = roc(scores, labels)
    upright = curve.tpr[curve.fpr <= rate].max()
    after = np.flatnonzero(curve.fpr > rate)
    expected = upright
    if len(after):
        i = after[0]
        x, y = curve.fpr[i - 1], curve.tpr[i - 1]
        expected = y + (rate - x) / (curve.fpr[i] - x) * (curve.tpr[i] - y)
    assert tpr_at_fpr(scores, labels, rate) == pytest.approx(expected, abs=1e-9)


def test_misses_and_false_accepts_are_those_of_scikit_learns_det_curve():
    rng = np.random.default_rng(2)
    labels = rng.random(200) < 0.5
    scores = rng.normal(size=200) + labels
    ours = roc(scores, labels)
    fpr, fnr, _ = det_curve(labels, scores)
    theirs = {(round(a, 12), round(b, 12)) for a, b in zip(fpr, fnr, strict=True)}
    assert theirs <= {(round(a, 12), round(b, 12)) for a, b in zip(ours.fpr, 1 - ours.tpr, strict=True)}


@pytest.mark.parametrize("convention", EER_CONVENTIONS)
def test_collapsed_perfect_and_inverted_scores(convention):
    labels = np.tile([True, False, False], 40)
    flat = np.full(120, 0.37)
    assert auc(flat, labels) == 0.5
    assert eer(flat, labels, convention=convention) == pytest.approx(0.5, abs=1e-15)
    assert tpr_at_fpr(flat, labels, 0.1) == pytest.approx(0.1, abs=1e-15)
    assert min_dcf(flat, labels) == 1.0
    assert auc(labels, labels) == 1.0
    assert eer(labels, labels, convention=convention) == 0.0
    assert auc(~labels, labels) == 0.0
    assert eer(~labels, labels, convention=convention) == pytest.approx(1.0, abs=1e-15)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_random_scores_average_to_exactly_chance(scores):
    """Over every assignment of the scores to the trials, ties or not."""
    labels = np.array([True, False, True, False, False])
    orders = [np.array(o, float) for o in permutations(scores)]
    assert np.mean([auc(o, labels) for o in orders]) == pytest.approx(0.5, abs=1e-12)


def test_one_class_has_no_figures():
    assert np.isnan([auc([1, 2], [1, 1]), eer([1, 2], [0, 0]), min_dcf([1], [1])]).all()
