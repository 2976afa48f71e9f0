"""A large gallery is divided into parts of near embeddings, and searched by them."""

from pathlib import Path

import numpy as np

from test_pipelines_gallery import DIM, Made, files, made_rows, opened  # noqa: F401  two are fixtures
from voiceface.pipelines import gallery as room
from voiceface.pipelines import gallery_search, gallery_store
from voiceface.pipelines.gallery import Gallery, Item
from voiceface.pipelines.weights import load_model, shipped_weights

# ruff: noqa: F811  a fixture has the name of the function that makes it


def test_an_indexed_search_finds_what_an_exact_search_finds(opened, monkeypatch):
    monkeypatch.setattr(gallery_store, "PARTED_FROM", 100)
    monkeypatch.setattr(gallery_search, "EXACT_BELOW", 2000)
    monkeypatch.setattr(room, "_BULK", 700)
    rows = made_rows(3000, DIM)
    items = [
        Item(path=Path(f"{k}"), kind="face", person=f"p{k % 500}", attributes={"gender": "fm"[k % 2]})
        for k in range(len(rows))
    ]
    assert opened.add_rows(rows, items) == 3000
    assert opened.add_rows(rows[:5], items[:5]) == 0
    queries = rows[:20] + 0.1 * made_rows(20, DIM, seed=1)
    for where, step in (({}, 1), ({"gender": "m"}, 2), ({"person": "p7"}, 500)):
        start = 7 if step == 500 else step - 1
        near = opened.search_many(queries, side="voice", k=5, where=where)
        exact = opened.search_many(queries, side="voice", k=5, where=where, exact=True)
        order = start + step * np.argsort(-(queries @ rows[start::step].T), axis=1)[:, :5]
        assert [[int(hit.path) for hit in hits] for hits in exact] == order.tolist()
        same = sum(
            len({a.path for a in one} & {b.path for b in two}) for one, two in zip(near, exact, strict=True)
        )
        assert same >= 92
        one = opened.search(queries[3], side="voice", k=5, where=where)
        assert [hit.path for hit in one] == [hit.path for hit in near[3]]
    compared = []
    similarities = gallery_search._Scope.similarities
    monkeypatch.setattr(
        gallery_search._Scope,
        "similarities",
        lambda self, rows, queries: compared.append(0) or similarities(self, rows, queries),
    )
    opened.search(queries[0], side="voice", k=1)
    assert 1 < len(compared) < sum(len(segment.kinds) for segment in opened._store.segments) / 2


def test_a_small_new_segment_is_compared_whole_though_its_mean_lies_far_from_the_query(opened, monkeypatch):
    monkeypatch.setattr(gallery_store, "PARTED_FROM", 100)
    monkeypatch.setattr(gallery_search, "EXACT_BELOW", 2000)
    rows = made_rows(3000, DIM)
    opened.add_rows(rows, [Item(path=Path(f"{k}"), kind="face", person="old") for k in range(3000)])
    sought = made_rows(1, DIM, seed=2)
    late = np.concatenate([sought, np.repeat(-sought, 20, axis=0)])
    opened.add_rows(late, [Item(path=Path(f"late{k}"), kind="face", person="new") for k in range(21)])
    assert len(opened._store.segments) == 2
    assert opened.search(sought[0], side="voice", k=1)[0].path == "late0"


class Wide(Made):
    """Embeddings as wide as the shipped matchers'."""

    dim = 70


def test_at_the_shipped_width_and_size_it_is_divided_and_who_is_removed_is_gone(tmp_path, monkeypatch):
    matchers = [name for name in shipped_weights() if name.startswith("matcher")]
    assert {load_model(name).model.dim for name in matchers} <= {Wide.dim}
    monkeypatch.setattr(gallery_search, "EXACT_BELOW", 50_000)
    rows = made_rows(60_000, Wide.dim)
    items = [
        Item(path=Path(f"{k}"), kind="face", person="leaving" if k == 30_000 else f"p{k % 99}")
        for k in range(len(rows))
    ]
    gallery = Gallery.open(tmp_path / "gallery", matcher=Wide(), create=True)
    gallery.add_rows(rows[:59_990], items[:59_990])
    gallery.add_rows(rows[59_990:], items[59_990:])
    assert len(gallery) == 60_000 and max(len(one.kinds) for one in gallery._store.segments) > 100
    assert gallery.search(rows[123], side="voice", k=1)[0].path == "123"
    assert gallery.search(rows[59_995], side="voice", k=1)[0].path == "59995"

    def on_disk(data):
        return any(data in path.read_bytes() for path in gallery.path.rglob("*") if path.is_file())

    assert on_disk(rows[30_000].tobytes()) and on_disk(rows[30_001].tobytes()) and on_disk(b"leaving")
    assert gallery.remove("leaving") == 1
    assert not on_disk(rows[30_000].tobytes()) and on_disk(rows[30_001].tobytes())
    assert not on_disk(b"leaving") and len(gallery) == 59_999
    assert max(len(one.kinds) for one in gallery._store.segments) > 100
    assert gallery.search(rows[30_000], side="voice", k=1)[0].person != "leaving"
    assert gallery.search(rows[30_001], side="voice", k=1)[0].path == "30001"


def test_the_mean_of_a_part_keeps_nothing_of_who_is_removed(opened, monkeypatch):
    monkeypatch.setattr(gallery_store, "PARTED_FROM", 2)
    rows = np.eye(DIM, dtype=np.float32)[:5]
    opened.add_rows(rows, [Item(path=Path(f"{k}"), kind="face", person=f"p{k}") for k in range(5)])
    opened.remove("p3")
    (segment,) = opened._store.segments
    sums = np.add.reduceat(segment.vectors, segment.starts[:-1], axis=0)
    np.testing.assert_allclose(segment.centroids, sums / np.linalg.norm(sums, axis=1, keepdims=True))
    assert not segment.centroids[:, 3].any()
