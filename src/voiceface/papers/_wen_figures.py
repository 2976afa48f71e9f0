"""Figures 2 to 5 of Wen et al.: faces of noises, and of voices by length, gender and recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.audio.noise import KINDS, noise
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import face_view
from voiceface.evaluation.image_grid import CaptionedImage, write_image_grid
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.wen_gan import WenVoice2Face
from voiceface.pipelines.weights import Loaded
from voiceface.records import SAMPLE_RATE

DURATIONS = (1, 2, 3, 5, 10)
"""Seconds of Figures 2 and 3."""
_PEOPLE, _RECORDINGS, _REAL = 4, 7, 3
_OLD = 60
"""Years: the paper does not say who is old."""
_EACH = 8
Wave = npt.NDArray[np.floating]


def write_figure_sheets(loaded: Loaded, test: Selection, out: Path, *, seed: int) -> list[str]:
    """Write Figures 2 to 5 of Wen et al. into ``out``; returns the files' names.

    The titles say which pictures contain real faces.
    """
    model = loaded.model
    assert isinstance(model, WenVoice2Face)
    out.mkdir(parents=True, exist_ok=True)
    view = face_view(test.corpus, size=64, template=model.face_template)
    order = np.random.default_rng(seed).permutation(len(test.people))
    people = [test.people[k] for k in order]
    by_person = {p: (_rows(test, "voices", p), _rows(test, "faces", p)) for p in people}
    speakers = [p for p in people if by_person[p][0]]
    sheets: dict[str, tuple[str, list[list[CaptionedImage]]]] = {
        "wen-noises": ("Generated from noise (Figure 2)", _noises(model, seed)),
        "wen-durations": (
            "Generated from 1 to 10 s of speech; real faces on the right (Figure 3)",
            [_by_duration(model, test, by_person[p], view) for p in _longest(test, speakers, by_person)],
        ),
        "wen-recordings": (
            "Generated from several recordings of one person; real faces on the right (Figure 5)",
            [_by_recording(model, test, by_person[p], view) for p in _most(speakers, by_person)],
        ),
    }
    groups = _groups(test, speakers)
    if groups:
        title = f"Generated from voices of {', '.join(groups)}, the real face after each (Figure 4)"
        rows = [
            [cell for p in some for cell in _pair(model, test, by_person[p], view)]
            for some in groups.values()
        ]
        sheets["wen-genders"] = (title, rows)
    entries = {"synthetic": "generated faces", "model": "wen_voice2face", "seed": str(seed)}
    for name, (title, rows) in sheets.items():
        write_image_grid(out / f"{name}.png", rows, title=title, side=96, metadata=entries)
    return [f"{name}.png" for name in sheets]


def _groups(test: Selection, speakers: list[str]) -> dict[str, list[str]]:
    """A few speakers who are old, men and women, where ages and genders are known."""
    known = {person.id: person for person in test.corpus.people}
    found = {
        "old people": [p for p in speakers if (known[p].age or 0.0) >= _OLD],
        "men": [p for p in speakers if known[p].gender == "m"],
        "women": [p for p in speakers if known[p].gender == "f"],
    }
    return {name: some[:_EACH] for name, some in found.items() if some}


def _generate(model: WenVoice2Face, waves: list[Wave]) -> npt.NDArray[np.uint8]:
    return model.generate([GeneratorInput(wave=wave) for wave in waves], typical=True)


def _noises(model: WenVoice2Face, seed: int) -> list[list[CaptionedImage]]:
    rows = []
    for number, kind in enumerate(KINDS):
        waves = [
            noise(kind, s * SAMPLE_RATE, rate=SAMPLE_RATE, seed=seed + 100 * number + s) for s in DURATIONS
        ]
        faces = _generate(model, list(waves))
        rows.append([(face, f"{kind} {s} s") for face, s in zip(faces, DURATIONS, strict=True)])
    return rows


def _by_duration(
    model: WenVoice2Face, test: Selection, own: tuple[list[int], list[int]], view: npt.NDArray[np.uint8]
) -> list[CaptionedImage]:
    wave = np.concatenate([np.asarray(test.corpus.wave(row)) for row in own[0]])
    lengths: list[float] = [s for s in DURATIONS if s * SAMPLE_RATE <= len(wave)] or [len(wave) / SAMPLE_RATE]
    faces = _generate(model, [wave[: int(s * SAMPLE_RATE)] for s in lengths])
    cells = [(face, f"{s:.3g} s") for face, s in zip(faces, lengths, strict=True)]
    blank = np.full_like(faces[0], 250)
    cells += [(blank, "no longer speech")] * (len(DURATIONS) - len(cells))
    return cells + _real(own, view)


def _by_recording(
    model: WenVoice2Face, test: Selection, own: tuple[list[int], list[int]], view: npt.NDArray[np.uint8]
) -> list[CaptionedImage]:
    faces = _generate(model, [np.asarray(test.corpus.wave(row)) for row in own[0][:_RECORDINGS]])
    cells = [(face, f"recording {k + 1}") for k, face in enumerate(faces)]
    blank = np.full_like(faces[0], 250)
    return cells + [(blank, "")] * (_RECORDINGS - len(cells)) + _real(own, view)


def _pair(
    model: WenVoice2Face, test: Selection, own: tuple[list[int], list[int]], view: npt.NDArray[np.uint8]
) -> list[CaptionedImage]:
    (face,) = _generate(model, [np.asarray(test.corpus.wave(own[0][0]))])
    return [(face, "generated"), *_real(own, view)[:1]]


def _real(own: tuple[list[int], list[int]], view: npt.NDArray[np.uint8]) -> list[CaptionedImage]:
    return [(np.asarray(view[row]), "real") for row in own[1][:_REAL]]


def _rows(test: Selection, table: str, person: str) -> list[int]:
    rows = getattr(test, table)
    mine = rows[test.corpus.column(table, "person")[rows].astype(str) == person]
    return [int(row) for row in mine]


def _most(people: list[str], own: dict[str, tuple[list[int], list[int]]]) -> list[str]:
    return sorted(people, key=lambda p: -len(own[p][0]))[:_PEOPLE]


def _longest(test: Selection, people: list[str], own: dict[str, tuple[list[int], list[int]]]) -> list[str]:
    seconds = {p: sum(len(test.corpus.wave(row)) for row in own[p][0]) for p in people}
    # The first of a shuffled list who speak ten seconds: not the best ones.
    long = [p for p in people if seconds[p] >= DURATIONS[-1] * SAMPLE_RATE]
    return (long + sorted(set(people) - set(long), key=lambda p: -seconds[p]))[:_PEOPLE]
