"""A judge of whom generated clips show, that no generator was trained against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

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
