"""A gallery keeps what it was given, finds what is nearest, and survives a kill."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cli_fixtures import call
from voiceface.errors import InputError
from voiceface.pipelines import gallery as room
from voiceface.pipelines.gallery import Gallery, Item

DIM = 6


class Made:
    """A matcher whose rows are made from a file's first bytes, so that no network is needed."""

    name, fingerprint, dim = "made", "f" * 64, DIM

    def __init__(self):
        self.seen = []

    def _row(self, path):
        text = Path(path).read_text()
        if text.startswith("nan"):
            return np.full(DIM, np.nan, np.float32)
        if text.startswith("bad"):
            raise InputError(path, "shows no face", "give a picture with one face")
        random = np.random.default_rng(int.from_bytes(text.encode()[:6], "big"))
        row = random.standard_normal(DIM)
        return (row / np.linalg.norm(row)).astype(np.float32)

    def embed_voices(self, paths, on_error=None):
        rows = np.full((len(paths), DIM), np.nan, np.float32)
        for place, path in enumerate(paths):
            self.seen.append(str(path))
            try:
                rows[place] = self._row(path)
            except InputError as error:
                on_error(place, error)
        return rows

    embed_faces = embed_voices

    def probability(self, similarity):
        return 1 / (1 + np.exp(-np.asarray(similarity)))


@pytest.fixture
def files(tmp_path):
    def make(count, start=0):
        found = []
        for k in range(start, start + count):
            path = tmp_path / f"{k}.bin"
            path.write_text(f"{k:06d}")
            kind = "voice" if k % 3 == 0 else "face"
            gender = {"gender": "f" if k % 2 else "m"}
            found.append(Item(path=path, kind=kind, person=f"p{k % 7}", attributes=gender))
        return found

    return make


@pytest.fixture
def opened(tmp_path):
    return Gallery.open(tmp_path / "gallery", matcher=Made(), create=True)


def test_finds_what_a_sorted_list_would(opened, files):
    items = files(90)
    done = opened.add(items)
    assert (done.added, done.already_present, done.failed) == (90, 0, [])
    query = np.random.default_rng(1).standard_normal(DIM).astype(np.float32)
    query /= np.linalg.norm(query)
    faces = [item for item in items if item.kind == "face" and item.attributes["gender"] == "f"]
    scores = [float(Made()._row(item.path) @ query) for item in faces]
    order = np.argsort(scores)[::-1][:8]
    hits = opened.search(query, side="voice", k=8, where={"gender": "f"})
    assert [hit.path for hit in hits] == [str(faces[k].path) for k in order]
    np.testing.assert_allclose([hit.similarity for hit in hits], np.sort(scores)[::-1][:8], atol=1e-5)
    assert all(hit.attributes == {"gender": "f"} and hit.kind == "face" for hit in hits)
    assert hits[0].probability == pytest.approx(1 / (1 + np.exp(-hits[0].similarity)))


def test_a_gallery_with_attributes_is_opened_again_and_may_get_more_of_them(opened, files, tmp_path):
    opened.add(files(20))
    again = Gallery.open(opened.path, matcher=Made())
    assert len(again) == 20 and again.attributes == ["gender"]
    path = tmp_path / "more.bin"
    path.write_text("999999")
    again.add([Item(path=path, kind="face", person="new", attributes={"language": "en"})])
    third = Gallery.open(opened.path, matcher=Made())
    (hit,) = third.search(Made()._row(path), side="voice", where={"language": "en"})
    assert (hit.person, hit.attributes) == ("new", {"language": "en"})
    hits = third.search(Made()._row(path), side="voice", k=30, where={"gender": "f"})
    wanted = [item for item in files(20) if item.kind == "face" and item.attributes["gender"] == "f"]
    assert sorted(hit.path for hit in hits) == sorted(str(item.path) for item in wanted)


