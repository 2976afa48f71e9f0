"""`voiceface imagine` on files and folders, with small weights from disk."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_fixtures import call
from generating_models import fake_imaginer, speech_like_wave, write_imaginer_weights
from voiceface.media.origin import read_origin
from voiceface.media.sound import save_sound
from voiceface.pipelines.imaginer import Imaginer


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_imaginer_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def voices(tmp_path):
    folder = tmp_path / "voices"
    (folder / "deep").mkdir(parents=True)
    save_sound(folder / "a.wav", speech_like_wave(0))
    save_sound(folder / "deep" / "b.wav", speech_like_wave(1))
    (folder / "notes.txt").write_text("no voice")
    return folder


@pytest.fixture
def canvas(monkeypatch):
    """A stand-in for the shipped weights."""
    made = fake_imaginer()
    monkeypatch.setattr(Imaginer, "load", classmethod(lambda cls, *arguments, **options: made))
    return made


def test_one_voice_one_picture_as_the_api_draws_it(voices, weights, tmp_path):
    said = call(
        "imagine", voices / "a.wav", "-o", tmp_path / "face.png", "--weights", weights, "--seed", 4, "--json"
    )
    assert said.code == 0, said.err
    expected = Imaginer.load(weights)(voices / "a.wav", seed=4)[0]
    with Image.open(tmp_path / "face.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(expected))
    assert read_origin(tmp_path / "face.png") == read_origin(expected)
    (face,) = said.json["faces"]
    assert face == {
        "voice": str(voices / "a.wav"),
        "pictures": [str(tmp_path / "face.png")],
        "plausibility": 1.0,
    }
    assert said.json["seed"] == 4 and said.json["model"] == "made"


def test_glasses_where_the_weights_add_some(voices, canvas, tmp_path):
    arguments = ("imagine", voices / "a.wav", "-o", tmp_path / "face.png", "--glasses")
    call(*arguments).refused("no glasses", "weights of imaginer")
    canvas._model.adds_glasses = True
    assert call(*arguments).code == 0 and call(*arguments, "-n", 2).code == 0
    notes = [read_origin(tmp_path / name).note for name in ("face.png", "face-1.png", "face-2.png")]
    assert all("glasses" in note for note in notes)


def test_a_folder_is_walked_and_its_order_kept(voices, canvas, tmp_path):
    said = call("imagine", voices, "-o", tmp_path / "out")
    assert said.code == 0 and [line.partition(" left out: ")[2] for line in said.lines] == [
        str(voices / "notes.txt")
    ]
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")) == [
        "a.png", "deep/b.png"
    ]  # fmt: skip
    assert len(said.out.splitlines()) == 2 and "b.png" in said.out
    alone = np.asarray(canvas(voices / "deep" / "b.wav")[0])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "deep" / "b.png")), alone)


@pytest.mark.parametrize(
    ("name", "kind"), [("face.jpg", "JPEG"), ("FACE.JPEG", "JPEG"), ("face.webp", "WEBP")]
)
def test_a_face_is_written_in_the_format_of_its_name_and_says_what_it_is(
    voices, canvas, tmp_path, name, kind
):
    said = call("imagine", voices / "a.wav", "-o", tmp_path / name, "-n", 2, "--seed", 4, "--size", 64)
    assert said.code == 0, said.err
    stem, suffix = name.split(".")
    for k in (1, 2):
        path = tmp_path / f"{stem}-{k}.{suffix}"
        origin = read_origin(path)
        assert (origin.seed, origin.draw) == (4, k - 1)
        with Image.open(path) as image:
            assert image.format == kind and image.size == (64, 64)


def test_n_faces_are_numbered_and_differ(voices, canvas, tmp_path):
    assert call("imagine", voices / "a.wav", "-o", tmp_path / "face.png", "-n", 3).code == 0
    faces = [Image.open(tmp_path / f"face-{k}.png") for k in (1, 2, 3)]
    assert len({np.asarray(face).tobytes() for face in faces}) == 3
    assert [read_origin(face).draw for face in faces] == [0, 1, 2]
    assert call("imagine", voices, "-o", tmp_path / "out", "-n", 2).code == 0
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.png")) == [
        "a-1.png",
        "a-2.png",
        "b-1.png",
        "b-2.png",
    ]


def test_bad_recordings_are_told_and_the_rest_is_drawn(voices, canvas, tmp_path):
    (voices / "broken.wav").write_bytes(b"RIFF no sound")
    save_sound(voices / "noise.wav", (0.2 * np.random.default_rng(0).normal(size=48000)).astype(np.float32))
    save_sound(voices / "little.wav", speech_like_wave(1, 0.35))
    said = call("imagine", voices, "-o", tmp_path / "out", "--json")
    assert said.code == 0
    assert [face["voice"].split("/")[-1] for face in said.json["faces"]] == ["a.wav", "b.wav", "little.wav"]
    assert [row["path"].split("/")[-1] for row in said.json["failed"]] == ["broken.wav", "noise.wav"]
    assert "unlikely to be speech" in said.json["warnings"][0] and "little.wav" in said.json["warnings"][0]
    assert sum("skipped" in line for line in said.lines) == 2 and "contains no detectable speech" in said.err
    assert not (tmp_path / "out" / "noise.png").exists()
    assert call("imagine", voices, "-o", tmp_path / "all", "--force").code == 0
    assert "plausibility 0.00" in read_origin(tmp_path / "all" / "noise.png").note


def test_nothing_usable_is_one_line_and_the_old_picture_stands(voices, canvas, tmp_path):
    save_sound(tmp_path / "noise.wav", np.zeros(32000, np.float32))
    (tmp_path / "face.png").write_bytes(b"mine")
    call("imagine", tmp_path / "noise.wav", "-o", tmp_path / "face.png").refused(
        "noise.wav", "contains no detectable speech", "force"
    )
    assert (tmp_path / "face.png").read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.png", "noise.wav", "voices"]


def test_names_are_kept_apart(voices, canvas, tmp_path):
    save_sound(voices / "a.flac.wav", speech_like_wave(2))
    (voices / "a.wav").rename(voices / "a.flac")  # a WAV all the same
    save_sound(voices / "a.wav", speech_like_wave(3))
    assert call("imagine", voices, "-o", tmp_path / "out").code == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_file())
    assert names == ["a.flac.png", "a.flac.wav.png", "a.wav.png"]
    other = tmp_path / "other"
    other.mkdir()
    save_sound(other / "b.wav", speech_like_wave(2))
    call("imagine", voices / "deep", other, "-o", tmp_path / "two").refused("b", "two folders")


@pytest.mark.parametrize(
    ("tokens", "parts"),
    [
        (("VOICES", "-o", "OUT/face.png"), ("names one file for 2 recordings", "folder")),
        (("VOICES/gone.wav", "-o", "OUT/face.png"), ("gone.wav", "does not exist")),
        (("VOICES/a.wav", "-o", "OUT/no/face.png"), ("does not exist",)),
        (("VOICES/a.wav", "-o", "VOICES/notes.txt"), ("notes.txt", ".png")),
        (("VOICES/a.wav", "-o", "OUT/face.bmp"), ("ends in .bmp", "did you mean face.png?", ".webp")),
        (("VOICES/a.wav", "-o", "OUT/face.jfif"), ("did you mean face.jpg?",)),
        (("VOICES/a.wav", "-o", "OUT/face.mp4"), ("ends in .mp4", "did you mean face.png?")),
        (("VOICES/a.wav", "-o", "OUT/face.pgn"), ("ends in .pgn", "did you mean face.png?")),
        (("VOICES/a.wav", "-o", "OUT/face.png", "--person", "eve"), ("knows nobody by name", "'eve'")),
        (("VOICES/a.wav", "-o", "OUT/face.png", "-n", "0"), ("--n", "is 0")),
        (("VOICES/a.wav", "-o", "OUT/face.png", "-n", "2", "--typical"), ("one typical face",)),
        (("-o", "OUT/face.png"), ("no recording",)),
        (("-o", "OUT/face.png", "--person", "eve"), ("generates from a voice",)),
    ],
)
def test_what_cannot_be_done_is_one_line(voices, canvas, tmp_path, tokens, parts):
    given = [t.replace("VOICES", str(voices)).replace("OUT", str(tmp_path)) for t in tokens]
    call("imagine", *given).refused(*parts)
    assert not list(tmp_path.rglob("*.png"))


def test_somebody_known_by_name(monkeypatch, tmp_path):
    made = fake_imaginer(people=["ann", "bob"])
    monkeypatch.setattr(Imaginer, "load", classmethod(lambda cls, *arguments, **options: made))
    assert call("imagine", "--person", "bob", "-o", tmp_path / "out", "-n", 2).code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["bob-1.png", "bob-2.png"]
    call("imagine", "--person", "anna", "-o", tmp_path / "x.png").refused("anna", "did you mean 'ann'")


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names there are Unicode")
def test_a_name_that_is_no_utf8_is_kept(voices, canvas, tmp_path):
    voice = Path(os.fsdecode(os.fsencode(voices) + b"/M\xfcller.wav"))
    (voices / "a.wav").rename(voice)
    said = call("imagine", voice, "-o", tmp_path / "run.2", "--json")
    assert said.code == 0, said.err
    assert os.listdir(os.fsencode(tmp_path / "run.2")) == [b"M\xfcller.png"]


def test_weights_without_a_face_and_the_help():
    call("imagine", "x.wav", "-o", "f.png").refused("x.wav", "does not exist")
    said = call("imagine", "--help")
    assert said.code == 0 and "not a portrait of the speaker" in said.out
