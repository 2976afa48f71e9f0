"""Synthetic people prepared: the same bytes from any workers, bad numbers refused, a cache that holds."""

import functools
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpus_media import contents
from voiceface.corpus import item_processing
from voiceface.corpus import prepare as engine
from voiceface.corpus.check import check_corpus
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare
from voiceface.corpus.shards import run_shard
from voiceface.corpus.splits import split_known
from voiceface.corpus.statistics import corpus_statistics
from voiceface.errors import InputError, MissingPartError
from voiceface.synthetic import speech, tiny_corpus
from voiceface.synthetic.ground_truth import true_traits
from voiceface.synthetic.people import synthetic_person
from voiceface.synthetic.sources.synthetic import listing

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("espeakng_loader"),
    reason="espeakng-loader is missing",
)

SMALL = {
    "people": 9,
    "voices": 3,
    "faces": 2,
    "seconds": 1.0,
    "size": 96,
    "talk_seconds": 1.0,
    "talk_size": 96,
}


def arguments(**changes):
    return {"clips": 0} | SMALL | changes


def made(out, *, workers=1, **changes):
    told = arguments(**changes)
    return prepare(
        listing(**told), out, arguments={"source": "synthetic", **told}, workers=workers, progress=False
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp("one") / "corpus")


def test_everybody_has_all_that_was_asked_for(whole):
    assert whole.complete and not whole.rejected and not check_corpus(whole, deep=True)
    assert Counter(whole.column("voices", "person")) == dict.fromkeys((p.id for p in whole.people), 3)
    assert Counter(whole.column("faces", "person")) == dict.fromkeys((p.id for p in whole.people), 2)
    assert set(whole.column("voices", "seconds")) == {1.0}
    assert (whole.column("faces", "score") == 0).sum() <= 1  # faces that the detector missed
    for person in whole.people:
        true = synthetic_person(int(person.id[-8:]))
        assert (person.gender, person.nationality) == (true.sex, true.accent.name)
    assert corpus_statistics(whole).lines


def test_any_number_of_workers_writes_the_same_bytes(whole, tmp_path):
    two = made(tmp_path / "two", workers=2)
    assert len(list((whole.path / "items").iterdir())) >= 2
    assert contents(two.path) == contents(whole.path)
    assert two.fingerprint == whole.fingerprint


def test_another_seed_is_other_people_and_another_link_other_voices_of_the_same():
    here, there, loose = (listing(**arguments(**c)) for c in ({}, {"seed": 1}, {"link": 0.0}))
    assert not {p.id for p in here.people} & {p.id for p in there.people}
    assert [p.age for p in here.people] != [p.age for p in there.people]
    assert here.people == loose.people
    face = next(item for item in here.items if isinstance(item, FaceItem))
    voice = next(item for item in here.items if isinstance(item, VoiceItem))
    assert np.array_equal(here.generator.picture(face)[0], loose.generator.picture(face)[0])
    assert not np.array_equal(here.generator.sound(voice), loose.generator.sound(voice))


def test_the_media_are_the_persons_own(whole):
    """A mix-up of rows and people would go unseen by every other check."""
    listed = listing(**arguments())
    for index in (0, 7, 20):
        voice = whole.voices[index]
        item = next(i for i in listed.items if isinstance(i, VoiceItem) and i.key == voice.id)
        assert item.person == voice.person
        assert np.array_equal(whole.wave(index), listed.generator.sound(item))


def test_no_two_recordings_pictures_or_clips_are_alike(whole):
    for table in ("voices", "faces"):
        assert len(set(whole.column(table, "content"))) == len(whole.tables[table])
    maker = listing(**arguments()).generator
    clip = maker.video(
        VideoItem(key="synthetic-00000000-00000", person="synthetic-00000000", path="", emotion="fear")
    )
    voice = VoiceItem(key="synthetic-00000000-00000", person="synthetic-00000000", path="", emotion="fear")
    shared = min(len(clip.samples()), 16000)
    assert not np.array_equal(clip.samples()[:shared], maker.sound(voice)[:shared])


def test_known_people_can_have_many_items():
    """Nine people with hundreds of voices, as Agarwal's; split by recording."""
    listed = listing(people=9, voices=200, faces=150, clips=0)
    kinds = Counter(type(item) for item in listed.items)
    assert kinds == {VoiceItem: 1800, FaceItem: 1350}
    emotions = Counter(item.emotion for item in listed.items if isinstance(item, VoiceItem))
    assert len(emotions) == 6 and 0.4 < emotions["neutral"] / 1800 < 0.6


def test_known_people_split_by_recording(whole):
    split = split_known(whole, by="recording", seed=0)
    parts = [set(np.asarray(part.voices).tolist()) for part in (split.train, split.validation, split.test)]
    assert (
        all(parts[:1]) and not parts[0] & parts[2] and set(split.train.people) == {p.id for p in whole.people}
    )


def test_a_face_that_the_detector_misses_stands_where_it_was_drawn(monkeypatch):
    listed = listing(**arguments(size=192))
    item = next(i for i in listed.items if isinstance(i, FaceItem))
    pixels, drawn = listed.generator.picture(item)
    (found,) = item_processing.process_item(item, listed.generator, PrepareOptions()).rows["faces"]
    monkeypatch.setattr(item_processing, "detect_faces", lambda pixels, options: [])
    ((row, media),) = item_processing.process_item(item, listed.generator, PrepareOptions()).rows["faces"]
    assert row["score"] == 0.0 < found[0]["score"]
    assert row["id"] == found[0]["id"] and media["pictures"]
    # Points of both lie within a few pixels, though each box is its own.
    boxes = [np.array([r["width"], r["height"]]) for r in (row, found[0])]
    assert np.abs(boxes[0] - boxes[1]).max() < 40
    assert 0 < drawn[0] < drawn[2] < 192 and 0 < drawn[1] < drawn[3] < 192


