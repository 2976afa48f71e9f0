"""Embeddings of many files or of a whole corpus, in blocks that survive a kill, into one ``.npz``."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.workers import HERE, Workers
from voiceface.errors import InputError
from voiceface.media.files import atomic_path, partial_files, write_json
from voiceface.media.read_npz import Header, read_npz
from voiceface.media.writer_lock import writer_lock
from voiceface.pipelines.embed_block import EmbedBlock, embed_blocks
from voiceface.protocols.input_checks import few

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.pipelines.matcher import Matcher

_BLOCK = 64
_PLAN = "plan.json"
_PART = re.compile(r"\d{9}\.npz")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What was embedded, and what could not be."""

    path: Path
    count: int
    failed: list[InputError]


def embed_files(
    matcher: Matcher,
    files: Sequence[str | Path],
    out: str | Path,
    *,
    kind: str,
    workers: Workers = HERE,
    progress: Progress | None = None,
) -> Embedded:
    """Embed ``files`` as ``kind`` (``voices`` or ``faces``) into ``out``: names and embeddings.

    Works in blocks kept in ``OUT.parts`` until all are there, so a second call after a kill does only
    what is missing (everything, if a file has changed since). Files that cannot be used are left out
    and returned. Processes share the cores and load the matcher's weights each; a cluster's workers must see
    the files under the same paths.

    Raises:
        InputError: no file at all, none usable, two of one name, or ``out`` cannot be written.
    """
    _check_kind(kind)
    names = [str(f) for f in files]
    stamps = hashlib.sha256("\n".join(map(_size_and_time, names)).encode()).hexdigest()
    job = _Job(matcher, kind, names, [""] * len(names), Path(out), stamps)
    return _in_blocks(job, workers, progress)


def embed_corpus(
    matcher: Matcher,
    corpus: Corpus,
    out: str | Path,
    *,
    kind: str,
    workers: Workers = HERE,
    progress: Progress | None = None,
) -> Embedded:
    """Embed a prepared corpus' voices or faces into ``out``: names (ids), people and embeddings.

    In blocks and by workers as `embed_files`.

    Raises:
        InputError: the corpus holds none, or ``out`` cannot be written.
    """
    _check_kind(kind)
    names, people = (corpus.column(kind, name).astype(str).tolist() for name in ("id", "person"))
    job = _Job(matcher, kind, names, people, Path(out), corpus.fingerprint, corpus)
    return _in_blocks(job, workers, progress)


