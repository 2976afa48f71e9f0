"""Videos and corpora in galleries and embeddings: a video is a voice by its sound, a face by its picture."""

import numpy as np
import pytest

import voiceface as vf
from cli_fixtures import call, matcher_weights
from corpus_media import synthetic_voice, talking, tree
from draw_face import draw_face
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare
from voiceface.errors import InputError
from voiceface.media.sound import save_sound
from voiceface.pipelines.add_corpus import add_corpus
from voiceface.pipelines.embed import read_embeddings
from voiceface.pipelines.gallery import Gallery
from voiceface.pipelines.video_faces import FRAMES, video_faces

ANN, BOB = 6, 9
"""Drawings whose embeddings lie 0.56 apart, farther than those of one person."""


def face(seed, size=160):
    return np.asarray(draw_face(seed, size))


@pytest.fixture(scope="module")
def matcher():
    return vf.Matcher.load(matcher_weights(), device="cpu")


@pytest.fixture
def few_looks(monkeypatch):
    """Three frames of a video are looked at, not eight: finding a face in each is what takes time."""
    monkeypatch.setattr("voiceface.pipelines.video_faces.FRAMES", 3)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two people with a video each: ``PEOPLE/ann/talk.mp4``, ``PEOPLE/bob/talk.mov``."""
    root = tmp_path_factory.mktemp("people")
    for seed, name in ((ANN, "ann/talk.mp4"), (BOB, "bob/talk.mov")):
        (root / name).parent.mkdir()
        talking(root / name, seed)
    return root


def test_a_gallery_of_videos_holds_their_faces_and_their_voices(people, tmp_path, few_looks):
    gallery = tmp_path / "g"
    said = call("gallery", "add", gallery, people, "--weights", matcher_weights())
    assert said.code == 0 and "4 added" in said.out and "2 people" in said.out, said.err
    facts = call("gallery", "info", gallery, "--json").json
    assert facts["kinds"] == {"face": 2, "voice": 2} and facts["people"] == 2
    save_sound(tmp_path / "query.wav", synthetic_voice(ANN, 3.0))
    draw_face(BOB, 160).save(tmp_path / "query.png")
    by_voice = call("gallery", "search", gallery, tmp_path / "query.wav", "--json").json["hits"]
    assert [hit["kind"] for hit in by_voice] == ["face", "face"]
    by_face = call("gallery", "search", gallery, tmp_path / "query.png", "--kind", "face", "--json").json[
        "hits"
    ]
    assert by_face[0]["person"] == "bob" and by_face[0]["similarity"] > 0.95 > by_face[1]["similarity"]
    again = call("gallery", "add", gallery, people / "ann" / "talk.mp4", "--person", "ann")
    assert "0 added, 2 already present" in again.out


def test_embeddings_of_videos_are_of_sound_by_default_and_of_faces_where_asked(
    people, matcher, tmp_path, few_looks
):
    weights = ("--weights", matcher_weights())
    for kind, names in (("auto", ["v"]), ("faces", ["v"]), ("both", ["v-voices", "v-faces"])):
        folder = tmp_path / kind
        folder.mkdir()
        said = call("embed", people, "-o", folder / "v.npz", "--kind", kind, *weights)
        assert said.code == 0 and "left out" not in said.err, said.err
        assert sorted(path.stem for path in folder.iterdir()) == sorted(names)
    of_faces = read_embeddings(tmp_path / "faces" / "v.npz")
    assert np.array_equal(of_faces["embeddings"], matcher.embed_faces(list(of_faces["names"])))
    of_sound = read_embeddings(tmp_path / "auto" / "v.npz")
    assert np.array_equal(
        of_sound["embeddings"], read_embeddings(tmp_path / "both" / "v-voices.npz")["embeddings"]
    )


def test_a_videos_face_is_that_of_its_pictures(people, matcher):
    rows = matcher.embed_faces([people / "ann" / "talk.mp4", face(ANN), face(BOB)])
    assert rows[0] @ rows[1] > 0.95 > rows[0] @ rows[2]


def test_whoever_is_shown_most_is_the_person(tmp_path):
    talking(tmp_path / "guest.mp4", 1, frames=[*[face(ANN)] * 20, *[face(BOB)] * 10])
    found = video_faces(tmp_path / "guest.mp4")
    assert 4 <= len(found) <= 6 < FRAMES
    assert all(np.abs(one.picture.astype(int) - face(ANN)).mean() < 12 for one in found)


def test_a_video_without_a_face_or_without_sound_is_told_by_its_name(people, tmp_path):
    talking(tmp_path / "empty.mp4", 1, frames=[np.full((64, 64, 3), 90, np.uint8)] * 20)
    with pytest.raises(InputError, match=r"empty\.mp4: shows no face in 8 frames"):
        video_faces(tmp_path / "empty.mp4")
    said = call(
        "gallery",
        "add",
        tmp_path / "g",
        tmp_path / "empty.mp4",
        "--person",
        "x",
        "--weights",
        matcher_weights(),
    )
    assert said.code == 0 and "1 added" in said.out and "empty.mp4: shows no face" in said.err
    with pytest.raises(InputError, match=r"gone\.mp4"):
        video_faces(tmp_path / "gone.mp4")


def test_a_corpus_is_added_with_what_it_knows_of_its_people(tmp_path):
    corpus = prepare(
        tree(tmp_path / "data"), tmp_path / "c", arguments={}, options=PrepareOptions(), workers=1
    ).path
    gallery = tmp_path / "g"
    command = ("gallery", "add", gallery, corpus, "--attribute", "place=here")
    said = call(*command, "--weights", matcher_weights(), "--json")
    opened = Corpus.open(corpus)
    count = len(opened.voices) + len(opened.faces)
    assert said.code == 0 and said.json["added"] == said.json["items"] == count > 6
    kept = Gallery.open(gallery)
    assert kept.people().keys() == {"p0", "p1", "p2"}
    assert set(kept.counts("gender")) == {"f", "m"} and kept.counts("place") == {"here": count}
    assert call(*command, "--json").json == said.json | {"added": 0, "there": count}
    row = kept.matcher.embed_corpus_items(opened, "faces", [0])[0]
    best = kept.search(row, side="face", kind="face", k=1)[0]
    assert best.person == opened.faces[0].person and best.similarity > 0.999
    assert best.path == str(corpus / "faces" / opened.faces[0].id)
    call("gallery", "add", gallery, corpus, "--person", "ann").refused("--person", "knows its people")


def test_a_corpus_that_was_added_in_part_is_finished(tmp_path, matcher, monkeypatch):
    corpus = prepare(
        tree(tmp_path / "data"), tmp_path / "c", arguments={}, options=PrepareOptions(), workers=1
    )
    monkeypatch.setattr("voiceface.pipelines.add_corpus._BLOCK", 2)
    gallery = Gallery.open(tmp_path / "g", matcher=matcher, create=True)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_corpus(gallery, corpus, progress=stop)
    assert len(gallery) == 4
    total = len(corpus.voices) + len(corpus.faces)
    done = add_corpus(Gallery.open(tmp_path / "g", matcher=matcher), corpus)
    assert (done.added, done.already_present) == (total - 4, 4)
