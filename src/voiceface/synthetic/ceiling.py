"""The best score that anybody could reach on synthetic people, from the exact posterior of the causal model.

An oracle sees a voice's and a face's observed traits without any error of hearing or seeing and knows the
model. Nothing beats the likelihood ratio it computes (Neyman and Pearson 1933), so the oracle's scores
bound every matcher's. The ratio is exact; its AUC and the like are averages over people drawn in
independent blocks, whose scatter gives the error stated beside every number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.metrics.roc import SortedTrials, area, crossing
from voiceface.synthetic.traits import CONTINUOUS, CausalModel, Population, age_in_years, random_generator

Floats = npt.NDArray[np.float64]

AGE_BANDS = (35.0, 55.0)
"""Years at which the three bands of stratum A meet."""

STRATA: Mapping[str, tuple[str, ...]] = {
    "random": (),
    "G": ("sex",),
    "N": ("accent",),
    "A": ("age",),
    "GNA": ("sex", "accent", "age"),
}
"""What the negative shares with the probe's person in each stratum: sex, accent (nationality), age band."""

_GRID = np.linspace(-9, 9, 36001)
_NORMAL = np.array([0.5 * (1 + erf(x / np.sqrt(2))) for x in _GRID])


def age_band(years: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """0 below 35 years, 1 below 55, else 2.

    >>> age_band([20, 35, 80]).tolist()
    [0, 1, 2]
    """
    return np.searchsorted(AGE_BANDS, np.asarray(years, dtype=np.float64), side="right")


def _band_edges() -> Floats:
    """The bands' borders in the standard normal cause: inverse of `age_in_years`."""
    x = np.linspace(-8, 8, 200001)
    return np.interp(AGE_BANDS, age_in_years(x), x)


_EDGES = _band_edges()


def _bands(mean: Floats, deviation: float) -> Floats:
    """Probability of each age band for a normal cause, (..., 3)."""
    below = np.interp((_EDGES - mean[..., None]) / deviation, _GRID, _NORMAL)
    return np.concatenate([below[..., :1], np.diff(below, axis=-1), 1 - below[..., -1:]], axis=-1)


def _softmax(log: Floats) -> Floats:
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _voice_codes(model: CausalModel, people: Population) -> tuple[Floats, Floats]:
    """Posterior of the sex (n, 2) and the accent (n, k) that the voice speaks with."""
    log = -0.5 * ((people.voice_sex[:, None] - np.array([-1.0, 1.0])) / model.voice_deviation("sex")) ** 2
    return _softmax(log), np.eye(len(model.accents))[people.voice_accent]


def _face_codes(model: CausalModel, people: Population) -> tuple[Floats, Floats]:
    """Posterior of the sex (n, 2) and the accent (n, k) given the face."""
    log = -0.5 * ((people.face_sex[:, None] - np.array([-1.0, 1.0])) / model.face_deviation("sex")) ** 2
    face = np.stack([people.skin, people.hair], axis=1)[:, None, :] - model.colour_means()[None]
    spread = np.array([model.face_deviation("skin"), model.face_deviation("hair")])
    return _softmax(log), _softmax(-0.5 * ((face / spread) ** 2).sum(axis=2))


def label_posteriors(model: CausalModel, people: Population, side: str) -> dict[str, Floats]:
    """Posterior of the labels ``sex`` (n, 2), ``accent`` (n, k) and ``age`` (n, 3 bands) given one side.

    ``side`` is ``"voice"`` or ``"face"``. The voice tells the label as far as the link goes.
    """
    if side == "face":
        sex, accent = _face_codes(model, people)
        gain, values, noise = 1.0, people.face[:, 0], model.face_deviation("age")
    else:
        sex, accent = _voice_codes(model, people)
        keep = model.link
        sex, accent = keep * sex + (1 - keep) / 2, keep * accent + (1 - keep) / accent.shape[1]
        gain, values, noise = keep, people.voice[:, 0], model.voice_deviation("age")
    weight = gain / (1 + noise**2)
    return {"sex": sex, "accent": accent, "age": _bands(weight * values, float(np.sqrt(1 - gain * weight)))}


def oracle_scores(
    model: CausalModel, voices: Population, faces: Population, *, stratum: str = "random"
) -> Floats:
    """Log likelihood ratio of every voice against every face, (voices, faces): same person against another.

    In a stratum the other one shares its labels with the voice's person; the score then is the best that
    can be said of one pair without being told the labels. Raises InputError for an unknown stratum.
    """
    _check_stratum(stratum)
    a = voices.voice / np.sqrt(1 + np.array([model.voice_deviation(n) for n in CONTINUOUS]) ** 2)
    b = faces.face / np.sqrt(1 + np.array([model.face_deviation(n) for n in CONTINUOUS]) ** 2)
    rho = model.correlations()
    rest = 1 - rho**2
    log = -0.5 * np.log(rest).sum() + (a * (rho / rest)) @ b.T
    log -= 0.5 * (a**2 @ (rho**2 / rest))[:, None] + 0.5 * (b**2 @ (rho**2 / rest))[None, :]
    for voice, face in zip(_voice_codes(model, voices), _face_codes(model, faces), strict=True):
        log += np.log(model.link * voice.shape[1] * (voice @ face.T) + 1 - model.link + 1e-300)
    of_voice, of_face = label_posteriors(model, voices, "voice"), label_posteriors(model, faces, "face")
    for label in STRATA[stratum]:
        log -= np.log((of_voice[label] / _priors(model)[label]) @ of_face[label].T + 1e-300)
    return np.asarray(log)


def _priors(model: CausalModel) -> dict[str, Floats]:
    k = len(model.accents)
    return {"sex": np.full(2, 0.5), "accent": np.full(k, 1 / k), "age": _bands(np.zeros(1), 1.0)[0]}


def _scores_given_labels(
    model: CausalModel,
    people: Population,
    stratum: str,
    scores: Floats,
    labels: Mapping[str, npt.NDArray[np.int64]],
) -> Floats:
    """Log ratios within each voice's own labels, told to the oracle: what ranks a gallery that shares them.

    Given its label, a trait of two or more kinds links nothing further; ages still differ within their band.
    """
    of_voice, of_face = label_posteriors(model, people, "voice"), label_posteriors(model, people, "face")
    priors, out = _priors(model), scores.copy()
    rows = np.arange(len(people))
    voice, face = _voice_codes(model, people), _face_codes(model, people)
    for place, label in enumerate(("sex", "accent")):
        if label in STRATA[stratum]:
            both = voice[place] @ face[place].T
            out -= np.log(model.link * voice[place].shape[1] * both + 1 - model.link + 1e-300)
    if "age" in STRATA[stratum]:
        nv, nf, link = model.voice_deviation("age"), model.face_deviation("age"), model.link
        # Cause c ~ N(0,1); voice = link c + N(0, 1 - link² + nv²); face = c + N(0, nf²).
        pv, pf = 1 / (1 - link**2 + nv**2), 1 / nf**2
        precision = 1 + link**2 * pv + pf
        mean = (link * pv * people.voice[:, :1] + pf * people.face[:, 0][None, :]) / precision
        both = _bands(mean, float(precision**-0.5))
        own = labels["age"]
        joint = np.take_along_axis(both, own[:, None, None], axis=2)[..., 0]
        out += np.log(joint * priors["age"][own][:, None] + 1e-300)
        out -= np.log(of_voice["age"][rows, own][:, None] * of_face["age"][:, own].T + 1e-300)
    return out


def _check_stratum(stratum: str) -> None:
    if stratum not in STRATA:
        raise InputError("stratum", f"{stratum!r} is unknown", "one of " + ", ".join(STRATA))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over independent blocks and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        """The value and its error, to four places."""
        return f"{self.value:.4f} ± {self.error:.4f}"


class CeilingKey(NamedTuple):
    """Which of an oracle's figures."""

    protocol: str
    """``verification``, ``matching``, ``retrieval`` or ``attributes``."""
    stratum: str
    """One of `STRATA`; of attributes the side that shows them, ``voice`` or ``face``."""
    direction: str
    """``voice->face``, ``face->voice``, or empty where there is none."""
    figure: str
    """``auc``, ``eer``, ``1:N``, ``R@K``, ``map`` or ``median_rank``; of attributes the label."""


def ceiling(
    model: CausalModel,
    *,
    strata: Iterable[str] = tuple(STRATA),
    sizes: Sequence[int] = (2, 3, 4, 5, 6, 7, 8, 9, 10),
    gallery: int = 250,
    faces: int = 1,
    recall: Sequence[int] = (1, 5, 10),
    blocks: int = 24,
    seed: int = 0,
) -> dict[CeilingKey, Estimate]:
    """The best possible verification, matching, retrieval and attribute scores of a causal model.

    ``gallery`` people with ``faces`` items each are searched in retrieval and drawn anew for each of the
    ``blocks``, at least 2; errors are standard errors over blocks. In matching within a stratum the oracle
    is told the labels that a whole gallery shares. Raises InputError for an unknown stratum or an
    impossible number.

    >>> best = ceiling(CausalModel(link=0.0), strata=["random"], sizes=[2], gallery=40, blocks=4)
    >>> print(best[CeilingKey("verification", "random", "", "auc")])
    0.5000 ± 0.0000
    """
    strata = tuple(strata)
    if blocks < 2 or gallery < max(*sizes, 2) or faces < 1 or min(sizes) < 2:
        raise InputError(
            "ceiling", "was asked for impossible numbers", "at least 2 blocks, sizes 2..gallery, 1 face"
        )
    found: dict[CeilingKey, list[float]] = {}
    for block in range(blocks):
        people = model.sample(gallery, random_generator(seed, block, 0xCE11))
        reached = people_scores(model, people, strata=strata, sizes=sizes, faces=faces, recall=recall)
        for key, value in reached.items():
            found.setdefault(key, []).append(value)
    return {
        key: Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))
        for key, values in found.items()
        if len(values) > 1  # else a stratum that hardly any draw of so few people has: no error can be stated
    }


