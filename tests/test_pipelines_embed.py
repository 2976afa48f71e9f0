"""Embedding many files: killed at any block it goes on to the identical file, and says what it left out."""

import gc
import json
import tracemalloc

import numpy as np
import pytest

from cli_fixtures import matcher_weights
from corpus_media import synthetic_voice, tree
from draw_face import draw_face
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.prepare import prepare
from voiceface.errors import InputError
from voiceface.media.sound import save_sound
from voiceface.pipelines import embed as place
from voiceface.pipelines.embed import embed_corpus, embed_files, read_embeddings
from voiceface.pipelines.matcher import Matcher

FILES = 11


@pytest.fixture(scope="module")
def matcher():
    return Matcher.load(matcher_weights(), precision="32")


@pytest.fixture
def small(monkeypatch):
    """Blocks of three files."""
    monkeypatch.setattr(place, "_BLOCK", 3)


@pytest.fixture
def voices(tmp_path):
    """Eleven voice files, two of which are none."""
    folder = tmp_path / "voices"
    folder.mkdir()
    paths = [folder / f"{k:02}.wav" for k in range(FILES)]
    for number, path in enumerate(paths):
        save_sound(path, synthetic_voice(number, 0.5))
    paths[4].write_text("no sound")
    paths[9].unlink()
    return paths


class Killed(BaseException):
    """Stands for a kill: nothing below may catch it."""


def killed_at(matcher, files, out, block):
    def progress(done, total):
        if done >= 3 * block:
            raise Killed

    with pytest.raises(Killed):
        embed_files(matcher, files, out, kind="voices", progress=progress)


def test_names_rows_and_faults_of_many_files(matcher, small, voices, tmp_path):
    told = []
    done = embed_files(
        matcher, voices, tmp_path / "v.npz", kind="voices", progress=lambda *at: told.append(at)
    )
    assert done.count == FILES - 2 and done.path == tmp_path / "v.npz"
    assert told == [(3, 11), (6, 11), (9, 11), (11, 11)]
    assert [error.what for error in done.failed] == [str(voices[4]), str(voices[9])]
    assert "does not exist" in str(done.failed[1])
    found = read_embeddings(done.path)
    kept = [path for k, path in enumerate(voices) if k not in (4, 9)]
    assert found["names"].tolist() == [str(path) for path in kept]
    np.testing.assert_allclose(found["embeddings"], matcher.embed_voices(kept), atol=1e-6)
    assert (found["people"] == "").all()
    assert json.loads(str(found["model"]))["weights"] == matcher.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.npz", "voices"]


