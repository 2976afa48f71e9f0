"""What may be handed over by mistake: one line names file, fault and remedy; nothing is half-written."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import source_trees
from cli_fixtures import call, matcher_weights, shell, write_people_tree
from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.corpus.corpus import Corpus
from voiceface.media.sound import save_sound

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    save_sound(folder / "voice.wav", synthetic_voice(1, 2.0))
    draw_face(1, 200).save(folder / "face.png")
    return folder / "voice.wav", folder / "face.png"


@pytest.fixture(scope="module")
def weights():
    return matcher_weights()


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("This is no media at all.\n" * 40)


def cut_picture(path):
    draw_face(2, 200).save(path)
    path.write_bytes(path.read_bytes()[:700])


def short(path):
    save_sound(path, synthetic_voice(1, 0.05))


def headless(path):
    save_sound(path, synthetic_voice(1, 1.0))
    path.write_bytes(path.read_bytes()[:40])


def no_face(path):
    Image.fromarray(np.full((64, 64, 3), 127, np.uint8)).save(path)


def pixel(path):
    Image.new("RGB", (1, 1)).save(path)


def folder(path):
    path.mkdir()


VOICES = {
    "missing": (lambda path: None, "does not exist", "check the path"),
    "empty": (empty, "is empty", "record"),
    "text": (text, "is not media", "give an audio file"),
    "headless": (headless, "", ";"),
    "short": (short, "0.05 s long", "at least"),
    "folder": (folder, "is a folder", "name a file"),
}
FACES = {
    "missing": (lambda path: None, "does not exist", "check the path"),
    "empty": (empty, "is empty", ";"),
    "text": (text, "picture", "give a JPEG or PNG"),
    "cut": (cut_picture, "damaged", "copy or download"),
    "no_face": (no_face, "shows no face", "one face"),
    "pixel": (pixel, "shows no face", ";"),
}


@pytest.mark.parametrize("fault", VOICES)
def test_a_voice_that_cannot_be_used(good, weights, tmp_path, fault):
    make, words, remedy = VOICES[fault]
    bad = tmp_path / "bad.wav"
    make(bad)
    for tokens in (("match", bad, good[1]), ("verify", bad, good[1])):
        call(*tokens, "--weights", weights).refused(bad, words, remedy)
    if fault != "folder":
        call("match", good[1], bad, "--weights", weights).refused(bad, words)
        out = tmp_path / "v.npz"
        call("embed", bad, "-o", out, "--weights", weights).refused(bad, words)
        assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["bad.wav"])


@pytest.mark.parametrize("fault", FACES)
def test_a_face_that_cannot_be_used(good, weights, tmp_path, fault):
    make, words, remedy = FACES[fault]
    bad = tmp_path / "bad.png"
    make(bad)
    for tokens in (("match", good[0], bad), ("verify", good[0], bad), ("match", bad, good[0])):
        call(*tokens, "--weights", weights).refused(bad, words, remedy)
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["bad.png"])


def test_all_candidates_bad_is_an_error_that_counts_them(good, weights, tmp_path):
    text(tmp_path / "a.png")
    no_face(tmp_path / "b.png")
    call("match", good[0], tmp_path / "a.png", tmp_path / "b.png", "--weights", weights).refused(
        "a.png", "the other 1 face cannot be used either"
    )
    call("match", good[0], tmp_path / "a.png", "--weights", weights).refused("a.png")
    (tmp_path / "none").mkdir()
    call("match", good[0], tmp_path / "none", "--weights", weights).refused("none: contains no images")


def test_ten_faces_silence_and_noise_are_used_and_said(good, weights, tmp_path):
    crowd = Image.new("RGB", (1000, 400), (120, 120, 120))
    for k in range(10):
        crowd.paste(draw_face(k + 1, 200), (200 * (k % 5), 200 * (k // 5)))
    crowd.save(tmp_path / "crowd.png")
    for command in ("match", "verify"):
        said = call(command, good[0], tmp_path / "crowd.png", "--weights", weights)
        assert said.code == 0 and "crowd.png: shows 10 faces, of which the surest is used" in said.err
    save_sound(tmp_path / "silence.wav", np.zeros(32000, np.float32))
    said = call("match", tmp_path / "silence.wav", good[1], "--weights", weights)
    assert "silence.wav" in said.err and (said.code == 1 or "warning" in said.err)


def test_weights_that_are_none(good, weights, tmp_path):
    call("match", *good, "--weights", "mather").refused("mather")
    call("match", *good, "--weights", tmp_path).refused("no weights folder")
    broken = tmp_path / "w"
    shutil.copytree(weights, broken)
    (broken / "model.safetensors").write_bytes(b"\0" * 100)
    call("match", *good, "--weights", broken).refused("model.safetensors", "damaged", "copy the weights")
    (broken / "run.json").write_text("{")
    call("match", *good, "--weights", broken).refused("run.json", "damaged")


def test_a_device_that_is_none(good, weights):
    call("match", *good, "--weights", weights, "--device", "gpu").refused("gpu", "auto, cpu, cuda")


def test_outputs_that_cannot_be_written(good, tmp_path):
    (tmp_path / "dir.npz").mkdir()
    call("embed", good[0], "-o", tmp_path / "dir.npz").refused("is a folder")
    call("embed", good[0], "-o", tmp_path / "no" / "x.npz").refused("does not exist", "create the folder")
    pairs = source_trees.TREES["pairs"](tmp_path / "data", source_trees.empty).root
    (tmp_path / "file").write_text("mine")
    call("prepare", "pairs", pairs, "-o", tmp_path / "file").refused("file: is a file", "folder")
    assert (tmp_path / "file").read_text() == "mine"
    call("prepare", "pairs", pairs, "-o", pairs).refused("contains other files", "new or an empty folder")
    if os.path.exists("/dev/full"):
        os.symlink("/dev/full", tmp_path / "full.npz")
        call("embed", good[0], "-o", tmp_path / "full.npz").refused("device")
        assert not os.path.exists(tmp_path / "full.npz.parts")


@pytest.mark.skipif(os.name != "posix" or AS_ROOT, reason="root may write anywhere")
def test_a_read_only_folder(good, weights, tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir()
    shut.chmod(0o500)
    try:
        call("embed", good[0], "-o", shut / "v.npz", "--weights", weights).refused("v.npz", "permission")
        data = source_trees.TREES["pairs"](tmp_path / "data", source_trees.empty).root
        call("prepare", "pairs", data, "-o", shut / "c").refused("cannot be created")
    finally:
        shut.chmod(0o700)


def test_data_sets_that_are_none(tmp_path):
    out = tmp_path / "c"
    call("prepare", "pairs", tmp_path / "no", "-o", out).refused("no such folder")
    (tmp_path / "empty").mkdir()
    call("prepare", "pairs", tmp_path / "empty", "-o", out).refused("pairs.csv")
    call("prepare", "videos", tmp_path / "empty", "-o", out).refused("empty")
    root = source_trees.TREES["pairs"](tmp_path / "data", source_trees.empty).root
    (root / "pairs.csv").write_text("clip,nobody\nother,x\n")
    call("prepare", "pairs", root, "-o", out).refused("pairs.csv")
    assert not out.exists()


def test_the_rest_of_a_data_set_is_prepared(tmp_path):
    root = write_people_tree(tmp_path / "data", people=4)
    empty(root / "voices" / "c0.wav")
    text(root / "faces" / "c1.jpg")
    (root / "faces" / "c2.jpg").unlink()
    lines = (root / "pairs.csv").read_text().splitlines()
    source_trees.text(root / "pairs.csv", *lines, "gone,P9,f", lines[1])
    said = call("prepare", "pairs", root, "-o", tmp_path / "c", "--workers", "1")
    assert said.code == 0, said.err
    corpus = Corpus.open(tmp_path / "c")
    assert (len(corpus.voices), len(corpus.faces)) == (3, 2)
    assert len(corpus.rejected) >= 4 and f"{len(corpus.rejected)} files were rejected" in said.out


def test_corpora_that_are_none(tmp_path):
    for tokens in (("train", "voice_student"), ("evaluate", "matcher")):
        call(*tokens, "--corpus", tmp_path / "no").refused("does not exist", "voiceface prepare")
        call(*tokens, "--corpus", tmp_path).refused("is not a corpus")
    call("train", "voice_student", "--corpus", tmp_path, "--init", tmp_path / "w").refused("is not a corpus")


def test_no_traceback_from_a_real_process(good, tmp_path):
    text(tmp_path / "bad.wav")
    shell("match", tmp_path / "no.wav", good[1]).refused("no.wav: does not exist; check the path")
    shell("nonsense").refused("nonsense", code=2)
