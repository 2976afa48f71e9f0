"""The causal model of synthetic people and the oracle's ceiling, against independent references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from voiceface.errors import InputError
from voiceface.synthetic.ceiling import (
    STRATA,
    CeilingKey,
    _scores_given_labels,
    age_band,
    ceiling,
    label_posteriors,
    oracle_scores,
)
from voiceface.synthetic.people import synthetic_person
from voiceface.synthetic.traits import CONTINUOUS, CausalModel, Population, age_in_years

AUC = CeilingKey("verification", "random", "", "auc")
LOUD = 200.0
"""Noise that hides a trait."""
ONLY_SEX = CausalModel(
    link=1.0,
    voice_noise={"sex": 0.01} | dict.fromkeys(CONTINUOUS, LOUD),
    face_noise={"sex": 0.01} | dict.fromkeys(CONTINUOUS, LOUD),
    accents=("american",),
)


def auc(positive, negative):
    """The textbook definition, ties counted half."""
    return float(np.mean((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)))


def stacked(people):
    """Many single people as one population."""
    fields = Population.__slots__
    return Population(**{n: np.concatenate([getattr(p.population, n) for p in people]) for n in fields})


@pytest.mark.parametrize("link", [0.0, 0.4, 1.0])
def test_the_link_is_the_correlation_and_the_share_kept(link):
    model = CausalModel(link=link)
    people = model.sample(40000, np.random.default_rng(1))
    for i, name in enumerate(CONTINUOUS):
        measured = np.corrcoef(people.voice[:, i], people.face[:, i])[0, 1]
        expected = link / np.hypot(1, model.voice_deviation(name)) / np.hypot(1, model.face_deviation(name))
        assert abs(measured - expected) < 0.02
        assert abs(model.correlations()[i] - expected) < 1e-12
    assert abs(np.mean(people.voice_accent == people.accent) - (link + (1 - link) / 8)) < 0.01
    heard_man = people.voice_sex > 0
    assert abs(np.mean(heard_man == (people.sex == 1)) - (link + (1 - link) / 2)) < 0.01


def test_the_ratio_equals_densities_from_scipy():
    """A slow loop over hidden causes with scipy's densities gives the same ratio."""
    model = CausalModel(link=0.6, accents=("american", "swedish", "indian"))
    people = model.sample(6, np.random.default_rng(2))
    scores = oracle_scores(model, people, people)
    for i in range(6):
        for j in range(6):
            log = 0.0
            for k, rho in enumerate(model.correlations()):
                a = people.voice[i, k] / np.hypot(1, model.voice_deviation(CONTINUOUS[k]))
                b = people.face[j, k] / np.hypot(1, model.face_deviation(CONTINUOUS[k]))
                log += stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).logpdf([a, b])
                log -= stats.norm.logpdf(a) + stats.norm.logpdf(b)
            joint = voice_alone = face_alone = 0.0
            for h in range(2):
                p_v = stats.norm.pdf(people.voice_sex[i], 2 * h - 1, 0.35)
                voice_alone += p_v / 2
                for g in range(2):
                    p_f = stats.norm.pdf(people.face_sex[j], 2 * g - 1, 0.35)
                    joint += (0.6 * (h == g) / 2 + 0.4 / 4) * p_v * p_f
            for g in range(2):
                face_alone += stats.norm.pdf(people.face_sex[j], 2 * g - 1, 0.35) / 2
            log += np.log(joint / voice_alone / face_alone)
            p_face = np.array(
                [
                    stats.norm.pdf(people.skin[j], s, 0.35) * stats.norm.pdf(people.hair[j], t, 0.35)
                    for s, t in model.colour_means()
                ]
            )
            heard = people.voice_accent[i]
            together = sum((0.6 * (heard == g) / 3 + 0.4 / 9) * p_face[g] for g in range(3))
            log += np.log(together / (1 / 3) / p_face.mean())
            assert scores[i, j] == pytest.approx(log, abs=1e-8)


@pytest.mark.parametrize("stratum", list(STRATA))
def test_the_ratio_averages_one_over_negatives(stratum):
    """A true density ratio has mean 1 under the negatives it was made for: here over fresh pairs."""
    model = CausalModel(link=0.35, voice_noise=dict.fromkeys(CONTINUOUS, 1.5))
    rng = np.random.default_rng(3)
    people = model.sample(900, rng)
    allowed = ~np.eye(900, dtype=bool)
    labels = {"sex": people.sex, "accent": people.accent, "age": age_band(age_in_years(people.causes[:, 0]))}
    for label in STRATA[stratum]:
        allowed &= labels[label][:, None] == labels[label]
    scores = oracle_scores(model, people, people, stratum=stratum)
    ratio = np.where(allowed, np.exp(scores), 0).sum(axis=1) / allowed.sum(axis=1)
    assert ratio.mean() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("stratum", list(STRATA))
