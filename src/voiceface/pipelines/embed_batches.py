"""Sources embedded together: several share a forward pass, and a fault stays with its own source."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.models.model import Embeddings

Input = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedEncoder:
    """An encoder with what stands before it (a file's inputs) and behind it (one file's embeddings)."""

    read: Callable[[Any], Iterable[Input]]
    """The inputs that one file gives, in turn: the minutes of a recording, the faces of a video."""
    embed: Callable[[list[Input]], Embeddings]
    """Inputs as ``(inputs, width)``."""
    size: Callable[[Input], int]
    """What an input counts for in a batch."""
    most: int
    """Of a batch, in the units of ``size``; a larger input is embedded alone."""
    combine: Callable[[list[int], list[Embeddings]], Embeddings]
    """Sizes and embeddings of one file's inputs as the rows that stand for the file, ``(rows, width)``."""


@dataclass(slots=True)
class _File:
    sizes: list[int] = field(default_factory=list)
    rows: list[Embeddings] = field(default_factory=list)


@dataclass(slots=True)
class _Source:
    """One or several files of one person, and what is known of them so far."""

    index: int
    files: list[_File] = field(default_factory=list)
    error: InputError | None = None


class _Waiting:
    """Inputs that were read and not embedded."""

    def __init__(self, encoder: BatchedEncoder) -> None:
        self._encoder = encoder
        self._inputs: list[tuple[_Source, _File, Input]] = []
        self._held = 0

    def is_full(self, size: int) -> bool:
        """Whether one more of this size has to wait for the next batch."""
        return bool(self._inputs) and self._held + size > self._encoder.most

    def append(self, source: _Source, file: _File, one: Input, size: int) -> None:
        self._inputs.append((source, file, one))
        file.sizes.append(size)
        self._held += size

    def forget(self, source: _Source) -> None:
        self._inputs = [entry for entry in self._inputs if entry[0] is not source]
        self._held = sum(self._encoder.size(one) for *_, one in self._inputs)

    def embed(self) -> None:
        """Give every input's embedding to its file; one that the encoder refuses spoils its source only."""
        inputs, self._inputs, self._held = self._inputs, [], 0
        if not inputs:
            return
        try:
            rows = self._encoder.embed([one for *_, one in inputs])
        except InputError:
            for source, file, one in inputs:
                try:
                    file.rows.append(self._encoder.embed([one])[0])
                except InputError as error:
                    source.error = source.error or error
            return
        for (_, file, _), row in zip(inputs, rows, strict=True):
            file.rows.append(row)


def embed_in_batches(
    sources: Sequence[Any], encoder: BatchedEncoder, *, strict: bool
) -> Iterator[tuple[int, list[Embeddings] | InputError]]:
    """Embed sources, several in a forward pass, with no more than a batch of inputs in memory.

    Args:
        sources: Files, or lists of files of one person.
        encoder: What reads and embeds them.
        strict: Stop reading at the first source that cannot be used.

    Yields:
        Index and rows of every source's files, or what is wrong with it, in the order of the sources.
    """
    waiting, begun = _Waiting(encoder), deque[_Source]()
    for index, given in enumerate(sources):
        source = _Source(index)
        begun.append(source)
        try:
            files = given if isinstance(given, list) else [given]
            if not files:
                raise InputError(f"input {index}", "is an empty list", "give one source or more")
            for one in files:
                source.files.append(_File())
                for part in encoder.read(one):
                    size = encoder.size(part)
                    if waiting.is_full(size):
                        waiting.embed()
                        while begun[0] is not source:
                            yield _finished(begun.popleft(), encoder)
                        if source.error is not None:
                            raise source.error
                    waiting.append(source, source.files[-1], part, size)
        except InputError as error:
            waiting.forget(source)
            source.error = error
            if strict:
                break
    waiting.embed()
    while begun:
        yield _finished(begun.popleft(), encoder)


def _finished(source: _Source, encoder: BatchedEncoder) -> tuple[int, list[Embeddings] | InputError]:
    if source.error is not None:
        return source.index, source.error
    return source.index, [encoder.combine(file.sizes, file.rows) for file in source.files]
