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


def test_a_table_says_who_is_in_which_video(tmp_path):
    for name in ("ann/1", "ann/2", "ann/é", "cy/monday/1", "3DsHHfu4_co_0", "3DsHHfu4_co_1", "solo"):
        source_trees.empty(tmp_path / f"{name}.mp4", 0)
    rows = ["ann/1.mp4,Ann Lee,visit", "ann/2,Bo,", "ann/e\u0301.mp4,Bo,", "3DsHHfu4_co,Ann Lee,"]
    source_trees.text(tmp_path / "videos.csv", "video,person,session", *rows)
    source_trees.text(tmp_path / "people.csv", "person,gender", "Ann Lee,f")
    found = listing(tmp_path)
    assert {item.key: (item.person, item.session) for item in found.items} == {
        "ann/1": ("Ann Lee", "visit"),
        "ann/2": ("Bo", ""),
        "ann/é": ("Bo", ""),
        "3DsHHfu4_co_0": ("Ann Lee", "3DsHHfu4_co"),
        "3DsHHfu4_co_1": ("Ann Lee", "3DsHHfu4_co"),
        # What it does not name follows the other rules.
        "cy/monday/1": ("cy", "cy/monday"),
        "solo": ("solo", ""),
    }
    assert not found.rejected and next(p for p in found.people if p.id == "Ann Lee").gender == "f"
    # In a folder of nobody's, a table is enough.
    assert "solo" not in {item.key for item in listing(tmp_path, person_in="folder").items}
    source_trees.text(tmp_path / "who.csv", "File;Person", "solo.mp4;Di")
    assert {i.person for i in listing(tmp_path, person_in="folder", table="who.csv").items} == {
        "ann",
        "cy",
        "Di",
    }


def test_a_row_that_names_no_video_is_told_in_one_line(tmp_path):
    source_trees.empty(tmp_path / "1.mp4", 0)
    source_trees.text(
        tmp_path / "videos.csv", "video,person", "1.mp4,ann", "2.mp4,bo", "1.mp4,cy", "3.mp4,", ",di"
    )
    found = listing(tmp_path)
    assert [item.person for item in found.items] == ["ann"]
    assert [(note.path, note.reason) for note in found.rejected] == [
        ("videos.csv, line 3", "there is no video '2.mp4'"),
        ("videos.csv, line 4", "video '1.mp4' stands in videos.csv, line 2 already; that one is used"),
        ("videos.csv, line 5", "names no person"),
        ("videos.csv, line 6", "names no video"),
    ]
    source_trees.text(tmp_path / "videos.csv", "video,persons", "1.mp4,ann")
    with pytest.raises(InputError, match="has no column 'person'.*rename 'persons' to it"):
        listing(tmp_path)
    with pytest.raises(InputError, match="no such table.*check --table"):
        listing(tmp_path, table="wide.csv")


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
