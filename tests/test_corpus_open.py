"""Reading: records and media on demand, and one line for every folder that is no whole corpus."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from corpus_media import ARGUMENTS, blank, tree, written
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare
from voiceface.corpus.statistics import corpus_statistics
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.media.picture import load_picture
from voiceface.records import Person


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    listing = tree(root / "in", people=3)
    options = PrepareOptions(frame_side=80)
    corpus = prepare(listing, root / "out", arguments=ARGUMENTS, options=options, workers=1, progress=False)
    return listing, corpus


@pytest.fixture
def copy(made, tmp_path):
    copied = shutil.copytree(made[1].path, tmp_path / "copy", ignore=shutil.ignore_patterns("views"))
    return Path(copied)


def test_records_are_built_from_columns(made):
    _, corpus = made
    assert [voice.id for voice in corpus.voices] == corpus.column("voices", "id").tolist()
    assert corpus.voices[-1] == list(corpus.voices)[-1] == corpus.voices[0:99][-1]
    face = corpus.faces[0]
    left, top, right, bottom = face.box
    assert face.person == "p0" and 0 <= left < right and 0 <= top < bottom
    assert len(face.landmarks) == 5 and face.time is None
    video = [one for one in corpus.faces if one.id.startswith("v0")]
    assert [one.time for one in video] == [0.0, 1.0, 2.0] and {one.session for one in video} == {"v0"}
    assert corpus.person_index["p2"] == 2 and corpus.people[2].gender == "f"
    with pytest.raises(IndexError):
        corpus.voices[4]
    with pytest.raises(IndexError):
        corpus.wave(4)
    with pytest.raises(InputError, match=r"voices.hue: no such column; there are id, person"):
        corpus.column("voices", "hue")
    with pytest.raises(InputError, match="no such table"):
        corpus.column("choices", "id")
    assert corpus.person_of("voices").tolist() == [voice.person for voice in corpus.voices]
    with pytest.raises(InputError, match="no such table"):
        corpus.person_of("choices")


def test_a_view_of_the_stored_crop_is_that_of_the_picture(made):
    listing, corpus = made
    for template in ("dlib", "portrait"):
        view = face_view(corpus, size=64, template=template)
        assert view.shape == (6, 64, 64, 3) and view.dtype == np.uint8
        face = corpus.faces[0]
        pixels = np.asarray(load_picture(listing.root / face.source))
        # The crop is at the picture's own scale here, so that its place is all that is between them.
        part = np.asarray(corpus.picture(0)).astype(float)
        errors = {
            (x, y): np.abs(pixels[y : y + part.shape[0], x : x + part.shape[1]] - part).mean()
            for x in range(pixels.shape[1] - part.shape[1] + 1)
            for y in range(pixels.shape[0] - part.shape[0] + 1)
        }
        x, y = min(errors, key=errors.get)
        direct = align(pixels, np.array(face.landmarks) + (x, y), size=64, template=template)
        assert np.abs(view[0].astype(float) - direct).mean() < 4
        assert np.abs(view[1].astype(float) - direct).mean() > 12


def test_a_view_is_made_once_and_again_only_for_other_contents(made, copy):
    corpus = Corpus.open(copy)
    first = face_view(corpus, size=32)
    (path,) = (copy / "views").iterdir()
    assert path.name == f"32-dlib-{corpus.fingerprint[:12]}.npy"
    stamp = path.stat().st_mtime_ns
    again = face_view(Corpus.open(copy), size=32)
    assert path.stat().st_mtime_ns == stamp and (first == again).all() and isinstance(again, np.memmap)
    with pytest.raises(ValueError):
        again[0] = 0
    old = path.with_name("32-dlib-000000000000.npy")
    shutil.copy(path, old)
    path.unlink()
    face_view(Corpus.open(copy), size=32)
    assert path.exists() and not old.exists()
    path.write_bytes(b"torn")
    with pytest.raises(InputError, match="damaged; delete it"):
        face_view(Corpus.open(copy), size=32)
    with pytest.raises(InputError, match="did you mean 'portrait'"):
        face_view(corpus, size=32, template="potrait")


def test_many_processes_make_the_same_view(made, copy, monkeypatch):
    from voiceface.corpus import views

    corpus = Corpus.open(copy)
    one = np.array(face_view(corpus, size=48, cache=copy / "one"))
    monkeypatch.setattr(views, "_MIN_FACES_FOR_PROCESSES", 0)
    monkeypatch.setattr(views, "_CHUNK", 4)
    assert (face_view(corpus, size=48, cache=copy / "two", workers=2) == one).all()
    assert not (copy / "views").exists()


def test_bare_boxes_and_whole_frames(made, copy):
    corpus = Corpus.open(copy)
    box, frame = face_view(corpus, size=40, template="box"), face_view(corpus, size=40, template="frame")
    assert box.shape == frame.shape == (6, 40, 40, 3)
    assert max(corpus.frame(0).size) == 80
    left, top, right, bottom = corpus.faces[0].box
    part = corpus.picture(0).crop((round(left), round(top), round(right), round(bottom))).resize((40, 40))
    assert np.abs(np.asarray(part).astype(float) - box[0]).mean() < 12
    whole = corpus.frame(0).resize((40, 40))
    assert np.abs(np.asarray(whole).astype(float) - frame[0]).mean() < 2
    scaled = np.array(corpus.column("faces", "frame_box")[0])
    assert (scaled[2:] > scaled[:2]).all() and scaled.max() <= 80


def test_the_fingerprint_tells_contents_apart(tmp_path):
    people = [Person(id="a")]
    rows = [
        (blank("voices", id=f"v{n}", person="a", content=f"{n}"), {"samples": bytes(4)}) for n in range(4)
    ]

    def print_of(name, parts, people=people):
        return Corpus.open(written(tmp_path / name, people, parts)).fingerprint

    one = print_of("one", [{"voices": rows}])
    assert len(one) == 64 and int(one, 16)
    assert print_of("two", [{"voices": rows[2:]}, {"voices": rows[:2]}]) == one
    assert print_of("less", [{"voices": rows[:3]}]) != one
    assert print_of("people", [{"voices": rows}], [Person(id="a", gender="f")]) != one
    other = [(row | {"content": "x"} if row["id"] == "v2" else row, media) for row, media in rows]
    assert print_of("other", [{"voices": other}]) != one


def test_what_is_no_corpus_is_told(tmp_path, copy):
    with pytest.raises(InputError, match="does not exist; make a corpus"):
        Corpus.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a corpus"):
        Corpus.open(tmp_path)
    card = copy / "corpus.json"
    told = json.loads(card.read_text())
    card.write_text(json.dumps(told | {"format": 99, "version": "7.0"}))
    with pytest.raises(InputError, match=r"format 99.*up to 2; update voiceface \(it was made by 7.0\)"):
        Corpus.open(copy)
    card.write_text('{"format": ')
    with pytest.raises(InputError, match="corpus.json: is damaged"):
        Corpus.open(copy)


@pytest.mark.parametrize(
    "suffix", ["arrays/voices/*.i16", "arrays/faces/*.jpegs", "arrays/clips/*.jpegs", "voices/*.parquet"]
)
def test_a_missing_or_short_part_is_told_at_once(copy, suffix):
    path = sorted(copy.glob(suffix))[0]
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name}: is missing"):
        Corpus.open(copy)
    path.write_bytes(data[:-3])
    with pytest.raises(InputError, match=path.name) as caught:
        Corpus.open(copy).column("voices", "id")
    assert "\n" not in str(caught.value)


def test_torn_tables_are_told(copy):
    for path in [*copy.glob("items/*.parquet"), copy / "people" / "people.parquet"]:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match=rf"{path.name}: is no readable Parquet"):
            assert Corpus.open(copy).people is None
        path.write_bytes(data)


def test_an_empty_corpus_has_empty_columns(tmp_path):
    corpus = Corpus.open(written(tmp_path / "c", [], []))
    assert list(corpus.voices) == [] and corpus.column("faces", "landmarks").shape == (0, 10)
    assert face_view(corpus, size=8).shape == (0, 8, 8, 3) and corpus_statistics(corpus).all.people == 0


@pytest.mark.slow
def test_a_hundred_thousand_items_open_in_well_under_a_second(tmp_path):
    count, size = 256, 400
    parts = [
        {
            "voices": [
                (blank("voices", id=f"{part:03d}/{n:03d}", person=f"p{n}", source="s"), {"samples": bytes(2)})
                for n in range(size)
            ]
        }
        for part in range(count)
    ]
    folder = written(tmp_path / "c", [Person(id=f"p{n}") for n in range(size)], parts)
    times = {}
    for name, work in {
        "open": lambda: Corpus.open(folder),
        "open, one record and one wave": lambda: (
            Corpus.open(folder).voices[99_999],
            Corpus.open(folder).wave(5),
        ),
        "a column": lambda: Corpus.open(folder).column("voices", "person"),
        "fingerprint": lambda: Corpus.open(folder).fingerprint,
    }.items():
        began = time.perf_counter()
        work()
        times[name] = time.perf_counter() - began
    print(times)
    assert len(Corpus.open(folder).voices) == 102_400
    assert times["open"] < 1.0 and times["fingerprint"] < 1.0