def test_the_drawn_box_is_where_the_detector_finds_the_face():
    from voiceface.face.detect import detect_hog

    listed = listing(**arguments(people=12, size=192))
    shares = []
    for item in [i for i in listed.items if isinstance(i, FaceItem)][::2]:
        pixels, drawn = listed.generator.picture(item)
        found = detect_hog(pixels)
        if found:
            a, b = np.array(drawn), np.array(found[0].box)
            inner = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
            shares.append(inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner))
    assert len(shares) >= 11 and np.median(shares) > 0.7 and min(shares) > 0.5


def test_other_arguments_are_refused_and_touch_nothing(whole):
    before = contents(whole.path)
    with pytest.raises(InputError, match="link"):
        made(whole.path, link=0.5)
    # The model itself is compared too, should somebody leave it out of the arguments.
    told = {"source": "synthetic", **arguments()}
    with pytest.raises(InputError, match="model"):
        prepare(listing(**arguments(link=0.5)), whole.path, arguments=told, progress=False)
    assert contents(whole.path) == before


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"people": 0}, "people"), ({"people": -3}, "people"), ({"people": 10**7}, "people"),
        ({"link": 1.5}, "link"), ({"link": -0.1}, "link"), ({"link": float("nan")}, "link"),
        ({"accents": ("swedsh",)}, "did you mean swedish"), ({"seed": -1}, "seed"),
        ({"voices": -1}, "voices"),
        ({"voices": 0, "faces": 0}, "all 0"), ({"seconds": 0.0}, "seconds"), ({"size": 8}, "size"),
        ({"seconds": float("nan")}, "seconds"), ({"talk_seconds": 0.2}, "talk_seconds"),
        ({"voice_noise": {"sax": 1.0}}, "sax"), ({"face_noise": {"sex": -1.0}}, "sex"),
    ],
)  # fmt: skip
def test_impossible_numbers_are_one_line_and_make_nothing(changes, word, tmp_path):
    with pytest.raises(InputError, match=word) as caught:
        made(tmp_path / "c", **changes)
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert not (tmp_path / "c").exists()


def test_the_missing_library_is_told_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"pip install .*voiceface\[synthetic\]"):
        made(tmp_path / "c")
    assert not (tmp_path / "c").exists()
    listing(**arguments(voices=0))  # faces need no speech


def on_a_full_disk(shard):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    return run_shard(shard)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to play a full disk with")
def test_a_full_disk_is_one_error_and_the_next_run_goes_on(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_shard", on_a_full_disk)
        with pytest.raises(InputError, match="disk"):
            made(tmp_path / "c")
    assert not Corpus.open(tmp_path / "c").complete
    assert contents(made(tmp_path / "c").path) == contents(whole.path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by POSIX signals")
def test_a_killed_preparation_goes_on_and_leaves_no_speaker_behind(whole, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_synthetic_corpus import made
if __name__ == "__main__":
    made(Path({str(tmp_path / "c")!r}), workers=2)
""",
        encoding="utf-8",
    )
    home = tmp_path / "t"
    home.mkdir()
    environment = os.environ | {"TMPDIR": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    until = time.monotonic() + 60
    while not list((tmp_path / "c").glob("items/*.parquet")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 10
    while list(home.glob("vf*")) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list(home.glob("vf*"))  # the speaking process ended with its parent and cleaned up
    assert contents(made(tmp_path / "c").path) == contents(whole.path)


def test_a_card_keeps_the_model_and_the_table_the_traits(whole):
    card = json.loads((whole.path / "corpus.json").read_text())
    assert card["made"]["kind"] == "synthetic" and card["made"]["model"]["link"] == 1.0
    traits = true_traits(whole, [whole.people[4].id, whole.people[1].id])
    for row, number in enumerate((4, 1)):
        person = synthetic_person(number)
        assert traits.voice[row].tolist() == person.population.voice[0].tolist()
        assert traits.face_private[row].tolist() == person.population.face_private[0].tolist()
        assert traits.accent[row] == person.population.accent[0]


def test_a_tiny_corpus_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv(tiny_corpus.CACHE, str(tmp_path))
    small = functools.partial(tiny_corpus.tiny_corpus, people=2, voices=1, faces=1, seconds=0.5)
    real = tiny_corpus.prepare
    first = small()
    before = contents(first.path)
    monkeypatch.setattr(tiny_corpus, "prepare", None)
    assert small().fingerprint == first.fingerprint and contents(first.path) == before
    assert [path.name for path in (tmp_path / "synthetic").iterdir()] == [first.path.name]
    monkeypatch.setattr(tiny_corpus, "prepare", real)
    assert small(seed=1).path != first.path
    # A damaged one is made again.
    next((first.path / "arrays" / "voices").glob("*.i16")).unlink()
    assert contents(small().path) == before


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(tiny_corpus.CACHE, str(tmp_path / "file"))
    with pytest.raises(InputError, match=tiny_corpus.CACHE):
        tiny_corpus.tiny_corpus(people=2, voices=1, faces=0)
    monkeypatch.delenv(tiny_corpus.CACHE)
    assert tiny_corpus.cache_folder().name == "voiceface"
