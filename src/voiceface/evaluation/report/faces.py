"""Grids of faces: a line of pictures each, and which voices found their face best, middling and worst."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.evaluation.report.evidence import Evidence
from voiceface.evaluation.report.page import Figure
from voiceface.evaluation.report.template import render

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

Picture = npt.NDArray[np.uint8]
_SIDE = 96
_QUALITY = 82
_MAX_QUERIES = 500
"""Voices among which the best, median and worst are looked for."""


@dataclass(frozen=True, kw_only=True)
class GridFace:
    """A picture of a grid with the words under it."""

    picture: Picture
    """(height, width, 3) uint8; shown 96 pixels wide."""
    words: str = ""
    right: bool = False
    """Framed, and its words set in bold: the right answer."""


@dataclass(frozen=True, kw_only=True)
class FaceGridRow:
    """A line of a grid; a heading stands above the first line that has another one than the line before."""

    title: str
    caption: str = ""
    faces: Sequence[GridFace | None] = ()
    """None leaves a gap."""
    heading: str = ""


def faces_figure(title: str, lines: Sequence[FaceGridRow], *, caption: str = "") -> Figure:
    """Lines of pictures with their words, as JPEG inside the page.

    Raises:
        InputError: a picture is not (height, width, 3) uint8.
    """
    body = render("faces", lines=lines, as_data=_as_data)
    return Figure(title=title, body=body, caption=caption, wide=True)


def _as_data(picture: Picture) -> str:
    from PIL import Image

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        fault = f"is {picture.dtype} of shape {picture.shape}"
        raise InputError("a picture of the report", fault, "give (height, width, 3) uint8")
    image = Image.fromarray(picture)
    if max(image.size) > _SIDE:
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    image.save(held, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()


def retrieved_faces_figure(evidence: Evidence, *, each: int = 4, first: int = 6) -> Figure | None:
    """Voices that found their own face best, middling and worst, each with its own face and the first found.

    None where there are no pictures to show.
    """
    if evidence.corpus is None or evidence.face_places is None:
        return None
    voices, gallery = evidence.group()
    people = evidence.face_people[gallery]
    queries = voices[np.isin(evidence.voice_people[voices], people)]
    queries = queries[np.unique(evidence.voice_people[queries], return_index=True)[1]]  # a voice a person
    if not len(queries):
        return None
    if len(queries) > _MAX_QUERIES:
        queries = np.sort(np.random.default_rng(0).choice(queries, _MAX_QUERIES, replace=False))
    ranks = _ranks(evidence, queries, gallery)
    order = np.argsort(ranks, kind="stable")
    each = min(each, max(1, len(order) // 3))
    middle = len(order) // 2 - each // 2
    lines = []
    for heading, places in (
        ("Best", order[:each]),
        ("Median", order[middle : middle + each]),
        ("Worst", order[::-1][:each]),
    ):
        for k in places.tolist():
            caption = f"own face at place {ranks[k]:,} of {len(gallery):,}"
            faces = _line(evidence, int(queries[k]), gallery, first)
            title = f"Voice of {evidence.voice_people[queries[k]]}"
            lines.append(FaceGridRow(title=title, caption=caption, faces=faces, heading=heading))
    caption = (
        f"Left of the gap the own face, right of it the {first} faces found first; own ones are framed. "
        f"One voice a person, of {len(queries):,} people. "
        f"These are the corpus' own pictures: keep this page where they may lie."
    )
    return faces_figure("Faces found for voices: best, median, worst", lines, caption=caption)


def _ranks(
    evidence: Evidence, queries: npt.NDArray[np.int64], gallery: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Place of the first own face for each voice, ties to its disadvantage."""
    ranks = []
    for voice in queries.tolist():
        scores = evidence.faces[gallery] @ evidence.voices[voice]
        own = evidence.face_people[gallery] == evidence.voice_people[voice]
        ranks.append(int((scores[~own] >= scores[own].max()).sum()) + 1)
    return np.array(ranks)


def _line(
    evidence: Evidence, voice: int, gallery: npt.NDArray[np.int64], first: int
) -> list[GridFace | None]:
    assert evidence.corpus is not None and evidence.face_places is not None
    scores = evidence.faces[gallery] @ evidence.voices[voice]
    person = evidence.voice_people[voice]
    own = np.flatnonzero(evidence.face_people[gallery] == person)
    best = own[np.argmax(scores[own])]
    found = np.argsort(-scores, kind="stable")[:first]
    shown: list[GridFace | None] = []
    for k in (best, None, *found):
        if k is None:
            shown.append(None)
            continue
        picture = corpus_face(evidence.corpus, int(evidence.face_places[gallery[k]]))
        right = evidence.face_people[gallery[k]] == person
        shown.append(GridFace(picture=picture, words=f"{scores[k]:.2f}", right=bool(right)))
    return shown


def corpus_face(corpus: Corpus, place: int, *, size: int = _SIDE) -> Picture:
    """Face ``place`` of a corpus upright in its crop, (size, size, 3)."""
    from voiceface.face.align import align

    points = np.asarray(corpus.faces[place].landmarks, dtype=np.float32)
    return align(np.asarray(corpus.picture(place)), points, size=size, template="dlib")
