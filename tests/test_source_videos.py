"""The source `videos`: people's own videos, by folder, file or number."""

from pathlib import Path

import pytest

import source_trees
from voiceface.corpus.sources.videos import listing
from voiceface.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data" / "videos"


def test_folders_files_and_sessions(tmp_path):
    source_trees.videos(tmp_path)
    found = listing(tmp_path)
    told = {item.path: (item.person, item.session, item.key) for item in found.items}
    assert told == {
        "Ann Lee/one.mp4": ("Ann Lee", "", "Ann Lee/one"),
        "Ann Lee/monday/two.MPG": ("Ann Lee", "Ann Lee/monday", "Ann Lee/monday/two"),
        "Bo.mov": ("Bo", "", "Bo"),
    }
    assert [person.gender for person in found.people] == ["f", "m"]


def test_what_is_wanted(tmp_path):
    source_trees.videos(tmp_path)
    assert {item.want for item in listing(tmp_path).items} == {("voices", "faces", "clips")}
    assert {item.want for item in listing(tmp_path, clips=False).items} == {("voices", "faces")}
    with pytest.raises(InputError, match="leaves nothing to take"):
        listing(tmp_path, voices=False, faces=False, clips=False)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("ann_12.mp4", "ann"),
        ("Ann Lee 3.MP4", "Ann Lee"),
        ("x_co_109_.mov", "x_co"),
        ("bo.avi", "bo"),
        ("a1b2.mkv", "a1b"),
    ],
)
def test_the_name_before_the_last_number(tmp_path, name, person):
    source_trees.empty(tmp_path / "deep" / name, 0)
    assert [item.person for item in listing(tmp_path, person_in="number").items] == [person]


def test_clips_of_one_video_are_one_persons_unless_told_otherwise(tmp_path):
    names = ("3DsHHfu4_co_0", "3DsHHfu4_co_106_", "-QRdDQlIk3w-00001", "ann_1", "ann_2", "Participant_1")
    for name in names:
        source_trees.empty(tmp_path / f"{name}.mp4", 0)
    told = {item.key: (item.person, item.session) for item in listing(tmp_path).items}
    assert told == {
        "3DsHHfu4_co_0": ("3DsHHfu4_co", "3DsHHfu4_co"),
        "3DsHHfu4_co_106_": ("3DsHHfu4_co", "3DsHHfu4_co"),
        "-QRdDQlIk3w-00001": ("-QRdDQlIk3w", "-QRdDQlIk3w"),
        # Eleven letters of a word are a word, and a name before a number is only read where it is asked for.
        **{name: (name, "") for name in ("ann_1", "ann_2", "Participant_1")},
    }
    assert {item.person for item in listing(tmp_path, person_in="file").items} == set(names)


def test_a_name_that_is_all_number_names_nobody(tmp_path):
    source_trees.empty(tmp_path / "001.mp4", 0)
    source_trees.empty(tmp_path / "ann_1.mp4", 0)
    found = listing(tmp_path, person_in="number")
    assert [(note.path, note.reason) for note in found.rejected] == [("001.mp4", "names no person")]


def test_other_rules_and_other_files(tmp_path):
    source_trees.empty(tmp_path / "ann" / "one.mp4", 0)
    source_trees.empty(tmp_path / "ann" / "note.wav", 0)
    source_trees.empty(tmp_path / "bo.mp4", 0)
    by_folder = listing(tmp_path, person_in="folder")
    assert {item.person for item in by_folder.items} == {"ann"}
    assert {note.path for note in by_folder.rejected} == {"ann/note.wav", "bo.mp4"}
    assert {item.person for item in listing(tmp_path, person_in="file").items} == {"one", "bo"}


def test_one_name_in_two_containers_is_taken_once(tmp_path):
    source_trees.empty(tmp_path / "ann" / "one.mp4", 0)
    source_trees.empty(tmp_path / "ann" / "one.mov", 0)
    found = listing(tmp_path)
    assert [item.path for item in found.items] == ["ann/one.mov"]
    assert "repeats ann/one.mov" in found.rejected[0].reason


def test_a_table_of_people_that_is_not_there(tmp_path):
    source_trees.videos(tmp_path)
    with pytest.raises(InputError, match="no such table"):
        listing(tmp_path, people="folk.csv")


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared videos are not here")
def test_the_real_videos():
    scenes = listing(DATA / "scenes", person_in="number")
    assert len(scenes.items) == 15 and len(scenes.people) == 5 and not scenes.rejected
    assert len(listing(DATA / "grid_samples").people) == 11
    everything = listing(DATA)
    assert [person.id for person in everything.people] == ["grid_s1", "grid_samples", "scenes"]
    assert sum(item.person == "grid_s1" for item in everything.items) == 183