def read_embeddings(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Read what `embed_files` or `embed_corpus` wrote: ``names``, ``people``, ``embeddings``, ``model``.

    Raises:
        InputError: no such file, no ``.npz``, one without names and embeddings, or rows that are no
            embeddings: NaN, beyond float32, or all zeros in it.
    """
    remedy = "give a file that `voiceface embed` wrote"

    def wanted(headers: Mapping[str, Header]) -> list[str]:
        count = headers["names"].shape if "names" in headers else ()
        columns = [name for name, head in headers.items() if head.shape == count and head.dtype.kind in "US"]
        return ["names", "embeddings", "people", "model", "found", *columns]

    found = read_npz(path, wanted, remedy=remedy)
    if not {"names", "embeddings"} <= found.keys():
        raise InputError(path, "holds no names and embeddings", remedy)
    names, rows = found["names"], found["embeddings"]
    if rows.ndim != 2 or rows.dtype.kind != "f" or names.dtype.kind != "U" or names.shape != (len(rows),):
        fault = f"holds names of shape {names.shape} and embeddings of shape {rows.shape}"
        raise InputError(path, fault, "give one name per embedding")
    if not rows.size:
        raise InputError(path, "holds no embedding", remedy)
    # A face that was not found has no row to look at.
    seen = found["found"] if "found" in found else np.ones(len(rows), bool)
    if seen.dtype != bool or seen.shape != names.shape:
        raise InputError(path, "does not say of each row whether it was found", remedy)
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)  # what they are used in
    bad = seen & ~(np.isfinite(single).all(axis=1) & single.any(axis=1))
    if bad.any():
        fault = (
            f"rows {few(np.flatnonzero(bad).tolist())} of {len(rows):,} hold NaN or infinity, or only zeros"
        )
        raise InputError(path, fault, "leave them out")
    return found


@dataclass(frozen=True)
class _Job:
    matcher: Matcher
    kind: str
    names: list[str]
    people: list[str]
    out: Path
    contents: str
    """Names what the items hold: a corpus' fingerprint, or a digest of the files' sizes and times."""
    corpus: Corpus | None = None

    @property
    def plan(self) -> dict[str, str]:
        """What rows of one space and one list share; it is kept beside them."""
        digest = hashlib.sha256("\n".join([self.kind, *self.names]).encode("utf-8", "surrogateescape"))
        return {"model": self.matcher.name, "weights": self.matcher.fingerprint, "items": digest.hexdigest()}


def _check_kind(kind: str) -> None:
    if kind not in {"voices", "faces"}:
        raise InputError("kind", f"is {kind!r}", "give voices or faces")


def _in_blocks(job: _Job, workers: Workers, progress: Progress | None) -> Embedded:
    out, names = job.out, job.names
    if not names:
        raise InputError(out, f"would hold nothing: there are no {job.kind}", "give some files")
    if len(set(names)) < len(names):
        raise InputError(Counter(names).most_common(1)[0][0], "is named twice", "give each file once")
    if not out.parent.is_dir():
        raise InputError(out, "cannot be written there", "choose another folder")
    with writer_lock(out):
        return _do_blocks(job, workers, progress)


def _do_blocks(job: _Job, workers: Workers, progress: Progress | None) -> Embedded:
    out, names = job.out, job.names
    parts = _claim_folder(job)
    _do_missing(job, parts, workers, progress)
    failed: list[InputError] = []
    kept: list[int] = []
    for first, last in _blocks(len(names)):
        with np.load(_part(parts, first), allow_pickle=False) as stored:
            errors = json.loads(str(stored["failed"]))
        failed += [InputError(*words) for _, *words in errors]
        lost = {place for place, *_ in errors}
        kept += [k for k in range(first, last) if k not in lost]
    if not kept:
        shutil.rmtree(parts, ignore_errors=True)
        raise failed[0]
    _assemble(job, parts, kept)
    shutil.rmtree(parts, ignore_errors=True)
    return Embedded(path=out, count=len(kept), failed=failed)


def _do_missing(job: _Job, parts: Path, workers: Workers, progress: Progress | None) -> None:
    """Write the blocks that are not there yet, in whatever order they end."""
    names = job.names
    missing = [at for at in _blocks(len(names)) if not _part(parts, at[0]).is_file()]
    if not missing:
        return
    done = len(names) - sum(last - first for first, last in missing)
    blocks = (EmbedBlock(kind=job.kind, first=at, names=tuple(names[at:last])) for at, last in missing)
    workers = replace(workers, processes=min(workers.processes, len(missing)))
    for block, (rows, bad) in embed_blocks(blocks, job.matcher, job.corpus, workers):
        errors = json.dumps([[place, error.what, error.fault, error.remedy] for place, error in bad])
        with atomic_path(_part(parts, block.first)) as temporary, temporary.open("wb") as file:
            np.savez(file, rows=rows, failed=np.array(errors))
        done += len(block.names)
        if progress is not None:
            progress(done, len(names))


def _part(parts: Path, first: int) -> Path:
    """The file of the block that begins with this item."""
    return parts / f"{first:09}.npz"


def _assemble(job: _Job, parts: Path, kept: Sequence[int]) -> None:
    """Write the ``.npz``, its rows block by block: as many as there are, one block is in memory."""
    with atomic_path(job.out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        words = {"names": job.names, "people": job.people}
        small = {name: np.array([values[k] for k in kept]) for name, values in words.items()}
        for name, array in (small | {"model": np.array(json.dumps(job.plan))}).items():
            with archive.open(_member(name), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
        use = iter(kept)
        place = next(use)
        with archive.open(_member("embeddings"), "w", force_zip64=True) as file:
            shape = len(kept), job.matcher.dim
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for first, last in _blocks(len(job.names)):
                with np.load(_part(parts, first), allow_pickle=False) as stored:
                    rows = stored["rows"]
                chosen = []
                while first <= place < last:
                    chosen.append(place - first)
                    place = next(use, -1)
                file.write(np.ascontiguousarray(rows[chosen], dtype="<f4").tobytes())


def _member(name: str) -> zipfile.ZipInfo:
    """A member of one date, so that the same rows make the same bytes."""
    return zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))


def _claim_folder(job: _Job) -> Path:
    """The folder of finished blocks; those of another job are thrown away."""
    parts = job.out.with_name(job.out.name + ".parts")
    plan, wanted = parts / _PLAN, job.plan | {"contents": job.contents}
    try:
        if _read_plan(plan) == wanted:
            return parts
        # A kill may have left the folder before its plan was written, or after it was removed.
        if parts.exists() and not _ours(parts):
            raise InputError(parts, "is in the way", "remove it or choose another output")
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
    except OSError as error:
        raise InputError(job.out, "cannot be written there", "choose another folder") from error
    write_json(plan, wanted)
    return parts


def _read_plan(plan: Path) -> object:
    try:
        return json.loads(plan.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _ours(parts: Path) -> bool:
    """Whether a folder holds nothing but a plan, blocks and what killed writers left."""
    if not parts.is_dir():
        return False
    litter = partial_files(parts)
    return all(p.name == _PLAN or _PART.fullmatch(p.name) or p in litter for p in parts.iterdir())


def _size_and_time(name: str) -> str:
    """Size and time of a file, so that one mended between two calls is read again."""
    try:
        found = Path(name).stat()
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, _BLOCK):
        yield first, min(count, first + _BLOCK)
