"""A gallery: known people's voices and faces, embedded by one matcher, kept on disk, searched by either."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.components import nearest
from voiceface.errors import InputError
from voiceface.media.unicode_names import in_one_form
from voiceface.media.writer_lock import writer_lock
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_folder import (
    CARD,
    RESERVED_COLUMNS,
    lance_errors,
    lancedb_module,
    make_gallery,
    open_table,
    read_card,
)
from voiceface.pipelines.gallery_index import REFINE_FACTOR, build_index, probed_partitions
from voiceface.pipelines.gallery_items import (
    KINDS,
    AddResult,
    Hit,
    Item,
    checked_item,
    equals,
    item_ids,
    quoted,
)
from voiceface.pipelines.gallery_removal import JOURNAL, compact, finish_removal, remove_person
from voiceface.pipelines.matcher import Matcher

_BLOCK = 64
"""Items a commit: a kill loses no more than these, and they are added when the same is asked again."""
_BULK = 10_000
INDEXED_FROM = 50_000
"""Items from which an approximate index is worth building: below, an exact search takes milliseconds."""


class Gallery:
    """Embeddings of one matcher on disk (LanceDB, embedded: no server); made by `open`.

    Every block of items is one atomic commit: after a kill the gallery holds whole blocks, and adding
    the same files again adds what is missing; a removal is finished by whoever opens it next. Several
    processes may add, remove and search at once: writers wait for each other's commits.
    """

    def __init__(self, path: Path, card: Mapping[str, Any], table: Any, matcher: Matcher | None) -> None:  # noqa: ANN401
        self.path, self.card = path, card
        self._table = table
        self._matcher = matcher
        self._removed: tuple[str, int] = "", 0
        """The person and items of another's removal that was finished here."""

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
            assert matcher is not None, "a new gallery is made with a matcher"
            make_gallery(path, matcher, source)
        card = read_card(path)
        if matcher is not None and matcher.fingerprint != card["weights"]:
            fault = f"holds embeddings of {card['matcher']}, unlike those of {matcher.name}"
            raise InputError(path, fault, "load that matcher, or make a new gallery")
        gallery = cls(path, card, open_table(path, int(card["dim"])), matcher)
        gallery._refresh()
        return gallery

    def __len__(self) -> int:
        """Number of items."""
        with lance_errors(self.path):
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
        with lance_errors(self.path):
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
        items = [checked_item(item) for item in items]
        self._add_attribute_columns({name for item in items for name in item.attributes})
        added = present = done = 0
        failed: list[InputError] = []
        for block in _blocks(items):
            fresh, known = self._not_yet_added(block, failed)
            rows, kept = self._embed([item for item, _ in fresh], failed)
            new = self._commit(rows, [fresh[k] for k in kept])
            # What another process added in the meantime was there, too.
            added, present, done = added + new, present + known + len(kept) - new, done + len(block)
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
        items = [checked_item(item) for item in items]
        self._add_attribute_columns({name for item in items for name in item.attributes})
        named = [(item, item_ids(item, str(item.path).encode())[0]) for item in items]
        added = 0
        for start in range(0, len(named), _BULK):
            added += self._commit(rows[start : start + _BULK], named[start : start + _BULK])
        self.tidy()
        return added

    def remove(self, person: str) -> int:
        """Remove everything of a person; the number of items removed.

        Raises:
            InputError: nobody of that name is there; the nearest names are offered.
        """
        with self._writing():
            count = remove_person(self.path, self._table, person)
        if not count and in_one_form(person) == in_one_form(self._removed[0]):
            count = self._removed[1]
        if not count:
            raise InputError(
                self.path, f"holds nobody called {person!r}", nearest(person, list(self.people()))
            )
        self._removed = "", 0
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
        self._refresh()
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
        with lance_errors(self.path):
            found = asked.select([*names, "_distance"]).limit(k).to_arrow().to_pylist()
        return [self._hit(one, cross_modal=kind != side) for one in found]

    def tidy(self) -> None:
        """Merge small parts, bring the index up to date, and build it once there are enough items."""
        with self._writing():
            compact(self._table)
            indexed = any("vector" in index.columns for index in self._table.list_indices())
            if len(self) >= INDEXED_FROM and not indexed:
                build_index(self._table, dim=int(self.card["dim"]))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the gallery's lock, at the newest version, with nobody half removed."""
        with writer_lock(self.path, wait=-1), lance_errors(self.path):
            self._table.checkout_latest()
            found = finish_removal(self.path, self._table)
            self._removed = found if found[1] else self._removed
            yield

    def _refresh(self) -> None:
        """See what other processes have added and removed."""
        if (self.path / JOURNAL).is_file():
            with self._writing():
                return
        with lance_errors(self.path):
            self._table.checkout_latest()

    def _filters(self, where: Mapping[str, str]) -> list[str]:
        known = ["person", *self.attributes]
        for name in where:
            if name not in known:
                raise InputError(self.path, f"knows no attribute {name!r}", f"there are {', '.join(known)}")
        return [equals(name, value) for name, value in where.items()]

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
        named: dict[tuple[str, ...], Item] = {}
        read = 0
        for item in block:
            try:
                named.setdefault(item_ids(item, item.path.read_bytes()), item)
                read += 1
            except OSError as error:
                failed.append(InputError(item.path, f"cannot be read ({error.strerror})", "check the path"))
        if not named:
            return [], 0
        self._refresh()
        listed = ", ".join(quoted(name) for names in named for name in names)
        with lance_errors(self.path):
            asked = self._table.search().where(f"id IN ({listed})").select(["id"]).limit(None)
            there = set(asked.to_arrow()["id"].to_pylist())
        fresh = [(item, names[0]) for names, item in named.items() if not there & set(names)]
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

    def _commit(self, rows: Embeddings, named: Sequence[tuple[Item, str]]) -> int:
        """Add what is not there; how many that were."""
        import pyarrow as pa

        if not named:
            return 0
        dim = int(self.card["dim"])
        columns: dict[str, Any] = {
            "id": [name for _, name in named],
            "person": [item.person for item, _ in named],
            "kind": [item.kind for item, _ in named],
            "path": [str(item.path) for item, _ in named],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel()), dim),
        }
        with self._writing():
            columns |= {name: [item.attributes.get(name) for item, _ in named] for name in self.attributes}
            schema = self._table.schema
            block = pa.table({name: columns[name] for name in schema.names}, schema=schema)
            before = len(self)
            self._table.merge_insert("id").when_not_matched_insert_all().execute(block)
            return len(self) - before

    def _add_attribute_columns(self, names: set[str]) -> None:
        if not names:
            return
        with self._writing():
            lacking = sorted(names - set(self._table.schema.names))
            if lacking:
                self._table.add_columns(dict.fromkeys(lacking, "cast(NULL as string)"))


def _blocks(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while block := list(islice(left, _BLOCK)):
        yield block