def test_the_ratio_told_the_labels_averages_one_too(stratum):
    """What ranks a gallery is a density ratio among those who share the labels, for each label by itself."""
    noise = dict.fromkeys(CONTINUOUS, 1.5) | {"sex": 1.0}
    model = CausalModel(link=0.6, voice_noise=noise, face_noise={"sex": 1.0, "skin": 1.0, "hair": 1.0})
    people = model.sample(900, np.random.default_rng(6))
    labels = {"sex": people.sex, "accent": people.accent, "age": age_band(age_in_years(people.causes[:, 0]))}
    scores = oracle_scores(model, people, people)
    told = _scores_given_labels(model, people, stratum, scores, labels)
    allowed = ~np.eye(900, dtype=bool)
    for label in STRATA[stratum]:
        allowed &= labels[label][:, None] == labels[label]
    ratio = np.where(allowed, np.exp(told), 0).sum(axis=1) / allowed.sum(axis=1)
    for label in STRATA[stratum][:1]:
        for value in np.unique(labels[label]):
            assert ratio[labels[label] == value].mean() == pytest.approx(1.0, abs=0.12)
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)
    if stratum in ("G", "N"):
        own = np.mean(np.diag(told)[:, None] > np.where(allowed, told, np.nan), where=allowed)
        mixed = np.mean(np.diag(scores)[:, None] > np.where(allowed, scores, np.nan), where=allowed)
        assert own > mixed  # what the gallery shares is noise to an oracle that is not told


@pytest.mark.parametrize("link", [0.5, 1.0])
def test_an_oracle_reaches_the_ceiling(link):
    model = CausalModel(link=link)
    best = ceiling(model, sizes=[2, 5], gallery=120, blocks=16)
    people = stacked([synthetic_person(seed, link=link) for seed in range(900)])
    scores = oracle_scores(model, people, people)
    off = ~np.eye(900, dtype=bool)
    found = auc(np.diag(scores), np.random.default_rng(0).choice(scores[off], 4000, replace=False))
    stated = best[AUC]
    own_error = np.sqrt(found * (1 - found) / 900)
    assert abs(found - stated.value) < 4 * np.hypot(stated.error, own_error)
    rng, right = np.random.default_rng(5), 0.0
    for i in range(900):
        others = rng.choice(np.delete(np.arange(900), i), 4, replace=False)
        right += scores[i, i] > scores[i, others].max()
    stated = best[CeilingKey("matching", "random", "voice->face", "1:5")]
    rate = right / 900
    assert abs(rate - stated.value) < 4 * np.hypot(stated.error, np.sqrt(rate * (1 - rate) / 900))
    nearest = (scores > np.diag(scores)[:, None]).sum(axis=1)
    chance_of_first = best[CeilingKey("retrieval", "random", "voice->face", "R@1")].value
    assert (nearest == 0).mean() <= chance_of_first  # a gallery of 900 is harder than one of 120


def test_no_statistic_of_the_traits_beats_the_ceiling():
    """A sensible rival (the sum of products of traits) stays below."""
    model = CausalModel(link=0.7)
    people = model.sample(1200, np.random.default_rng(8))
    rival = people.voice @ people.face.T + 2 * np.outer(people.voice_sex, people.face_sex)
    off = ~np.eye(1200, dtype=bool)
    rng = np.random.default_rng(0)
    best = ceiling(model, strata=["random"], sizes=[2], gallery=200, blocks=12)[AUC]
    assert 0.6 < auc(np.diag(rival), rng.choice(rival[off], 4000)) < best.value - 3 * best.error


def test_without_a_link_there_is_only_chance():
    best = ceiling(CausalModel(link=0.0), sizes=[2, 10], gallery=60, blocks=3)
    for key, estimate in best.items():
        if key.protocol == "verification":
            assert estimate.value == pytest.approx(0.5, abs=1e-9), key
        if key.protocol == "matching":
            assert estimate.value == pytest.approx(1 / int(key.figure[2:]), abs=1e-9), key
    assert best[CeilingKey("retrieval", "random", "face->voice", "R@5")].value == pytest.approx(5 / 60)
    assert best[CeilingKey("attributes", "voice", "", "sex")].value == pytest.approx(0.5)
    assert best[CeilingKey("attributes", "voice", "", "accent")].value == pytest.approx(1 / 8)
    people = stacked([synthetic_person(seed, link=0.0) for seed in range(700)])
    scores = oracle_scores(CausalModel(link=1.0), people, people)  # even a mistaken believer in the link
    off = ~np.eye(700, dtype=bool)
    assert abs(auc(np.diag(scores), np.random.default_rng(0).choice(scores[off], 4000)) - 0.5) < 0.045


