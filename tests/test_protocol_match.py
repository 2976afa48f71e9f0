"""Matching against every gallery played out."""

from itertools import combinations, product

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import resample_counts
from voiceface.metrics.ranking import tie_credit
from voiceface.protocols import gallery_matching as module
from voiceface.protocols import matching
from voiceface.protocols.comparison_groups import comparisons
from voiceface.protocols.fixed_gallery_matching import fixed_gallery_matching

PERSON = np.array([0, 0, 1, 2, 2, 3, 4, 5])
SEX = np.array(["f", "m", "f", "f", "m", "f"])


def played(scores, probe, gallery, size, allowed, weight=None):
    """Mean over probes, right items, choices of other people and of one item of each; ties earn 1/k."""
    weight = np.ones(20, int) if weight is None else weight
    total, norm = 0.0, 0.0
    for i, person in enumerate(probe):
        others = [q for q in np.unique(gallery) if q != person and allowed(i, q)]
        others = [q for q in others for _ in range(weight[q])]
        rights = np.flatnonzero(gallery == person)
        if not len(rights) or len(others) < size - 1 or not weight[person]:
            continue
        earned = []
        for right in rights:
            for chosen in combinations(others, size - 1):
                items = product(*(np.flatnonzero(gallery == q) for q in chosen))
                rows = [[scores[i, right], *(scores[i, k] for k in row)] for row in items]
                earned.append(tie_credit(rows).mean())
        total += weight[person] * np.mean(earned)
        norm += weight[person]
    return total / norm


@pytest.mark.parametrize("ties", [False, True])
def test_expected_accuracy_is_every_gallery_played(ties):
    rng = np.random.default_rng(0)
    voices, faces = PERSON, np.array([5, 4, 3, 3, 2, 1, 0, 0, 1])
    scores = rng.integers(0, 3, (8, 9)).astype(float) if ties else rng.normal(size=(8, 9))
    report = matching(
        scores, people=(voices, faces), n=(2, 3, 4), strata={"sex": (SEX[voices], SEX[faces])}, resamples=0
    )
    for n in (2, 3, 4):
        expected = played(scores, voices, faces, n, lambda i, q: True)
        assert report.accuracy(n).value == pytest.approx(expected, abs=1e-12)
        back = played(scores.T, faces, voices, n, lambda i, q: True)
        assert report.accuracy(n, direction="face->voice").value == pytest.approx(back, abs=1e-12)
        within = played(scores, voices, faces, n, lambda i, q: SEX[q] == SEX[voices[i]])
        assert report.accuracy(n, stratum="sex").value == pytest.approx(within, abs=1e-12)
        assert report.accuracy(n).chance == 1 / n


def test_groups_keep_galleries_apart_and_count_alike():
    rng = np.random.default_rng(1)
    person = np.concatenate([np.repeat(np.arange(4), 2), np.arange(4, 10)])
    fold = np.where(person < 4, "one", "two")
    scores = rng.normal(size=(14, 14))
    report = matching(scores, people=(person, person), n=(2, 3), groups=(fold, fold), resamples=0)
    for n in (2, 3):
        parts = []
        for f in ("one", "two"):
            k = np.flatnonzero(fold == f)
            parts.append(played(scores[np.ix_(k, k)], person[k], person[k], n, lambda i, q: True))
        assert report.accuracy(n).value == pytest.approx(np.mean(parts), abs=1e-12)
        assert report.accuracy(n).groups == 2


def test_influence_is_the_derivative_of_the_weighted_accuracy():
    """Raising one person's weight from m copies to m + 1 moves the played accuracy by the influence / m."""
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 5, (8, 8)).astype(float)
    one = next(comparisons(scores, (PERSON, PERSON), strata=None, groups=None, resamples=0, seed=0))
    found = module._MatchingAccuracy(one.sides, one.groups, (2,), seed=0)
    counts = np.ones((6, 6), dtype=np.uint16)
    counts[np.arange(6), np.arange(6)] = 2
    rows = []
    original = module.interval
    try:
        module.interval = lambda samples: (rows.append(samples), original(samples))[1]
        found.estimates(counts)
    finally:
        module.interval = original
    base = played_weighted(scores, np.ones(6))
    for q in range(6):
        w = np.ones(6)
        w[q] += 1e-6
        slope = (played_weighted(scores, w) - base) / 1e-6
        assert rows[0][q, 0] - base == pytest.approx(slope, abs=1e-5)


