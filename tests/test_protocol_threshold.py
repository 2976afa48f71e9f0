"""A searched threshold and closed-set identification against slow loops."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.identification import identify, score_people
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.threshold_search import generated_acceptance, threshold_search

RANDOM = np.random.default_rng(0)
SAME = RANDOM.random(200) < 0.3
APART = np.where(SAME, RANDOM.normal(0.7, 0.2, 200), RANDOM.normal(1.0, 0.2, 200)).clip(0).round(2)


def judged(threshold):
    accepted = threshold >= APART
    hits, wrong = (accepted & SAME).sum(), (accepted & ~SAME).sum()
    f1 = 2 * hits / (2 * hits + wrong + (SAME & ~accepted).sum())
    return (accepted == SAME).mean(), f1, (accepted[SAME].mean() + (~accepted[~SAME]).mean()) / 2


@pytest.mark.parametrize("grid", [None, np.arange(0, 2, 0.05)])
def test_the_curve_is_every_threshold_tried(grid):
    report = threshold_search(APART, SAME, grid=grid, resamples=0)
    for at, accuracy, f1, balanced in zip(
        report.thresholds, report.accuracy, report.f1, report.balanced, strict=True
    ):
        assert (accuracy, f1, balanced) == pytest.approx(judged(at))
    assert report.accuracy.max() == pytest.approx(judged(report.threshold)[0])
    row = {e.name: e for e in report.rows["real faces"]}
    assert row["accuracy"].value == pytest.approx(judged(report.threshold)[0])
    assert row["F1"].value == pytest.approx(judged(report.threshold)[1])
    assert row["accuracy"].chance == pytest.approx(max(SAME.mean(), 1 - SAME.mean()))
    best = max(judged(at)[0] for at in np.unique(APART))
    assert grid is not None or report.accuracy.max() == pytest.approx(best)


def test_a_distance_that_tells_nothing_earns_chance_and_one_turned_round_no_more():
    flat = threshold_search(np.ones(200), SAME, resamples=0)
    row = {e.name: e for e in flat.rows["real faces"]}
    assert row["balanced accuracy"].value == 0.5 and row["F1"].value == row["F1"].chance
    wrong = threshold_search(np.where(SAME, 2.0, 1.0), SAME, resamples=0)
    assert wrong.accuracy.max() <= wrong.rows["real faces"][0].chance
    right = threshold_search(np.where(SAME, 1.0, 2.0), SAME, resamples=0)
    assert right.accuracy.max() == 1.0 and right.threshold == 1.0


def test_intervals_weigh_pairs_by_their_people():
    people = np.arange(200) % 20, np.where(SAME, np.arange(200) % 20, (np.arange(200) + 7) % 20)
    report = threshold_search(APART, SAME, people=people, resamples=300)
    for one in report.rows["real faces"]:
        assert one.low < one.value < one.high and one.people == 20
    with pytest.raises(InputError, match="contradict"):
        threshold_search(APART, ~SAME, people=people)


@pytest.mark.parametrize(
    ("distances", "labels", "told"),
    [
        (-APART - 1, SAME, "below 0"),
        (np.where(APART > 1, np.nan, APART), SAME, "NaN"),
        (APART, np.ones(200), "positive"),
        (APART, SAME[:9], "beside 200"),
        ([], [], "shape"),
    ],
)
def test_bad_pairs_are_refused(distances, labels, told):
    with pytest.raises(InputError, match=told):
        threshold_search(distances, labels)


def test_generated_faces_at_the_threshold_are_the_loop():
    generated, real = np.array(list("aabbcd")), np.array(list("abbccd"))
    apart = RANDOM.random((6, 6))
    found = np.array([1, 1, 0, 1, 1, 1])
    accepted, seen = generated_acceptance(
        apart, people=(generated, real), threshold=0.5, found=found, resamples=0
    )
    mine, others = [], []
    for k, who in enumerate(generated):
        shares = {p: np.mean(apart[k, real == p] <= 0.5) if found[k] else 0.0 for p in "abcd"}
        mine.append(shares.pop(str(who)))
        others.append(np.mean(list(shares.values())))
    assert accepted.value == pytest.approx(np.mean(mine)) and accepted.chance == pytest.approx(
        np.mean(others)
    )
    assert seen.value == pytest.approx(5 / 6)


def test_one_face_for_everybody_earns_exactly_chance_at_any_threshold():
    apart = np.tile(RANDOM.random(12), (6, 1))
    people = np.arange(6), np.repeat(np.arange(6), 2)
    for threshold in (0.2, 0.5, 0.9):
        accepted, _ = generated_acceptance(apart, people=people, threshold=threshold, resamples=0)
        assert accepted.value == pytest.approx(accepted.chance, abs=1e-12)
    sure, _ = generated_acceptance(
        np.where(people[0][:, None] == people[1], 0.1, 2.0), people=people, threshold=0.5
    )
    assert (sure.value, sure.chance) == (1.0, 0.0)
    none, _ = generated_acceptance(
        np.where(people[0][:, None] == people[1], 2.0, 0.1), people=people, threshold=0.5
    )
    assert (none.value, none.chance) == (0.0, 1.0)


def test_faces_not_found_may_hold_anything_but_others_not():
    apart = np.full((3, 3), np.nan)
    apart[0] = 0.1
    people = list("abc"), list("abc")
    accepted, seen = generated_acceptance(apart, people=people, threshold=0.5, found=[1, 0, 0], resamples=0)
    assert accepted.value == seen.value == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="2 .*NaN"):
        generated_acceptance(apart, people=people, threshold=0.5)
    with pytest.raises(InputError, match="have none"):
        generated_acceptance(apart, people=(list("abx"), list("abc")), threshold=0.5, found=[1, 0, 0])


def placed(scores, own, k, allowed):
    """Chance that the right one is among the first k when ties stand in random order, by a loop."""
    right = scores[own]
    above = sum(s > right for s, a in zip(scores, allowed, strict=True) if a)
    tied = sum(s == right for s, a in zip(scores, allowed, strict=True) if a)
    return np.mean([above + place < k for place in range(tied)])


def test_identification_is_the_loop_over_places():
    scores = RANDOM.integers(0, 4, (30, 7)).astype(float)
    names = np.array(list("gfedcba"))
    labels = names[RANDOM.integers(0, 7, 30)]
    sexes = dict(zip(names, "fmfmfm", strict=False)) | {"a": ""}
    strata = {"same gender": ([sexes[p] for p in labels], [sexes[p] for p in names])}
    report = identify(scores, labels, people=names, ks=(1, 3), strata=strata, resamples=0)
    own = [names.tolist().index(p) for p in labels]
    everybody = np.ones(7, bool)
    for k in (1, 3):
        expected = np.mean([placed(s, o, k, everybody) for s, o in zip(scores, own, strict=True)])
        assert report.figure(f"top-{k}").value == pytest.approx(expected)
        assert report.figure(f"top-{k}").chance == pytest.approx(k / 7)
    kept = [i for i, p in enumerate(labels) if sexes[p]]
    within = [
        placed(scores[i], own[i], 1, np.array([sexes[p] == sexes[labels[i]] for p in names])) for i in kept
    ]
    one = report.figure("top-1", "same gender")
    assert one.value == pytest.approx(np.mean(within)) and one.chance == pytest.approx(1 / 3)
    assert report.excluded == {"same gender: attribute unknown or nobody else to choose": 30 - len(kept)}


def test_identification_of_collapsed_perfect_inverted_and_unseen():
    names = np.arange(8).astype(str)
    labels = np.tile(names, 3)
    right = np.tile(np.eye(8), (3, 1))
    for scores, top, rank in ((np.zeros((24, 8)), 1 / 8, 4.5), (right, 1.0, 1.0), (-right, 0.0, 8.0)):
        report = identify(scores, labels, people=names, resamples=0)
        assert report.figure("top-1").value == pytest.approx(top)
        assert report.figure("mean rank").value == pytest.approx(rank)
        assert report.figure("mean rank").chance == 4.5
    half = np.arange(24) % 2
    seen = identify(np.where(half[:, None], right, np.nan), labels, people=names, found=half, resamples=0)
    assert seen.figure("top-1").value == seen.figure("top-5").value == 0.5
    assert seen.notes == ("not found, counted as misses: 12 of 24",)


@pytest.mark.parametrize(
    ("scores", "labels", "people", "told"),
    [
        (np.full((2, 2), np.nan), list("ab"), list("ab"), "NaN"),
        (np.ones((2, 2)), list("ax"), list("ab"), "no column"),
        (np.ones((2, 2)), list("ab"), list("aa"), "twice"),
        (np.ones((2, 2)), list("ab"), list("abc"), "shape"),
        (np.ones(2), list("ab"), list("ab"), "items, people"),
        (np.ones((2, 2)), ["a", ""], list("ab"), "blank"),
    ],
)
def test_bad_scores_of_people_are_refused(scores, labels, people, told):
    with pytest.raises(InputError, match=told):
        identify(scores, labels, people=people)


def test_scores_of_people_are_distances_to_their_faces():
    real, owners = RANDOM.normal(size=(9, 4)), np.array(list("bbaaccccb"))
    rows = RANDOM.normal(size=(5, 4))
    rows[2] = np.nan
    found = [1, 1, 0, 1, 1]
    means = np.stack([real[owners == p].mean(0) for p in "abc"])
    for by in ("centroid", "nearest", "cosine"):
        scores, names = score_people(rows, real, owners, by=by, found=found)
        assert names.tolist() == list("abc") and (scores[2] == 0).all()
        for i in (0, 1, 3, 4):
            for j, p in enumerate("abc"):
                if by == "cosine":
                    a, b = rows[i] - means.mean(0), means[j] - means.mean(0)
                    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                elif by == "nearest":
                    expected = -np.linalg.norm(real[owners == p] - rows[i], axis=1).min()
                else:
                    expected = -np.linalg.norm(means[j] - rows[i])
                assert scores[i, j] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match="choose 'centroid'"):
        score_people(rows, real, owners, by="median", found=found)


def test_a_share_of_none_is_not_surely_none():
    people = People(np.arange(50), resamples=100, seed=0)
    none = mean_of_items("x", np.zeros(50), people, share=True)
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 50)))
    every = mean_of_items("x", np.ones(50), people, share=True)
    assert (every.low, every.high) == (pytest.approx(0.025 ** (1 / 50)), 1.0)
    from scipy.stats import binomtest

    exact = binomtest(0, 50).proportion_ci(method="exact")
    assert none.high == pytest.approx(exact.high)


def test_the_interval_over_people_covers_the_truth():
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(150):
        each = random.integers(1, 6, 120)
        rate = np.repeat(random.beta(3, 2, 120), each)
        hits = random.random(len(rate)) < rate
        one = mean_of_items(
            "x", hits, People(np.repeat(np.arange(120), each), resamples=200, seed=seed), share=True
        )
        covered += one.low <= 0.6 <= one.high
    assert 0.89 <= covered / 150 <= 0.985
