"""Generated faces judged beside real ones: whose they are taken for, their gender, sharpness and variety."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure, figures
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.face_set import Faces
from voiceface.protocols.gallery_matching import matching
from voiceface.protocols.gender_agreement import GenderClassifier, gender_agreement
from voiceface.protocols.identification import identify, score_people
from voiceface.protocols.input_checks import as_scores
from voiceface.protocols.people_bootstrap import People, auc_of_groups, mean_of_items
from voiceface.protocols.report import Report

_MOST_PAIRS = 200_000_000
_JACKKNIFE = 20
_MAX_JACKKNIFE_PAIRS = 25_000_000
"""Pairs of faces from which on the heaps' 21 comparisons would take minutes: no interval is given."""
_STUDENT_T = 2.093
"""97.5 % of Student's t of 19 degrees."""
_MIN_FACES = 10


def generated_faces(
    generated: Faces,
    real: Faces,
    *,
    features: str,
    train: Faces | None = None,
    n: Sequence[int] = (2, 5, 10),
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Every figure of generated faces that embeddings give, with interval, chance and convention.

    Args:
        generated: Faces generated from voices; one not found in its picture is a miss in matching, gender and
            identification, and is left out of (and counted under) what compares sets of embeddings.
        real: Photographs of the same people.
        features: Name of what describes them, for the names of the figures (``"dlib embeddings"``).
        train: Photographs of the people trained on: they give the centre of the centred cosine, fit the
            gender classifier and show how far two sets of real faces lie apart. Without them ``real``
            gives the first two.
        n: Gallery sizes.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: widths differ, no face was found, or nobody has both kinds of faces.
    """
    known = train if train is not None else real
    if generated.rows.shape[1] != real.rows.shape[1] or known.rows.shape[1] != real.rows.shape[1]:
        fault = f"are {generated.rows.shape[1]}, {real.rows.shape[1]} and {known.rows.shape[1]} wide"
        raise InputError("generated, real and training faces", fault, "describe all with one model")
    if not generated.found.any():
        raise InputError(
            "generated faces", f"none of {len(generated):,} holds a face that was found", "look at them"
        )
    people = People(generated.people, resamples=resamples, seed=seed)
    rows = {"found": [mean_of_items("found", generated.found, people, share=True)]}
    parts = [
        generated_face_matching(generated, real, centre=_centre(known), n=n, resamples=resamples, seed=seed),
        _identity(generated, real, resamples=resamples, seed=seed),
        _gender(generated, known, judged=train is None, resamples=resamples, seed=seed),
        face_set_figures(generated, real, features=features, train=train, seed=seed),
    ]
    excluded: dict[str, int] = {}
    notes: list[str] = []
    for part in parts:
        rows |= part.rows
        excluded |= part.excluded
        notes += [note for note in part.notes if note not in notes]
    if not generated.found.all():
        notes.append(
            f"faces not found: {int((~generated.found).sum()):,} of {len(generated):,}, counted as misses"
        )
    if train is None:
        notes.append("no training faces given: centre and gender classifier are of the judged people's own")
    return Report(rows=rows, excluded=excluded, notes=tuple(notes))


def _centre(faces: Faces) -> Floats:
    """Mean row of the faces found; InputError where there are none."""
    if not faces.found.any():
        raise InputError("real faces", "hold none that was found", "give some")
    return np.asarray(faces.rows[faces.found].mean(axis=0))


def _may_match_within_gender(probes: Faces, gallery: Faces, size: int) -> bool:
    """Whether a probe finds its own person among ``size`` or more people of their gender."""
    for gender in set(gallery.genders.tolist()) - {""}:
        people = np.unique(gallery.people[gallery.genders == gender])
        if len(people) >= size and np.isin(probes.people[probes.genders == gender], people).any():
            return True
    return False


def generated_face_matching(
    generated: Faces,
    real: Faces,
    *,
    centre: ArrayLike,
    n: Sequence[int] = (2, 5, 10),
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """1:N matching with the generated face as probe: which of N people's photographs is nearest?

    By L2 distance and by cosine of embeddings less ``centre``; among all people and among those of the
    speaker's gender. A generated picture without a face loses every gallery.

    Args:
        generated: The probes.
        real: The gallery.
        centre: (d,) mean embedding of faces that are not judged (the training people's).
        n: Gallery sizes; those larger than the number of people are left out.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: fewer than two people with real faces, too many pairs, or nobody to match.
    """
    faces = real.only(real.found)
    sizes = [size for size in n if size <= len(np.unique(faces.people))]
    if not sizes:
        fault = f"are of {len(np.unique(faces.people))} people for galleries of {min(n)}"
        raise InputError("real faces", fault, "give faces of more people")
    if len(generated) * len(faces) > _MOST_PAIRS:
        fault = f"{len(generated):,} against {len(faces):,} real ones are too many pairs"
        raise InputError("generated faces", fault, "judge fewer of them at a time")
    known = {"same gender": (generated.genders, faces.genders)}
    strata = known if _may_match_within_gender(generated, faces, min(sizes)) else {}
    rows: dict[str, list[Estimate]] = {}
    excluded: dict[str, int] = {}
    for measure, similarity in _similarities(generated, faces, np.asarray(centre, dtype=np.float64)):
        report = matching(
            similarity,
            people=(generated.people, faces.people),
            n=sizes,
            strata=strata,
            resamples=resamples,
            seed=seed,
        )
        for name, row in report.rows.items():
            direction, _, stratum = name.partition(", ")
            if direction == "voice->face":
                rows[f"matching, {measure}" + (f", {stratum}" if stratum else "")] = row
        for reason, count in report.excluded.items():
            if reason.startswith("voice->face"):
                excluded[reason.replace("voice->face", "matching", 1)] = count
    return Report(rows=rows, excluded=excluded)


def _similarities(generated: Faces, real: Faces, centre: Floats) -> list[tuple[str, NDArray[np.float32]]]:
    """Minus L2, and centred cosine, (generated, real); one without a face scores its own person lowest."""
    mine = np.where(generated.found[:, None], generated.rows, 0.0)
    length = (mine**2).sum(axis=1)[:, None] + (real.rows**2).sum(axis=1)
    apart = np.sqrt(np.maximum(length - 2.0 * (mine @ real.rows.T), 0.0))
    left, right = (_unit(rows - centre) for rows in (mine, real.rows))
    found = []
    for name, values in (("L2", -apart), ("centred cosine", left @ right.T)):
        scores = values.astype(np.float32)
        scores[~generated.found] = np.where(
            generated.people[~generated.found, None] == real.people, -2.0, -1.0
        )
        found.append((name, scores))
    return found


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _identity(generated: Faces, real: Faces, *, resamples: int, seed: int) -> Report:
    """Closed set among the judged people, by the mean of each one's real faces."""
    faces = real.only(real.found)
    has = np.isin(generated.people, faces.people)
    probes = generated.only(has)
    if len(np.unique(faces.people)) < 2 or not len(probes):
        return Report(rows={})
    rows = np.where(probes.found[:, None], probes.rows, 0.0)
    scores, names = score_people(rows, faces.rows, faces.people, found=probes.found)
    report = identify(scores, probes.people, people=names, found=probes.found, resamples=resamples, seed=seed)
    title = f"identified among {len(names):,} people (nearest mean of real faces)"
    excluded = {} if has.all() else {"identified: no real face of the speaker": int((~has).sum())}
    return Report(rows={title: report.rows["all"]}, excluded=excluded)


def _gender(generated: Faces, known: Faces, *, judged: bool, resamples: int, seed: int) -> Report:
    """Gender agreement where gender is known well enough; else a note that says why not."""
    try:
        judge = GenderClassifier.fit(known, resamples=resamples, seed=seed)
        report = gender_agreement(generated, judge, resamples=resamples, seed=seed)
    except InputError as error:
        return Report(rows={}, notes=(f"gender is not judged: {error}",))
    of = "the judged people's" if judged else "training people's"
    return Report(
        rows=report.rows, excluded=report.excluded, notes=(f"{report.notes[0]} ({of})", report.notes[1])
    )


def face_set_figures(
    generated: Faces, real: Faces, *, features: str, train: Faces | None = None, seed: int = 0
) -> Report:
    """Generated faces as a set against real ones: Fréchet and kernel distance, spread, coverage, sharpness.

    The same is measured of training faces, as many as were generated: as
    near as another set of real faces comes. Intervals: jackknife over 20 groups of people.

    Args:
        generated: Generated faces; those not found are left out and counted.
        real: Real ones of the same people.
        features: What describes them, for the names.
        train: Real faces of other people.
        seed: Of the groups and of the training faces taken.
    """
    mine, theirs = generated.only(generated.found), real.only(real.found)
    lost = (
        {}
        if generated.found.all()
        else {"face sets: generated faces not found": int((~generated.found).sum())}
    )
    if min(len(mine), len(theirs)) < _MIN_FACES:
        why = f"face sets are not compared: {len(mine)} generated and {len(theirs)} real faces are too few"
        return Report(rows={}, excluded=lost, notes=(why,))
    other: Faces | None = None
    if train is not None and int(train.found.sum()) >= _MIN_FACES:
        others = train.only(train.found)
        random = np.random.default_rng(seed)
        other = others.only(np.sort(random.permutation(len(others))[: max(len(mine), _MIN_FACES)]))
    unit = 1.0 / max(float(theirs.rows.std(axis=0).mean()), 1e-12)
    measures = [
        (one.named(features=features), one, lambda a, b, one=one: one.function(a.rows, b.rows, unit))
        for one in figures("face sets")
    ]
    sharp = [one.only(np.isfinite(one.sharpness)) for one in (mine, theirs)]
    rows = {"generated faces as a set": _jackknife(measures, mine, theirs, seed)}
    if other is not None:
        rows["training faces in their place"] = _jackknife(measures, other, theirs, seed)
    if min(len(one) for one in sharp) >= _MIN_FACES:
        ratio = [
            (one.name, one, lambda a, b, one=one: one.function(a.sharpness, b.sharpness))
            for one in figures("sharpness")
        ]
        rows["sharpness, generated over real"] = _jackknife(ratio, sharp[0], sharp[1], seed)
    notes = (
        f"face sets: {len(mine):,} generated and {len(theirs):,} real faces; "
        "the Fréchet distance grows as faces get fewer, the kernel distance does not",
    )
    return Report(rows=rows, excluded=lost, notes=notes)


def _jackknife(
    measures: Sequence[tuple[str, Figure, Callable[[Faces, Faces], float]]],
    generated: Faces,
    real: Faces,
    seed: int,
) -> list[Estimate]:
    """Every measure, with a delete-a-group jackknife over people (Efron & Tibshirani 1993, chapter 11)."""
    names = np.unique(np.concatenate([generated.people, real.people]))
    group = np.random.default_rng(seed).permutation(len(names)) % _JACKKNIFE
    left, right = (group[np.searchsorted(names, one.people)] for one in (generated, real))
    enough = len(names) >= 2 * _JACKKNIFE and len(generated) * len(real) <= _MAX_JACKKNIFE_PAIRS
    found = []
    for name, figure, measure in measures:
        value = measure(generated, real)
        low = high = float("nan")
        if enough:
            parts = [measure(generated.only(left != g), real.only(right != g)) for g in range(_JACKKNIFE)]
            reach = _STUDENT_T * float(np.sqrt((_JACKKNIFE - 1) * np.var(parts)))
            low, high = value - reach, value + reach
            if figure.proportion:
                low, high = max(0.0, low), min(1.0, high)
        found.append(
            Estimate(
                name=name,
                value=value,
                low=low,
                high=high,
                convention=figure.convention,
                n=len(generated),
                people=len(np.unique(generated.people)),
                resamples=_JACKKNIFE if enough else 0,
            )
        )
    return found


def discriminator_scores(
    voices: ArrayLike,
    noises: ArrayLike,
    *,
    people: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Discriminator scores of faces generated from voices and from noise (Wen et al., section 4.1).

    Args:
        voices: (n,) scores of faces generated from real voices.
        noises: (m,) scores of faces generated from noise.
        people: (n,) speakers, for the intervals; every noise counts as a sample of its own.
        resamples: Over speakers and noises; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: scores missing or not finite.
    """
    upper, lower = as_scores(voices, "scores of voices"), as_scores(noises, "scores of noises")
    sides = (
        People(np.arange(len(upper)) if people is None else people, resamples=resamples, seed=seed),
        People(np.arange(len(lower)), resamples=resamples, seed=seed + 1),
    )
    if len(sides[0].index) != len(upper):
        raise InputError("people", f"are {len(sides[0].index)} for {len(upper)} scores", "give one a score")
    rows: dict[str, list[Estimate]] = {}
    for name, values, side in (("voices", upper, sides[0]), ("noises", lower, sides[1])):
        deviation = Estimate(name="deviation", value=float(values.std()), n=len(values))
        rows[f"judge's score of {name}"] = [mean_of_items("mean", values, side), deviation]
    convention = "how often a voice's face scores above a noise's, ties half"
    rows["voices above noises"] = [auc_of_groups("AUC", upper, lower, sides, convention=convention)]
    return Report(rows=rows)


PROTOCOL = generated_faces
