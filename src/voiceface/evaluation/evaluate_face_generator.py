"""Weights that draw faces, judged on the voices of a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.evaluation.face_evaluation import Asked, Found, non_default_flags
from voiceface.evaluation.generated_from_voices import (
    FEATURES,
    embed_generated_part,
    embed_real_part,
    generate_part_faces,
    part_of,
)
from voiceface.evaluation.report_files import ReportSubject
from voiceface.pipelines.weights import load_model
from voiceface.training.devices import pick_device

if TYPE_CHECKING:
    from voiceface.evaluation.cached_embeddings import Bar
    from voiceface.evaluation.generated_faces import FaceSet, Judged
    from voiceface.evaluation.generated_from_voices import Part, Pictures

__all__ = ["evaluate_face_generator"]

_LOOKED_AT = 200
"""Pictures that the detector looks at, of drawn and of real ones: those without a face take long."""


def evaluate_face_generator(
    model: str,
    corpus: Path,
    split: Literal["test", "known", "all"],
    beside: Mapping[str, Path],
    *,
    device: str,
    asked: Asked,
    bar: Bar,
) -> Found:
    """Generate a face for every voice of a part of the corpus, and judge them.

    Args:
        model: Weights that generate faces.
        corpus: The prepared corpus.
        split: People the weights never met, known people's new recordings, or everybody of another corpus.
        beside: Name to a folder of other faces of the same voices, judged alike.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        asked: Gallery sizes, resamples and seed.
        bar: Shows progress.

    Raises:
        InputError: the weights draw none, or it cannot be told that they never met these people.
    """
    kind, index = pick_device(device)
    opened = Corpus.open(corpus)
    loaded = load_model(model, device=f"{kind}:{index}" if kind == "cuda" else kind)
    if loaded.run.imagine is None:
        fault = f"holds weights of {loaded.run.recipe}, which draws no faces"
        raise InputError(model, fault, "give the weights of a recipe that does")
    part = part_of(model, loaded, opened, split)
    size, template = int(loaded.run.contract["size"]), str(loaded.run.contract["template"])
    given = {name: _read(folder, part, size) for name, folder in beside.items()}
    with bar("generating faces") as progress:
        pictures = generate_part_faces(loaded, part, seed=asked.seed, progress=progress)
    real = embed_real_part(part.test, size=size, template=template)
    train = embed_real_part(part.train, size=size, template=template) if part.train is not None else None
    drawn = {loaded.name: embed_generated_part(pictures, part, template=template)}
    for name, others in given.items():
        drawn[name] = embed_generated_part(others, part, template=template)
    judged = {name: _judged(one, real, train, FEATURES, asked, bar) for name, one in drawn.items()}
    first = judged[loaded.name]
    judged[loaded.name] = replace(first, notes=(part.told, *first.notes))
    words = f"voiceface evaluate faces --model WEIGHTS --corpus CORPUS --split {split}"
    words += "".join(f" --beside {name}={name.upper()}" for name in beside) + non_default_flags(asked)
    return Found(
        judged=judged,
        subject=ReportSubject(
            title=f"Faces drawn by {loaded.name}",
            recipe=loaded.run.recipe,
            corpus=opened.fingerprint,
            command=words,
            protocol={"test": "unknown people", "known": "known people", "all": "another corpus"}[split],
            warnings=() if split == "test" else (part.told,),
        ),
        kept=_kept(drawn[loaded.name]),
    )


def _kept(drawn: FaceSet) -> dict[str, Any]:
    """The faces drawn, in the form that --drawn reads, and their pictures."""
    faces = drawn.faces
    return {
        "names": faces.names,
        "people": faces.people,
        "gender": faces.genders,
        "embeddings": faces.rows.astype(np.float32),
        "pictures": drawn.pictures,
    }


def _judged(
    drawn: FaceSet, real: FaceSet, train: FaceSet | None, features: str, asked: Asked, bar: Bar
) -> Judged:
    """All protocols, and how many of the faces a detector finds beside how many real ones."""
    from voiceface.evaluation.generated_faces import evaluate_generated_faces
    from voiceface.evaluation.generated_from_voices import has_detectable_face
    from voiceface.protocols.face_set import Report
    from voiceface.protocols.people_bootstrap import People, mean_of_items

    judged = evaluate_generated_faces(
        drawn, real, train, features=features, n=asked.n, resamples=asked.resamples, seed=asked.seed
    )
    rows = {}
    for what, one in (("drawn faces", drawn), ("real faces, cut alike", real)):
        assert one.pictures is not None
        order = np.random.default_rng(asked.seed).permutation(len(one.faces))[:_LOOKED_AT]
        with bar(f"looking for {what}") as progress:
            found = has_detectable_face(one.pictures[order], progress=progress)
        people = People(one.faces.people[order], resamples=asked.resamples, seed=asked.seed)
        rows[f"detector, {what}"] = [mean_of_items("found by the detector", found, people, share=True)]
    note = (
        "descriptors are of the points that the template says a drawn face has, found by the detector or not"
    )
    return replace(judged, sections={**judged.sections, "Detected": Report(rows=rows, notes=(note,))})


def _read(folder: Path, part: Part, size: int) -> Pictures:
    """A picture for every voice of the part: named by the voice, or else by its person.

    Raises:
        InputError: there are voices without one.
    """
    from PIL import Image

    from voiceface.corpus.file_tree import walk_media
    from voiceface.media.picture import load_picture
    from voiceface.protocols.input_checks import few

    files = {one.path.rpartition(".")[0]: one.path for one in walk_media(folder) if one.kind == "image"}
    corpus = part.test.corpus
    ids, people = (corpus.column("voices", name)[part.test.voices].astype(str) for name in ("id", "person"))
    names = [
        files.get(one) or files.get(who, "") for one, who in zip(ids.tolist(), people.tolist(), strict=True)
    ]
    lost = [one for one, name in zip(ids.tolist(), names, strict=True) if not name]
    if lost:
        fault = f"has no picture of {few(lost)} of {len(ids):,} voices"
        raise InputError(folder, fault, "name each VOICE.png or PERSON.png")
    read = {name: load_picture(folder / name) for name in sorted(set(names))}
    cut = {
        name: np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))
        for name, picture in read.items()
    }
    return np.stack([cut[name] for name in names])
