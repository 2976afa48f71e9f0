"""Galleries of the first format, in LanceDB, open as they are, also after kills."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("lancedb")

import lancedb
import pyarrow as pa

from test_pipelines_gallery import DIM, Made, files  # noqa: F401  one is a fixture
from voiceface.errors import InputError, MissingPartError
from voiceface.pipelines import import_lance_gallery as room
from voiceface.pipelines.gallery import Gallery

# ruff: noqa: F811  a fixture has the name of the function that makes it


class Killed(BaseException):
    """Stands in for a kill."""


@pytest.fixture
def old(tmp_path, files):
    """A gallery as it was kept by LanceDB, and its items."""
    from voiceface.pipelines.gallery_items import item_ids

    items = files(30)
    path = tmp_path / "old"
    path.mkdir()
    card = {"kind": "voiceface-gallery", "format": 1, "matcher": "made", "source": "made"}
    (path / "gallery.json").write_text(json.dumps(card | {"weights": Made.fingerprint, "dim": DIM}))
    rows = np.stack([Made()._row(item.path) for item in items])
    columns = {
        "id": [item_ids(item, item.path.read_bytes())[0].hex() for item in items],
        "person": [item.person for item in items],
        "kind": [item.kind for item in items],
        "path": [str(item.path) for item in items],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), DIM),
        "gender": pa.array([item.attributes["gender"] if k else None for k, item in enumerate(items)]),
    }
    table = lancedb.connect(str(path)).create_table("items", pa.table(columns).slice(0, 20))
    table.add(pa.table(columns).slice(20))
    return path, items


def test_it_opens_with_everything_and_knows_what_it_had(old):
    path, items = old
    gallery = Gallery.open(path, matcher=Made())
    assert len(gallery) == 30 and gallery.attributes == ["gender"]
    assert gallery.people() == {f"p{k}": sum(i.person == f"p{k}" for i in items) for k in range(7)}
    assert not (path / "items.lance").exists()
    for item in items[:4]:
        (hit,) = gallery.search(Made()._row(item.path), side="face", kind=item.kind, k=1)
        expected = {} if item is items[0] else item.attributes
        assert (hit.path, hit.person, hit.attributes) == (str(item.path), item.person, expected)
    assert gallery.add(items).already_present == 30
    assert json.loads((path / "gallery.json").read_text())["format"] == 2


@pytest.mark.parametrize("moment", ["write_parted", "write_segments", "write_card"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_on_the_way_loses_nothing(old, monkeypatch, moment, after):
    path, items = old
    real = getattr(room, moment)

    def killing(*args):
        if after:
            real(*args)
        raise Killed

    monkeypatch.setattr(room, moment, killing)
    with pytest.raises(Killed):
        Gallery.open(path, matcher=Made())
    monkeypatch.undo()
    gallery = Gallery.open(path, matcher=Made())
    assert len(gallery) == 30 and not (path / "items.lance").exists()
    assert gallery.add(items).already_present == 30


def test_a_removal_that_was_killed_there_is_finished(old):
    path, items = old
    (path / "removing.json").write_text(json.dumps({"person": "p3", "items": 4, "parts": [0]}))
    gallery = Gallery.open(path, matcher=Made())
    assert "p3" not in gallery.people() and len(gallery) == sum(item.person != "p3" for item in items)
    assert not (path / "removing.json").exists()


def test_a_table_that_a_kill_left_half_made_is_an_empty_gallery(old):
    path, _ = old
    for file in (path / "items.lance" / "_versions").iterdir():
        file.unlink()
    assert len(Gallery.open(path, matcher=Made())) == 0


def test_without_lancedb_and_with_a_damaged_table_it_says_so_and_deletes_nothing(old, monkeypatch):
    path, _ = old
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "lancedb", None)
        with pytest.raises(MissingPartError, match="lancedb"):
            Gallery.open(path, matcher=Made())
    for file in (path / "items.lance" / "data").iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="cannot be used"):
        Gallery.open(path, matcher=Made())
    assert any((path / "items.lance").rglob("*.lance"))
