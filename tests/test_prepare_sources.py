"""Every corpus source prepared end to end on its tree of small real media."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import source_trees
import voiceface.corpus.sources
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare

FOLDER = Path(voiceface.corpus.sources.__path__[0])
SOURCES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
# What makes its media itself has a test of its own.
SOURCES = [
    name
    for name in SOURCES
    if not getattr(import_module(f"voiceface.corpus.sources.{name}"), "ROOTLESS", False)
]


def test_every_source_has_a_tree():
    assert set(SOURCES) == set(source_trees.TREES)


@pytest.mark.parametrize("source", SOURCES)
def test_from_files_to_a_corpus(source, tmp_path):
    tree = source_trees.TREES[source](tmp_path / "data", source_trees.real)
    listing = import_module(f"voiceface.corpus.sources.{source}").listing(tree.root, **tree.options)
    options = PrepareOptions(face_fps=2.0, clip_seconds=5.0)
    corpus = prepare(
        listing, tmp_path / "corpus", arguments={"source": source}, options=options, workers=1, progress=False
    )
    corpus = Corpus.open(corpus.path)
    assert {person.id for person in corpus.people} == tree.people
    assert len(corpus.rejected) == tree.rejected, corpus.rejected
    check_voices(corpus, listing)
    check_faces(corpus, listing)
    check_clips(corpus, listing)


def check_voices(corpus, listing):
    wanted = {
        item.path: item
        for item in listing.items
        if isinstance(item, VoiceItem) or (isinstance(item, VideoItem) and "voices" in item.want)
    }
    assert {voice.source for voice in corpus.voices} == set(wanted)
    for at, voice in enumerate(corpus.voices):
        item = wanted[voice.source]
        assert (voice.person, voice.language, voice.emotion) == (item.person, item.language, item.emotion)
        assert voice.session == (item.session or item.key)
        wave = corpus.wave(at)
        assert wave.dtype == np.int16 and abs(len(wave) / 16000 - 1.2) < 0.15
        assert np.abs(wave.astype(int)).max() > 3000


def check_faces(corpus, listing):
    wanted = {
        item.path: item
        for item in listing.items
        if isinstance(item, FaceItem) or (isinstance(item, VideoItem) and "faces" in item.want)
    }
    assert {face.source for face in corpus.faces} == set(wanted)
    for at, face in enumerate(corpus.faces):
        item = wanted[face.source]
        assert face.person == item.person and (face.time is None) == isinstance(item, FaceItem)
        left, top, right, bottom = face.box
        width, height = corpus.picture(at).size
        assert (
            0 < right - left <= width * 1.2 and 0 < bottom - top <= height * 1.2 and len(face.landmarks) == 5
        )


def check_clips(corpus, listing):
    wanted = {item.path: item for item in listing.items if "clips" in getattr(item, "want", ())}
    assert {clip.source for clip in corpus.clips} == set(wanted)
    for at, clip in enumerate(corpus.clips):
        assert (clip.person, clip.emotion) == (wanted[clip.source].person, wanted[clip.source].emotion)
        assert 1.0 <= clip.seconds <= 1.5
        assert np.abs(corpus.clip_wave(at).astype(int)).max() > 3000
