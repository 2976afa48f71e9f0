"""Judges of the emotion that a clip shows, which no generator was trained against."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.evaluation.talking_clips import UNKNOWN, TestClip
from voiceface.evaluation.training_overlap import training_overlap
from voiceface.evaluation.training_split import training_split
from voiceface.face.align import change_template
from voiceface.models.expression_classifier import ExpressionClassifier
from voiceface.pipelines.weights import Loaded
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items

Frames = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float64]

_SIDE = 24
_RIDGE = 30.0
_EVERY = 3
"""One frame in so many is looked at: neighbours are alike."""


class EmotionJudge(ABC):
    """Names the emotion of clips; what it says of the real test clips tells how reliable it is."""

    names: list[str]
    """The emotions it knows, sorted."""
    note: str
    """What it is, for the table."""

    @abstractmethod
    def recognise(self, clips: Sequence[Frames], people: Sequence[str]) -> npt.NDArray[np.int64]:
        """The number in ``names`` of each clip's emotion, (clips,).

        Args:
            clips: aligned frames, each (frames, side, side, 3).
            people: whom each clip is meant to show.
        """

    def accuracy(
        self, clips: Sequence[TestClip], generated: Mapping[str, Frames] | None, *, resamples: int, seed: int
    ) -> Estimate | str:
        """How often the clip's emotion is recognised in its generated frames; None: in the real ones."""
        some = [clip for clip in clips if clip.emotion in self.names]
        if len(self.names) < 2 or not some:
            return "no emotion labels"
        people = [clip.person for clip in some]
        frames = [clip.real if generated is None else generated[clip.name] for clip in some]
        found = self.recognise(frames, people)
        labels = np.array([self.names.index(clip.emotion) for clip in some])
        shares = [np.bincount(one, minlength=len(self.names)) / len(some) for one in (found, labels)]
        whose = People(people, resamples=resamples, seed=seed)
        chance = float(shares[0] @ shares[1])
        return mean_of_items("emotion accuracy", found == labels, whose, chance=chance, share=True)


class RidgeEmotionJudge(EmotionJudge):
    """Ridge regression on mean and deviation of a clip's frames, small and grey, less their person's mean.

    Trained on the training set's real clips with an emotion label. A person's mean is that of the clips that
    are judged together, for a face differs from another by more than by its emotion; a person of one clip
    gets the mean of all.

    Args:
        corpus: holds the clips.
        split: of the training.
        size: side of the frames.
        template: how they are aligned.
    """

    def __init__(self, corpus: Corpus, split: Split, *, size: int, template: str) -> None:
        rows = [row for row in split.train.clips.tolist() if corpus.clips[row].emotion]
        self.names = sorted({corpus.clips[row].emotion for row in rows})
        self.note = (
            f"emotion accuracy: ridge regression on small grey frames of {len(rows)} real training clips, "
            "less their person's mean"
        )
        if len(self.names) < 2:
            self.note = "emotion accuracy: the training clips have no emotion labels"
            return
        features = np.stack([_features(clip_frames(corpus, r, size=size, template=template)) for r in rows])
        features = less_own_mean(features, [corpus.clips[row].person for row in rows])
        labels = np.array([self.names.index(corpus.clips[row].emotion) for row in rows])
        self._deviation = features.std(0) + 1e-6
        standardised = features / self._deviation
        targets = np.eye(len(self.names))[labels] - 1 / len(self.names)
        # The dual form: there are fewer clips than pixels.
        count, pixels = standardised.shape
        inner = standardised @ standardised.T / pixels + _RIDGE / count * np.eye(count)
        self._weights = standardised.T @ np.linalg.solve(inner, targets) / pixels

    def recognise(self, clips: Sequence[Frames], people: Sequence[str]) -> npt.NDArray[np.int64]:
        """See `EmotionJudge`."""
        features = less_own_mean(np.stack([_features(frames) for frames in clips]), people)
        found: npt.NDArray[np.int64] = (features / self._deviation @ self._weights).argmax(1)
        return found


