"""MAV-Celeb: versions, languages, the challenge's lists and its secret trials."""

from collections import Counter

import pytest

import source_trees
from voiceface.corpus.item import FaceItem, VoiceItem
from voiceface.corpus.sources.mavceleb import listing
from voiceface.errors import InputError


def test_people_languages_and_splits(tmp_path):
    source_trees.mavceleb(tmp_path)
    found = listing(tmp_path)
    told = {person.id: (person.name, person.gender, person.split) for person in found.people}
    assert told == {
        "v1-id0001": ("Abida Parveen", "f", "train"),
        "v1-id0002": ("Atif Aslam", "m", "validation"),
    }
    voices = {item.key: item.language for item in found.items if isinstance(item, VoiceItem)}
    assert voices["v1-id0001/Urdu/U3rWfLEkFvg/00000"] == "Urdu"
    faces = {item.key: item.session for item in found.items if isinstance(item, FaceItem)}
    assert faces["v1-id0002/English/h_vamljclHE/0010125"] == "v1-id0002/English/h_vamljclHE"


def test_the_challenges_trials_stay_out(tmp_path):
    source_trees.mavceleb(tmp_path)
    notes = {note.path: note.reason for note in listing(tmp_path).rejected}
    assert notes == {
        "v1/voices/English": "1 trial files of the challenge, whose people are not published",
        "v1/faces/English": "1 trial files of the challenge, whose people are not published",
    }


def test_one_id_in_two_versions_is_two_people(tmp_path):
    for version in ("v1", "mavceleb_v2_train"):
        source_trees.empty(
            tmp_path / version / "voices" / "id0001" / "English" / "U3rWfLEkFvg" / "00000.wav", 0
        )
    source_trees.text(
        tmp_path / "v2_lists" / "Hindi_test.txt", "voices/id0001/Hindi/x/0.wav faces/id0001/Hindi/x/0.jpg"
    )
    found = listing(tmp_path)
    assert {person.id: person.split for person in found.people} == {"v1-id0001": "", "v2-id0001": "test"}


@pytest.mark.parametrize(("version", "id"), [("", "v1-id0001"), ("v3", "v3-id0001")])
def test_the_root_of_one_version(tmp_path, version, id):
    source_trees.mavceleb(tmp_path)
    (tmp_path / "v1").rename(tmp_path / "data_v1") if not version else (tmp_path / "v1").rename(
        tmp_path / "data"
    )
    root = tmp_path / ("data_v1" if not version else "data")
    found = listing(root, version=version)
    assert id in {person.id for person in found.people}
    genders = {person.gender for person in found.people}
    assert genders == ({"f", "m"} if not version else {""})  # v1_meta.csv tells of version 1 alone


def test_languages_chosen_and_faces_thinned(tmp_path):
    source_trees.mavceleb(tmp_path)
    for frame in range(20):
        source_trees.empty(
            tmp_path / "v1" / "faces" / "id0001" / "Urdu" / "U3rWfLEkFvg" / f"{frame:07d}.jpg", 0
        )
    urdu = listing(tmp_path, languages="urdu, Hindi", faces_per_video=2)
    sessions = Counter(item.session for item in urdu.items if isinstance(item, FaceItem))
    assert sessions == {"v1-id0001/Urdu/U3rWfLEkFvg": 2, "v1-id0002/Urdu/h_vamljclHE": 1}


def test_a_person_in_two_lists_is_put_in_neither(tmp_path):
    source_trees.mavceleb(tmp_path)
    source_trees.text(tmp_path / "v1_lists" / "Urdu_test.txt", "0 id0001/Urdu/x/0.wav id0002/Urdu/x/0.jpg")
    found = listing(tmp_path)
    assert {person.split for person in found.people} == {""}
    assert sum("put in no split" in note.reason for note in found.rejected) == 2


def test_strays_and_broken_lists(tmp_path):
    source_trees.mavceleb(tmp_path)
    source_trees.empty(tmp_path / "v1" / "voices" / "id0001" / "00000.wav", 0)
    notes = {note.path: note.reason for note in listing(tmp_path).rejected}
    assert notes["v1/voices/id0001/00000.wav"] == "does not lie in PERSON/LANGUAGE/VIDEO"
    source_trees.text(tmp_path / "v1_lists" / "English_train.txt", "oops")
    with pytest.raises(InputError, match="English_train.txt, line 1.*no pair"):
        listing(tmp_path)
