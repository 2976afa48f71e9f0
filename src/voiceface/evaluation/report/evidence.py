"""What a report may look into beside the figures: everybody's rows, and where their pictures lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Names = npt.NDArray[np.str_]
Rows = npt.NDArray[np.floating]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Voices and faces as a model placed them, with whose they are."""

    voices: Rows
    """(voices, width), rows of length 1."""
    faces: Rows
    voice_people: Names
    face_people: Names
    voice_genders: Names | None = None
    """``f``, ``m`` or blank."""
    face_genders: Names | None = None
    voice_folds: Names | None = None
    """Folds: rows of two are never compared."""
    face_folds: Names | None = None
    corpus: Corpus | None = None
    face_places: Places | None = None
    """Where each face stands in the corpus; without it no picture is shown."""

    def group(self) -> tuple[Places, Places]:
        """Places of the voices and faces of the first fold; of all where there are no folds."""
        if self.voice_folds is None or self.face_folds is None:
            return np.arange(len(self.voices)), np.arange(len(self.faces))
        first = np.unique(self.voice_folds)[0]
        return np.flatnonzero(self.voice_folds == first), np.flatnonzero(self.face_folds == first)
