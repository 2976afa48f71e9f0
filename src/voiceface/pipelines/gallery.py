"""A gallery: known people's voices and faces, embedded by one matcher, kept on disk, searched by either."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.components import nearest as nearest_names
from voiceface.errors import InputError
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_folder import CARD, make_gallery, read_card
from voiceface.pipelines.gallery_items import (
    KINDS,
    RESERVED_COLUMNS,
    AddResult,
    Hit,
    Item,
    check_path,
    checked_item,
    item_ids,
)
from voiceface.pipelines.gallery_partition import unit
from voiceface.pipelines.gallery_segment import item_table
from voiceface.pipelines.gallery_store import Store
from voiceface.pipelines.import_lance_gallery import import_lance_gallery, is_lance_gallery
from voiceface.pipelines.item_store import Columns, ItemStore
from voiceface.pipelines.load_gallery_matcher import load_gallery_matcher
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.qdrant_store import QdrantStore, require_trusted

_BLOCK = 64
"""Items that are read and embedded at a time."""
_COMMIT_ROWS, _COMMIT_SECONDS = 1000, 2.0
"""Embeddings are committed when there are so many or after so long: a kill loses no more than these, and
they are added when the same is asked again."""
_BULK = 50_000
"""Embeddings made before that are committed at a time."""


class Gallery:
    """Embeddings of one matcher on disk, in segments that are mapped to memory (no server); made by `open`.

    Every commit is atomic: after a kill the gallery holds whole commits, and adding the same files again
    adds what is missing; a removal is finished by whoever opens it next. Several processes may add, remove
    and search at once: writers wait for each other's commits.
    """

    def __init__(
        self, path: Path, card: Mapping[str, Any], store: ItemStore, matcher: Matcher | None, device: str
    ) -> None:
        self.path, self.card, self.device = path, card, device
        self._store = store
        self._matcher = matcher

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        matcher: Matcher | None = None,
        create: bool = False,
        source: str | Path | None = None,
        database: str = "",
        device: str = "auto",
    ) -> Gallery:
        """Open a gallery, or make an empty one.

        Args:
            path: its folder.
            matcher: embeds; None takes the one that the gallery names, when one is needed.
            create: make the gallery if it is not there; needs ``matcher``.
            source: where a matcher that is not shipped was loaded from, for the gallery to remember.
            database: ``http://HOST:PORT/COLLECTION`` of a Qdrant server that is to hold the items; the
                folder then names the matcher and the server. By default they lie in the folder.
            device: of the matcher that the gallery names.

        Raises:
            InputError: no gallery there, one of a newer format, embeddings of another matcher, items in
                another place than ``database``, a server that cannot be used, or one on another machine
                that neither ``database`` nor ``QDRANT_URL`` names.
            MissingPartError: what the gallery's items are read with, Qdrant's client (or LanceDB, for the
                first format), is not installed.
        """
        path = Path(path)
        if not (path / CARD).is_file():
            if not create:
                raise InputError(path, "is no gallery", "make one with `voiceface gallery add`")
            assert matcher is not None, "a new gallery is made with a matcher"
            if database:
                QdrantStore(database, matcher.dim, create=True)
            make_gallery(path, matcher, source, database)
        card = read_card(path)
        if matcher is not None and matcher.fingerprint != card["weights"]:
            fault = f"holds embeddings of {card['matcher']}, unlike those of {matcher.name}"
            raise InputError(path, fault, "load that matcher, or make a new gallery")
        place = str(card.get("database", ""))
        if database and database != place:
            raise InputError(path, f"keeps its items in {place or 'its folder'}", "leave --database out")
        if place and not database:
            require_trusted(path, place)
        if is_lance_gallery(path):
            import_lance_gallery(path)
        dim = int(card["dim"])
        return cls(path, card, QdrantStore(place, dim) if place else Store(path, dim), matcher, device)

    def __len__(self) -> int:
        """Number of items."""
        return len(self._store)

    @property
    def matcher(self) -> Matcher:
        """The matcher whose embeddings these are, loaded when first needed.

        Raises:
            InputError: it is neither shipped nor where it was, or has been replaced since.
        """
        if self._matcher is None:
            self._matcher = load_gallery_matcher(self.path, self.card, device=self.device)
        return self._matcher

    @property
    def attributes(self) -> list[str]:
        """Names of what is known of items, beside person, kind and path."""
        return self._store.attributes

    def people(self) -> dict[str, int]:
        """Person to number of items, sorted."""
        return self.counts("person")

    def counts(self, name: str) -> dict[str, int]:
        """Value to number of items of ``person``, ``kind`` or an attribute, sorted; none without a value."""
        return self._store.counts(name)

    def items(self, person: str) -> list[Item]:
        """A person's items, those of the oldest commits first.

        Raises:
            InputError: nobody of that name is there; the nearest names are offered.
        """
        found = self._store.items(person)
        if not found:
            raise self._nobody(person)
        names = ("kind", "person")
        return [
            Item(
                path=Path(one["path"]),
                **{name: one[name] for name in names},
                attributes={name: value for name, value in one.items() if name not in RESERVED_COLUMNS},
            )
            for one in found
        ]

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
        self._store.refresh()
        failed: list[InputError] = []
        held = _Uncommitted()
        added = present = done = 0
        try:
            for block in _blocks(items):
                fresh, known = self._not_yet_added(block, held.ids, failed)
                held.append(*self._embed(fresh, failed))
                present, done = present + known, done + len(block)
                if held.is_due() or done == len(items):
                    new, known = self._commit(held)
                    # What another process added in the meantime was there, too.
                    added, present = added + new, present + known
                if progress is not None:
                    progress(done, len(items))
        finally:  # also what was embedded before an error or Ctrl-C
            added += self._commit(held)[0]
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
        for item in items:
            check_path(item.path)
        added = 0
        for start in range(0, len(items), _BULK):
            held = _Uncommitted()
            block = items[start : start + _BULK]
            named = [(item, item_ids(item, str(item.path).encode())[0]) for item in block]
            held.append(rows[start : start + _BULK], named)
            added += self._commit(held)[0]
        return added

    def holds(self, items: Sequence[Item]) -> list[bool]:
        """Of each item of `add_rows` whether it is there: by its person, kind and path."""
        self._store.refresh()
        ids = [item_ids(checked_item(item), str(item.path).encode())[0] for item in items]
        return [bool(known) for known in self._store.holds(ids)]

    def remove(self, person: str) -> int:
        """Remove everything of a person; the number of items removed.

        Raises:
            InputError: nobody of that name is there; the nearest names are offered.
        """
        count = self._store.remove(person)
        if not count:
            raise self._nobody(person)
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
        queries = np.asarray(query, dtype=np.float32).reshape(1, -1)
        return self.search_many(queries, side=side, k=k, kind=kind, where=where, exact=exact)[0]

    def search_many(
        self,
        queries: npt.ArrayLike,
        *,
        side: str,
        k: int = 10,
        kind: str | None = None,
        where: Mapping[str, str] | None = None,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """As `search`, of many embeddings (n, dim) at once: a list of hits for each.

        Raises:
            InputError: as `search`.
        """
        rows = np.asarray(queries, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != int(self.card["dim"]) or not np.isfinite(rows).all():
            width = rows.shape[-1] if rows.ndim else 1
            fault = f"has {width} numbers, or some not finite; the gallery's have {self.card['dim']}"
            raise InputError("query", fault, "embed it with the gallery's own matcher")
        if k < 1:
            raise InputError("k", f"is {k}", "give 1 or more")
        if side not in KINDS or (kind is not None and kind not in KINDS):
            raise InputError("side and kind", f"are {side!r} and {kind!r}", "give voice or face")
        self._store.refresh()
        if not len(self):
            raise InputError(self.path, "is empty", "add somebody with `voiceface gallery add`")
        kind = kind or ("face" if side == "voice" else "voice")
        self._check_names(where or {})
        found = self._store.nearest(unit(rows), k=k, kind=KINDS.index(kind), where=where or {}, exact=exact)
        return [[self._hit(*one, cross_modal=kind != side) for one in hits] for hits in found]

    def _nobody(self, person: str) -> InputError:
        remedy = nearest_names(person, list(self.people()))
        return InputError(self.path, f"holds nobody called {person!r}", remedy)

    def _check_names(self, where: Mapping[str, str]) -> None:
        known = ["person", *self.attributes]
        for name in where:
            if name not in known:
                raise InputError(self.path, f"knows no attribute {name!r}", f"there are {', '.join(known)}")

    def _hit(self, similarity: float, item: Columns, *, cross_modal: bool) -> Hit:
        chance = float(self.matcher.probability(np.array([similarity]))[0]) if cross_modal else None
        return Hit(
            **{name: item[name] for name in ("person", "kind", "path")},
            similarity=similarity,
            probability=chance,
            attributes={name: value for name, value in item.items() if name not in RESERVED_COLUMNS},
        )

    def _not_yet_added(
        self, block: Sequence[Item], held: set[bytes], failed: list[InputError]
    ) -> tuple[list[tuple[Item, bytes]], int]:
        """The items that are not there yet with their ids, each once, and how many are there."""
        named: dict[tuple[bytes, ...], Item] = {}
        read = 0
        for item in block:
            try:
                check_path(item.path)
                named.setdefault(item_ids(item, item.path.read_bytes()), item)
                read += 1
            except InputError as error:
                failed.append(error)
            except OSError as error:
                failed.append(InputError(item.path, f"cannot be read ({error.strerror})", "check the path"))
        ids = [one for names in named for one in names]
        there = {one for one, known in zip(ids, self._store.holds(ids), strict=True) if known} | held
        fresh = [(item, names[0]) for names, item in named.items() if not there & set(names)]
        return fresh, read - len(fresh)

    def _embed(
        self, fresh: Sequence[tuple[Item, bytes]], failed: list[InputError]
    ) -> tuple[Embeddings, list[tuple[Item, bytes]]]:
        """Embeddings of the items that have some, and these items."""
        items = [item for item, _ in fresh]
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
        return rows[finite], [fresh[k] for k in np.flatnonzero(finite).tolist()]

    def _commit(self, held: _Uncommitted) -> tuple[int, int]:
        """Add what is not there and forget it; how many that were, and how many were there."""
        if not held.named:
            return 0, 0
        items = [item for item, _ in held.named]
        names = sorted({name for item in items for name in item.attributes})
        columns: dict[str, list[str | None]] = {
            "person": [item.person for item in items],
            "path": [str(item.path) for item in items],
            **{name: [item.attributes.get(name) for item in items] for name in names},
        }
        kinds = np.array([KINDS.index(item.kind) for item in items], np.int64)
        table = item_table([name for _, name in held.named], columns)
        vectors = unit(np.concatenate(held.rows))
        held.clear()
        added = self._store.commit(vectors, kinds, table)
        return added, len(items) - added


class _Uncommitted:
    """Embeddings that wait for the next commit."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.rows: list[Embeddings] = []
        self.named: list[tuple[Item, bytes]] = []
        self.ids: set[bytes] = set()
        self._since = time.monotonic()

    def append(self, rows: Embeddings, named: Sequence[tuple[Item, bytes]]) -> None:
        self.rows.append(rows)
        self.named += named
        self.ids |= {name for _, name in named}

    def is_due(self) -> bool:
        return len(self.named) >= _COMMIT_ROWS or time.monotonic() - self._since >= _COMMIT_SECONDS


def _blocks(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while block := list(islice(left, _BLOCK)):
        yield block
