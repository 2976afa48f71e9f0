"""A corpus placed by a model: rows of all its voices and faces, kept beside it for the next time."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Selection
from voiceface.corpus.workers import HERE, Workers
from voiceface.errors import InputError
from voiceface.evaluation.training_overlap import TrainingOverlap, training_overlap
from voiceface.media.files import atomic_path
from voiceface.media.writer_lock import writer_lock
from voiceface.models.selection_embeddings import embed_selection, embeds_selections
from voiceface.pipelines.embed import embed_corpus, read_embeddings
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.weights import Loaded, load_model

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

KNOWN_PEOPLE = ("refuse", "keep", "drop")
"""What to do with people whom the weights were trained on."""

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""A progress bar by its title."""


@dataclass(frozen=True, kw_only=True)
class CorpusEmbeddings:
    """Files of rows as `voiceface embed` writes them, and what is known of the model."""

    voices: Path
    faces: Path
    model: str
    recipe: str
    people: TrainingOverlap
    dropped: int
    """People left out because the weights had met them."""
    calibration: tuple[float, float] | None
    """Slope and offset from a dot product to log odds at even odds."""


def cached_embeddings(
    weights: str | Path,
    corpus: Corpus,
    *,
    known_people: str = "refuse",
    among: frozenset[str] | None = None,
    device: str = "cpu",
    workers: Workers = HERE,
    bar: Bar,
) -> CorpusEmbeddings:
    """Place all voices and faces of a corpus by a model, or find that it was done before.

    Matchers work in blocks that survive a kill; the rows are kept in the corpus' ``views/``.

    Args:
        weights: Shipped weights by name, or a weights folder.
        corpus: A prepared corpus with voices and faces.
        known_people: ``refuse`` a corpus whose people trained the weights, ``keep`` them all the same, or
            ``drop`` those that trained or selected them.
        among: The people who are evaluated, where a list names some of the corpus' alone.
        device: Where a matcher works.
        workers: Who places the blocks of a matcher.
        bar: Shows progress.

    Raises:
        InputError: the weights or the corpus cannot be used, or its people trained the weights.
    """
    loaded = load_model(weights, device=device)
    if not embeds_selections(loaded.model):
        fault = f"holds weights of {loaded.card['recipe']}, which place no voices and faces to compare"
        raise InputError(weights, fault, "give a matcher's weights")
    lost = [kind for kind in ("voices", "faces") if not len(corpus.tables[kind])]
    if lost:
        raise InputError(corpus.path, f"holds no {' and no '.join(lost)}", "name another corpus")
    people = training_overlap(weights, loaded, corpus)
    if among is not None:
        people = people.among(among)
    _check_overlap(people, loaded, corpus, known_people)
    files = _placed(loaded, corpus, device, workers, bar)
    dropped = 0
    if known_people == "drop" and people.met:
        files = {kind: _without_people(path, people.met) for kind, path in files.items()}
        dropped = sum(person.id in people.met for person in corpus.people)
    found = loaded.card["facts"].get("calibration")
    return CorpusEmbeddings(
        voices=files["voices"],
        faces=files["faces"],
        model=loaded.name,
        recipe=loaded.card["recipe"],
        people=people,
        dropped=dropped,
        calibration=(float(found["slope"]), float(found["offset"])) if found else None,
    )


def _placed(loaded: Loaded, corpus: Corpus, device: str, workers: Workers, bar: Bar) -> dict[str, Path]:
    """The files of rows, made where they are not kept from before."""
    matcher = Matcher(loaded, device=device) if Matcher.accepts(loaded.model) else None
    name = loaded.model.fingerprint()[:12]
    folder = _cache_folder(corpus)
    stem = f"{loaded.name}-{name}-{corpus.fingerprint[:12]}"
    files = {kind: folder / f"{stem}-{kind}.npz" for kind in ("voices", "faces")}
    with writer_lock(folder / stem, wait=-1):  # who places it second reads what the first has placed
        if not all(_whole(path, len(corpus.tables[kind])) for kind, path in files.items()):
            if matcher is None:
                _place(loaded, corpus, files, bar)
            else:
                _place_in_blocks(matcher, corpus, files, bar, workers)
    return files


def _check_overlap(people: TrainingOverlap, loaded: Loaded, corpus: Corpus, known_people: str) -> None:
    """Refuse known people, or to drop those who cannot be identified or are everybody."""
    if people.known and known_people == "refuse":
        command = f"voiceface evaluate {loaded.card['recipe']} --corpus CORPUS --folds 5"
        remedy = f"measure the recipe on unknown people: {command}"
        ways = "--known-people keep to measure it all the same" + (
            ", or drop to leave them out" if people.met else ""
        )
        raise InputError(corpus.path, people.summary.rstrip("."), f"{remedy}; or give {ways}")
    if known_people == "drop" and people.known and not people.met:
        raise InputError(corpus.path, "it cannot be told which people to drop", "give --known-people keep")
    if known_people == "drop" and people.known and people.met >= {person.id for person in corpus.people}:
        remedy = "give --known-people keep, or another corpus"
        raise InputError(corpus.path, f"{loaded.name} has met all of its people", remedy)


def _place_in_blocks(
    matcher: Matcher, corpus: Corpus, files: dict[str, Path], bar: Bar, workers: Workers
) -> None:
    for kind, path in files.items():
        with bar(kind) as progress:
            embed_corpus(matcher, corpus, path, kind=kind, workers=workers, progress=progress)


def _place(loaded: Loaded, corpus: Corpus, files: dict[str, Path], bar: Bar) -> None:
    """The rows of a model that embeds no item alone, all at once and in this process."""
    whole = Selection.everything(corpus)
    with bar("voices and faces"):
        sides = embed_selection(loaded.model, whole)
    for (kind, path), rows in zip(files.items(), sides, strict=True):
        names, people = (corpus.column(kind, name).astype(str) for name in ("id", "person"))
        plan = json.dumps({"model": loaded.name, "weights": loaded.model.fingerprint()})
        _write(path, {"names": names, "people": people, "embeddings": rows, "model": np.array(plan)})


def _cache_folder(corpus: Corpus) -> Path:
    """Where rows are kept: beside the corpus, or for this run alone where nothing may be written there."""
    views = corpus.path / "views"
    try:
        views.mkdir(exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="voiceface-"))
    return views if os.access(views, os.W_OK) else Path(tempfile.mkdtemp(prefix="voiceface-"))


def _whole(path: Path, count: int) -> bool:
    if not path.is_file():
        return False
    try:
        return len(read_embeddings(path)["embeddings"]) == count
    except InputError:
        return False


def _without_people(path: Path, people: frozenset[str]) -> Path:
    """The rows of everybody else, in a file beside."""
    arrays = read_embeddings(path)
    kept = ~np.isin(arrays["people"].astype(str), np.array(sorted(people)))
    out = path.with_stem(f"{path.stem}-unmet")
    _write(out, {k: v[kept] if v.shape[:1] == kept.shape else v for k, v in arrays.items()})
    return out


def _write(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