def played_weighted(scores, w):
    """1:2 with real weights: a triple weighs its probe's person, and others in proportion to theirs."""
    total = norm = 0.0
    for i, p in enumerate(PERSON):
        won = mass = 0.0
        for q in range(6):
            if q == p:
                continue
            rows = [
                [scores[i, a], scores[i, b]]
                for a in np.flatnonzero(p == PERSON)
                for b in np.flatnonzero(q == PERSON)
            ]
            won += w[q] * tie_credit(rows).mean()
            mass += w[q]
        total += w[p] * won / mass
        norm += w[p]
    return total / norm


def test_interval_is_that_of_the_literal_bootstrap():
    """The first-order interval against playing every resample out, for 1:3 on 40 people."""
    rng = np.random.default_rng(3)
    own = rng.normal(size=(40, 4))
    scores = (own + rng.normal(size=(40, 4))) @ (own + rng.normal(size=(40, 4))).T
    person = np.arange(40)
    estimate = matching(scores, people=(person, person), n=(3,), resamples=2000).accuracy(3)
    below = (scores < np.diag(scores)[:, None]).astype(float)
    values = []
    for c in resample_counts([person], 40, 2000, seed=1).astype(float):
        # Copies of one person are separate others: pairs of distinct copies, the probe's own person aside.
        s, s2 = below @ c - np.diag(below) * c, (below**2) @ c - np.diag(below) ** 2 * c
        m = c.sum() - c
        values.append(np.dot(c, (s**2 - s2) / (m * (m - 1))) / c.sum())
    low, high = np.quantile(values, [0.025, 0.975])
    assert estimate.high - estimate.low == pytest.approx(high - low, rel=0.15)


@pytest.mark.parametrize("items", [1, 3])
def test_collapsed_perfect_and_inverted(items):
    person = np.repeat(np.arange(12), items)
    fold = person % 2
    same = person[:, None] == person[None, :]
    for matrix, expected in ((same * 1.0, 1.0), (1.0 - same, 0.0)):
        report = matching(matrix, people=(person, person), n=(2, 6), groups=(fold, fold), resamples=20)
        assert {round(e.value, 12) for row in report.rows.values() for e in row} == {expected}
    rng = np.random.default_rng(0)
    row, other = rng.normal(size=(2, 37))
    collapsed = np.tile(row, (len(person), 1)), np.tile(other, (len(person), 1))
    for given in (collapsed, np.full(same.shape, 0.1)):
        report = matching(given, people=(person, person), n=(2, 5, 10), resamples=20)
        for e in (e for row in report.rows.values() for e in row):
            assert (e.value, e.low, e.high) == pytest.approx((e.chance,) * 3, abs=1e-12)


def test_random_scores_average_to_exactly_chance():
    """Over all orders of the gallery (columns permuted), whatever the scores."""
    rng = np.random.default_rng(0)
    scores, person = rng.integers(0, 3, (4, 4)).astype(float), np.arange(4)
    from itertools import permutations

    values = [
        [
            matching(scores[:, list(o)], people=(person, person), n=(2, 4), resamples=0).accuracy(n).value
            for n in (2, 4)
        ]
        for o in permutations(range(4))
    ]
    assert np.mean(values, axis=0) == pytest.approx([1 / 2, 1 / 4], abs=1e-12)


def test_too_many_right_items_are_drawn_and_it_says_so(monkeypatch):
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(20), 10)
    scores = rng.normal(size=(200, 200)) + (person[:, None] == person[None, :])
    exact = matching(scores, people=(person, person), n=(2,), resamples=0)
    monkeypatch.setattr(module, "_MAX_COMPARISONS", 1e5)
    drawn = matching(scores, people=(person, person), n=(2,), resamples=0, seed=5)
    assert "right items a probe sampled (seed 5)" in str(drawn) and "sampled" not in str(exact)
    assert drawn.accuracy(2).value == pytest.approx(exact.accuracy(2).value, abs=0.03)
    assert drawn.accuracy(2).value != exact.accuracy(2).value


