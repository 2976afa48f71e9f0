"""A model that places voices and faces in one space, judged on some items by every protocol at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.models.selection_embeddings import embed_selection, embeds_selections
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.gallery_matching import MatchingReport, matching
from voiceface.protocols.gallery_retrieval import RetrievalReport, retrieval
from voiceface.protocols.input_checks import unit_embeddings
from voiceface.protocols.pair_verification import PairTrials, VerificationReport, pair_trials, verification
from voiceface.synthetic.ceiling import AGE_BANDS, age_band

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Selection
    from voiceface.pipelines.weights import Loaded

Names = npt.NDArray[np.str_]
Rows = npt.NDArray[np.floating]
Attributes = dict[str, tuple[Names, Names]]

ATTRIBUTES = {"G": ("gender",), "N": ("nationality",), "A": ("age",), "GNA": ("gender", "nationality", "age")}
"""What a negative shares with the probe's person in each stratum of Learnable PINs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedItems:
    """Items of a selection with their rows."""

    voices: Rows
    faces: Rows
    people: tuple[Names, Names]
    """Of each voice and of each face."""
    attributes: Attributes
    """Stratum to the value of each voice and of each face; blank: not known."""
    sessions: tuple[Names, Names] | None
    """Video or session of each item, a person's own; None where one is not known."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpaceReport:
    """The three protocols on the same items."""

    verification: VerificationReport
    matching: MatchingReport
    retrieval: RetrievalReport
    left_out: dict[str, str]
    """Stratum to why it is not there."""

    def pair_estimate(self, stratum: str, figure: str) -> Estimate | str:
        """AUC or EER of a stratum (``all`` or one of `ATTRIBUTES`), or why there is none."""
        if stratum in self.left_out:
            return self.left_out[stratum]
        row = self.verification.rows.get(stratum)
        return "none" if row is None else next(one for one in row if one.name == figure)


def place(loaded: Loaded, selection: Selection) -> EmbeddedItems:
    """Rows of a selection by a model, with what its corpus knows of the people.

    Raises:
        InputError: the model places nothing, or fewer than two people have both a voice and a face.
    """
    if not embeds_selections(loaded.model):
        fault = f"holds {loaded.card['recipe']}, which places no voices and faces"
        raise InputError(loaded.name, fault, "give weights of a model that does")
    corpus = selection.corpus
    owners = _column(corpus, selection, "person")
    both = np.intersect1d(*owners)
    if len(both) < 2:
        fault = f"{len(both)} of the people to be judged have a voice and a face"
        raise InputError(corpus.path, fault, "prepare more people, or hold a larger share of them back")
    voices, faces = embed_selection(loaded.model, selection)
    sessions = _column(corpus, selection, "session")
    named = all((side != "").all() for side in sessions)
    videos = [np.char.add(np.char.add(o, "/"), s) for o, s in zip(owners, sessions, strict=True)]
    return EmbeddedItems(
        voices=unit_embeddings(voices, "voices"),
        faces=unit_embeddings(faces, "faces"),
        people=owners,
        attributes=_attributes(corpus, owners),
        sessions=(videos[0], videos[1]) if named else None,
    )


def evaluate_embedding_space(
    placed: EmbeddedItems, *, resamples: int = 1000, seed: int = 0
) -> EmbeddingSpaceReport:
    """Verification in five strata, matching at 2 to 10 and R@10 both ways, all with intervals.

    A stratum whose attribute is not known, or in which nobody meets anybody, is left out with a word.
    """
    trials = pair_trials(placed.voices.astype(np.float64) @ placed.faces.T, people=placed.people)
    strata, left_out = _masks(trials, placed.attributes)
    videos = placed.sessions
    verified = verification(
        trials.scores,
        trials.labels,
        people=trials.people,
        strata=strata,
        videos=None if videos is None else (videos[0][trials.voices], videos[1][trials.faces]),
        resamples=resamples,
        seed=seed,
    )
    both = len(np.intersect1d(*placed.people))
    given: dict[str, Any] = {"people": placed.people, "resamples": resamples, "seed": seed}
    within = {"within gender": placed.attributes["G"]} if "G" in strata else {}
    rows = placed.voices, placed.faces
    return EmbeddingSpaceReport(
        verification=verified,
        matching=matching(rows, n=tuple(range(2, min(10, both) + 1)), **given),
        retrieval=retrieval(rows, ks=(10,), strata=within, **given),
        left_out=left_out,
    )


def share_of_ceiling(found: Estimate, ceiling: float) -> float:
    """How much of what there was above chance was found: 1 at the ceiling, 0 at chance; NaN if these are one.

    >>> share_of_ceiling(Estimate(name="AUC", value=0.7, chance=0.5), 0.9)
    0.5
    """
    if ceiling == found.chance:
        return float("nan")
    return round((found.value - found.chance) / (ceiling - found.chance), 4)


def _column(corpus: Corpus, selection: Selection, name: str) -> tuple[Names, Names]:
    return (
        corpus.column("voices", name)[selection.voices].astype(str),
        corpus.column("faces", name)[selection.faces].astype(str),
    )


def _attributes(corpus: Corpus, owners: tuple[Names, Names]) -> Attributes:
    facts = {
        person.id: {
            "gender": person.gender,
            "nationality": person.nationality,
            "age": "" if person.age is None else f"band {int(age_band(person.age))}",
        }
        for person in corpus.people
    }

    def of(person: str, wanted: tuple[str, ...]) -> str:
        values = [facts.get(person, {}).get(name, "") for name in wanted]
        return "/".join(values) if all(values) else ""

    return {
        stratum: (
            np.array([of(person, wanted) for person in owners[0].tolist()], dtype=str),
            np.array([of(person, wanted) for person in owners[1].tolist()], dtype=str),
        )
        for stratum, wanted in ATTRIBUTES.items()
    }


def _masks(
    trials: PairTrials, attributes: Attributes
) -> tuple[dict[str, npt.NDArray[np.bool_]], dict[str, str]]:
    """Trials whose two people share what a stratum holds fixed, and why some strata have none."""
    masks, left_out = {}, {}
    for stratum, (voice, face) in attributes.items():
        one, other = voice[trials.voices], face[trials.faces]
        mask = (one == other) & (one != "")
        if not mask.any():
            left_out[stratum] = "not known"
        elif trials.labels[mask].all() or not trials.labels[mask].any():
            left_out[stratum] = "nobody alike"
        else:
            masks[stratum] = mask
    return masks, left_out


AGE_NOTE = f"age in three bands that meet at {AGE_BANDS[0]:.0f} and {AGE_BANDS[1]:.0f} years"
"""What stratum A means here."""
