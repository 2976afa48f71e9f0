"""Folders that hold more than a command takes: all that is left out is counted and named."""

import os
import shutil

import av
import numpy as np
import pytest

from cli_fixtures import call, matcher_weights
from corpus_media import synthetic_voice
from draw_face import draw_face
from generating_models import fake_imaginer
from talking_models import fake_talker
from voiceface.corpus.sources import pairs, videos
from voiceface.media.sound import save_sound
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.talker import Talker

CODECS = {".3ga": ("3gp", "aac"), ".m4b": ("ipod", "aac"), ".mp2": ("mp2", "mp2"), ".ac3": ("ac3", "ac3")}


def write_sound(path, seed):
    """Two seconds in the format that the name promises."""
    container, codec = CODECS[path.suffix]
    wave = np.resize(synthetic_voice(seed, 2.0), 88200)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = 44100
        resampler = av.AudioResampler(stream.format, "mono", 44100, frame_size=stream.frame_size or 1152)
        for part in [*resampler.resample(frame), None]:
            for packet in stream.encode(part):
                file.mux(packet)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Two people with pictures and sound of rare suffixes, and four files beside them."""
    root = tmp_path_factory.mktemp("album")
    for number, person in enumerate(("ann", "bob")):
        (root / person).mkdir()
        draw_face(number, 160).convert("RGB").save(root / person / "a.jfif", format="jpeg")
    for number, suffix in enumerate(CODECS):
        write_sound(root / ("ann", "bob")[number % 2] / f"v{suffix}", number)
    (root / "notes.txt").write_text("x")
    (root / "bob" / "diary").write_text("x")
    (root / "bob" / "face.xyz").write_bytes(b"x")
    (root / ".DS_Store").touch()
    (root / "Thumbs.db").touch()
    os.symlink(root / "nothing.jpg", root / "ann" / "gone.jpg")
    return root


def test_a_gallery_adds_what_it_can_and_names_all_the_rest(album, tmp_path):
    weights = matcher_weights()
    said = call("gallery", "add", tmp_path / "g", album, "--weights", weights)
    assert said.code == 0 and "6 added" in said.out and "2 people" in said.out
    (line,) = [line for line in said.lines if "left out" in line]
    assert line.startswith("voiceface: 4 files were left out: ")
    for name in (
        "ann/gone.jpg (a link to a file that is not there)",
        "bob/diary",
        "bob/face.xyz",
        "notes.txt",
    ):
        assert str(album / name) in line
    told = call("gallery", "add", tmp_path / "g", album, "--json").json
    assert told["added"] + told["there"] + len(told["failed"]) == 6 and len(told["left_out"]) == 4


def test_a_gallery_within_the_folder_is_not_named(album, tmp_path):
    copy = shutil.copytree(album, tmp_path / "album", symlinks=True)
    for _ in range(2):
        said = call("gallery", "add", copy / "g", copy, "--weights", matcher_weights(), "--json")
        assert len(said.json["left_out"]) == 4, said.json["left_out"]


def test_match_names_what_is_of_the_other_kind_too(album, tmp_path):
    save_sound(tmp_path / "q.wav", synthetic_voice(1, 2.0))
    said = call("match", tmp_path / "q.wav", album, "--weights", matcher_weights())
    assert said.code == 0 and "2 faces ranked" in said.out
    (line,) = [line for line in said.lines if "left out" in line]
    assert "8 files were left out" in line and "and 3 more (--json lists all)" in line
    told = call("match", tmp_path / "q.wav", album, "--weights", matcher_weights(), "--json").json
    assert len(told["left_out"]) == 8 and str(album / "bob" / "v.ac3") in told["left_out"]
    files = [album / "ann" / "a.jfif", album / "bob" / "a.jfif"]
    assert "left out" not in call("match", tmp_path / "q.wav", *files, "--weights", matcher_weights()).err


def test_embed_imagine_and_animate_name_them(album, tmp_path, monkeypatch):
    monkeypatch.setattr(Imaginer, "load", classmethod(lambda cls, *given, **options: fake_imaginer()))
    monkeypatch.setattr(Talker, "load", classmethod(lambda cls, *given, **options: fake_talker()))
    given = ["--kind", "both", "--weights", matcher_weights()]
    said = call("embed", album, "-o", tmp_path / "e.npz", *given)
    assert said.code == 0 and "4 files were left out" in said.err
    told = call("embed", album, "-o", tmp_path / "e.npz", *given, "--json").json
    assert told["voices"]["count"] == 4 and told["faces"]["count"] == 2
    assert all(len(told[kind]["left_out"]) == 4 for kind in told)
    for command, made in (("imagine", "*.png"), ("animate", "*.mp4")):
        out = tmp_path / command
        said = call(command, album, "-o", out, "--force", "--json")
        assert said.code == 0 and len(list(out.rglob(made))) == 4, said.err
        assert len(said.json["left_out"]) == 6 and "6 files were left out" in said.err


def test_prepare_lists_files_of_no_known_kind(tmp_path):
    root = tmp_path / "data"
    for folder in ("voices", "faces"):
        (root / folder).mkdir(parents=True)
    for clip in ("c1", "c2"):
        (root / "voices" / f"{clip}.m4b").touch()
    (root / "faces" / "c1.jfif").touch()
    (root / "faces" / "c2.xyz").touch()
    (root / "pairs.csv").write_text("clip,person\nc1,ann\nc2,bob\n")
    for number in range(4):
        (root / "voices" / f"c{number}.TXT").touch()
    found = pairs.listing(root)
    assert [item.path for item in found.items] == ["faces/c1.jfif", "voices/c1.m4b", "voices/c2.m4b"]
    reasons = {one.path: one.reason for one in found.rejected}
    assert "no face faces/c2.*: faces/c2.xyz does not end like" in reasons["pairs.csv, line 3"]
    assert reasons["voices/c0.TXT"].endswith("; nor do 3 more .txt")
    assert set(reasons) == {"pairs.csv, line 3", "voices/c0.TXT", "faces/c2.xyz"}

    (root / "ann").mkdir()
    (root / "ann" / "1.mp4").touch()
    (root / "ann" / "1.lyrics").touch()
    (root / "people.csv").write_text("person,gender\nann,f\n")
    rejected = [one.path for one in videos.listing(root).rejected]
    assert "ann/1.lyrics" in rejected and "people.csv" not in rejected
