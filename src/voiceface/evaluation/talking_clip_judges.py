"""Judges of generated clips that no generator was trained against: identity and emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.evaluation.talking_clips import TestClip
from voiceface.face.align import template_points
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items

Frames = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float64]

_REFERENCES = 3
"""Clips of a person that the reference embedding is averaged over."""
_SIDE = 24
_RIDGE = 30.0


class IdentityJudge:
    """Whom a clip shows: the nearest of the people's mean dlib embeddings.

    References of people in the training set are training clips, of all others clips that are not tested,
    where they have some; people are compared within their own group.

    Args:
        corpus: holds the clips.
        split: of the training.
        clips: the test clips.
        judges: their ``identity`` embeds frames.
        template: how frames are aligned.
    """

    note = (
        "nearest of the group's mean dlib embeddings of other clips; chance is one over the number of people"
    )

    def __init__(
        self, corpus: Corpus, split: Split, clips: Sequence[TestClip], judges: Judges, *, template: str
    ) -> None:
        assert judges.identity is not None
        self._embed_frames, self.template = judges.identity, template
        owners = corpus.person_of("clips")
        names = corpus.column("clips", "id").astype(str)
        tested = {clip.name for clip in clips}
        size = clips[0].real.shape[1]
        training = set(split.train.clips.tolist())
        self.references: dict[str, Rows] = {}
        for person in sorted({clip.person for clip in clips}):
            own = np.flatnonzero(owners == person).tolist()
            rows = [row for row in own if row in training] or [r for r in own if names[r] not in tested]
            frames = [clip_frames(corpus, r, size=size, template=template) for r in rows[:_REFERENCES]]
            if frames:
                self.references[person] = np.mean([self._row(one) for one in frames], axis=0)

    def accuracy(
        self, clips: Sequence[TestClip], generated: Mapping[str, Frames] | None, *, resamples: int, seed: int
    ) -> Estimate | str:
        """How often the clip's person is the nearest of its group; None: of the real frames."""
        people = sorted({clip.person for clip in clips} & self.references.keys())
        some = [clip for clip in clips if clip.person in people]
        if len(people) < 2:
            return "one person"
        known = np.stack([self.references[person] for person in people])
        right = []
        for clip in some:
            row = self._row(clip.real if generated is None else generated[clip.name])
            right.append(people[int(np.linalg.norm(known - row, axis=1).argmin())] == clip.person)
        whose = People([clip.person for clip in some], resamples=resamples, seed=seed)
        return mean_of_items("identity accuracy", right, whose, chance=1 / len(people), share=True)

    def _row(self, frames: Frames) -> Rows:
        points = np.broadcast_to(template_points(self.template, frames.shape[1]), (len(frames), 5, 2))
        row: Rows = np.nanmean(self._embed_frames(frames, points), axis=0)
        return row


class EmotionJudge:
    """The emotion a clip shows: ridge regression on mean and deviation of its frames, small and grey.

    Trained on the training set's real clips with an emotion label; the real test clips' own accuracy tells
    how reliable it is.

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
            f"emotion accuracy: ridge regression on small grey frames of {len(rows)} real training clips"
        )
        if len(self.names) < 2:
            self.note = "emotion accuracy: the training clips have no emotion labels"
            return
        features = np.stack([_features(clip_frames(corpus, r, size=size, template=template)) for r in rows])
        labels = np.array([self.names.index(corpus.clips[row].emotion) for row in rows])
        self._mean, self._deviation = features.mean(0), features.std(0) + 1e-6
        standardised = (features - self._mean) / self._deviation
        targets = np.eye(len(self.names))[labels] - 1 / len(self.names)
        # The dual form: there are fewer clips than pixels.
        count, pixels = standardised.shape
        inner = standardised @ standardised.T / pixels + _RIDGE / count * np.eye(count)
        self._weights = standardised.T @ np.linalg.solve(inner, targets) / pixels

    def accuracy(
        self, clips: Sequence[TestClip], generated: Mapping[str, Frames] | None, *, resamples: int, seed: int
    ) -> Estimate | str:
        """How often the clip's emotion is recognised in its generated frames; None: in the real ones."""
        some = [clip for clip in clips if clip.emotion in self.names]
        if len(self.names) < 2 or not some:
            return "no emotion labels"
        features = np.stack(
            [_features(clip.real if generated is None else generated[clip.name]) for clip in some]
        )
        found = ((features - self._mean) / self._deviation @ self._weights).argmax(1)
        labels = np.array([self.names.index(clip.emotion) for clip in some])
        shares = [np.bincount(one, minlength=len(self.names)) / len(some) for one in (found, labels)]
        whose = People([clip.person for clip in some], resamples=resamples, seed=seed)
        chance = float(shares[0] @ shares[1])
        return mean_of_items("emotion accuracy", found == labels, whose, chance=chance, share=True)


def _features(frames: Frames) -> Rows:
    """Mean and deviation over every third frame of small grey pictures, each normalised."""
    small = np.stack(
        [
            np.asarray(Image.fromarray(f).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX))
            for f in frames[::3]
        ]
    ).astype(np.float64)
    small -= small.mean((1, 2), keepdims=True)
    small /= small.std((1, 2), keepdims=True) + 1e-6
    return np.concatenate([small.mean(0).ravel(), small.std(0).ravel()])
