"""Pipes, sockets and devices in the places of files: refused in one line, and never waited for."""

import contextlib
import io
import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

import fuzz_inputs
from cli_fixtures import call
from corpus_media import ARGUMENTS, blank, synthetic_voice, written
from draw_face import draw_face
from voiceface.corpus.check import check_corpus
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.file_tree import walk_media
from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import read_named_embeddings
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.face.read_dlib_layers import read_dlib_layers
from voiceface.media.movie import frames, movie_facts
from voiceface.media.open_file import open_file
from voiceface.media.origin import read_origin
from voiceface.media.picture import load_picture, picture_size
from voiceface.media.read_json import read_json
from voiceface.media.sound import load_sound, save_sound, sound_seconds
from voiceface.media.text_tables import open_text_table, read_words
from voiceface.models.encoders import student, wavlm
from voiceface.models.published_weights import read_tensors
from voiceface.models.teachers import expression
from voiceface.pipelines.input_files import side_of
from voiceface.pipelines.weights import load_model
from voiceface.protocols.read_lines import read_lines
from voiceface.records import Person
from voiceface.training.checkpoint import Checkpoints

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")

READERS = {
    "sound": load_sound,
    "seconds": sound_seconds,
    "movie": movie_facts,
    "frames": lambda path: list(frames(path)),
    "picture": load_picture,
    "size": picture_size,
    "origin": read_origin,
    "side": lambda path: side_of(path.rename(path.with_suffix(".unknown"))),
    "json": lambda path: read_json(path, dict, remedy="x"),
    "table": open_text_table,
    "packed table": lambda path: open_text_table(path.rename(path.with_suffix(".csv.gz"))),
    "words": lambda path: list(read_words(path)),
    "lines": read_lines,
    "arrays": read_named_embeddings,
    "tensors": read_tensors,
    "layers": read_dlib_layers,
}


