"""What a worker makes of uploaded bytes with the shipped models: right answers, and limits of files."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from generating_models import speech_like_wave
from source_trees import pairs, real
from voiceface.app import corpus_facts
from voiceface.app.engine_options import EngineOptions
from voiceface.app.limits import Limits
from voiceface.app.load_engine import load_engine
from voiceface.app.messages import Task, Upload
from voiceface.app.uploaded_file import check_picture, check_sound
from voiceface.corpus.prepare import prepare
from voiceface.corpus.sources.pairs import listing
from voiceface.errors import InputError
from voiceface.media.movie import movie_facts
from voiceface.media.origin import read_origin
from voiceface.media.sound import save_sound

LIMITS = Limits(sound_seconds=8, megapixels=1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    gallery = tmp_path_factory.mktemp("app") / "people.gallery"
    tree, corpus = pairs(gallery.with_name("data"), real), gallery.with_name("people corpus")
    (tree.root / "voices" / "cy_00.flac").write_bytes(b"fLaC nothing")
    prepare(listing(tree.root), corpus, arguments={"source": "pairs"}, workers=1, progress=False)
    return load_engine(EngineOptions(gallery=gallery, corpus=corpus, limits=LIMITS))


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    save_sound(path, speech_like_wave(1))
    return path.read_bytes()


def webm(wave=None):
    """Opus in WebM as a browser records it: nothing in it says how long it is."""
    wave = speech_like_wave(1) if wave is None else wave
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 3)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def picture(seed=3, kind="JPEG", size=256):
    buffer = io.BytesIO()
    draw_face(seed, size).save(buffer, kind)
    return buffer.getvalue()


def run(engine, name, files, **arguments):
    uploads = {
        field: [Upload(f"{field}-{k}", data) for k, data in enumerate(found)]
        for field, found in files.items()
    }
    steps = []
    task = Task(id="a", name=name, arguments=arguments, files=uploads)
    return engine.run(task, lambda done, total: steps.append((done, total))), steps


IMAGINE = {"n": 1, "seed": 0, "size": None, "force": False}


def test_a_recording_of_a_browser_is_matched_as_the_same_sound_in_a_wav_file(engine, wav):
    with av.open(io.BytesIO(webm())) as container:
        assert container.duration is None
    faces = [picture(3), b"no picture", picture(8)]
    found = [run(engine, "match", {"voice": [sound], "faces": faces}) for sound in (wav, webm())]
    ranked = [{one["name"]: one["probability"] for one in answer.facts["ranking"]} for answer, _ in found]
    assert ranked[0] == pytest.approx(ranked[1], abs=0.08) and list(ranked[0]) == list(ranked[1])
    answer, steps = found[0]
    assert steps == [(1, 2), (2, 2)]
    assert answer.facts["unusable"] == [
        {"index": 1, "name": "faces-1", "reason": "faces-1: is no picture; give a JPEG or PNG picture"}
    ]
    assert answer.facts["recordings"][0]["name"] == "voice-0"
    one = engine.matcher.score(io.BytesIO(wav), io.BytesIO(faces[0]))
    assert ranked[0]["faces-0"] == pytest.approx(one, abs=1e-6)
    verified, _ = run(engine, "verify", {"voice": [wav], "face": faces[:1]})
    assert verified.facts["probability"] == pytest.approx(one, abs=1e-6)


def test_voices_are_ranked_for_a_face(engine, wav):
    answer, _ = run(engine, "match", {"face": [picture()], "voices": [wav, b"", webm()]})
    assert {one["index"] for one in answer.facts["ranking"]} == {0, 2}
    assert "is empty" in answer.facts["unusable"][0]["reason"] and len(answer.facts["recordings"]) == 2


def test_a_checked_file_stands_at_its_beginning(wav):
    for sound in (wav, webm(speech_like_wave(1, seconds=6))):
        assert check_sound(Upload("a", sound), LIMITS).read() == sound
    assert check_picture(Upload("a", picture()), LIMITS).read() == picture()


def test_embeddings_have_length_one(engine, wav):
    facts = run(engine, "embed", {"voices": [wav], "faces": [picture(), b"x"]})[0].facts
    rows = [facts["voices"][0]["embedding"], facts["faces"][0]["embedding"]]
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert "reason" in facts["faces"][1] and facts["dim"] == len(rows[0])


def test_imagined_faces_say_what_they_are_and_depend_on_the_seed(engine, wav):
    answer, _ = run(engine, "imagine", {"voice": [wav]}, **IMAGINE | {"n": 2, "seed": 4, "size": 64})
    origins = [read_origin(io.BytesIO(png)) for png in answer.files]
    assert [(origin.seed, origin.draw) for origin in origins] == [(4, 0), (4, 1)]
    assert Image.open(io.BytesIO(answer.files[0])).size == (64, 64)
    again, _ = run(engine, "imagine", {"voice": [wav]}, **IMAGINE | {"n": 2, "seed": 4, "size": 64})
    assert again.files == answer.files


def test_a_clip_says_what_it_is(engine, tmp_path):
    out = str(tmp_path / "clip.mp4")
    sound = webm(speech_like_wave(1, seconds=0.6))
    given = {"seed": 0, "size": 128, "force": True, "out": out}
    answer, steps = run(engine, "animate", {"voice": [sound], "face": [picture()]}, **given)
    assert answer.facts["seconds"] == pytest.approx(0.6, abs=0.05) and steps[-1][0] == answer.facts["frames"]
    assert movie_facts(out).metadata["synthetic"] == "true"
    with pytest.raises(InputError, match="give a larger size or crop it to the face$"):
        run(engine, "animate", {"voice": [sound], "face": [picture()]}, **given | {"size": 40})


def test_a_gallery_is_added_to_searched_and_removed_from(engine, wav):
    with pytest.raises(InputError, match=r"^the gallery: is empty; add somebody first$"):
        run(engine, "gallery-search", {"voice": [wav]}, k=5, kind="")
    for person, seed in (("ann", 3), ("bob", 8)):
        answer, _ = run(
            engine, "gallery-add", {"faces": [picture(seed), b"x"], "voices": [wav]}, person=person
        )
        assert answer.facts["added"] == 2 and len(answer.facts["unusable"]) == 1
    again, _ = run(engine, "gallery-add", {"faces": [picture(3)]}, person="ann")
    assert again.facts["added"] == 0 and again.facts["already_present"] == 1
    assert run(engine, "gallery-count", {})[0].facts["people"] == 2
    hits = run(engine, "gallery-search", {"face": [picture(3)]}, k=5, kind="face")[0].facts["hits"]
    assert hits[0]["person"] == "ann" and hits[0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert hits[0]["file"] == "faces-0"
    assert len(run(engine, "gallery-search", {"voice": [wav]}, k=5, kind="")[0].facts["hits"]) == 2
    known = run(engine, "gallery-people", {}, contains="AN", limit=9)[0].facts
    assert known == {"total": 1, "people": [{"person": "ann", "items": 2}]}
    found = run(engine, "gallery-items", {}, person="ann")[0].facts["items"]
    assert [(one["kind"], one["file"]) for one in found] == [("voice", "voices-0"), ("face", "faces-0")]
    folder = engine.gallery.gallery.path
    assert b"ann" in everything(folder)
    assert run(engine, "gallery-remove", {}, person="ann")[0].facts["removed"] == 2
    assert b"ann" not in everything(folder) and b"bob" in everything(folder)
    with pytest.raises(InputError, match=r"^the gallery: holds nobody called 'ann'"):
        run(engine, "gallery-remove", {}, person="ann")
    listed = engine.gallery.gallery.path / "items.json"
    listed.rename(listed.with_suffix(".away"))
    with pytest.raises(InputError, match=r"^the gallery: ") as error:
        run(engine, "gallery-count", {})
    assert str(listed.parent) not in str(error.value)
    listed.with_suffix(".away").rename(listed)


def everything(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_the_report_of_a_corpus_does_not_say_where_it_lies(engine, monkeypatch):
    facts = run(engine, "corpus", {})[0].facts
    assert facts["corpus"] == "people corpus" and facts["complete"] and facts["people"] == 3
    assert [(one["sex"], one["voices"]) for one in facts["statistics"]][-1] == ("all", facts["voices"])
    assert facts["rejected_files"] == 1 and facts["rejected"][0]["path"] == "voices/cy_00.flac"
    monkeypatch.setattr(corpus_facts, "_MOST_REJECTED", 0)
    facts = run(engine, "corpus", {})[0].facts
    assert facts["rejected_files"] == 1 and facts["rejected"] == []
    folder = engine.gallery.gallery.path.with_name("people corpus")
    (folder / "people").rename(folder / "away")
    with pytest.raises(InputError, match="^people corpus") as error:
        run(engine, "corpus", {})
    assert str(folder.parent) not in str(error.value)
    (folder / "away").rename(folder / "people")


def silent():
    return webm(np.zeros(32000, np.float32))


@pytest.mark.parametrize(
    ("sound", "line"),
    [
        (lambda wav: b"", "voice-0: is empty"),
        (lambda wav: b"hello" * 99, "voice-0: is not media"),
        (lambda wav: picture(), "voice-0: "),
        (lambda wav: wav[:44], "voice-0: "),
        (lambda wav: wav[: len(wav) // 2], "voice-0: is cut short"),
        (lambda wav: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "voice-0: is "),
        (lambda wav: webm(speech_like_wave(1, seconds=9)), "voice-0: is 9 s long; cut it to 8 s or less"),
        (lambda wav: webm(speech_like_wave(1, seconds=0.1)), "voice-0: is 0.1"),
        (lambda wav: silent(), "voice-0: contains no detectable speech"),
    ],
)
def test_a_recording_that_cannot_be_used_is_told_in_one_line(engine, wav, sound, line):
    with pytest.raises(InputError) as caught:
        run(engine, "imagine", {"voice": [sound(wav)]}, **IMAGINE)
    told = str(caught.value)
    assert told.startswith(line) and "\n" not in told and "--" not in told


@pytest.mark.parametrize(
    ("face", "line"),
    [
        (lambda: b"hello", "face-0: is no picture"),
        (lambda: picture()[:3000], "face-0: is a damaged picture"),
        (lambda: picture(size=1100), "face-0: has 1100 x 1100 pixels; scale it down to 1 megapixels or less"),
        (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "face-0: "),
    ],
)
def test_a_picture_that_cannot_be_used_is_told_in_one_line(engine, wav, face, line):
    with pytest.raises(InputError) as caught:
        run(engine, "verify", {"voice": [wav], "face": [face()]})
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_what_a_phone_takes_is_read(engine, wav):
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(draw_face(3, 256)).save(buffer)
    movie = io.BytesIO()
    with av.open(movie, "w", format="mov") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech_like_wave(1)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    files = {"voice": [movie.getvalue()], "face": [buffer.getvalue()]}
    assert 0 < run(engine, "verify", files)[0].facts["probability"] < 1


def test_a_gallery_of_another_matcher_brings_its_own(engine):
    own = engine.gallery.matcher
    if own.name == "matcher":
        pytest.skip("the weights of another matcher are not installed")
    options = EngineOptions(matcher="matcher", gallery=engine.gallery.gallery.path, limits=LIMITS)
    other = load_engine(options)
    assert other.matcher.name == "matcher" and other.gallery.matcher.name == own.name