def test_exclusions_are_counted_and_printed():
    scores = np.random.default_rng(0).normal(size=(5, 4))
    report = matching(
        scores, people=(list("abcde"), list("abcd")), n=(2, 3), resamples=0,
        strata={"sex": (["f", "f", "", "m", "m"], ["f", "f", "m", "m"])},
    )  # fmt: skip
    assert report.excluded["voice->face: no item of the probe's person in the gallery"] == 1
    assert report.accuracy(2).n == 4
    assert report.excluded["voice->face, sex: attribute unknown or nobody to meet"] == 1
    assert report.excluded["voice->face, sex: fewer than 3 people to choose from (1:3)"] == 3
    assert np.isnan(report.accuracy(3, stratum="sex").value) and report.accuracy(3, stratum="sex").n == 0
    assert "left out: voice->face: no item of the probe's person in the gallery: 1" in str(report)


def test_written_lists():
    scores = np.array([[0.9, 0.1, 0.95], [0.5, 0.5, 0.2], [0.1, 0.3, 0.0]])
    people = np.array([list("abc"), list("bac"), list("cab")])
    report = fixed_gallery_matching(
        scores, people=people, strata={"first": np.array([True, False, False])}, resamples=50
    )
    assert [e.value for e in report.rows["all"]] == pytest.approx([0.5, 0.5 / 3])
    assert [e.value for e in report.rows["first"]] == [1.0, 0.0]
    flat = fixed_gallery_matching(np.zeros((7, 5)), n=(2, 5))
    assert [e.value for e in flat.rows["all"]] == pytest.approx([0.5, 0.2])
    assert "no intervals" in str(flat)


E = np.random.default_rng(0).normal(size=(3, 4))
BAD = [
    ((E, E[:, :2]), {}, "voices are 4 wide and faces 2"),
    (([[1, 2], [3]], E), {}, "voice embeddings: are no table of numbers of one width"),
    (E[0], {}, r"float64 of shape \(4,\)"),
    (np.where(E > 1e9, E, np.nan), {}, "hold NaN or infinity"),
    ((E, np.where(np.arange(3)[:, None] == 1, np.inf, E)), {}, r"face embeddings: rows 1 \(1\) of 3"),
    (np.eye(3), {"people": (list("abc"), list("ab"))}, r"people of the faces: has shape \(2,\)"),
    (np.eye(3), {"people": (list("abc"), list("xyz"))}, "no probe has an item of its own person"),
    ((E, E, E), {}, "are 3 tables"),
    (np.eye(3), {"n": (4,)}, "no gallery has more than 3 people"),
    (np.eye(3), {"n": (1,)}, "sizes of at least 2"),
    (np.eye(3), {"strata": {"G": (["f"] * 2, ["f"] * 3)}}, "stratum 'G' of the voices"),
    (np.eye(3), {"strata": {"G": ([""] * 3, ["f"] * 3)}}, "leaves no probe a gallery"),
    (np.eye(3), {"groups": (["a"] * 3, ["b"] * 3)}, "leaves no probe a gallery"),
]


@pytest.mark.parametrize(("given", "options", "message"), BAD)
def test_bad_input_is_named(given, options, message):
    with pytest.raises(InputError, match=message):
        matching(given, **({"people": (list("abc"), list("abc")), "resamples": 0, "n": (2,)} | options))


def test_bad_written_lists_are_named():
    with pytest.raises(InputError, match="probe's person twice"):
        fixed_gallery_matching([[1.0, 0.0]], people=[["a", "a"]])
    with pytest.raises(InputError, match="1 of 2 trials hold NaN"):
        fixed_gallery_matching([[1.0, 0.0], [np.nan, 1.0]])
    with pytest.raises(InputError, match="galleries hold 2"):
        fixed_gallery_matching([[1.0, 0.0]], n=(3,))
