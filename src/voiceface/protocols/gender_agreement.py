"""Is a generated face of the speaker's gender, by a classifier trained on real faces' embeddings?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.metrics.logistic_regression import BinaryLogisticRegression, fit_logistic_regression
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.face_set import Faces
from voiceface.protocols.people_bootstrap import People, ends, mean_of_items
from voiceface.protocols.report import Report

_PENALTY = 10.0
"""Of standardised embeddings: a few hundred faces of 128 numbers need more than a hint of it."""
_FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class GenderClassifier:
    """A ridge logistic regression on embeddings, women above 0, with its own measured accuracy."""

    logit: BinaryLogisticRegression
    own: list[Estimate]
    """Its accuracy on real faces of people it was not fitted on (5 folds over people)."""
    note: str

    @classmethod
    def fit(
        cls, real: Faces, *, penalty: float = _PENALTY, resamples: int = 1000, seed: int = 0
    ) -> GenderClassifier:
        """Fit on real faces of known gender, both genders weighing the same.

        Raises:
            InputError: one gender only, or fewer than 2 people of one.
        """
        faces = real.only(real.found & (real.genders != ""))
        women = faces.genders == "f"
        counts = [len(np.unique(faces.people[side])) for side in (women, ~women)]
        if min(counts) < 2:
            fault = f"{counts[0]} women and {counts[1]} men with a face are known"
            raise InputError("gender classifier", fault, "tell the gender of 2 or more people of each")
        held = np.empty(len(faces))
        part = _parts(faces.people, women, min(_FOLDS, *counts), seed)
        for fold in np.unique(part):
            mine = part == fold
            held[mine] = fit_logistic_regression(faces.rows[~mine], women[~mine], penalty=penalty)(
                faces.rows[mine]
            )
        people = People(faces.people, resamples=resamples, seed=seed)
        right = (held > 0) == women
        return cls(
            logit=fit_logistic_regression(faces.rows, women, penalty=penalty),
            own=_pair(right, faces.genders, people, float(max(women.mean(), 1 - women.mean())), "real faces"),
            note=f"gender by logistic regression on {len(faces):,} real faces of {sum(counts):,} people",
        )

    def women(self, rows: Floats) -> NDArray[np.bool_]:
        """Whether each row (n, d) is taken for a woman's."""
        return np.asarray(self.logit(rows) > 0)


def gender_agreement(
    generated: Faces, judge: GenderClassifier, *, resamples: int = 1000, seed: int = 0
) -> Report:
    """Share of generated faces of their speaker's gender, and the classifier's own accuracy beside it.

    The chance of agreement is what the same generated faces would get if shuffled among the speakers, so one
    face for all earns chance, not the larger gender's share above it. Faces not found count as wrong.

    Args:
        generated: Generated faces; those of speakers of unknown gender are left out and counted.
        judge: Fitted on real faces, best of people who are not judged here.
        resamples: Over people; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: nobody's gender is known.
    """
    known = generated.genders != ""
    if not known.any():
        raise InputError("generated faces", "are of nobody whose gender is known", "tell the people's gender")
    faces = generated.only(known)
    women = np.zeros(len(faces), dtype=bool)
    if faces.found.any():
        women[faces.found] = judge.women(faces.rows[faces.found])
    wanted = faces.genders == "f"
    right = faces.found & (women == wanted)
    generated_women, generated_men = (float((faces.found & (women == sex)).mean()) for sex in (True, False))
    chance = generated_women * float(wanted.mean()) + generated_men * float(1 - wanted.mean())
    people = People(faces.people, resamples=resamples, seed=seed)
    rows = {
        "gender, generated faces": _pair(right, faces.genders, people, chance, "not found counts as wrong"),
        "gender, real faces (the classifier itself)": judge.own,
    }
    excluded = {"gender: speaker's gender unknown": int((~known).sum())} if not known.all() else {}
    share = f"generated as women {generated_women:.1%}, as men {generated_men:.1%}; "
    share += f"speakers {wanted.mean():.1%} women"
    return Report(rows=rows, excluded=excluded, notes=(judge.note, share))


def _pair(
    right: NDArray[np.bool_], genders: NDArray[np.str_], people: People, chance: float, convention: str
) -> list[Estimate]:
    """Agreement over all faces, and the mean of women's and men's (chance: half of what was found)."""
    women = genders == "f"
    plain = mean_of_items("agreement", right, people, chance=chance, convention=convention, share=True)
    if women.all() or not women.any():
        return [plain]
    sides = [people.mean(right, kept=side) for side in (women, ~women)]
    samples = None if sides[0][1] is None or sides[1][1] is None else (sides[0][1] + sides[1][1]) / 2
    value = (sides[0][0] + sides[1][0]) / 2
    low, high = ends(value, samples, plain.people)
    balanced = Estimate(
        name="balanced agreement",
        value=value,
        low=low,
        high=high,
        chance=0.5,
        convention=f"mean of women's and men's; {convention}",
        n=plain.n,
        people=plain.people,
        resamples=plain.resamples,
    )
    return [plain, balanced]


def _parts(people: NDArray[np.str_], women: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.intp]:
    """A fold for every face: people split within their gender, so that each fold's rest holds both."""
    part = np.empty(len(people), dtype=np.intp)
    random = np.random.default_rng(seed)
    for side in (women, ~women):
        names = random.permutation(np.unique(people[side]))
        fold = {name: place % folds for place, name in enumerate(names.tolist())}
        part[side] = [fold[name] for name in people[side].tolist()]
    return part


PROTOCOL = gender_agreement