def people_scores(
    model: CausalModel,
    people: Population,
    *,
    strata: Iterable[str] = tuple(STRATA),
    sizes: Sequence[int] = (2, 5, 10),
    faces: int = 1,
    recall: Sequence[int] = (1, 5, 10),
) -> dict[CeilingKey, float]:
    """What the oracle reaches on these very people.

    Off the ceiling by the luck of the draw; strata without two people and too large galleries are left out.
    Raises InputError for an unknown stratum.
    """
    found: dict[CeilingKey, float] = {}
    labels = {"sex": people.sex, "accent": people.accent, "age": age_band(age_in_years(people.causes[:, 0]))}
    scores = oracle_scores(model, people, people)
    for stratum in strata:
        _check_stratum(stratum)
        pairs = oracle_scores(model, people, people, stratum=stratum) if STRATA[stratum] else scores
        allowed = ~np.eye(len(people), dtype=bool)
        for label in STRATA[stratum]:
            allowed &= labels[label][:, None] == labels[label][None, :]
        if allowed.any():
            for figure, value in zip(("auc", "eer"), _verification(pairs, allowed), strict=True):
                found[CeilingKey("verification", stratum, "", figure)] = value
        given_labels = _scores_given_labels(model, people, stratum, scores, labels)
        for way, matrix in (("voice->face", given_labels), ("face->voice", given_labels.T)):
            for size in sizes:
                accuracy = _matching(matrix, allowed, size)
                if accuracy is not None:
                    found[CeilingKey("matching", stratum, way, f"1:{size}")] = accuracy
    for way, matrix in (("voice->face", scores), ("face->voice", scores.T)):
        for figure, value in _retrieval(matrix, faces, recall).items():
            found[CeilingKey("retrieval", "random", way, figure)] = value
    for side in ("voice", "face"):
        for label, posterior in label_posteriors(model, people, side).items():
            # The best guess's own probability of being right: same mean as counting hits, less scatter.
            found[CeilingKey("attributes", side, "", label)] = float(posterior.max(axis=1).mean())
    return found


