"""HQ-VoxCeleb's retrieval against every gallery tried, VGGFace score against its formula, and the split."""

import itertools
import json

import numpy as np
import pytest

from cli_fixtures import call
from voiceface.errors import InputError
from voiceface.protocols.speech_to_face import read_hq_voxceleb_split, speech_to_face
from voiceface.protocols.vggface_score import vggface_score

NAMES = [f"Person_{letter}" for letter in "abcdefg"]


def recall_slowly(rows, people, real, owners, gallery, k):
    """Every gallery of the person and others, ties in every order."""
    means = {one: real[owners == one].mean(axis=0) for one in NAMES}
    hits = []
    for row, person in zip(rows, people, strict=True):
        scores = {one: row @ mean / np.linalg.norm(row) / np.linalg.norm(mean) for one, mean in means.items()}
        for others in itertools.combinations([one for one in NAMES if one != person], gallery - 1):
            above = sum(scores[one] > scores[person] for one in others)
            hits.append(above < k)
    return np.mean(hits)


def faces(seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(7, 6))
    owners = np.repeat(NAMES, 3)
    real = np.repeat(centres, 3, axis=0) + 0.2 * random.normal(size=(21, 6))
    people = np.repeat(NAMES, 2)
    return np.repeat(centres, 2, axis=0) + noise * random.normal(size=(14, 6)), people, real, owners


@pytest.mark.parametrize(("gallery", "k"), [(2, 1), (4, 1), (4, 3), (7, 2)])
def test_recall_is_the_mean_over_every_gallery(gallery, k):
    given = faces(noise=1.5)
    found = speech_to_face(*given, gallery=gallery, ks=[k], resamples=0).figure(f"R@{k}")
    assert found.value == pytest.approx(recall_slowly(*given, gallery, k)) and found.chance == k / gallery
    assert 0.3 < found.value < 1.0


def test_a_collapsed_generator_and_a_random_one_are_at_chance():
    rows, people, real, owners = faces()
    same = np.repeat(real[:1], len(rows), axis=0)
    for given in (same, np.zeros_like(rows)):
        report = speech_to_face(given, people, real, owners, gallery=4, ks=[1, 2], resamples=0)
        for k in (1, 2):
            assert report.figure(f"R@{k}").value == pytest.approx(k / 4)
    many = np.random.default_rng(0).normal(size=(3000, 6))
    whose = np.resize(NAMES, 3000)
    found = speech_to_face(many, whose, real, owners, gallery=5, ks=[1], resamples=0)
    assert found.figure("R@1").value == pytest.approx(0.2, abs=0.03)
    assert found.figure("cosine").value == pytest.approx(found.figure("cosine").chance, abs=0.03)


def test_perfect_and_noisy_faces_with_intervals_over_people():
    perfect = speech_to_face(*faces(noise=0.0), gallery=7)
    assert perfect.figure("R@1").value == 1.0 and perfect.figure("cosine").value > 0.97
    noisy = speech_to_face(*faces(noise=2.0), gallery=7).figure("R@1")
    assert noisy.low < noisy.value < noisy.high and noisy.people == 7 and noisy.n == 14


def test_what_cannot_be_searched_is_refused():
    rows, people, real, owners = faces()
    with pytest.raises(InputError, match="1 .Nobody. people have no real face"):
        speech_to_face(rows, [*people[:-1], "Nobody"], real, owners, gallery=3)
    with pytest.raises(InputError, match="of 100 people cannot be made of 7"):
        speech_to_face(rows, people, real, owners)
    with pytest.raises(InputError, match="are 5 and 6 wide"):
        speech_to_face(rows[:, :5], people, real, owners, gallery=3)


def split_file(path, **changed):
    split = {"vox1": {"train": NAMES[:1], "val": [], "test": NAMES[1:4]}}
    split["vox2"] = {"train": [], "val": ["Someone"], "test": [*NAMES[4:], "No_Face"]}
    path.write_text(json.dumps({**split, **changed}))
    return path


def test_hq_voxceleb_from_files_evaluates_the_test_people_alone(tmp_path):
    rows, people, real, owners = faces(noise=0.8)
    np.savez(tmp_path / "g.npz", names=[f"{i}.png" for i in range(14)], embeddings=rows, people=people)
    names = [f"vox1/masked_faces/{one}/{i}.jpg" for i, one in enumerate(owners)]
    np.savez(tmp_path / "f.npz", names=names, embeddings=real)
    split = split_file(tmp_path / "split.json")
    files = ("--generated", tmp_path / "g.npz", "--faces", tmp_path / "f.npz")
    said = call("evaluate", "hq-voxceleb", *files, "--split", split, "--gallery", 4, "-k", 2, "--json")
    assert said.code == 0, said.err
    kept, known = people != NAMES[0], owners != NAMES[0]
    expected = speech_to_face(rows[kept], people[kept], real[known], owners[known], gallery=4, ks=[2])
    (row,) = said.json["rows"].values()
    assert row[0]["name"] == "R@2" and row[0]["value"] == pytest.approx(
        expected.figure("R@2").value, abs=1e-5
    )
    assert said.json["excluded"] == {
        "generated faces of people who are not in the test part": 2,
        "real faces of people who are not in the test part": 3,
    }
    call("evaluate", "hq-voxceleb", *files).refused("of 100 people cannot be made of 7")


def test_a_faulty_split_is_refused(tmp_path):
    assert read_hq_voxceleb_split(split_file(tmp_path / "a.json")) == [*NAMES[1:], "No_Face"]
    twice = {"train": NAMES[:2], "val": [], "test": NAMES[1:]}
    with pytest.raises(InputError, match="in train and in test"):
        read_hq_voxceleb_split(split_file(tmp_path / "b.json", vox1=twice))
    with pytest.raises(InputError, match="is no split of HQ-VoxCeleb"):
        read_hq_voxceleb_split(split_file(tmp_path / "c.json", vox2={"train": []}))


def posteriors(sharp, n=200, classes=30, seed=0):
    logits = sharp * np.random.default_rng(seed).normal(size=(n, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_the_vggface_score_is_exp_of_the_mean_divergence():
    given = posteriors(2.0)
    marginal = given.mean(axis=0)
    expected = np.exp((given * np.log(given / marginal)).sum(axis=1).mean())
    found = vggface_score(given, splits=1).figure("VGGFace score")
    assert found.value == pytest.approx(expected) and found.low != found.low and found.chance == 1.0
    assert vggface_score(np.repeat(given[:1], 50, axis=0)).figure("VGGFace score").value == pytest.approx(1.0)
    sure = vggface_score(np.eye(30)[np.arange(300) % 30], splits=1).figure("VGGFace score")
    assert sure.value == pytest.approx(30.0)


def test_the_vggface_score_has_an_interval_over_people(tmp_path):
    people = np.repeat(np.arange(50), 4)
    found = vggface_score(posteriors(2.0), people=people).figure("VGGFace score")
    assert 1.0 < found.low < found.value < found.high and found.people == 50
    with pytest.raises(InputError, match="do not add up to 1"):
        vggface_score(posteriors(2.0) * 2)
    np.savez(tmp_path / "p.npz", posteriors=posteriors(2.0), people=people.astype(str))
    said = call("evaluate", "vggface-score", tmp_path / "p.npz", "--json")
    assert said.code == 0, said.err
    assert said.json["rows"]["30 classes"][0]["value"] == pytest.approx(found.value)
