"""Verification: figures, strata, folds, intervals, and every bad input by its message."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import voiceface.protocols as protocols
from voiceface.errors import InputError
from voiceface.metrics.roc import auc
from voiceface.protocols import verification
from voiceface.protocols.pair_verification import pair_trials
from voiceface.protocols.paired_comparison import compare


def simulated(people=40, seed=0, strength=1.0):
    """All pairs of one or two voices and faces a person."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(people, 5))
    person = np.repeat(np.arange(people), 1 + np.arange(people) % 2)
    voices, faces = (strength * own[person] + rng.normal(size=(len(person), 5)) for _ in range(2))
    return voices @ faces.T, person


def test_the_package_offers_its_protocols():
    assert {"compare", "matching", "retrieval", "verification"} <= set(protocols.__all__)
    assert all(callable(getattr(protocols, name)) for name in protocols.__all__)
    with pytest.raises(AttributeError):
        _ = protocols.nothing


def test_figures_and_interval():
    score, person = simulated()
    t = pair_trials(score, people=(person, person))
    report = verification(t.scores, t.labels, people=t.people, resamples=300)
    assert report.auc.value == pytest.approx(roc_auc_score(t.labels, t.scores))
    assert 0.02 < report.auc.high - report.auc.low < 0.25
    assert report.auc.low < report.auc.value < report.auc.high
    assert report.eer.value == pytest.approx(report.eer_conventions["interpolated"])
    assert report.auc.people == 40 and report.auc.n == t.labels.size and report.auc.chance == 0.5
    again = verification(t.scores, t.labels, people=t.people, resamples=300)
    assert report == again or report.to_dict() == again.to_dict()
    assert "chance 0.500" in str(report)


def test_strata_and_videos_are_their_own_trials():
    rng = np.random.default_rng(0)
    same = np.arange(400) % 2 == 0
    scores = rng.normal(size=400) + same
    people = np.where(same, "a", "b"), np.full(400, "a")
    mask = rng.random(400) < 0.5
    video = np.where(rng.random(400) < 0.6, "v", "w")
    report = verification(
        scores, same, people=people, strata={"half": mask}, videos=(video, np.full(400, "v")), resamples=0
    )
    assert report.strata["half"][0].value == pytest.approx(roc_auc_score(same[mask], scores[mask]))
    one = ~same | (video == "v")
    two = ~same | (video == "w")
    assert report.strata["same-video positives"][0].value == pytest.approx(
        roc_auc_score(same[one], scores[one])
    )
    assert report.strata["cross-video positives"][0].value == pytest.approx(
        roc_auc_score(same[two], scores[two])
    )


def test_folds_are_compared_within_and_averaged():
    score, person = simulated()
    fold = person % 4
    score = score + 100 * fold[:, None]  # a fold's level must not matter
    t = pair_trials(score, people=(person, person), groups=(fold, fold))
    report = verification(t.scores, t.labels, people=t.people, groups=t.groups, resamples=200)
    each = [roc_auc_score(t.labels[t.groups == g], t.scores[t.groups == g]) for g in range(4)]
    assert report.auc.value == pytest.approx(np.mean(each)) and report.auc.groups == 4
    assert report.auc.low < report.auc.value < report.auc.high
    assert (fold[t.voices] == fold[t.faces]).all() and len(t.scores) == sum(
        (fold == g).sum() ** 2 for g in range(4)
    )


def test_a_fold_of_one_class_is_counted_and_printed():
    report = verification([3, 1, 2, 5, 4], [1, 0, 0, 1, 1], groups=["a", "a", "a", "b", "b"], resamples=0)
    assert report.auc.value == 1.0
    assert report.excluded == {"trials of groups of one class in 'all'": 2}
    assert "left out: trials of groups of one class in 'all': 2" in str(report)


@pytest.mark.parametrize(("scores", "expected"), [("flat", 0.5), ("perfect", 1.0), ("inverted", 0.0)])
@pytest.mark.parametrize("grouped", [False, True])
def test_collapsed_perfect_and_inverted(scores, expected, grouped):
    _, person = simulated()
    same = person[:, None] == person[None, :]
    matrix = {"flat": np.full(same.shape, 0.3), "perfect": same * 1.0, "inverted": 1.0 - same}[scores]
    fold = person % 3
    t = pair_trials(matrix, people=(person, person), groups=(fold, fold) if grouped else None)
    report = verification(t.scores, t.labels, people=t.people, groups=t.groups, resamples=50)
    assert (report.auc.value, report.auc.low, report.auc.high) == (expected, expected, expected)
    assert report.eer.value == pytest.approx(1 - expected, abs=1e-15)