def _verification(scores: Floats, allowed: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """AUC and interpolated equal error rate; every probe's negatives weigh one together."""
    count = allowed.sum(axis=1)
    use = count > 0
    positive = np.diag(scores)[use]
    negative = scores[use][allowed[use]]
    weight = np.repeat(1 / count[use], count[use]) / use.sum()
    weights = np.concatenate([np.full(len(positive), 1 / len(positive)), weight])
    # Equal likelihoods, computed in another order, differ in their last digits.
    values = np.round(np.concatenate([positive, negative]), 12)
    trials = SortedTrials.of(values, np.arange(len(values)) < len(positive))
    false, true = trials.cumulate(weights[trials.order])
    return area(false, true), crossing(false, true)


def _matching(scores: Floats, allowed: npt.NDArray[np.bool_], size: int) -> float | None:
    """Mean chance that the positive beats ``size - 1`` others drawn at random; a tie of k earns 1/k."""
    own = np.diag(scores)[:, None]
    below = (allowed & (scores < own - 1e-9)).sum(axis=1)
    tied = (allowed & (np.abs(scores - own) <= 1e-9)).sum(axis=1)
    total = allowed.sum(axis=1)
    use = total >= size - 1
    if not use.any():
        return None
    below, tied, total = below[use].astype(float), tied[use].astype(float), total[use].astype(float)
    chance = np.zeros(len(total))
    # Choose j of the tied and the rest from those below: hypergeometric, summed in logs.
    for j in range(size):
        ways = _log_choose(tied, j) + _log_choose(below, size - 1 - j) - _log_choose(total, size - 1)
        chance += np.exp(ways) / (j + 1)
    return float(chance.mean())


def _log_choose(n: Floats, k: int) -> Floats:
    out = np.zeros(len(n))
    for i in range(k):
        with np.errstate(divide="ignore"):
            out += np.log(np.maximum(n - i, 0)) - np.log(i + 1)
    return out


def _retrieval(scores: Floats, faces: int, recall: Sequence[int]) -> dict[str, float]:
    """Recall at K, mean average precision and median rank of a gallery with ``faces`` items a person."""
    own = np.diag(scores)[:, None]
    above = (scores > own + 1e-9).sum(axis=1)
    tied = (np.abs(scores - own) <= 1e-9).sum(axis=1) - 1
    place = above + tied / 2
    out = {}
    for k in recall:
        people = -(-k // faces)
        out[f"R@{k}"] = float(np.clip((people - above) / (tied + 1), 0, 1).mean())
    items = np.arange(1, faces + 1)
    out["map"] = float(np.mean(items / (place[:, None] * faces + items)))
    out["median_rank"] = float(np.median(place * faces + 1))
    return out