def test_items_with_other_attributes_are_merged_into_one_segment_and_keep_their_own(opened, files, tmp_path):
    items = files(3)
    told = [{"gender": "f"}, {"language": "en", "town": "Ulm"}, {"gender": "m", "town": "Rom"}]
    for item, attributes in zip(items, told, strict=True):
        opened.add([Item(path=item.path, kind="face", person="p", attributes=attributes)])
    assert len(opened._store.segments) == 1 and sorted(opened.attributes) == ["gender", "language", "town"]
    for item, attributes in zip(items, told, strict=True):
        (hit,) = opened.search(Made()._row(item.path), side="voice", k=1)
        assert (hit.path, hit.attributes) == (str(item.path), attributes)
    assert opened.counts("town") == {"Rom": 1, "Ulm": 1} and opened.counts("language") == {"en": 1}


def test_a_kill_while_it_was_made_is_no_obstacle(opened):
    (opened.path / "gallery.json").unlink()
    assert len(Gallery.open(opened.path, matcher=Made(), create=True)) == 0


def test_two_voices_have_no_probability(opened, files):
    opened.add(files(9))
    hit = opened.search(np.eye(DIM)[0], side="voice", kind="voice", k=1)[0]
    assert hit.kind == "voice"
    assert hit.probability is None


def test_the_same_bytes_are_kept_once(opened, files, tmp_path):
    items = files(10)
    opened.add(items)
    twin = tmp_path / "twin.bin"
    twin.write_text(items[1].path.read_text())
    done = opened.add([*items, Item(path=twin, kind="face", person=items[1].person)])
    assert (done.added, done.already_present, len(opened)) == (0, 11, 10)
    assert opened.matcher.seen.count(str(items[1].path)) == 1


def test_what_cannot_be_used_is_returned_and_the_rest_added(opened, files, tmp_path):
    bad = tmp_path / "bad.bin"
    bad.write_text("bad")
    nan = tmp_path / "nan.bin"
    nan.write_text("nan")
    extra = [Item(path=path, kind="face", person="x") for path in (bad, tmp_path / "gone.bin", nan)]
    done = opened.add([*files(3), *extra])
    assert done.added == 3
    assert sorted(Path(str(error.what)).name for error in done.failed) == ["bad.bin", "gone.bin", "nan.bin"]
    assert any("nan.bin: is embedded as NaN" in str(error) for error in done.failed)


def test_a_removed_person_is_gone_from_the_disk(opened, files):
    items = files(60)
    alone = Item(path=items[59].path, kind="face", person="somebody", attributes={})
    opened.add([*items[:59], alone])

    def on_disk(word):
        return any(word in path.read_bytes() for path in opened.path.rglob("*") if path.is_file())

    assert on_disk(b"somebody")
    assert opened.remove("somebody") == 1
    assert "somebody" not in opened.people()
    assert len(opened) == 59
    assert not on_disk(b"somebody")
    assert on_disk(b"p3")
    with pytest.raises(InputError, match="nobody called 'p33'; did you mean"):
        opened.remove("p33")


