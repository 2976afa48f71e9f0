"""A gallery's items in a Qdrant server, for galleries that one machine does not hold or several share."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from voiceface.errors import InputError, MissingPartError
from voiceface.media.unicode_names import in_one_form
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery_items import KINDS, RESERVED_COLUMNS
from voiceface.pipelines.item_store import Columns

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_FORM = re.compile(r"(?P<server>https?://[^/?#@]+)/(?P<collection>[A-Za-z0-9][\w-]{0,99})", re.ASCII)
_EXAMPLE = "http://localhost:6333/people"
_TEXT = ("person", "kind", "attribute_names")
"""Fields of every point that are searched for."""
_BATCH = 256
"""Points of a request; at 192 numbers a point about half a megabyte."""
_VALUES = 1_000_000
"""Values of a column that are counted, at most."""
_SECONDS = 60
_OWN_MACHINE = ("localhost", "127.0.0.1", "[::1]", "::1")


def split_address(address: str) -> tuple[str, str]:
    """Server and collection of ``http://HOST:PORT/COLLECTION``.

    >>> split_address("http://localhost:6333/people")
    ('http://localhost:6333', 'people')

    Raises:
        InputError: it is no such address.
    """
    found = _FORM.fullmatch(address)
    if found is None:
        raise InputError(address, "is no server and collection", f"give for example {_EXAMPLE}")
    return found["server"], found["collection"]


def require_trusted(gallery: Path, address: str) -> None:
    """Refuse a server on another machine that only a gallery's card names, for the card may be a stranger's.

    Raises:
        InputError: ``QDRANT_URL`` does not name it, or it is no address.
    """
    server, _ = split_address(address)
    host = urlsplit(server).hostname or ""
    if host not in _OWN_MACHINE and os.environ.get("QDRANT_URL", "").rstrip("/") != server:
        fault = f"keeps its items on another machine, {server}"
        raise InputError(gallery, fault, f"set QDRANT_URL={server} if you trust it")


def connect(server: str) -> QdrantClient:
    """A client of the server; the key in ``QDRANT_API_KEY`` is used and stored nowhere.

    Raises:
        MissingPartError: qdrant-client is not installed.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        remedy = "pip install 'voiceface[qdrant]'"
        raise MissingPartError(
            server, "is used through qdrant-client, which is not installed", remedy
        ) from error
    with warnings.catch_warnings():  # of a key without TLS on one's own machine, and of versions
        warnings.simplefilter("ignore")
        key = os.environ.get("QDRANT_API_KEY") or None
        return QdrantClient(url=server, api_key=key, timeout=_SECONDS, check_compatibility=False)


