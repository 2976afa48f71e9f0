"""`match`, `verify` and `embed` on real files, with a small matcher from disk."""

import os
import shutil

import numpy as np
import pytest

from cli_fixtures import call, matcher_weights, shell, write_people_tree
from corpus_media import synthetic_voice
from generating_models import speech_like_wave
from voiceface.corpus.item import FaceItem, Listing, VoiceItem
from voiceface.corpus.prepare import prepare
from voiceface.media.sound import load_sound, save_sound
from voiceface.pipelines.input_files import query_side, side_of
from voiceface.pipelines.matcher import Matcher


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_people_tree(tmp_path_factory.mktemp("data"), people=4)


@pytest.fixture(scope="module")
def weights():
    return matcher_weights()


def test_match_ranks_as_the_api_does(data, weights):
    voice, faces = data / "voices" / "c0.wav", sorted((data / "faces").iterdir())
    said = call("match", voice, *faces, "--weights", weights, "--json")
    assert said.code == 0
    expected = Matcher.load(weights).rank(voice, faces)
    ranking = said.json["ranking"]
    assert [(row["path"], row["rank"]) for row in ranking] == [
        (str(p), k) for k, (p, _) in enumerate(expected, 1)
    ]
    np.testing.assert_allclose([row["probability"] for row in ranking], [p for _, p in expected], atol=1e-6)
    assert len({round(row["probability"], 4) for row in ranking}) == 4
    assert said.json["direction"] == "voice-to-face"


def test_saturated_probabilities_are_ranked_by_similarity(data, weights, monkeypatch):
    voice, faces = data / "voices" / "c0.wav", sorted((data / "faces").iterdir())
    expected = [str(path) for path, _ in Matcher.load(weights).rank(voice, faces)]
    assert expected != [str(path) for path in faces]
    monkeypatch.setattr(Matcher, "probability", lambda self, similarity: np.ones_like(similarity))
    said = call("match", voice, *faces, "--weights", weights, "--json")
    assert [row["path"] for row in said.json["ranking"]] == expected
    assert {row["probability"] for row in said.json["ranking"]} == {1.0}


def test_a_face_as_the_query_turns_the_direction_round_and_folders_are_walked(data, weights):
    face = data / "faces" / "c1.jpg"
    said = call("match", face, data, "--weights", weights, "--json", "--top", "2")
    assert said.code == 0 and said.json["direction"] == "face-to-voice"
    expected = Matcher.load(weights).rank(face, sorted((data / "voices").iterdir()), direction="face->voice")
    assert [row["path"] for row in said.json["ranking"]] == [str(path) for path, _ in expected][:2]


def test_the_table_names_the_matcher_and_says_what_was_left_out(data, weights, tmp_path):
    bad = tmp_path / "cut.jpg"
    bad.write_bytes((data / "faces" / "c0.jpg").read_bytes()[:1500])
    said = call("match", data / "voices" / "c0.wav", bad, data / "faces" / "c1.jpg", tmp_path / "no.jpg",
                "--weights", weights)  # fmt: skip
    assert said.code == 0
    assert str(weights) in said.out and "1 face ranked" in said.out
    assert "2 of 3 candidates could not be used" in said.out
    assert said.out.splitlines()[2].split() == ["rank", "probability", "face"]
    left = [line for line in said.lines if "skipped" in line]
    assert "cut.jpg" in left[0] and "no.jpg: does not exist" in left[1]


def test_a_voice_without_speech_is_warned_of(data, weights, tmp_path):
    random = np.random.default_rng(0)
    save_sound(tmp_path / "noise.wav", (0.2 * random.standard_normal(32000)).astype(np.float32))
    said = call("match", tmp_path / "noise.wav", data / "faces", "--weights", weights, "--json")
    assert said.code == 0 and "noise.wav: contains no detectable speech" in said.json["warnings"][0]
    assert "warning" in said.err
    said = call("verify", tmp_path / "noise.wav", data / "faces" / "c0.jpg", "--weights", weights)
    assert said.code == 0 and "warning" in said.err
    save_sound(tmp_path / "speech.wav", speech_like_wave(0))
    voices = tmp_path / "noise.wav", tmp_path / "speech.wav"
    table = call("match", data / "faces" / "c0.jpg", *voices, "--weights", weights)
    marked = [line for line in table.out.splitlines() if line.endswith("(no speech detected: unreliable)")]
    assert len(marked) == 1 and "noise.wav" in marked[0]