def test_within_sex_strata_remove_exactly_the_sex_information():
    """Where sex is the only link, it decides 3/4 of all pairs, and nothing is left among pairs of one sex."""
    best = ceiling(ONLY_SEX, sizes=[2, 4], gallery=200, blocks=12)
    assert best[AUC].value == pytest.approx(0.75, abs=0.01)
    assert best[CeilingKey("matching", "random", "voice->face", "1:2")].value == pytest.approx(0.75, abs=0.01)
    # With 3 others, k of whom share the sex: mean of 1/(1+k), k binomial(3, 1/2).
    assert best[CeilingKey("matching", "random", "voice->face", "1:4")].value == pytest.approx(
        (1 + 3 / 2 + 3 / 3 + 1 / 4) / 8, abs=0.01
    )
    assert best[AUC._replace(stratum="G")].value == pytest.approx(0.5, abs=0.01)
    assert best[CeilingKey("matching", "G", "voice->face", "1:2")].value == pytest.approx(0.5, abs=0.01)
    assert best[AUC._replace(stratum="A")].value == pytest.approx(0.75, abs=0.02)
    assert best[CeilingKey("attributes", "voice", "", "sex")].value > 0.999


def test_within_sex_strata_keep_everything_else():
    """Hiding sex altogether gives the same score within one sex as the stratum does."""
    hidden = CausalModel(link=1.0, voice_noise={"sex": LOUD}, face_noise={"sex": LOUD})
    blind = ceiling(hidden, strata=["random"], sizes=[2], gallery=200, blocks=16)[AUC]
    within = ceiling(CausalModel(link=1.0), strata=["G"], sizes=[2], gallery=200, blocks=16)[
        AUC._replace(stratum="G")
    ]
    assert abs(blind.value - within.value) < 5 * np.hypot(blind.error, within.error) + 2e-4


def test_attribute_posteriors_are_calibrated():
    model = CausalModel(link=0.6)
    people = model.sample(20000, np.random.default_rng(4))
    labels = {"sex": people.sex, "accent": people.accent, "age": age_band(age_in_years(people.causes[:, 0]))}
    for side in ("voice", "face"):
        for name, p in label_posteriors(model, people, side).items():
            assert np.allclose(p.sum(axis=1), 1)
            guess, truth = p.argmax(axis=1), labels[name]
            assert np.mean(guess == truth) == pytest.approx(p.max(axis=1).mean(), abs=0.015), (side, name)


def test_more_faces_a_person_are_counted_as_found_together():
    one = ceiling(CausalModel(), strata=["random"], sizes=[2], gallery=50, blocks=3, faces=1, recall=(1, 2))
    four = ceiling(CausalModel(), strata=["random"], sizes=[2], gallery=50, blocks=3, faces=4, recall=(4, 8))
    assert (
        four[CeilingKey("retrieval", "random", "voice->face", "R@4")]
        == one[CeilingKey("retrieval", "random", "voice->face", "R@1")]
    )
    assert (
        four[CeilingKey("retrieval", "random", "voice->face", "R@8")]
        == one[CeilingKey("retrieval", "random", "voice->face", "R@2")]
    )


def test_people_repeat_by_seed():
    a, b = synthetic_person(7), synthetic_person(7)
    assert a.voice == b.voice
    assert a.face == b.face
    assert synthetic_person(8).voice != a.voice
    assert synthetic_person(7, link=0.3).face == a.face  # the link moves the voice, the face stays
    assert 18 <= a.age <= 82
    assert a.record().gender == a.sex


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: CausalModel(link=1.2), "link"),
        (lambda: CausalModel(link=float("nan")), "link"),
        (lambda: synthetic_person(1, accent="swedsh"), "did you mean swedish"),
        (lambda: CausalModel(voice_noise={"breth": 1.0}), "did you mean breath"),
        (lambda: CausalModel(face_noise={"sex": 0.0}), "noise of sex"),
        (lambda: CausalModel(accents=()), "accents"),
        (lambda: CausalModel().sample(0, np.random.default_rng(0)), "people"),
        (lambda: synthetic_person(-1), "seed"),
        (lambda: ceiling(CausalModel(), strata=["Q"]), "stratum"),
        (lambda: ceiling(CausalModel(), gallery=3), "ceiling"),
    ],
)
def test_impossible_numbers_are_refused_in_one_line(make, word):
    with pytest.raises(InputError, match=word) as caught:
        make()
    assert "\n" not in str(caught.value)
