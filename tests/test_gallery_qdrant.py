"""A gallery in Qdrant does what one in a folder does; the engine inside its client stands for a server."""

import json

import numpy as np
import pytest

pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")

from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from cli_fixtures import call
from test_pipelines_gallery import DIM, Made
from voiceface.errors import InputError
from voiceface.pipelines import qdrant_store
from voiceface.pipelines.gallery import Gallery, Item
from voiceface.pipelines.qdrant_store import QdrantStore

ADDRESS = "http://localhost:6333/people"


@pytest.fixture
def engine(monkeypatch):
    client = QdrantClient(":memory:")
    monkeypatch.setattr(qdrant_store, "connect", lambda server: client)
    monkeypatch.setattr(qdrant_store, "_BATCH", 16)
    return client


@pytest.fixture
def both(engine, tmp_path):
    """The same 150 items in a folder and in Qdrant."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((150, DIM)).astype(np.float32)
    items = [
        Item(
            path=tmp_path / f"{k}.bin",
            kind=("voice", "face")[k % 2],
            person=f"p{k % 9}",
            attributes={"town": "Ulm" if k % 5 else "Köln"} | ({"gender": "f"} if k % 3 else {}),
        )
        for k in range(len(rows))
    ]
    galleries = []
    for name, database in (("folder", ""), ("database", ADDRESS)):
        one = Gallery.open(tmp_path / name, matcher=Made(), create=True, database=database)
        assert one.add_rows(rows[:100], items[:100]) == 100
        assert one.add_rows(rows[90:], items[90:]) == 50
        galleries.append(one)
    return galleries


def same(some, others):
    """Whether hits are of the same items, in the same order, as near to the query."""
    assert [(h.person, h.kind, h.path, h.attributes) for h in some] == [
        (h.person, h.kind, h.path, h.attributes) for h in others
    ]
    for name in ("similarity", "probability"):
        values, wanted = ([getattr(hit, name) for hit in one] for one in (some, others))
        assert values == pytest.approx(wanted, abs=1e-5)


def test_it_finds_counts_and_removes_what_a_folder_does(both):
    folder, database = both
    queries = np.random.default_rng(1).standard_normal((40, DIM)).astype(np.float32)
    for query in queries[:5]:
        for options in (
            {"side": "voice"},
            {"side": "face", "k": 200},
            {"side": "face", "kind": "face", "exact": True},
            {"side": "voice", "where": {"town": "Köln", "person": "p3"}},
            {"side": "voice", "where": {"gender": "m"}},
        ):
            same(database.search(query, **options), folder.search(query, **options))
    many = database.search_many(queries, side="voice", k=3)  # more than one request
    assert [[h.path for h in one] for one in many] == [
        [h.path for h in one] for one in folder.search_many(queries, side="voice", k=3)
    ]
    assert len(database) == len(folder) == 150
    assert set(database.attributes) == set(folder.attributes) == {"town", "gender"}
    for name in ("person", "kind", "town", "gender"):
        assert database.counts(name) == folder.counts(name)
    mine, theirs = (sorted(one.items("p4"), key=lambda item: item.path) for one in (database, folder))
    assert mine == theirs and len(mine) > 16
    assert database.remove("p4") == folder.remove("p4") > 0
    assert len(database) == len(folder) and "p4" not in database.people()
    with pytest.raises(InputError, match="holds nobody called 'p4'"):
        database.remove("p4")


def test_the_folder_is_a_pointer_that_a_copy_elsewhere_follows(both, tmp_path, engine):
    database = both[1]
    card = json.loads((database.path / "gallery.json").read_text())
    assert (card["format"], card["database"]) == (3, ADDRESS)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "gallery.json").write_bytes((database.path / "gallery.json").read_bytes())
    other = Gallery.open(copy, matcher=Made())
    assert len(other) == 150
    with pytest.raises(InputError, match=f"keeps its items in {ADDRESS}"):
        Gallery.open(copy, matcher=Made(), database="http://localhost:6333/others")
    with pytest.raises(InputError, match="keeps its items in its folder"):
        Gallery.open(both[0].path, matcher=Made(), database=ADDRESS)
    engine.delete_collection("people")
    with pytest.raises(InputError, match="people"):
        len(other)


def test_a_strangers_card_makes_nobody_contact_a_server(both, tmp_path, monkeypatch):
    gallery = tmp_path / "strange"
    gallery.mkdir()
    card = json.loads((both[1].path / "gallery.json").read_text())
    (gallery / "gallery.json").write_text(
        json.dumps(card | {"database": "http://elsewhere.example:6333/people"})
    )
    known, contacted = qdrant_store.connect, []
    monkeypatch.setattr(qdrant_store, "connect", lambda server: contacted.append(server) or known(server))
    monkeypatch.delenv("QDRANT_URL", raising=False)
    with pytest.raises(InputError, match="keeps its items on another machine, http://elsewhere.example:6333"):
        Gallery.open(gallery, matcher=Made())
    monkeypatch.setenv("QDRANT_URL", "http://elsewhere.example:63339")
    with pytest.raises(InputError, match="set QDRANT_URL=http://elsewhere.example:6333 if you trust it"):
        Gallery.open(gallery, matcher=Made())
    assert not contacted
    monkeypatch.setenv("QDRANT_URL", "http://elsewhere.example:6333/")
    assert len(Gallery.open(gallery, matcher=Made())) == 150 and contacted == [
        "http://elsewhere.example:6333"
    ]


def test_after_a_kill_between_two_requests_the_rest_is_added(engine, tmp_path, monkeypatch):
    gallery = Gallery.open(tmp_path / "g", matcher=Made(), create=True, database=ADDRESS)
    rows = np.random.default_rng(2).standard_normal((40, DIM)).astype(np.float32)
    items = [Item(path=tmp_path / f"{k}", kind="face", person="ann") for k in range(40)]
    real, sent = engine.upsert, []

    def killed(*given, **options):
        if sent:
            raise KeyboardInterrupt
        sent.append(real(*given, **options))

    monkeypatch.setattr(engine, "upsert", killed)
    with pytest.raises(KeyboardInterrupt):
        gallery.add_rows(rows, items)
    assert len(gallery) == 16
    monkeypatch.setattr(engine, "upsert", real)
    assert gallery.add_rows(rows, items) == 24 and gallery.people() == {"ann": 40}


@pytest.mark.parametrize(
    "address", ["people", "http://host", "ftp://host/people", "http://a@host/x", "http://host/a/b"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(InputError, match="is no server and collection"):
        QdrantStore(address, DIM)


def test_a_collection_of_other_vectors_is_refused(both):
    with pytest.raises(InputError, match="holds other vectors \\(6"):
        QdrantStore(ADDRESS, DIM + 1)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (UnexpectedResponse(401, "Unauthorized", b"", {}), "refuses; set QDRANT_API_KEY"),
        (UnexpectedResponse(404, "Not Found", b"", {}), "is not there; check the collection's name"),
        (UnexpectedResponse(500, "Error", b"out of disk", {}), r"answers 500 \(out of disk\)"),
        (
            ResponseHandlingException(OSError("Connection refused")),
            "cannot be reached",
        ),
    ],
)
def test_what_the_server_says_is_one_line(both, engine, monkeypatch, error, fault):
    def failing(*given, **options):
        raise error

    monkeypatch.setattr(engine, "count", failing)
    with pytest.raises(InputError, match=fault) as refusal:
        len(both[1])
    assert "\n" not in str(refusal.value) and ADDRESS in str(refusal.value)


def test_nobody_listens(tmp_path):
    refusal = call("gallery", "add", tmp_path / "g", tmp_path, "--database", "http://127.0.0.1:9/people")
    assert refusal.code != 0 and len(refusal.err.strip().splitlines()) == 1