def test_wrong_use_is_told(opened, files, tmp_path):
    with pytest.raises(InputError, match="is empty"):
        opened.search(np.eye(DIM)[0], side="voice")
    opened.add(files(3))
    with pytest.raises(InputError, match="not finite"):
        opened.search(np.full(DIM, np.nan), side="voice")
    with pytest.raises(InputError, match="7 numbers"):
        opened.search(np.ones(7), side="voice")
    with pytest.raises(InputError, match="knows no attribute 'age'"):
        opened.search(np.eye(DIM)[0], side="voice", where={"age": "3"})
    item = Item(path=Path("x"), kind="face", person="x")
    with pytest.raises(InputError, match="1 hold NaN"):
        opened.add_rows(np.full((1, DIM), np.nan), [item])
    with pytest.raises(InputError, match="shape"):
        opened.add_rows(np.ones((2, DIM)), [item])
    for wrong in ({"id": "1"}, {"Gen der": "f"}):
        with pytest.raises(InputError, match="cannot be a name"):
            opened.add([Item(path=Path("x"), kind="face", person="x", attributes=wrong)])
    other = Made()
    other.name, other.fingerprint = "other", "0" * 64
    with pytest.raises(InputError, match="holds embeddings of made, unlike those of other"):
        Gallery.open(opened.path, matcher=other)
    card = json.loads((opened.path / "gallery.json").read_text())
    (opened.path / "gallery.json").write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        Gallery.open(opened.path)
    (opened.path / "gallery.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Gallery.open(opened.path)
    with pytest.raises(InputError, match="is no gallery"):
        Gallery.open(tmp_path / "absent")
    with pytest.raises(InputError, match="something else"):
        Gallery.open(tmp_path, matcher=Made(), create=True)


def test_values_are_never_code(opened, files):
    items = [
        Item(path=i.path, kind=i.kind, person="o'brien' OR 'a'='a", attributes=i.attributes) for i in files(2)
    ]
    opened.add([*items, *files(5, start=2)])
    assert opened.remove("o'brien' OR 'a'='a") == 2
    assert len(opened) == 5


def made_rows(count, dim, seed=0):
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_many_small_commits_become_few_segments_and_lose_nothing(opened):
    rows = made_rows(400, DIM)
    items = [Item(path=Path(f"{k}"), kind=("voice", "face")[k % 2], person=f"p{k}") for k in range(400)]
    for start in range(0, 400, 4):
        opened.add_rows(rows[start : start + 4], items[start : start + 4])
    assert len(opened) == 400 and len(opened._store.segments) <= 8
    stored = {path.name.partition(".")[0] for path in (opened.path / "segments").iterdir()}
    assert len(stored) == len(opened._store.segments)
    for k in (0, 1, 199, 398, 399):
        (hit,) = opened.search(rows[k], side="face", kind=items[k].kind, k=1)
        assert (hit.path, hit.person) == (str(k), f"p{k}") and hit.similarity == pytest.approx(1, abs=1e-6)


WRITER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_pipelines_gallery import Made
    from voiceface.pipelines import gallery as room
    from voiceface.pipelines.gallery import Gallery, Item
    room._COMMIT_SECONDS = 0
    folder = Path({folder!r})
    files = sorted((folder / "media").iterdir())
    gallery = Gallery.open(folder / "gallery", matcher=Made(), create=True)
    print("open", flush=True)
    items = [Item(path=f, kind="face", person=f.stem[:2]) for f in files]
    gallery.add(items, progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_kill_while_adding_loses_nothing_that_was_committed(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for k in range(400):
        (media / f"{k:04d}.bin").write_text(f"{k:06d}")
    code = textwrap.dedent(WRITER).format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for wanted in ("open", "128"):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
        ) as running:
            for line in running.stdout:
                if line.strip() == wanted:
                    running.send_signal(signal.SIGKILL)
                    break
        opened = Gallery.open(tmp_path / "gallery", matcher=Made())
        floor = 0 if wanted == "open" else 128
        assert len(opened) >= floor
        assert sum(opened.people().values()) == len(opened)
    items = [Item(path=f, kind="face", person=f.stem[:2]) for f in sorted(media.iterdir())]
    done = opened.add(items)
    assert done.added + done.already_present == 400
    assert done.already_present >= 128
    ids = [name for segment in opened._store.segments for name in segment.contents()[2]["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 400


def test_the_command_adds_searches_and_removes(tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.pipelines.rank_files.load_matcher", lambda *given, **options: Made())
    monkeypatch.setattr(room.Matcher, "load", classmethod(lambda cls, source, **how: Made()))
    for person in ("ann", "bob"):
        (tmp_path / "people" / person).mkdir(parents=True)
        for k in range(2):
            (tmp_path / "people" / person / f"{person}{k}.png").write_text(f"{person}{k} ")
    place = tmp_path / "gallery"
    assert (
        "4 added, 0 already present; 4 items of 2 people"
        in call("gallery", "add", place, tmp_path / "people").out
    )
    again = call("gallery", "add", place, tmp_path / "people", "--json")
    assert again.code == 0, again.err
    told = again.json
    assert (told["added"], told["there"]) == (0, 4)
    query = tmp_path / "people" / "ann" / "ann1.png"
    hits = call("gallery", "search", place, query, "--kind", "face", "--json").json["hits"]
    assert hits[0]["path"] == str(query)
    assert hits[0]["similarity"] == pytest.approx(1, abs=1e-5)
    said = call("gallery", "search", place, query, "--kind", "face", "-k", "2")
    assert len(said.out.splitlines()) == 5
    assert call("gallery", "remove", place, "bob").out.startswith("2 items of bob removed")
    call("gallery", "remove", place, "bob").refused(place, "nobody called 'bob'")
    call("gallery", "search", tmp_path / "none", query).refused("is no gallery")
    call("gallery", "search", place, query, "--where", "age").refused("not NAME=VALUE")
    call("gallery", "add", place, query).refused("has no person")
    assert "keep the attributes" not in again.err
    said = call("gallery", "add", place, query, "--person", "ann", "--attribute", "gender=f")
    assert "0 added, 1 already present" in said.out and "keep the attributes that they have" in said.err


def test_the_command_tells_every_bad_input_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.pipelines.rank_files.load_matcher", lambda *given, **options: Made())
    monkeypatch.setattr(room.Matcher, "load", classmethod(lambda cls, source, **how: Made()))
    picture = tmp_path / "ann.png"
    picture.write_text("ann000")
    place = tmp_path / "gallery"
    call("gallery", "add", place, picture, "--person", "ann", "--attribute", "gender=f")
    found = call("gallery", "search", place, picture, "--kind", "face", "--where", "gender=f", "--json").json
    assert [hit["person"] for hit in found["hits"]] == ["ann"]
    none = call("gallery", "search", place, picture, "--kind", "face", "--where", "gender=m", "--json").json
    assert none["hits"] == []
    call("gallery", "search", place, picture, "--where", "age=3").refused("knows no attribute 'age'")
    assert call("gallery", "remove", place, "ann").code == 0
    call("gallery", "search", place, picture).refused("is empty", "voiceface gallery add")
    call("gallery", "remove", place, "ann").refused("nobody called 'ann'")
    call("gallery", "add", place, picture, "--person", "ann", "--attribute", "Age=3").refused(
        "cannot be a name"
    )
    other = Made()
    other.name, other.fingerprint = "other", "0" * 64
    monkeypatch.setattr("voiceface.pipelines.rank_files.load_matcher", lambda *given, **options: other)
    refused = call("gallery", "add", place, picture, "--person", "ann", "--weights", "other")
    refused.refused("holds embeddings of made, unlike those of other")
    monkeypatch.setattr(room.Matcher, "load", classmethod(lambda cls, source, **how: other))
    call("gallery", "add", place, picture, "--person", "ann").refused("another version of the matcher other")
    card = json.loads((place / "gallery.json").read_text())
    (place / "gallery.json").write_text(json.dumps(card | {"format": 99}))
    call("gallery", "search", place, picture).refused("format 99, this version reads 3")


def test_the_command_lists_people_and_items_and_tells_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.pipelines.rank_files.load_matcher", lambda *given, **options: Made())
    monkeypatch.setattr(room.Matcher, "load", classmethod(lambda cls, source, **how: Made()))
    for name in ("ann/a.png", "ann/b.wav", "bob/c.png"):
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).write_text(f"{name}  ")
    place = tmp_path / "gallery"
    call("gallery", "add", place, tmp_path / "people" / "ann", "--attribute", "town=Ulm")
    call("gallery", "add", place, tmp_path / "people" / "bob")
    assert call("gallery", "list", place).out.split() == ["2", "ann", "1", "bob"]
    assert call("gallery", "list", place, "--json").json == {"people": {"ann": 2, "bob": 1}}
    lines = call("gallery", "list", place, "ann").out.splitlines()
    paths = {
        kind: tmp_path / "people" / "ann" / name for kind, name in (("face", "a.png"), ("voice", "b.wav"))
    }
    assert sorted(lines) == [f"{kind}  {path}  town=Ulm" for kind, path in paths.items()]
    (item,) = call("gallery", "list", place, "bob", "--json").json["items"]
    assert item == {"kind": "face", "path": str(tmp_path / "people" / "bob" / "c.png"), "attributes": {}}
    call("gallery", "list", place, "an").refused(place, "nobody called 'an'; did you mean")
    told = call("gallery", "info", place, "--json").json
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert told == {
        "matcher": "made", "numbers": DIM, "items": 3, "kinds": {"face": 2, "voice": 1}, "people": 2,
        "attributes": {"town": {"Ulm": 2}}, "bytes": size,
    }  # fmt: skip
    printed = call("gallery", "info", place).out
    assert "3 items of 2 people: faces 2, voices 1" in printed and "town: Ulm (2)" in printed