class ExpressionJudge(EmotionJudge):
    """The network of recipe ``expression``: the emotion most probable on average over a clip's frames.

    Args:
        weights: their folder.
        loaded: the weights.
        corpus: holds the clips.
        clips: the test clips.
        template: how their frames are aligned.

    Raises:
        InputError: weights of another recipe, or of a training with tested clips or unknown people.
    """

    def __init__(
        self, weights: str | Path, loaded: Loaded, corpus: Corpus, clips: Sequence[TestClip], *, template: str
    ) -> None:
        if not isinstance(loaded.model, ExpressionClassifier):
            raise InputError(weights, f"holds {loaded.card['recipe']}", "give weights of expression")
        fault = _training_fault(weights, loaded, corpus, clips)
        if fault:
            people = ",".join(sorted({clip.person for clip in clips if clip.group == UNKNOWN}))
            remedy = "train it with the split of the clips" + (f" and --leave-out {people}" if people else "")
            raise InputError(weights, fault, remedy)
        self._model, self._template = loaded.model, template
        self._own_template = str(loaded.card["contract"]["template"])
        self.names = list(loaded.model.emotions)
        self.note = "emotion accuracy: a network of recipe expression, trained without the tested clips"

    @torch.no_grad()
    def recognise(self, clips: Sequence[Frames], people: Sequence[str]) -> npt.NDArray[np.int64]:
        """See `EmotionJudge`."""
        return np.array([int(self._probabilities(frames).argmax()) for frames in clips])

    def _probabilities(self, frames: Frames) -> torch.Tensor:
        some, net = frames[::_EVERY], self._model.net
        if self._template != self._own_template:
            some = change_template(some, source=self._template, target=self._own_template, size=net.size)
        pictures = torch.from_numpy(np.ascontiguousarray(some)).permute(0, 3, 1, 2).float()
        return net.probabilities(pictures.to(net.classes.weight.device)).mean(0)


def less_own_mean(features: Rows, people: Sequence[str]) -> Rows:
    """Each row of ``features (clips, numbers)`` less the mean of its person's rows.

    A person of one row would be left with zeros, and gets the mean of all rows.

    >>> less_own_mean(np.array([[1.0], [3.0], [8.0]]), ["a", "a", "b"]).ravel().tolist()
    [-1.0, 1.0, 4.0]
    """
    whose, counts = np.unique(np.asarray(people), return_inverse=True, return_counts=True)[1:]
    sums = np.zeros((len(counts), features.shape[1]))
    np.add.at(sums, whose, features)
    means = np.where((counts > 1)[:, None], sums / counts[:, None], features.mean(0))
    centred: Rows = features - means[whose]
    return centred


def _training_fault(weights: str | Path, loaded: Loaded, corpus: Corpus, clips: Sequence[TestClip]) -> str:
    """What of the test the training of a judge contains, or ``""``."""
    split = training_split(weights, loaded, corpus)
    if split is None:
        overlap = training_overlap(weights, loaded, corpus)
        return "was trained on this corpus by an unknown split" if overlap.known else ""
    owners, names = corpus.person_of("clips"), corpus.column("clips", "id").astype(str)
    used = np.union1d(split.train.clips, split.validation.clips)
    people, clip_names = set(owners[used].tolist()), set(names[used].tolist())
    unknown = {clip.person for clip in clips if clip.group == UNKNOWN} & people
    if unknown:
        return f"was trained on {len(unknown)} of the people that are unknown to the generator"
    tested = sum(clip.name in clip_names for clip in clips)
    return f"was trained on {tested} of the {len(clips)} tested clips" if tested else ""


def _features(frames: Frames) -> Rows:
    """Mean and deviation over every third frame of small grey pictures, each normalised."""
    small = np.stack(
        [
            np.asarray(Image.fromarray(f).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX))
            for f in frames[::_EVERY]
        ]
    ).astype(np.float64)
    small -= small.mean((1, 2), keepdims=True)
    small /= small.std((1, 2), keepdims=True) + 1e-6
    return np.concatenate([small.mean(0).ravel(), small.std(0).ravel()])
