"""Retrieval against plain loops, its chance, its blocks and its bad input."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from voiceface.errors import InputError
from voiceface.protocols import comparison_groups, gallery_retrieval, retrieval


def simulated(people=12, seed=0, width=6):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(people, width))
    person = np.repeat(np.arange(people), 1 + np.arange(people) % 3)
    return [own[person] + rng.normal(size=(len(person), width)) for _ in range(2)], person


def by_loop(score, probe, gallery, k):
    hits, precisions, firsts = [], [], []
    for row, person in zip(score, probe, strict=True):
        right = (gallery == person)[np.argsort(-row)]
        hits.append(right[:k].any())
        firsts.append(np.flatnonzero(right)[0] + 1)
        precisions.append(average_precision_score(gallery == person, row))
    return np.mean(hits), np.mean(precisions), np.mean(firsts), np.sort(firsts)[(len(firsts) - 1) // 2]


def test_figures_match_a_loop_in_both_directions():
    (voices, faces), person = simulated()
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (voices, faces)]
    score = unit[0] @ unit[1].T
    for given in ((voices, faces), score):
        report = retrieval(given, people=(person, person), ks=(1, 3), resamples=100)
        for direction, matrix in (("voice->face", score), ("face->voice", score.T)):
            got = [report.figure(n, direction=direction) for n in ("R@3", "mAP", "mean rank", "median rank")]
            assert [e.value for e in got] == pytest.approx(by_loop(matrix, person, person, 3), abs=1e-6)
            assert all(e.low <= e.value <= e.high and e.low < e.high for e in got)
            assert report.gallery[direction] == len(person)


def test_strata_and_groups_cut_galleries():
    (voices, faces), person = simulated(people=20)
    score, sex, fold = voices @ faces.T, np.where(person % 2, "f", "m"), person // 10
    report = retrieval(
        score, people=(person, person), ks=(2,), strata={"sex": (sex, sex)}, groups=(fold, fold), resamples=0
    )
    means = []
    for f in (0, 1):
        parts = [np.flatnonzero((fold == f) & (sex == s)) for s in "fm"]
        found = [by_loop(score[np.ix_(k, k)], person[k], person[k], 2)[:2] for k in parts]
        means.append(np.average(found, axis=0, weights=[len(k) for k in parts]))
    got = [report.figure(n, stratum="sex").value for n in ("R@2", "mAP")]
    assert got == pytest.approx(np.mean(means, axis=0), abs=1e-9)
    assert report.figure("mAP").groups == 2


def test_blocks_do_not_change_anything(monkeypatch):
    (voices, faces), person = simulated()
    whole = retrieval((voices, faces), people=(person, person), resamples=30)
    monkeypatch.setattr(
        gallery_retrieval, "blocks", lambda size, width: comparison_groups.blocks(size, width, limit=60)
    )
    cut = retrieval((voices, faces), people=(person, person), resamples=30)
    for name, row in whole.rows.items():
        assert [e.value for e in row] == pytest.approx([e.value for e in cut.rows[name]], abs=1e-12)


@pytest.mark.parametrize("kind", ["embeddings", "matrix"])
def test_a_collapsed_embedder_earns_exactly_chance(kind):
    """Constant vectors of an odd width, whose dot products a blocked matrix product rounds unequally."""
    person = np.repeat(np.arange(30), 3)
    rng = np.random.default_rng(0)
    voice, face = rng.normal(size=(2, 333))
    given = (np.tile(voice, (90, 1)), np.tile(face, (90, 1)))
    report = retrieval(
        given if kind == "embeddings" else np.zeros((90, 90)), people=(person, person), ks=(1, 7)
    )
    for e in (e for row in report.rows.values() for e in row):
        assert e.value == pytest.approx(e.chance, abs=1e-12)


def test_perfect_and_inverted():
    person = np.repeat(np.arange(10), 2)
    same = person[:, None] == person[None, :]
    best = retrieval(same * 1.0, people=(person, person), ks=(1, 10), resamples=20)
    worst = retrieval(1.0 - same, people=(person, person), ks=(1, 10), resamples=20)
    for name, one, nothing in (("R@1", 1, 0), ("R@10", 1, 0), ("mAP", 1, (1 / 19 + 2 / 20) / 2)):
        assert best.figure(name).value == pytest.approx(one, abs=1e-15)
        assert worst.figure(name).value == pytest.approx(nothing, abs=1e-15)
    assert best.figure("median rank").value == 1 and worst.figure("median rank").value == 19


def test_random_scores_average_to_exactly_chance():
    """Over all orders of the gallery's items, tied or not: nothing is left to the draw."""
    from itertools import permutations

    person = np.array([0, 0, 1, 2, 3])
    scores = np.random.default_rng(1).integers(0, 4, (5, 5)).astype(float)
    values, chance = [], None
    for order in permutations(range(5)):
        row = retrieval(scores[:, list(order)], people=(person, person), ks=(1, 2), resamples=0).rows[
            "voice->face"
        ]
        values.append([e.value for e in row[:-1]])  # the median of a mixture is not the mean of medians
        chance = [e.chance for e in row[:-1]]
    np.testing.assert_allclose(np.mean(values, axis=0), chance, atol=1e-9)


def test_exclusions_are_counted_and_printed():
    score = np.random.default_rng(0).normal(size=(4, 3))
    sexes = (["f", "m", "", "f"], ["f", "m", "m"])
    report = retrieval(score, people=(list("abcd"), list("abc")), ks=(1,), strata={"sex": sexes}, resamples=0)
    assert report.excluded["voice->face: no item of the probe's person in the gallery"] == 1
    assert report.excluded["voice->face, sex: attribute unknown or nobody to meet"] == 1
    assert report.figure("R@1").n == 3 and "left out: voice->face: no item" in str(report)
    assert report.to_dict()["excluded"] == report.excluded


@pytest.mark.parametrize(
    ("given", "people", "ks", "message"),
    [
        (np.eye(2), (list("ab"), list("xy")), (1,), "no probe has an item of its own person"),
        (np.eye(2), (list("ab"), ["a", ""]), (1,), r"people of the faces: 1 \(1\) of 2 are blank"),
        (np.eye(2), (list("ab"), list("ab")), (0,), "ranks from 1"),
        ((np.ones((2, 3)), np.ones((2, 2))), (list("ab"), list("ab")), (1,), "3 wide and faces 2"),
        (np.array([[1, np.nan], [0, 1]]), (list("ab"), list("ab")), (1,), r"rows 1 \(0\) hold NaN"),
    ],
)
def test_bad_input_is_named(given, people, ks, message):
    with pytest.raises(InputError, match=message):
        retrieval(given, people=people, ks=ks)
