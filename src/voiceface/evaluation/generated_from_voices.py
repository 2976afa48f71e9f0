"""Faces drawn by trained weights from the voices of a corpus, described beside the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Selection
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.evaluation.generated_faces import FaceSet
from voiceface.evaluation.training_split import training_split
from voiceface.face.align import TEMPLATES
from voiceface.face.detect import detect
from voiceface.metrics.image import sharpness
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.corpus_faces import aligned_faces
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.pipelines.weights import Loaded
from voiceface.protocols.face_set import Faces

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.models.generator_input import GeneratorInput

__all__ = [
    "FEATURES",
    "SPLITS",
    "Drawing",
    "Part",
    "generate_part_faces",
    "has_detectable_face",
    "part_of",
    "embed_real_part",
]

FEATURES = "dlib descriptors"
SPLITS = ("test", "known", "all")
Pictures = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

_MARGIN = 0.25
"""Of a picture's side, added around it before a detector looks: templates cut tighter than it expects."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Whose voices are drawn from, and what the weights were trained on."""

    test: Selection
    train: Selection | None
    """None where it cannot be told."""
    told: str
    """One sentence for the report."""
    named: bool
    """Whether the people are known to the weights, so that a name is a fair cue."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """A face for every voice of a part, with what is real of the same people and of the training people."""

    drawn: FaceSet
    real: FaceSet
    train: FaceSet | None


def part_of(
    weights: str | Path, loaded: Loaded, corpus: Corpus, split: Literal["test", "known", "all"]
) -> Part:
    """The voices to draw from, and nobody among them who must not be.

    Args:
        weights: The weights folder.
        loaded: What it holds.
        corpus: Whose voices.
        split: ``test``: people the weights neither trained nor were selected on; ``known``: new recordings of
            people they were trained on; ``all``: everybody of a corpus they were not trained on.

    Raises:
        InputError: that cannot be told of these weights and this corpus, or it would be unfair.
    """
    dealt = training_split(weights, loaded, corpus)
    count = (loaded.card.get("people") or {}).get("count", 0)
    if split == "all":
        if dealt is not None or loaded.card.get("corpus") == corpus.fingerprint:
            fault = f"{count:,} of its people trained {loaded.name}"
            raise InputError(corpus.path, fault, "give --split test, or known for new recordings of them")
        told = (
            f"everybody: {loaded.name} was trained on {count:,} people of another corpus; whether any of "
            "them is among these cannot be told"
        )
        return Part(test=Selection.everything(corpus), train=None, told=told, named=False)
    if dealt is None:
        fault = f"is not dealt as {loaded.name} was trained, so who trained it cannot be told"
        raise InputError(corpus.path, fault, "give the corpus it was trained on, or --split all if others")
    trained = set(dealt.train.people)
    met = trained | set(dealt.validation.people)
    again = [person for person in dealt.test.people if person in trained]
    if split == "test":
        kept = dealt.test.restrict(person for person in dealt.test.people if person not in met)
        if not len(kept.voices):
            fault = f"{loaded.name} was trained on all of its people who are left to test"
            raise InputError(corpus.path, fault, "give --split known for new recordings of them")
        told = f"unknown people: {len(kept.people):,} who neither trained {loaded.name} nor selected it"
        return Part(test=kept, train=dealt.train, told=told, named=False)
    if not again:
        fault = f"holds no new recordings of people whom {loaded.name} was trained on"
        raise InputError(corpus.path, fault, "give --split test")
    told = f"known people, new recordings: {len(again):,} whom {loaded.name} was trained on"
    return Part(test=dealt.test.restrict(again), train=dealt.train, told=told, named=True)


def generate_part_faces(
    loaded: Loaded, part: Part, *, seed: int = 0, progress: Progress | None = None
) -> Pictures:
    """A face for every voice of the part, (voices, size, size, 3) uint8.

    Raises:
        InputError: the weights draw no faces, or the part holds no voice.
    """
    imagine = loaded.run.imagine
    if imagine is None:
        fault = f"holds weights of {loaded.run.recipe}, which draws no faces"
        raise InputError(loaded.name, fault, "give the weights of a recipe that does")
    if not len(part.test.voices):
        raise InputError(part.test.corpus.path, "holds no voice to draw from", "name another corpus or split")
    done = 0

    def draw(cues: Sequence[GeneratorInput]) -> Pictures:
        nonlocal done
        # Another seed for each block: what is random depends on the seed and the place in the block.
        found = imagine(loaded.model, cues, loaded.facts, seed * 1_000_003 + done)
        done += len(cues)
        if progress is not None:
            progress(done, len(part.test.voices))
        return found

    return generate_for_selection(part.test, draw, named=part.named)


def embed_generated_part(pictures: Pictures, part: Part, *, template: str) -> FaceSet:
    """Drawn faces by the points that their template says they have."""
    return FaceSet(
        faces=Faces.of(
            embed_generated_faces(pictures, template=template),
            _column(part.test, "voices", "person"),
            genders=_genders(part.test, "voices"),
            names=_column(part.test, "voices", "id"),
            sharpness=sharpness(pictures),
            what="drawn faces",
        ),
        pictures=pictures,
    )


def embed_real_part(selection: Selection, *, size: int, template: str) -> FaceSet:
    """The real faces of a selection, cut as the drawn ones are.

    Raises:
        InputError: the selection holds no face.
    """
    if not len(selection.faces):
        raise InputError(selection.corpus.path, "holds no face of the people to judge", "name another split")
    if template in TEMPLATES:
        pictures = aligned_faces(selection.corpus, selection.faces, size, template=template)
    else:
        pictures = np.asarray(face_view(selection.corpus, size=size, template=template)[selection.faces])
    return FaceSet(
        faces=Faces.of(
            face_embeddings(selection.corpus)[selection.faces],
            _column(selection, "faces", "person"),
            genders=_genders(selection, "faces"),
            names=_column(selection, "faces", "id"),
            sharpness=sharpness(pictures),
            what="real faces",
        ),
        pictures=pictures,
    )


def has_detectable_face(pictures: Pictures, *, progress: Progress | None = None) -> npt.NDArray[np.bool_]:
    """In which pictures (n, size, size, 3) of faces cut to a template the detector finds one.

    The same margin, the edge repeated, is put around drawn and real pictures, since the detector wants more
    around a face than templates leave: only the two shares beside each other mean something.
    """
    found = np.zeros(len(pictures), dtype=bool)
    for k, picture in enumerate(pictures):
        wide = round(_MARGIN * picture.shape[0])
        padded = np.pad(picture, ((wide, wide), (wide, wide), (0, 0)), mode="edge")
        found[k] = bool(detect(padded, upsample=1))
        if progress is not None:
            progress(k + 1, len(pictures))
    return found


def _column(selection: Selection, table: str, name: str) -> npt.NDArray[np.str_]:
    rows = getattr(selection, table)
    values: npt.NDArray[np.str_] = selection.corpus.column(table, name)[rows].astype(str)
    return values


def _genders(selection: Selection, table: str) -> npt.NDArray[np.str_]:
    known = {person.id: person.gender for person in selection.corpus.people}
    return np.array([known[person] for person in _column(selection, table, "person").tolist()], dtype=str)