def test_verify_states_probability_and_threshold(data, weights):
    voice, face = data / "voices" / "c2.wav", data / "faces" / "c3.jpg"
    probability = Matcher.load(weights).score(voice, face)
    for tokens in ((voice, face), (face, voice)):
        said = call("verify", *tokens, "--weights", weights, "--json")
        assert said.code == 0 and said.json["probability"] == pytest.approx(probability, abs=1e-6)
        assert said.json["same"] == (probability >= 0.5) and said.json["voice"] == str(voice)
    for threshold, words in ((0.0, "the same person"), (1.0, "different people")):
        said = call("verify", voice, face, "--weights", weights, "--threshold", threshold)
        assert words in said.out and f"{probability:.3f}" in said.out
    call("verify", voice, face, "--weights", weights, "--threshold", "1.5").refused("--threshold", "0 to 1")


def test_sides_by_suffix_and_by_content(data, tmp_path):
    plain = tmp_path / "face"
    shutil.copy(data / "faces" / "c0.jpg", plain)
    assert side_of(plain) == "face"
    shutil.copy(data / "voices" / "c0.wav", tmp_path / "voice")
    assert side_of(tmp_path / "voice") == "voice"
    assert query_side(plain, [tmp_path / "voice"], "auto") == "face"


def test_two_of_a_kind_are_refused(data, weights):
    voices = sorted((data / "voices").iterdir())
    call("match", voices[0], voices[1], "--weights", weights).refused(
        "c0.wav: is a voice, and so is", "c1.wav"
    )
    call("match", *voices, "--weights", weights).refused("all candidates are voices")


def test_embed_files_writes_rows_the_api_gives(data, weights, tmp_path):
    out = tmp_path / "v.npz"
    (tmp_path / "text.wav").write_text("hello")
    tokens = ["embed", data / "voices", tmp_path / "text.wav", "-o", out, "--kind", "voices"]
    said = call(*tokens, "--weights", weights, "--json")
    assert said.code == 0 and said.json["voices"]["count"] == 4
    assert said.json["voices"]["failed"][0]["path"] == str(tmp_path / "text.wav")
    with np.load(out) as found:
        files = sorted((data / "voices").iterdir())
        assert found["names"].tolist() == [str(path) for path in files]
        np.testing.assert_allclose(found["embeddings"], Matcher.load(weights).embed_voices(files), atol=1e-6)


def test_embed_both_kinds(data, weights, tmp_path):
    out = tmp_path / "e.npz"
    call("embed", data, "-o", out, "--weights", weights).refused("4 voices and 4 faces", "--kind")
    assert call("embed", data, "-o", out, "--kind", "both", "--weights", weights).code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e-faces.npz", "e-voices.npz"]


def test_embed_a_corpus_and_judge_it(data, weights, tmp_path):
    names = [f"c{k}" for k in range(4)]
    items = [VoiceItem(key=n, person=f"P{n}", path=f"voices/{n}.wav") for n in names]
    items += [FaceItem(key=n, person=f"P{n}", path=f"faces/{n}.jpg") for n in names]
    listing = Listing(root=data, people=[], items=items)
    prepare(listing, tmp_path / "corpus", arguments={}, workers=1, progress=False)
    said = call("embed", tmp_path / "corpus", "-o", tmp_path / "k.npz", "--weights", weights)
    assert said.code == 0 and "4 voices" in said.out and "4 faces" in said.out
    told = call("evaluate", "verification", "--voices", tmp_path / "k-voices.npz", "--faces",
                tmp_path / "k-faces.npz", "--resamples", "20", "--json")  # fmt: skip
    assert told.code == 0 and told.json["positives"] == 4 and told.json["negatives"] == 12
    call("embed", tmp_path / "corpus", data, "-o", tmp_path / "x.npz").refused(
        "is a corpus among other sources"
    )