@contextlib.contextmanager
def at_once():
    """Whatever waits inside is torn out of it."""

    def late(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def refused(path, fault):
    """One line that names the file and what it is."""
    with at_once(), pytest.raises(InputError) as caught:
        yield
    assert str(path) in str(caught.value) and fault in str(caught.value), str(caught.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_pipe_in_the_place_of_a_file_is_refused(read, tmp_path):
    os.mkfifo(tmp_path / "x.wav")
    with refused(tmp_path / "x", "is a named pipe, not a file"):
        read(tmp_path / "x.wav")


def test_so_are_devices_and_sockets_and_links_to_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("s.wav")
        os.symlink("/dev/zero", "z.wav")
        for name, fault in (("s.wav", "a socket"), ("z.wav", "a device"), ("/dev/zero", "a device")):
            for read in (load_sound, load_picture, open_text_table, read_named_embeddings):
                with refused(name, f"is {fault}, not a file"):
                    read(Path(name))


def test_a_pipe_that_takes_a_files_place_while_it_is_opened_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    as_file = os.stat(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    monkeypatch.setattr(os, "stat", lambda *args, **kwargs: as_file)
    with refused(tmp_path / "pipe", "named pipe"):
        open_file(tmp_path / "pipe")
    monkeypatch.undo()
    if opened:
        assert len(os.listdir("/proc/self/fd")) == opened


def test_what_is_open_already_is_read_also_from_a_pipe(tmp_path):
    save_sound(tmp_path / "a.wav", synthetic_voice(1, 0.1))
    reading, writing = os.pipe()
    os.write(writing, (tmp_path / "a.wav").read_bytes())
    os.close(writing)
    with at_once(), os.fdopen(reading, "rb") as file:
        assert len(load_sound(file)) == 1600
    assert len(load_sound(io.BytesIO((tmp_path / "a.wav").read_bytes()))) == 1600


def _each_file_a_pipe(folder, read):
    """Every file of a folder in turn is a pipe while it is read."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with at_once(), contextlib.suppress(InputError):
            read(folder)
        path.unlink()
        path.write_bytes(data)
    read(folder)


def _read_corpus(folder):
    corpus = Corpus.open(folder)
    check_corpus(corpus, deep=True)
    assert corpus.fingerprint and corpus.people and corpus.rejected is not None


def test_no_file_of_a_corpus_is_waited_for(tmp_path):
    _each_file_a_pipe(made_corpus(tmp_path / "corpus"), _read_corpus)


def made_corpus(folder):
    voice = (blank("voices", id="v", person="p"), {"samples": bytes(200)})
    lost = (blank("rejected", path="x.wav", reason="bad"), {})
    return written(folder, [Person(id="p")], [{"voices": [voice], "rejected": [lost]}], arguments=ARGUMENTS)


def test_no_file_of_weights_is_waited_for(tmp_path):
    fuzz_inputs.weights(tmp_path)
    _each_file_a_pipe(tmp_path / "voice-student", load_model)
    _each_file_a_pipe(tmp_path / "voice-student", lambda folder: student.load(weights=folder))
    for load, name in ((wavlm._read_config, "config.json"), (expression.load, "model.safetensors")):
        folder = tmp_path / name
        folder.mkdir()
        os.mkfifo(folder / name)
        with refused(folder / name, "named pipe"):
            load(folder / name if name == "config.json" else str(folder))
    (tmp_path / "results").mkdir()
    os.mkfifo(tmp_path / "results" / "a.jsonl")
    with refused(tmp_path / "results", "named pipe"):
        read_experiments(tmp_path / "results")
    os.mkfifo(tmp_path / "step-000000001.pt")
    with refused(tmp_path, "named pipe"):
        Checkpoints(tmp_path).load(1)


def test_a_folder_with_a_pipe_is_walked_past_it(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    os.symlink("/dev/zero", tmp_path / "b.png")
    (tmp_path / "c.wav").write_bytes(b"x")
    (tmp_path / "d.wav").mkdir()
    reason = "a pipe, a socket or a device"
    found = [(one.path, one.kind, one.reason) for one in walk_media(tmp_path)]
    assert found == [("a.wav", "fault", reason), ("b.png", "fault", reason), ("c.wav", "sound", "")]


def test_commands_do_not_wait_for_pipes(tmp_path):
    save_sound(tmp_path / "v.wav", synthetic_voice(1, 2.0))
    draw_face(1, 200).save(tmp_path / "f.png")
    os.mkfifo(tmp_path / "pipe")
    np.savez(tmp_path / "e.npz", names=["a"], embeddings=np.ones((1, 4)))
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    npz, voice = tmp_path / "e.npz", tmp_path / "v.wav"
    for line in (
        ("match", pipe, tmp_path / "f.png"),
        ("match", voice, pipe),
        ("match", voice, tmp_path / "f.png", "--weights", pipe),
        ("verify", voice, pipe),
        ("embed", pipe, "-o", tmp_path / "out.npz"),
        ("imagine", pipe, "-o", out),
        ("animate", pipe, "-o", tmp_path / "out.mp4"),
        ("animate", voice, "--face", pipe, "-o", tmp_path / "out.mp4"),
        ("evaluate", "verification", "--voices", pipe, "--faces", npz),
        ("evaluate", "verification", "--scores", pipe),
        ("evaluate", "fame", "--voices", npz, "--faces", npz, "--list", pipe, "-o", out),
        ("evaluate", "video", "--answers", pipe),
        ("compare", pipe, pipe),
        ("prepare", "pairs", tmp_path, "-o", out, "--table", "pipe"),
        ("audit", pipe),
        ("import-weights", "wen", "--voice", pipe, "--generator", pipe, "-o", out),
        ("train", "pipe", "--trust", pipe, "--corpus", tmp_path, "--out", out),
        ("app", "--certificate", pipe, "--key", pipe),
    ):
        with at_once():
            said = call(*line)
        assert said.code == 1 and "Traceback" not in said.err, (line, said.err)
        assert str(pipe) in said.lines[-1] and not out.exists(), (line, said.err)
