"""Cross-validation over people: one training a fold, which tests the people that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Split
from voiceface.evaluation.report.evidence import Evidence
from voiceface.evaluation.saved_scores import ScoredTrials
from voiceface.evaluation.train_folds import check_comparable, fold_trainings
from voiceface.evaluation.train_with_progress import in_terminal
from voiceface.models.selection_embeddings import embed_selection, embeds_selections, score_selection
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.protocols.calibration import Calibration, calibration
from voiceface.protocols.gallery_matching import MatchingReport, matching
from voiceface.protocols.gallery_retrieval import RetrievalReport, retrieval
from voiceface.protocols.pair_verification import PairTrials, VerificationReport, pair_trials, verification
from voiceface.training.choose_split import choose_split
from voiceface.training.loop import train
from voiceface.training.split_choice import SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Held(Evidence):
    """Everybody's embeddings, each by the weights of the fold that held the person back."""

    voice_folds: Names
    face_folds: Names
    voice_genders: Names
    face_genders: Names
    voice_ids: Names
    """Names of the voices in the corpus."""
    face_ids: Names
    calibrations: dict[str, tuple[float, float]]
    """Fold to slope and offset of its own calibration, fitted on its validation people."""
    scores: Floats | None = None
    """(voices, faces) of a model that judges pairs as one, 0 between folds; its rows have no numbers."""

    @property
    def similarity(self) -> Floats:
        """How well every voice goes with every face; only pairs within a fold mean anything."""
        return self.voices @ self.faces.T if self.scores is None else self.scores

    def trials(self) -> ScoredTrials:
        """Every pair within a fold, with its score."""
        pairs = pair_trials(
            self.similarity,
            people=(self.voice_people, self.face_people),
            groups=(self.voice_folds, self.face_folds),
        )
        left, right = self.voice_genders[pairs.voices], self.face_genders[pairs.faces]
        known = bool((self.voice_genders != "").any())
        return ScoredTrials(
            scores=pairs.scores.astype(np.float64),
            labels=pairs.labels,
            people=(self.voice_people[pairs.voices], self.face_people[pairs.faces]),
            items=(self.voice_ids[pairs.voices], self.face_ids[pairs.faces]),
            folds=self.voice_folds[pairs.voices],
            strata={"same gender": (left == right) & (left != "")} if known else {},
        )


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """A recipe's figures on unknown people, means over folds, intervals over people."""

    recipe: str
    folds: int
    """1: one training, tested on the test part of a published split."""
    corpus: str
    """The corpus' fingerprint."""
    verification: VerificationReport
    matching: MatchingReport
    retrieval: RetrievalReport
    calibration: dict[str, Any]
    """ECE, Cllr and the reliability table of the probabilities, positives weighing as much as negatives."""
    held: Held

    @property
    def division(self) -> str:
        """How the people are divided, in words."""
        return f"{self.folds} folds over people" if self.folds > 1 else "test people of a published split"

    def __str__(self) -> str:
        """As it is printed."""
        calibration = ", ".join(f"{k} {v:.3f}" for k, v in self.calibration.items() if isinstance(v, float))
        return "\n\n".join(
            [
                f"{self.recipe}, {self.division}, corpus {self.corpus[:12]}",
                f"Verification\n{self.verification}",
                f"Matching\n{self.matching}",
                f"Retrieval\n{self.retrieval}",
                f"Calibration (even odds): {calibration}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the embeddings."""
        return {
            "recipe": self.recipe,
            "folds": self.folds,
            "corpus": self.corpus,
            "verification": self.verification.to_dict(),
            "matching": self.matching.to_dict(),
            "retrieval": self.retrieval.to_dict(),
            "calibration": self.calibration,
        }


def cross_validate(
    recipe: str,
    arguments: Mapping[str, Any],
    corpus: Corpus,
    out: str | Path,
    *,
    folds: int | SplitChoice = 5,
    resamples: int = 1000,
    device: str = "auto",
    tell: Callable[[str], None] | None = None,
) -> CrossValidation:
    """Train ``recipe`` once a fold and judge it on the people each fold held back.

    Pairs, galleries and searches stay within a fold, since two folds' spaces are not comparable. A
    ``{fold}`` in a text argument becomes the fold's number, for parts that must not have met the fold's
    people either. Folds already trained in ``out`` are not trained again.

    Args:
        recipe: A recipe whose run embeds voices and faces.
        arguments: The recipe's arguments.
        corpus: What to train and judge on.
        out: A folder; ``fold-0-of-5``, ``fold-1-of-5``, … are made in it.
        folds: Two or more; or a choice of folds or of a published split, whose test part is then tested
            after one training.
        resamples: Over people, for the 95 % intervals.
        device: As in `train`.
        tell: Is told of each fold before its training, which shows a bar in a terminal and else is
            told a line every half a minute; None: quiet.

    Raises:
        InputError: the recipe embeds nothing, or cannot be trained on this corpus.
    """
    choice = folds if isinstance(folds, SplitChoice) else SplitChoice(by="random", folds=folds)
    parts: list[_FoldResult] = []
    for training in fold_trainings(recipe, arguments, choice, Path(out)):
        held_back = training.run()
        chosen = choose_split(held_back, corpus)
        split = chosen.split
        check_comparable(held_back, split)
        if tell is not None:
            tell(f"fold {training.fold + 1} of {choice.folds}, {chosen}" if choice.folds else str(chosen))
        progress = False if tell is None else in_terminal() or tell
        weights = train(held_back, corpus, training.place, device=device, progress=progress)
        loaded = load_model(weights)
        voices, faces, scored = _fold_outputs(loaded, split)
        found = loaded.card["facts"].get("calibration")
        line = (found["slope"], found["offset"]) if found else None
        parts.append(_FoldResult(split, voices, faces, line, scored))
    return judge(_gather_folds(corpus, parts), recipe=recipe, corpus=corpus.fingerprint, resamples=resamples)


class _FoldResult(NamedTuple):
    """One fold's test people by its weights."""

    split: Split
    voices: Floats
    faces: Floats
    line: tuple[float, float] | None
    """Slope and offset of its calibration."""
    scores: Floats | None


def _fold_outputs(loaded: Loaded, split: Split) -> tuple[Floats, Floats, Floats | None]:
    """The test people's voices and faces in the one space, or without numbers and every pair's score."""
    if embeds_selections(loaded.model):
        voices, faces = embed_selection(loaded.model, split.test)
        return voices.astype(float), faces.astype(float), None
    scores = score_selection(loaded.model, split.test)
    return np.zeros((scores.shape[0], 0)), np.zeros((scores.shape[1], 0)), scores


def judge(held: Held, *, recipe: str, corpus: str, resamples: int = 1000) -> CrossValidation:
    """Every figure of held-out embeddings, all people and same gender where it is known."""
    people = held.voice_people, held.face_people
    groups = held.voice_folds, held.face_folds
    genders = held.voice_genders, held.face_genders
    strata = {"same gender": genders} if any(g.any() for g in (genders[0] != "", genders[1] != "")) else {}
    similarity = held.similarity
    trials = pair_trials(similarity, people=people, groups=groups)
    left, right = genders[0][trials.voices], genders[1][trials.faces]
    masks = {"same gender": (left == right) & (left != "")} if strata else {}
    verified = verification(
        trials.scores,
        trials.labels,
        people=trials.people,
        groups=trials.groups,
        strata=masks,
        resamples=resamples,
    )
    stated = _calibration(held, trials, resamples)
    return CrossValidation(
        recipe=recipe,
        folds=len(np.unique(held.voice_folds)),
        corpus=corpus,
        verification=replace(verified, calibration=stated),
        matching=matching(similarity, people=people, groups=groups, strata=strata, resamples=resamples),
        retrieval=retrieval(similarity, people=people, groups=groups, strata=strata, resamples=resamples),
        calibration=_calibration_summary(stated),
        held=held,
    )


def _calibration(held: Held, trials: PairTrials, resamples: int) -> Calibration | None:
    """Of the probabilities that each fold's own calibration states."""
    if not held.calibrations:
        return None
    names, place = np.unique(held.voice_folds[trials.voices], return_inverse=True)
    lines = np.array([held.calibrations[fold] for fold in names])
    odds = lines[place, 0] * trials.scores.astype(float) + lines[place, 1]
    return calibration(odds, trials.labels, people=trials.people, groups=trials.groups, resamples=resamples)


def _calibration_summary(found: Calibration | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {e.name: e.value for e in found.row} | {
        "stated": np.nan_to_num(found.stated).round(4).tolist(),
        "found": np.nan_to_num(found.found).round(4).tolist(),
    }


def _gather_folds(corpus: Corpus, parts: list[_FoldResult]) -> Held:
    genders = {person.id: person.gender for person in corpus.people}

    def column(table: str, name: str = "person") -> Names:
        rows = [corpus.column(table, name)[getattr(p.split.test, table)].astype(str) for p in parts]
        return np.concatenate(rows)

    def folds(table: str) -> Names:
        counts = [len(getattr(p.split.test, table)) for p in parts]
        return np.repeat(np.array([str(k) for k in range(len(parts))]), counts)

    owners = column("voices"), column("faces")
    lines = {str(k): p.line for k, p in enumerate(parts) if p.line is not None}
    scored = [p.scores for p in parts if p.scores is not None]
    return Held(
        voices=np.concatenate([p.voices for p in parts]),
        faces=np.concatenate([p.faces for p in parts]),
        voice_people=owners[0],
        face_people=owners[1],
        voice_folds=folds("voices"),
        face_folds=folds("faces"),
        voice_ids=column("voices", "id"),
        face_ids=column("faces", "id"),
        corpus=corpus,
        voice_genders=np.array([genders[p] for p in owners[0]], dtype=str),
        face_genders=np.array([genders[p] for p in owners[1]], dtype=str),
        face_places=np.concatenate([np.asarray(p.split.test.faces, dtype=np.int64) for p in parts]),
        calibrations=lines if len(lines) == len(parts) else {},
        scores=_beside(scored) if len(scored) == len(parts) else None,
    )


def _beside(blocks: list[Floats]) -> Floats:
    """The folds' scores as one matrix, 0 where a voice and a face are of two folds."""
    whole = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        whole[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return whole