class QdrantStore:
    """Points of a collection: the id is a UUID, kind and columns are its payload.

    A commit is sent in requests of 256 points, each of which the server stores whole; after a kill between
    two, adding the same files again adds the rest. What others add and remove is seen at once.

    Args:
        address: ``http://HOST:PORT/COLLECTION``.
        dim: numbers of an embedding.
        create: make the collection if it is not there.

    Raises:
        InputError: no such server or collection, or one of other vectors.
        MissingPartError: qdrant-client is not installed.
    """

    def __init__(self, address: str, dim: int, *, create: bool = False) -> None:
        server, self.collection = split_address(address)
        self.address = address
        self._client = connect(server)
        with self._errors():
            if create and not self._client.collection_exists(self.collection):
                self._make(dim)
            held = self._client.get_collection(self.collection).config.params.vectors
        size, distance = getattr(held, "size", None), str(getattr(held, "distance", ""))
        if size != dim or distance.lower().rpartition(".")[2] != "dot":
            raise InputError(
                address,
                f"holds other vectors ({size}, {distance})",
                f"name a new collection, of {dim} numbers",
            )

    def __len__(self) -> int:
        """Number of items."""
        with self._errors():
            return self._client.count(self.collection, exact=True).count

    @property
    def attributes(self) -> list[str]:
        """Names of what is known of items, beside person, kind and path."""
        return list(self._facet("attribute_names"))

    def refresh(self) -> None:
        """Nothing is kept here."""

    def counts(self, name: str) -> dict[str, int]:
        """See `ItemStore`."""
        return self._facet(_field(name))

    def holds(self, ids: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """See `ItemStore`."""
        there: set[str] = set()
        names = [_point_id(one) for one in ids]
        with self._errors():
            for start in range(0, len(names), _BATCH):
                batch = names[start : start + _BATCH]
                found = self._client.retrieve(self.collection, batch, with_payload=False)
                there |= {str(point.id) for point in found}
        return np.array([name in there for name in names], bool)

    def items(self, person: str) -> list[Columns]:
        """See `ItemStore`."""
        found: list[Any] = []
        offset: Any = None
        with self._errors():
            while True:
                points, offset = self._client.scroll(
                    self.collection, scroll_filter=_filter({"person": person}), limit=_BATCH, offset=offset
                )
                found += points
                if offset is None:
                    break
        found.sort(key=lambda point: (point.payload["added"], point.payload["path"]))
        return [_columns(point.payload) for point in found]

    def commit(self, vectors: Embeddings, kinds: npt.NDArray[np.int64], items: pa.Table) -> int:
        """See `ItemStore`."""
        from qdrant_client import models

        ids = items["id"].to_pylist()
        rows = items.drop_columns(["id"]).to_pylist()
        first = {name: k for k, name in reversed(list(enumerate(ids)))}
        there = self.holds(ids)
        new = [k for k, name in enumerate(ids) if first[name] == k and not there[k]]
        added = time.time_ns()
        names = sorted({name for row in rows for name in row if name not in RESERVED_COLUMNS})
        with self._errors():
            for name in set(names) - set(self.attributes):
                self._index(f"attributes.{name}")
            for start in range(0, len(new), _BATCH):
                points = [
                    models.PointStruct(
                        id=_point_id(ids[k]),
                        vector=vectors[k].tolist(),
                        payload=_payload(rows[k], KINDS[int(kinds[k])], added + k),
                    )
                    for k in new[start : start + _BATCH]
                ]
                self._client.upsert(self.collection, points, wait=True)
        return len(new)

    def remove(self, person: str) -> int:
        """See `ItemStore`."""
        from qdrant_client import models

        whose = _filter({"person": person})
        with self._errors():
            items = self._client.count(self.collection, whose, exact=True).count
            if items:
                self._client.delete(self.collection, models.FilterSelector(filter=whose), wait=True)
        return items

    def nearest(
        self, queries: Embeddings, *, k: int, kind: int, where: Mapping[str, str], exact: bool
    ) -> list[list[tuple[float, Columns]]]:
        """See `ItemStore`."""
        from qdrant_client import models

        wanted = _filter({"kind": KINDS[kind], **where})
        found = []
        with self._errors():
            for start in range(0, len(queries), _BATCH):
                requests = [
                    models.QueryRequest(
                        query=query.tolist(),
                        filter=wanted,
                        limit=k,
                        with_payload=True,
                        params=models.SearchParams(exact=True) if exact else None,
                    )
                    for query in queries[start : start + _BATCH]
                ]
                found += self._client.query_batch_points(self.collection, requests)
        return [[(point.score, _columns(point.payload or {})) for point in one.points] for one in found]

    def _make(self, dim: int) -> None:
        from qdrant_client import models

        vectors = models.VectorParams(size=dim, distance=models.Distance.DOT)
        self._client.create_collection(self.collection, vectors_config=vectors)
        for name in _TEXT:
            self._index(name)

    def _index(self, field: str) -> None:
        """An index without which the server neither filters quickly nor counts values."""
        from qdrant_client import models

        with warnings.catch_warnings():  # Qdrant in this process has no need of it, and says so
            warnings.simplefilter("ignore")
            self._client.create_payload_index(self.collection, field, models.PayloadSchemaType.KEYWORD)

    def _facet(self, field: str) -> dict[str, int]:
        with self._errors():
            hits = self._client.facet(self.collection, field, limit=_VALUES, exact=True).hits
        return dict(sorted((str(hit.value), hit.count) for hit in hits))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What the client raises, in one line."""
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Local mode performs exact")
                yield
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                fault, remedy = "refuses", "set QDRANT_API_KEY"
            elif error.status_code == 404:
                fault, remedy = "is not there", "check the collection's name"
            else:
                said = error.content.decode(errors="replace")[:200]
                fault, remedy = f"answers {error.status_code} ({said})", "see the server's log"
            raise InputError(self.address, fault, remedy) from error
        except ApiException as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            raise InputError(
                self.address, f"cannot be reached ({reason})", "start it, or check the address"
            ) from error
        except ValueError as error:  # what Qdrant in this process raises of a collection that is gone
            raise InputError(self.address, str(error)[:160], "check the collection's name") from error


def _point_id(name: bytes) -> str:
    return str(uuid.UUID(bytes=name))


def _field(name: str) -> str:
    return name if name in RESERVED_COLUMNS else f"attributes.{name}"


def _filter(where: Mapping[str, str]) -> Any:  # noqa: ANN401  the package may be missing
    from qdrant_client import models

    return models.Filter(
        must=[
            models.FieldCondition(key=_field(name), match=models.MatchValue(value=in_one_form(value)))
            for name, value in where.items()
        ]
    )


def _payload(row: Mapping[str, str | None], kind: str, added: int) -> dict[str, Any]:
    columns = {name: value for name, value in row.items() if value is not None}
    attributes = {name: value for name, value in columns.items() if name not in RESERVED_COLUMNS}
    return {
        "person": columns["person"],
        "path": columns["path"],
        "kind": kind,
        "attributes": attributes,
        "attribute_names": sorted(attributes),
        "added": added,
    }


def _columns(payload: Mapping[str, Any]) -> Columns:
    attributes: Columns = payload["attributes"]
    return {name: payload[name] for name in ("kind", "person", "path")} | attributes
