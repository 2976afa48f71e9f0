"""Heaps of rows against SciPy and slow loops."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.metrics import distribution as module
from voiceface.metrics.distribution import (
    frechet_distance,
    inception_score,
    kernel_distance,
    nearest,
    prdc,
    spread,
)

RANDOM = np.random.default_rng(1)
A = RANDOM.normal(size=(60, 8)) @ RANDOM.normal(size=(8, 8))
B = RANDOM.normal(size=(45, 8)) + 0.7


def by_sqrtm(a, b):
    from scipy import linalg

    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(0) - b.mean(0)
    return gap @ gap + np.trace(s + t - 2 * linalg.sqrtm(s @ t).real)


def test_frechet_is_the_one_with_a_matrix_root():
    assert frechet_distance(A, B) == pytest.approx(by_sqrtm(A, B), rel=1e-6)
    assert frechet_distance(B, A) == pytest.approx(frechet_distance(A, B), rel=1e-9)


def test_frechet_of_fewer_rows_than_columns():
    # SciPy's root of a singular product is poor, so an eigenvalue of the symmetric form stands in.
    a, b = A[:5], B[:4]
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(s)
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ t @ root), 0)).sum()
    gap = a.mean(0) - b.mean(0)
    expected = gap @ gap + np.trace(s) + np.trace(t) - 2 * common
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_one_heap_is_nothing_and_grows_by_a_shift():
    assert frechet_distance(A, A[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(A, A + 2.0) == pytest.approx(8 * 4.0, rel=1e-9)


def test_kernel_distance_is_the_double_loop():
    def kernel(x, y):
        return (x @ y / 8 + 1) ** 3

    a, b = A[:12], B[:9]
    same = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    other = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    both = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(same + other - 2 * both, rel=1e-10)


def test_kernel_distance_of_few_rows_is_unbiased_where_frechet_is_not():
    random = np.random.default_rng(2)
    pairs = [random.normal(size=(2, 20, 6)) for _ in range(300)]
    kernels = [kernel_distance(a, b) for a, b in pairs]
    assert abs(np.mean(kernels)) < 3 * np.std(kernels) / np.sqrt(300)
    assert np.mean([frechet_distance(a, b) for a, b in pairs]) > 0.5


def test_spread_is_the_mean_over_pairs():
    from scipy.spatial.distance import pdist

    assert spread(A) == pytest.approx(pdist(A).mean(), rel=1e-9)
    assert spread(np.tile(A[:1], (9, 1))) == 0.0


def test_inception_score_is_salimans_loop():
    p = RANDOM.dirichlet([0.3] * 5, size=40)
    order = np.random.default_rng(3).permutation(40)
    scores = []
    for part in np.array_split(p[order], 4):
        mean = part.mean(0)
        scores.append(
            np.exp(np.mean([sum(q * np.log(q / m) for q, m in zip(r, mean, strict=True)) for r in part]))
        )
    value, deviation = inception_score(p, splits=4, seed=3)
    assert value == pytest.approx(np.mean(scores)) and deviation == pytest.approx(np.std(scores))


def test_inception_score_from_one_to_the_number_of_classes():
    assert inception_score(np.tile([0.2, 0.5, 0.3], (30, 1))) == pytest.approx((1.0, 0.0))
    assert inception_score(np.eye(4)[np.arange(400) % 4], splits=1)[0] == pytest.approx(4.0)
    sorted_by_class = np.repeat(np.eye(4), 100, axis=0)
    assert inception_score(sorted_by_class)[0] > 3.5  # unshuffled, each split would hold one class: 1.0


def test_nearness_is_the_balls_counted():
    a, b, k = A[:14], B[:11] * 2, 3

    def reach(rows, i):
        return sorted(np.linalg.norm(rows - rows[i], axis=1))[k]

    within = [[np.linalg.norm(x - y) <= reach(b, j) for j, y in enumerate(b)] for x in a]
    back = [[np.linalg.norm(x - y) <= reach(a, i) for i, x in enumerate(a)] for y in b]
    found = prdc(a, b, k=k)
    assert found.precision == pytest.approx(np.any(within, axis=1).mean())
    assert found.recall == pytest.approx(np.any(back, axis=1).mean())
    assert found.density == pytest.approx(np.sum(within) / (k * len(a)))
    assert found.coverage == pytest.approx(np.any(within, axis=0).mean())


def test_a_collapsed_heap_covers_next_to_nothing():
    found = prdc(np.tile(B[:1], (45, 1)), B)
    assert found.precision == 1.0 and found.recall < 0.1 and found.coverage < 0.4
    alike = prdc(RANDOM.normal(size=(300, 3)), RANDOM.normal(size=(300, 3)))
    assert min(alike.precision, alike.recall, alike.coverage) > 0.85 and 0.8 < alike.density < 1.2


@pytest.mark.parametrize("owners", [None, np.arange(45) // 3])
def test_nearest_is_the_smallest_of_all(owners, monkeypatch):
    monkeypatch.setattr(module, "_ENTRIES", 100)  # several blocks
    place, distance, beyond = nearest(A, B, owners=owners)
    names = np.arange(45) if owners is None else owners
    for i, row in enumerate(A):
        apart = np.linalg.norm(B - row, axis=1)
        assert place[i] == apart.argmin() and distance[i] == pytest.approx(apart.min())
        assert beyond[i] == pytest.approx(apart[names != names[apart.argmin()]].min())


def test_nearest_of_copies_is_exactly_zero_and_there_may_be_nobody_else():
    _, distance, beyond = nearest(1e6 + A, 1e6 + A)
    assert (distance == 0).all() and np.isfinite(beyond).all()
    assert np.isinf(nearest(A, B, owners=np.zeros(45))[2]).all()


@pytest.mark.parametrize("rows", [A[:, :3], np.full((5, 8), np.nan), A[:1], [[1.0], [2.0, 3.0]], A[0]])
def test_what_is_no_second_heap_is_refused(rows):
    with pytest.raises(InputError):
        frechet_distance(A, rows)


@pytest.mark.parametrize(
    ("posteriors", "splits"), [(np.full((20, 3), 0.5), 1), (np.eye(3), 4), ([[1.5, -0.5]] * 9, 1)]
)
def test_what_is_no_posterior_is_refused(posteriors, splits):
    with pytest.raises(InputError):
        inception_score(posteriors, splits=splits)
