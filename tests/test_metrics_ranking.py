"""Ranking figures against every order of ties, every gallery, and scikit-learn."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from voiceface.metrics.ranking import (
    FirstRanks,
    ProbeRanks,
    expected_wins,
    rank_probes,
    subset_sums,
    subset_sums_without_each,
    tie_credit,
)

# A loaded machine is no fault of an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def by_all_orders(scores, right):
    """Average precision, first ranks over all orders of tied items."""
    precisions, firsts = [], []
    for order in permutations(range(len(scores))):
        ranked = sorted(order, key=lambda i: -scores[i])  # stable: ties stand as in this order
        hits = [place + 1 for place, i in enumerate(ranked) if i in right]
        precisions.append(np.mean([(k + 1) / place for k, place in enumerate(hits)]))
        firsts.append(hits[0])
    return np.mean(precisions), np.array(firsts)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=6, max_size=6), st.sets(st.integers(0, 5), min_size=1, max_size=4)
)
def test_ties_are_the_mean_over_all_their_orders(scores, right):
    found = rank_probes(np.array([scores], float), [np.array(sorted(right))])
    precision, first = found.precision, found.first
    expected, firsts = by_all_orders(scores, right)
    assert precision[0] == pytest.approx(expected, abs=1e-12)
    assert first.mean()[0] == pytest.approx(firsts.mean(), abs=1e-12)
    for k in range(1, 8):
        assert first.within(k)[0] == pytest.approx((firsts <= k).mean(), abs=1e-9)
    assert first.median() == sorted(firsts)[(len(firsts) - 1) // 2]


def test_average_precision_matches_scikit_learn_without_ties():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 50)).astype(np.float32)
    right = [rng.choice(50, rng.integers(1, 10), replace=False) for _ in range(20)]
    found = rank_probes(scores, right)
    precision, first = found.precision, found.first
    for i in range(20):
        relevant = np.isin(np.arange(50), right[i])
        assert precision[i] == pytest.approx(average_precision_score(relevant, scores[i]), abs=1e-6)
        best = scores[i][relevant].max()
        assert first.mean()[i] == (scores[i] > best).sum() + 1


def test_chance_is_the_mean_over_all_orders():
    for right, gallery in [(1, 1), (1, 5), (3, 6), (6, 6)]:
        expected, firsts = by_all_orders([0] * gallery, set(range(right)))
        chance = ProbeRanks.by_chance([right], [gallery])
        assert chance.precision[0] == pytest.approx(expected, abs=1e-12)
        ranks = chance.first
        assert ranks.mean()[0] == pytest.approx(firsts.mean(), abs=1e-12)
        assert ranks.within(2)[0] == pytest.approx((firsts <= 2).mean(), abs=1e-9)


def test_median_of_weighted_probes():
    first = FirstRanks(np.array([0, 4, 9]), np.ones(3, int), np.ones(3, int))
    assert first.median() == 5
    assert first.median(np.array([5.0, 1.0, 1.0])) == 1
    assert first.median(np.array([1.0, 1.0, 5.0])) == 10


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=5))
def test_tied_share_is_a_fair_draw_among_the_best(rows):
    for row, share in zip(rows, tie_credit(np.array(rows)), strict=True):
        best = [i for i, s in enumerate(row) if s == max(row)]
        assert share == (1 / len(best) if 0 in best else 0)


def test_subset_sums_and_taking_one_out():
    values = np.random.default_rng(0).random((3, 6))
    sums = subset_sums(values, 4)
    for row, size in product(range(3), range(5)):
        by_hand = sum(np.prod(c) for c in combinations(values[row], size))
        assert sums[size, row] == pytest.approx(by_hand)
    rest = subset_sums_without_each(sums, values)
    for q in range(6):
        np.testing.assert_allclose(rest[:, :, q], subset_sums(np.delete(values, q, axis=1), 4))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=4, max_size=5), st.integers(2, 4)
)
def test_expected_wins_are_all_galleries_played(others, size):
    """Every choice of other people and of one item of each, ties earning 1/k; the right item scores 1."""
    below = np.array([[np.mean([s < 1 for s in items]) for items in others]])
    tied = np.array([[np.mean([s == 1 for s in items]) for items in others]])
    won = expected_wins(below, tied, (size,)).sums[0, 0]
    expected = 0.0
    for chosen in combinations(others, size - 1):
        plays = [tie_credit([[1, *items]])[0] for items in product(*chosen)]
        expected += np.mean(plays)
    assert won == pytest.approx(expected, abs=1e-9)