def test_no_people_no_interval_and_it_says_so():
    report = verification([2.0, 1.0], [1, 0])
    assert np.isnan(report.auc.low) and "people of the trials were not given" in str(report)
    assert report.to_dict()["rows"]["all"][0]["low"] is None


def test_interval_covers_the_truth():
    """A short run of the benchmark's table: of 80 experiments at 95 %, 88 % is three deviations down."""
    many = [simulated(people=300, seed=900 + s) for s in range(6)]
    trials = [pair_trials(score, people=(person, person)) for score, person in many]
    truth = np.mean([auc(t.scores, t.labels) for t in trials])
    inside = 0
    for seed in range(80):
        score, person = simulated(people=40, seed=seed)
        t = pair_trials(score, people=(person, person))
        found = verification(t.scores, t.labels, people=t.people, resamples=120, seed=seed).auc
        inside += found.low <= truth <= found.high
    assert 0.88 <= inside / 80 < 1.0


def test_comparison_of_two_models_is_paired():
    score, person = simulated(people=60)
    rng = np.random.default_rng(0)
    t = pair_trials(score, people=(person, person))
    noisy = t.scores + rng.normal(size=len(t.scores)) * 4
    better = compare(t.scores, noisy, t.labels, people=t.people, resamples=200)
    assert better.difference.low > 0 and better.p < 0.05
    alone = [verification(s, t.labels, people=t.people, resamples=200).auc for s in (t.scores, noisy)]
    assert better.difference.high - better.difference.low < max(a.high - a.low for a in alone)
    nothing = compare(t.scores, t.scores * 3, t.labels, people=t.people, resamples=50, figure="EER")
    assert nothing.difference.value == nothing.difference.low == 0 and nothing.p == 1.0
    with pytest.raises(InputError, match="choose from"):
        compare(t.scores, noisy, t.labels, people=t.people, figure="F1")


GOOD = [0.9, 0.1, 0.8, 0.2]
BAD = [
    ((GOOD, [1, 0, 1]), {}, r"labels: has shape \(3,\) beside 4 scores"),
    (([], []), {}, "scores"),
    (([0.9, np.nan, np.inf, 0.2], [1, 0, 1, 0]), {}, r"2 \(1, 2\) of 4 are NaN or infinite"),
    ((GOOD, [1, 1, 1, 1]), {}, "all 4 trials are positive"),
    ((GOOD, [0, 0, 0, 0]), {}, "all 4 trials are negative"),
    ((GOOD, [1, 0, None, 0]), {}, r"1 \(2\) of 4 are neither 0 nor 1"),
    ((GOOD, [1, 0, np.nan, 0]), {}, r"1 \(2\) of 4 are neither 0 nor 1"),
    ((GOOD, [1, 0, 2, -1]), {}, r"2 \(2, 3\) of 4"),
    ((["a", "b", "c", "d"], [1, 0, 1, 0]), {}, "not a list of numbers"),
    ((GOOD, [1, 0, 1, 0]), {"people": (list("abcd"), list("axcc"))}, None),
    ((GOOD, [1, 0, 1, 0]), {"people": (list("abcd"), list("abcx"))}, r"1 \(1\) of 4 contradict the people"),
    ((GOOD, [1, 0, 1, 0]), {"people": (list("abc"), list("axc"))}, r"people of the voices: has shape \(3,\)"),
    ((GOOD, [1, 0, 1, 0]), {"people": (["a", "", "c", "d"], list("axcx"))}, r"1 \(1\) of 4 are blank"),
    ((GOOD, [1, 0, 1, 0]), {"people": ([1, 2, 3, 4], list("1x3x"))}, "name the same people in the same way"),
    ((GOOD, [1, 0, 1, 0]), {"strata": {"G": [1, 0, 1, 0]}}, "stratum 'G': is int64 of shape"),
    ((GOOD, [1, 0, 1, 0]), {"strata": {"G": [True, False, True, False]}}, "2 positives and 0 negatives"),
    ((GOOD, [1, 0, 1, 0]), {"groups": ["a", "b"]}, r"groups: has shape \(2,\)"),
]


@pytest.mark.parametrize(("args", "options", "message"), BAD)
def test_bad_input_is_named_and_counted(args, options, message):
    if message is None:  # the good neighbour of the next case, to see that the case itself decides
        verification(*args, **options, resamples=5)
        return
    with pytest.raises(InputError, match=message) as caught:
        verification(*args, **options, resamples=5)
    assert "\n" not in str(caught.value) and caught.value.remedy
