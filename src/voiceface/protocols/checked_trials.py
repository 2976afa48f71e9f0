"""Trials of verification, checked once, with their people and groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.protocols.input_checks import as_labels, as_names, as_scores, check_people, index_people

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
People = tuple[ArrayLike, ArrayLike]


class CheckedTrials:
    """Checked trials with everything a stratum is cut from."""

    def __init__(
        self, scores: ArrayLike, labels: ArrayLike, people: People | None, groups: ArrayLike | None
    ) -> None:
        self.scores = as_scores(scores)
        n = len(self.scores)
        self.same = as_labels(labels, n)
        self.voice: Ints | None = None
        self.face: Ints | None = None
        self.people = 0
        if people is not None:
            self.voice, self.face, names = index_people(people[0], people[1], n, n)
            check_people(self.same, self.voice, self.face)
            self.people = len(names)
        if groups is None:
            self.group_names, self.group = np.array(["all"]), np.zeros(n, dtype=np.intp)
        else:
            self.group_names, self.group = np.unique(as_names(groups, n, "groups"), return_inverse=True)

    def parts(self) -> list[Ints]:
        """Sets of people to resample within: each group's, or all if someone is in several groups."""
        assert self.voice is not None and self.face is not None
        members = [
            np.union1d(self.voice[self.group == g], self.face[self.group == g])
            for g in range(len(self.group_names))
        ]
        if sum(len(m) for m in members) > len(np.unique(np.concatenate(members))):
            return [np.arange(self.people)]
        return members

    def cut(self, mask: Bools, name: str) -> tuple[list[Ints], int]:
        """Places of the trials of each group that has both classes, and how many trials that leaves out."""
        kept, lost = [], 0
        for g in range(len(self.group_names)):
            places = np.flatnonzero(mask & (self.group == g))
            positives = int(self.same[places].sum())
            if 0 < positives < len(places):
                kept.append(places)
            else:
                lost += len(places)
        if not kept:
            same, other = int((mask & self.same).sum()), int((mask & ~self.same).sum())
            found = f"{same:,} positives and {other:,} negatives"
            raise InputError(
                f"stratum {name!r}", f"holds {found}, in no group both", "give trials of both classes"
            )
        return kept, lost
