"""A gallery: known people's voices and faces, embedded by one matcher, kept on disk, searched by either."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.components import nearest
from voiceface.errors import InputError
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_folder import (
    CARD,
    RESERVED_COLUMNS,
    lancedb_module,
    open_table,
    read_card,
    write_card,
)
from voiceface.pipelines.gallery_index import REFINE_FACTOR, build_index, probed_partitions
from voiceface.pipelines.matcher import Matcher

__all__ = ["AddResult", "Gallery", "Hit", "Item"]

KINDS = ("voice", "face")
_BLOCK = 64
"""Items a commit: a kill loses no more than these, and they are added when the same is asked again."""
_BULK = 10_000
INDEXED_FROM = 50_000
"""Items from which an approximate index is worth building: below, an exact search takes milliseconds."""
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One file to add."""

    path: Path
    kind: str
    """``voice`` or ``face``."""
    person: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One item that was found."""

    person: str
    kind: str
    path: str
    similarity: float
    """Dot product of the two embeddings, -1 to 1."""
    probability: float | None
    """That both are one person's, at even odds; None between two voices or two faces, for which no
    calibration was learnt."""
    attributes: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class AddResult:
    """What was added."""

    added: int
    already_present: int
    """Items that the gallery had before."""
    failed: list[InputError]


class Gallery:
    """Embeddings of one matcher on disk (LanceDB, embedded: no server); made by `open`.

    Every block of items is one atomic commit: after a kill the gallery holds whole blocks, and adding
    the same files again adds what is missing.
    """

    def __init__(self, path: Path, card: Mapping[str, Any], table: Any, matcher: Matcher | None) -> None:  # noqa: ANN401
        self.path, self.card = path, card
        self._table = table
        self._matcher = matcher

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        matcher: Matcher | None = None,
        create: bool = False,
        source: str | Path | None = None,
    ) -> Gallery:
        """Open a gallery, or make an empty one.

        Args:
            path: its folder.
            matcher: embeds; None takes the one that the gallery names, when one is needed.
            create: make the gallery if it is not there; needs ``matcher``.
            source: where a matcher that is not shipped was loaded from, for the gallery to remember.

        Raises:
            InputError: no gallery there, one of a newer format, or embeddings of another matcher.
            MissingPartError: LanceDB is not installed.
        """
        lancedb_module()
        path = Path(path)
        if not (path / CARD).is_file():
            if not create:
                raise InputError(path, "is no gallery", "make one with `voiceface gallery add`")
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise InputError(path, "holds something else than a gallery", "name a new folder")
            assert matcher is not None, "a new gallery is made with a matcher"
            write_card(path, matcher, source)
        card = read_card(path)
        if matcher is not None and matcher.fingerprint != card["weights"]:
            fault = f"holds embeddings of {card['matcher']}, unlike those of {matcher.name}"
            raise InputError(path, fault, "load that matcher, or make a new gallery")
        return cls(path, card, open_table(path, int(card["dim"])), matcher)

    def __len__(self) -> int:
        """Number of items."""
        return int(self._table.count_rows())

    @property
    def matcher(self) -> Matcher:
        """The matcher whose embeddings these are, loaded when first needed.

        Raises:
            InputError: it is neither shipped nor where it was, or has been replaced since.
        """
        if self._matcher is None:
            loaded = Matcher.load(self.card["source"])
            if loaded.fingerprint != self.card["weights"]:
                fault = f"holds embeddings of another version of the matcher {loaded.name}"
                raise InputError(self.path, fault, "add the files to a new gallery")
            self._matcher = loaded
        return self._matcher

    @property
    def attributes(self) -> list[str]:
        """Names of what is known of items, beside person, kind and path."""
        return [name for name in self._table.schema.names if name not in RESERVED_COLUMNS]

    def people(self) -> dict[str, int]:
        """Person to number of items, sorted."""
        column = self._table.search().select(["person"]).limit(None).to_arrow()["person"]
        counts = {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
        return dict(sorted(counts.items()))

    def add(self, items: Iterable[Item], *, progress: Callable[[int, int], None] | None = None) -> AddResult:
        """Embed files and add them; the same bytes of the same person are embedded and kept once.

        Args:
            items: files with their people.
            progress: called with the items done and their number after every block.

        Returns:
            How many were added, how many were there, and the errors of files that could not be used.

        Raises:
            InputError: an item without a person or of no known kind, or an attribute that cannot be a name.
        """
        items = list(items)
        for item in items:
            _check(item)
        self._add_attribute_columns({name for item in items for name in item.attributes})
        added = present = done = 0
        failed: list[InputError] = []
        for block in _blocks(items):
            fresh, known = self._not_yet_added(block, failed)
            rows, kept = self._embed([item for item, _ in fresh], failed)
            self._commit(rows, [fresh[k] for k in kept])
            added, present, done = added + len(kept), present + known, done + len(block)
            if progress is not None:
                progress(done, len(items))
        self.tidy()
        return AddResult(added=added, already_present=present, failed=failed)

    def add_rows(self, rows: Embeddings, items: Sequence[Item]) -> int:
        """Add embeddings that this gallery's matcher made before, one an item; the number added.

        An item is known by its person, kind and path here, for no file is read.

        Raises:
            InputError: embeddings of another width, NaN or infinite ones, or an item that `add` refuses.
        """
        rows = np.asarray(rows, dtype=np.float32)
        if rows.shape != (len(items), int(self.card["dim"])):
            fault = f"have the shape {rows.shape}, not ({len(items)}, {self.card['dim']})"
            raise InputError("rows", fault, "embed with the gallery's own matcher")
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            first = items[int(np.argmax(bad))].path
            fault = f"{int(bad.sum())} hold NaN or infinite numbers, first {first}"
            raise InputError("rows", fault, "leave them out")
        for item in items:
            _check(item)
        self._add_attribute_columns({name for item in items for name in item.attributes})
        before = len(self)
        named = [(item, _digest(item, str(item.path).encode())) for item in items]
        for start in range(0, len(named), _BULK):
            self._commit(rows[start : start + _BULK], named[start : start + _BULK])
        self.tidy()
        return len(self) - before

    def remove(self, person: str) -> int:
        """Remove everything of a person; the number of items removed.

        Raises:
            InputError: nobody of that name is there; the nearest names are offered.
        """
        where = f"person = {_quoted(person)}"
        count = int(self._table.count_rows(where))
        if not count:
            raise InputError(
                self.path, f"holds nobody called {person!r}", nearest(person, list(self.people()))
            )
        rows = self._table.search().where(where).with_row_id(True).select(["id"]).limit(None).to_arrow()
        parts = sorted({row >> 32 for row in rows["_rowid"].to_pylist()})
        self._table.delete(where)
        # Deleting only marks rows. Somebody who is removed must be gone from the disk: the parts that held
        # the rows are written anew without them, and older versions of the data deleted, before anything
        # else that may fail.
        for part in parts:
            within = f"_rowid >= {part << 32} AND _rowid < {(part + 1) << 32}"
            self._table.update(where=within, values_sql={"person": "person"})
        self._optimise(drop_history=True)
        self.tidy()
        return count

    def search(
        self,
        query: npt.ArrayLike,
        *,
        side: str,
        k: int = 10,
        kind: str | None = None,
        where: Mapping[str, str] | None = None,
        exact: bool = False,
    ) -> list[Hit]:
        """The items most similar to an embedding, best first.

        Args:
            query: (dim,) an embedding by this gallery's matcher.
            side: ``voice`` or ``face``: what was embedded.
            k: how many.
            kind: only voices or only faces; None: the other kind than the query's.
            where: only items with these values of these attributes (``person`` is one too).
            exact: compare with everything, also where there is an index.

        Raises:
            InputError: an empty gallery, an embedding of another width, an unknown attribute.
        """
        row = np.asarray(query, dtype=np.float32).ravel()
        if row.shape != (int(self.card["dim"]),) or not np.isfinite(row).all():
            fault = f"has {row.size} numbers, or some not finite; the gallery's have {self.card['dim']}"
            raise InputError("query", fault, "embed it with the gallery's own matcher")
        if k < 1:
            raise InputError("k", f"is {k}", "give 1 or more")
        if side not in KINDS or (kind is not None and kind not in KINDS):
            raise InputError("side and kind", f"are {side!r} and {kind!r}", "give voice or face")
        if not len(self):
            raise InputError(self.path, "is empty", "add somebody with `voiceface gallery add`")
        kind = kind or ("face" if side == "voice" else "voice")
        asked = self._table.search(row, vector_column_name="vector").distance_type("cosine")
        asked = asked.where(" AND ".join([f"kind = '{kind}'", *self._filters(where or {})]), prefilter=True)
        asked = (
            asked.bypass_vector_index()
            if exact
            else asked.nprobes(probed_partitions(len(self))).refine_factor(REFINE_FACTOR)
        )
        names = [name for name in self._table.schema.names if name not in ("vector", "id")]
        found = asked.select([*names, "_distance"]).limit(k).to_arrow().to_pylist()
        return [self._hit(one, cross_modal=kind != side) for one in found]

    def tidy(self) -> None:
        """Merge small parts, bring the index up to date, and build it once there are enough items."""
        self._optimise()
        indexed = any("vector" in index.columns for index in self._table.list_indices())
        if len(self) >= INDEXED_FROM and not indexed:
            build_index(self._table, dim=int(self.card["dim"]))

    def _optimise(self, *, drop_history: bool = False) -> None:
        """Merge small parts; ``drop_history`` deletes older versions of the data from the disk at once."""
        kept = timedelta(0) if drop_history else timedelta(minutes=10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that versions older than the latest go is what is meant
            self._table.optimize(cleanup_older_than=kept, delete_unverified=drop_history)

    def _filters(self, where: Mapping[str, str]) -> list[str]:
        known = ["person", *self.attributes]
        for name in where:
            if name not in known:
                raise InputError(self.path, f"knows no attribute {name!r}", f"there are {', '.join(known)}")
        return [f"`{name}` = {_quoted(value)}" for name, value in where.items()]

    def _hit(self, row: Mapping[str, Any], *, cross_modal: bool) -> Hit:
        similarity = 1.0 - float(row["_distance"])
        chance = float(self.matcher.probability(np.array([similarity]))[0]) if cross_modal else None
        return Hit(
            person=row["person"],
            kind=row["kind"],
            path=row["path"],
            similarity=similarity,
            probability=chance,
            attributes={name: row[name] for name in self.attributes if row[name] is not None},
        )

    def _not_yet_added(
        self, block: Sequence[Item], failed: list[InputError]
    ) -> tuple[list[tuple[Item, str]], int]:
        """The items that are not there yet with their ids, each once, and how many are there."""
        named: dict[str, Item] = {}
        read = 0
        for item in block:
            try:
                named.setdefault(_digest(item, item.path.read_bytes()), item)
                read += 1
            except OSError as error:
                failed.append(InputError(item.path, f"cannot be read ({error.strerror})", "check the path"))
        if not named:
            return [], 0
        listed = ", ".join(_quoted(name) for name in named)
        asked = self._table.search().where(f"id IN ({listed})").select(["id"]).limit(None)
        there = set(asked.to_arrow()["id"].to_pylist())
        fresh = [(item, name) for name, item in named.items() if name not in there]
        return fresh, read - len(fresh)

    def _embed(self, items: Sequence[Item], failed: list[InputError]) -> tuple[Embeddings, list[int]]:
        """Embeddings of the items that have some, and their indices."""
        rows = np.full((len(items), int(self.card["dim"])), np.nan, dtype=np.float32)
        before = len(failed)
        for kind, embed in (("voice", self.matcher.embed_voices), ("face", self.matcher.embed_faces)):
            indices = [k for k, item in enumerate(items) if item.kind == kind]
            if indices:
                paths = [items[k].path for k in indices]
                rows[indices] = embed(paths, on_error=lambda index, error: failed.append(error))
        finite = np.isfinite(rows).all(axis=1)
        known = {error.what for error in failed[before:]}
        lost = {str(items[k].path) for k in np.flatnonzero(~finite).tolist()} - known
        remedy = "look at the matcher's weights"
        failed += [InputError(path, "is embedded as NaN", remedy) for path in sorted(lost)]
        return rows[finite], np.flatnonzero(finite).tolist()

    def _commit(self, rows: Embeddings, named: Sequence[tuple[Item, str]]) -> None:
        import pyarrow as pa

        if not named:
            return
        dim = int(self.card["dim"])
        columns: dict[str, Any] = {
            "id": [name for _, name in named],
            "person": [item.person for item, _ in named],
            "kind": [item.kind for item, _ in named],
            "path": [str(item.path) for item, _ in named],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel()), dim),
        }
        columns |= {name: [item.attributes.get(name) for item, _ in named] for name in self.attributes}
        schema = self._table.schema
        block = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        self._table.merge_insert("id").when_not_matched_insert_all().execute(block)

    def _add_attribute_columns(self, names: set[str]) -> None:
        lacking = sorted(names - set(self._table.schema.names))
        if lacking:
            self._table.add_columns(dict.fromkeys(lacking, "cast(NULL as string)"))


def _check(item: Item) -> None:
    if not item.person:
        raise InputError(item.path, "has no person", "say whose it is")
    if item.kind not in KINDS:
        raise InputError(item.path, f"is of the kind {item.kind!r}", "give voice or face")
    for name in item.attributes:
        if name in RESERVED_COLUMNS or not _ATTRIBUTE.fullmatch(name):
            raise InputError(f"attribute {name!r}", "cannot be a name", "use small letters, digits and _")


def _digest(item: Item, contents: bytes) -> str:
    head = f"{item.kind}\n{item.person}\n".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(head + contents, digest_size=16).hexdigest()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _blocks(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while block := list(islice(left, _BLOCK)):
        yield block
