"""One block of items embedded: the task that this process, others and a cluster's workers do alike."""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.worker_pool import run_tasks
from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.pipelines.weights import trusted_recipes, trusting

if TYPE_CHECKING:
    from voiceface.pipelines.matcher import Matcher

Faults = list[tuple[int, InputError]]
Done = tuple[npt.NDArray[np.float32], Faults]

_ONE_AT_A_TIME = threading.Lock()
"""A cluster's worker may have several threads; a matcher and an open corpus are for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedBlock:
    """Items that follow each other, as files by name or as the ids of a corpus."""

    kind: str
    """``voices`` or ``faces``."""
    first: int
    """The place of its first item among all."""
    names: tuple[str, ...]

    def __str__(self) -> str:
        """As an error names it."""
        return f"{self.names[0]} to {self.names[-1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere:
    """A block with all that another process must know to embed it."""

    block: EmbedBlock
    weights: str
    fingerprint: str
    device: str
    precision: str
    warns: bool
    trusted: tuple[Path, ...]
    corpus: tuple[Path, str] | None
    """A corpus' folder and fingerprint."""
    folder: Path
    """What names of files are relative to."""
    there: tuple[bool, ...]
    """Which files there are for the process that hands out the blocks."""
    threads: int
    """Of torch; 0: as they are."""


def embed_blocks(
    blocks: Iterable[EmbedBlock], matcher: Matcher, corpus: Corpus | None, workers: Workers
) -> Iterator[tuple[EmbedBlock, Done]]:
    """Every block with its rows, NaN where an item cannot be used, and what is wrong with which.

    Args:
        blocks: What to embed, taken as it is needed.
        matcher: It embeds in this process; others load its weights again.
        corpus: What the names are the ids of; None: they are files.
        workers: Who embeds.

    Yields:
        The blocks in the order in which they end.

    Raises:
        InputError: a worker has other weights or cannot see the files, or the scheduler is gone.
    """
    if workers.here:
        for block in blocks:
            yield block, _rows(block, matcher, corpus, block.names)
        return
    if not matcher.source:
        raise InputError(matcher.name, "is no matcher from weights", "save them, or embed with one worker")
    folders = [] if corpus is None else [corpus.path]
    with workers.pool(embed_elsewhere, folders=folders) as pool:
        given = (_elsewhere(block, matcher, corpus, workers.threads) for block in blocks)
        for one, done in run_tasks(given, pool, name=lambda one: str(one.block)):
            yield one.block, done


def embed_elsewhere(one: _Elsewhere) -> Done:
    """A block's rows, by a matcher that this process loads once.

    Raises:
        InputError: the weights, the corpus or the files are others here, or are not here.
    """
    host = f"the worker on {socket.gethostname()}"
    with _ONE_AT_A_TIME:
        if one.threads:
            torch.set_num_threads(one.threads)
        matcher = _matcher(one.weights, one.device, one.precision, one.trusted)
        matcher.warns = one.warns
        if matcher.fingerprint != one.fingerprint:
            raise InputError(one.weights, f"holds other weights for {host}", "give all machines the same")
        corpus, names = None, one.block.names
        if one.corpus is not None:
            corpus = _corpus(one.corpus[0])
            if corpus.fingerprint != one.corpus[1]:
                raise InputError(corpus.path, f"is another corpus for {host}", "give all machines the same")
        else:
            names = tuple(str(one.folder / name) for name in names)
            for name, there in zip(names, one.there, strict=True):
                if there and not Path(name).exists():
                    remedy = "mount the same storage under the same path on all machines"
                    raise InputError(name, f"is not there for {host}", remedy)
        return _rows(one.block, matcher, corpus, names)


def _rows(block: EmbedBlock, matcher: Matcher, corpus: Corpus | None, paths: tuple[str, ...]) -> Done:
    if corpus is not None:
        indices = range(block.first, block.first + len(paths))
        return matcher.embed_corpus_items(corpus, block.kind, indices), []
    embed = matcher.embed_voices if block.kind == "voices" else matcher.embed_faces
    faults: Faults = []

    def note(place: int, error: InputError) -> None:
        what = block.names[place] if error.what == paths[place] else error.what
        faults.append((block.first + place, InputError(what, error.fault, error.remedy)))

    return embed(list(paths), on_error=note), faults


def _elsewhere(block: EmbedBlock, matcher: Matcher, corpus: Corpus | None, threads: int) -> _Elsewhere:
    return _Elsewhere(
        block=block,
        weights=matcher.source,
        fingerprint=matcher.fingerprint,
        device=matcher.device,
        precision=matcher.precision,
        warns=matcher.warns,
        trusted=trusted_recipes(),
        corpus=None if corpus is None else (corpus.path.resolve(), corpus.fingerprint),
        folder=Path.cwd(),
        there=() if corpus is not None else tuple(Path(name).exists() for name in block.names),
        threads=threads,
    )


@functools.lru_cache(maxsize=1)
def _matcher(weights: str, device: str, precision: str, trusted: tuple[Path, ...]) -> Matcher:
    from voiceface.pipelines.matcher import Matcher

    with ExitStack() as stack:
        for path in trusted:
            stack.enter_context(trusting(path))
        return Matcher.load(weights, device=device, precision=precision)


@functools.lru_cache(maxsize=1)
def _corpus(path: Path) -> Corpus:
    return Corpus.open(path)
