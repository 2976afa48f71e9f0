"""Judges of drawn clips that no generator was taught to please: who is shown, and what is felt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.evaluation.talking_clips import Told
from voiceface.face.align import template_points
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["EmotionJudge", "IdentityJudge"]

Frames = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float64]

_REFERENCES = 3
"""Clips of a person that the reference is averaged over."""
_SIDE = 24
_RIDGE = 30.0


class IdentityJudge:
    """Whom a clip shows: the nearest of the people's mean descriptors, by dlib's recogniser.

    People trained on are known by clips of the training, all others by clips that are not tested where they
    have some, and told apart within their own group.

    Args:
        corpus: holds the clips.
        split: of the training.
        told: the test clips.
        judges: whose ``identity`` describes frames.
        template: how frames are cut.
    """

    note = "nearest of the group's mean dlib descriptors of other clips; chance is one in so many people"

    def __init__(
        self, corpus: Corpus, split: Split, told: Sequence[Told], judges: Judges, *, template: str
    ) -> None:
        assert judges.identity is not None
        self._describe, self.template = judges.identity, template
        owners = corpus.column("clips", "person").astype(str)
        names = corpus.column("clips", "id").astype(str)
        tested = {clip.name for clip in told}
        size = told[0].real.shape[1]
        training = set(split.train.clips.tolist())
        self.references: dict[str, Rows] = {}
        for person in sorted({clip.person for clip in told}):
            mine = np.flatnonzero(owners == person).tolist()
            rows = [row for row in mine if row in training] or [r for r in mine if names[r] not in tested]
            frames = [clip_frames(corpus, r, size=size, template=template) for r in rows[:_REFERENCES]]
            if frames:
                self.references[person] = np.mean([self._row(one) for one in frames], axis=0)

    def accuracy(
        self, clips: Sequence[Told], drawn: Mapping[str, Frames] | None, *, resamples: int, seed: int
    ) -> Estimate | str:
        """How often the clip's person is the nearest of its group's; None draws: the real frames."""
        people = sorted({clip.person for clip in clips} & self.references.keys())
        some = [clip for clip in clips if clip.person in people]
        if len(people) < 2:
            return "one person"
        known = np.stack([self.references[person] for person in people])
        right = []
        for clip in some:
            row = self._row(clip.real if drawn is None else drawn[clip.name])
            right.append(people[int(np.linalg.norm(known - row, axis=1).argmin())] == clip.person)
        whose = People([clip.person for clip in some], resamples=resamples, seed=seed)
        return mean_of_items("identity accuracy", right, whose, chance=1 / len(people), share=True)

    def _row(self, frames: Frames) -> Rows:
        points = np.broadcast_to(template_points(self.template, frames.shape[1]), (len(frames), 5, 2))
        row: Rows = np.nanmean(self._describe(frames, points), axis=0)
        return row


class EmotionJudge:
    """What a clip's face shows: ridge regression on the mean and spread of its frames, small and grey.

    Learnt from the training's real clips whose emotion is known, less their person's mean, and of no use
    for anything else: the real clips' own accuracy tells how far it is to be believed.

    Args:
        corpus: holds the clips.
        split: of the training.
        size: side of the frames.
        template: how they are cut.
    """

    def __init__(self, corpus: Corpus, split: Split, *, size: int, template: str) -> None:
        rows = [row for row in split.train.clips.tolist() if corpus.clips[row].emotion]
        self.names = sorted({corpus.clips[row].emotion for row in rows})
        self.note = (
            f"emotion accuracy: ridge regression on {len(rows)} real training clips' small grey frames"
        )
        if len(self.names) < 2:
            self.note = "emotion accuracy: the training's clips tell no emotions"
            return
        seen = np.stack([_features(clip_frames(corpus, r, size=size, template=template)) for r in rows])
        wanted = np.array([self.names.index(corpus.clips[row].emotion) for row in rows])
        self._mean, self._deviation = seen.mean(0), seen.std(0) + 1e-6
        placed = (seen - self._mean) / self._deviation
        targets = np.eye(len(self.names))[wanted] - 1 / len(self.names)
        # In the space of the clips: there are fewer of them than pixels.
        inner = placed @ placed.T / placed.shape[1] + _RIDGE / len(placed) * np.eye(len(placed))
        self._weights = placed.T @ np.linalg.solve(inner, targets) / placed.shape[1]

    def accuracy(
        self, clips: Sequence[Told], drawn: Mapping[str, Frames] | None, *, resamples: int, seed: int
    ) -> Estimate | str:
        """How often the clip's own emotion is seen on what is drawn; None draws: the real frames."""
        some = [clip for clip in clips if clip.emotion in self.names]
        if len(self.names) < 2 or not some:
            return "no emotions told"
        seen = np.stack([_features(clip.real if drawn is None else drawn[clip.name]) for clip in some])
        found = ((seen - self._mean) / self._deviation @ self._weights).argmax(1)
        wanted = np.array([self.names.index(clip.emotion) for clip in some])
        shares = [np.bincount(one, minlength=len(self.names)) / len(some) for one in (found, wanted)]
        whose = People([clip.person for clip in some], resamples=resamples, seed=seed)
        chance = float(shares[0] @ shares[1])
        return mean_of_items("emotion accuracy", found == wanted, whose, chance=chance, share=True)


def _features(frames: Frames) -> Rows:
    """Mean and deviation over every third frame of small grey pictures, each brought to one brightness."""
    small = np.stack(
        [
            np.asarray(Image.fromarray(f).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX))
            for f in frames[::3]
        ]
    ).astype(np.float64)
    small -= small.mean((1, 2), keepdims=True)
    small /= small.std((1, 2), keepdims=True) + 1e-6
    return np.concatenate([small.mean(0).ravel(), small.std(0).ravel()])