@pytest.mark.parametrize("block", [1, 2, 3])
def test_killed_between_blocks_it_goes_on_to_the_identical_file(
    matcher, small, voices, tmp_path, monkeypatch, block
):
    embed_files(matcher, voices, tmp_path / "whole.npz", kind="voices")
    killed_at(matcher, voices, tmp_path / "cut.npz", block)
    assert not (tmp_path / "cut.npz").exists()
    heard = []
    real = matcher._waves
    monkeypatch.setattr(matcher, "_waves", lambda source: heard.append(source) or real(source))
    done = embed_files(matcher, voices, tmp_path / "cut.npz", kind="voices")
    assert heard == [str(path) for path in voices[3 * block :]]  # what was done is not done again
    assert [error.what for error in done.failed] == [str(voices[4]), str(voices[9])]
    assert (tmp_path / "cut.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not (tmp_path / "cut.npz.parts").exists()


@pytest.mark.parametrize("left", [(), ("000000000.npz",), (".000000003.partial-1-ab.npz",)])
def test_a_kill_while_its_folder_was_made_or_removed_is_no_obstacle(matcher, voices, tmp_path, left):
    parts = tmp_path / "v.npz.parts"
    parts.mkdir()
    for name in left:
        (parts / name).write_bytes(b"of another time")
    assert embed_files(matcher, voices[:2], tmp_path / "v.npz", kind="voices").count == 2
    assert not parts.exists()


def test_a_folder_of_somebody_elses_is_left_alone(matcher, voices, tmp_path):
    parts = tmp_path / "v.npz.parts"
    parts.mkdir()
    (parts / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"v\.npz\.parts: is in the way"):
        embed_files(matcher, voices, tmp_path / "v.npz", kind="voices")
    assert (parts / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("change", ["files", "weights", "mended"])
def test_blocks_of_another_job_are_not_taken_for_this_ones(
    matcher, small, voices, tmp_path, monkeypatch, change
):
    killed_at(matcher, voices, tmp_path / "v.npz", 2)
    files = voices[1:] if change == "files" else voices
    if change == "weights":
        monkeypatch.setattr(Matcher, "fingerprint", "0" * 64)
    if change == "mended":
        save_sound(voices[4], synthetic_voice(4, 0.5))
    done = embed_files(matcher, files, tmp_path / "v.npz", kind="voices")
    found = read_embeddings(done.path)
    kept = [path for path in files if path.is_file() and path.stat().st_size > 100]
    assert found["names"].tolist() == [str(path) for path in kept]
    np.testing.assert_allclose(found["embeddings"], matcher.embed_voices(kept), atol=1e-6)


def test_two_of_one_name_and_lists_of_nothing_are_refused(matcher, voices, tmp_path):
    with pytest.raises(InputError, match=r"02\.wav: is named twice"):
        embed_files(matcher, [voices[1], voices[2], voices[2]], tmp_path / "v.npz", kind="voices")
    with pytest.raises(InputError, match="there are no faces"):
        embed_files(matcher, [], tmp_path / "v.npz", kind="faces")
    with pytest.raises(InputError, match="kind: is 'noses'"):
        embed_files(matcher, voices, tmp_path / "v.npz", kind="noses")
    with pytest.raises(InputError, match=r"04\.wav"):
        embed_files(matcher, [voices[4]], tmp_path / "v.npz", kind="voices")
    assert [path.name for path in tmp_path.iterdir()] == ["voices"]


def test_a_place_that_cannot_be_written_to_is_refused(matcher, voices, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        embed_files(matcher, voices[:1], tmp_path / "file" / "v.npz", kind="voices")


def test_faces_are_embedded_by_the_same_rules(matcher, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, seed in zip(paths, (1, 2, 3), strict=True):
        draw_face(seed, 120).save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    done = embed_files(matcher, paths, tmp_path / "f.npz", kind="faces")
    assert done.count == 2 and [error.what for error in done.failed] == [str(paths[1])]
    np.testing.assert_allclose(
        read_embeddings(done.path)["embeddings"], matcher.embed_faces([paths[0], paths[2]]), atol=1e-6
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    listing = tree(folder / "tree", people=4, videos=0)
    return prepare(listing, folder / "c", arguments={"source": "made"}, workers=1, progress=False)


@pytest.mark.parametrize("kind", ["voices", "faces"])
def test_a_corpus_is_embedded_with_its_ids_and_people(matcher, corpus, tmp_path, kind, monkeypatch):
    done = embed_corpus(matcher, corpus, tmp_path / "c.npz", kind=kind)
    items = getattr(corpus, kind)
    found = read_embeddings(done.path)
    assert done.count == len(items) and not done.failed
    assert found["names"].tolist() == [item.id for item in items]
    assert found["people"].tolist() == [item.person for item in items]
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=1), 1, atol=1e-5)
    # In blocks it is the same, within the rounding of other batches.
    monkeypatch.setattr(place, "_BLOCK", 3)
    again = embed_corpus(matcher, corpus, tmp_path / "d.npz", kind=kind)
    np.testing.assert_allclose(read_embeddings(again.path)["embeddings"], found["embeddings"], atol=1e-5)


def test_a_corpus_row_is_its_waves_row(matcher, corpus, tmp_path):
    done = embed_corpus(matcher, corpus, tmp_path / "c.npz", kind="voices")
    waves = [(np.asarray(corpus.wave(k), np.float32) / 32768, 16_000) for k in range(len(corpus.voices))]
    np.testing.assert_allclose(
        read_embeddings(done.path)["embeddings"], matcher.embed_voices(waves), atol=1e-5
    )


def test_a_corpus_prepared_anew_is_another_job(matcher, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_BLOCK", 1)

    def progress(done, total):
        raise Killed

    with pytest.raises(Killed):
        embed_corpus(matcher, corpus, tmp_path / "c.npz", kind="voices", progress=progress)
    other = Corpus.open(corpus.path)
    monkeypatch.setitem(other.__dict__, "fingerprint", "0" * 64)
    asked = []
    real = matcher.embed_corpus_items
    monkeypatch.setattr(matcher, "embed_corpus_items", lambda *at: asked.append(at) or real(*at))
    embed_corpus(matcher, other, tmp_path / "c.npz", kind="voices")
    assert len(asked) == len(corpus.voices)


@pytest.mark.parametrize("content", ["missing", b"", b"text", "folder", "other"])
def test_what_embed_did_not_write_is_not_read(tmp_path, content):
    path = tmp_path / "e.npz"
    if content == "other":
        np.savez(path, rows=np.zeros(3))
    elif content == "folder":
        path.mkdir()
    elif content != "missing":
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"e\.npz: .*voiceface embed"):
        read_embeddings(path)


def test_a_second_that_embeds_into_the_same_file_is_refused_and_disturbs_nothing(tmp_path, small, voices):
    told = []

    def meanwhile(done, total):
        if not told:
            with pytest.raises(InputError) as caught:
                embed_files(Wide(), ["1", "2"], tmp_path / "w.npz", kind="faces")
            told.append(str(caught.value))

    done = embed_files(
        Wide(), [str(k) for k in range(1, 8)], tmp_path / "w.npz", kind="faces", progress=meanwhile
    )
    assert told == [f"{done.path}: is being written by another process; wait for it or stop it"]
    assert read_embeddings(done.path)["names"].tolist() == [str(k) for k in range(1, 8)]
    assert not list(tmp_path.glob(".*"))


class Wide:
    """A matcher of nothing: rows as wide as a real one's, at once."""

    name, fingerprint, dim = "wide", "0" * 64, 576

    def embed_faces(self, paths, on_error=None):
        return np.stack([np.full(self.dim, int(path), np.float32) for path in paths])

    embed_voices = embed_faces


def test_memory_does_not_grow_with_the_number_of_items(tmp_path):
    peaks = {320: [], 3200: []}
    for count in (320, 3200, 320, 3200):  # the lower of two: a thread of another test may still be at work
        names = [str(k) for k in range(1, count + 1)]
        (tmp_path / "w.npz").unlink(missing_ok=True)
        gc.collect()
        tracemalloc.start()
        done = embed_files(Wide(), names, tmp_path / "w.npz", kind="faces")
        peaks[count].append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        found = read_embeddings(done.path)
        assert done.count == count and found["embeddings"].dtype == np.float32
        np.testing.assert_array_equal(found["embeddings"], np.arange(1, count + 1)[:, None].repeat(576, 1))
        assert found["names"].tolist() == names
    # Ten times the items: 6.6 MB more of rows, of which nothing may be held; names are short.
    assert min(peaks[3200]) - min(peaks[320]) < 2_000_000