def test_embed_refuses_its_output_before_it_works(data, tmp_path):
    call("embed", data, "-o", tmp_path / "v.csv").refused("does not end in .npz")
    call("embed", data / "voices", "-o", tmp_path / "no" / "v.npz").refused(
        "does not exist", "create the folder"
    )
    (tmp_path / "dir.npz").mkdir()
    call("embed", data / "voices", "-o", tmp_path / "dir.npz").refused("is a folder")


@pytest.mark.skipif(os.name != "posix", reason="Windows forbids such names")
def test_odd_names_are_ranked_and_printed(data, weights, tmp_path):
    names = ["ok é ☃.jpg", "[bold].jpg", "new\nline.jpg"]
    for name in names:
        shutil.copy(data / "faces" / "c1.jpg", tmp_path / name)
    save_sound(tmp_path / "v.wav", synthetic_voice(1))
    tokens = ["match", tmp_path / "v.wav", *(tmp_path / name for name in names), "--weights", weights]
    said = call(*tokens)
    assert said.code == 0, said.err
    assert "[bold].jpg" in said.out and "new\\nline.jpg" in said.out and len(said.out.splitlines()) == 6
    paths = {row["path"] for row in call(*tokens, "--json").json["ranking"]}
    assert paths == {str(tmp_path / name) for name in names}
    said = shell(*tokens, env={"PYTHONIOENCODING": "ascii"})
    assert said.code == 0 and "\\u2603.jpg" in said.out


def test_what_a_recording_is_like_is_told_beside_its_scores(tmp_path, data, weights):
    """Telephone sound, half a second of speech and a low level change a score: nobody hears that from it."""
    wave = 0.1 * synthetic_voice(1, 3.0)
    save_sound(tmp_path / "wide.wav", wave)
    save_sound(tmp_path / "telephone.wav", load_sound((wave, 16000), rate=8000), rate=8000)
    faces = data / "faces"
    told = {}
    for name in ("wide", "telephone"):
        said = call("match", tmp_path / f"{name}.wav", faces, "--weights", weights, "--json")
        (told[name],), warnings = said.json["recordings"], said.json["warnings"]
        assert any("telephone sound" in line for line in warnings) == (name == "telephone"), warnings
    assert told["wide"]["bandwidth_hz"] > 5000 > 4500 > told["telephone"]["bandwidth_hz"] > 3000
    level = 20 * np.log10(np.sqrt(np.mean(wave**2)))
    for one in told.values():
        assert one["level_db"] == pytest.approx(level, abs=0.5) and 1 < one["speech_seconds"] <= 3
    said = call("match", tmp_path / "telephone.wav", faces, "--weights", weights)
    assert (
        "telephone.wav (" in said.out.splitlines()[0] and "s of speech, up to 4" in said.out.splitlines()[0]
    )
    tokens = ["embed", tmp_path / "wide.wav", tmp_path / "telephone.wav", "-o", tmp_path / "v.npz"]
    said = call(*tokens, "--weights", weights, "--json")
    assert said.json["voices"]["recordings"] == [told["wide"], told["telephone"]]


def test_an_option_may_stand_between_the_files(data, weights, tmp_path):
    voice, faces = data / "voices" / "c0.wav", sorted((data / "faces").iterdir())[:3]
    plain = call("match", voice, *faces, "--top", "2", "--weights", weights, "--json")
    mixed = call("match", voice, "--top", "2", faces[0], "--weights", weights, "--json", *faces[1:])
    assert plain.code == mixed.code == 0, mixed.err
    assert mixed.json == plain.json
    said = call("embed", voice, "-o", tmp_path / "v.npz", data / "voices" / "c1.wav", f"--weights={weights}",
                "--", data / "voices" / "c2.wav")  # fmt: skip
    assert said.code == 0 and said.out.startswith("3 voices"), said.err
    call("verify", voice, "--weights", weights, *faces[:2]).refused("Unused Tokens", faces[1], code=2)
