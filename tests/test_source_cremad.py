"""CREMA-D: what its file names and its table of actors say."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

import source_trees
from voiceface.corpus.item import VideoItem, VoiceItem
from voiceface.corpus.sources.cremad import EMOTION_CODES, listing

LISTS = Path(__file__).parents[2] / "shared" / "data" / "protocols"


def test_labels_and_actors(tmp_path):
    source_trees.cremad(tmp_path)
    found = listing(tmp_path)
    man, woman = found.people
    assert (man.id, man.age, man.gender, man.ethnicity) == ("1001", 51.0, "m", "Caucasian")
    assert (woman.id, woman.gender, woman.ethnicity) == ("1002", "f", "Caucasian, Hispanic")
    told = {(type(item), item.key): (item.path, item.emotion) for item in found.items}
    assert told == {
        (VoiceItem, "1001_DFA_ANG_XX"): ("AudioWAV/1001_DFA_ANG_XX.wav", "anger"),
        (VoiceItem, "1001_IEO_HAP_LO"): ("AudioMP3/1001_IEO_HAP_LO.mp3", "happiness"),
        (VideoItem, "1001_DFA_ANG_XX"): ("VideoMP4/1001_DFA_ANG_XX.mp4", "anger"),
        (VideoItem, "1002_IEO_SAD_HI"): ("VideoFlash/1002_IEO_SAD_HI.flv", "sadness"),
    }
    assert {item.language for item in found.items} == {"English"}


def test_a_video_is_heard_only_where_no_sound_file_is(tmp_path):
    source_trees.cremad(tmp_path)
    wants = {item.key: item.want for item in listing(tmp_path).items if isinstance(item, VideoItem)}
    assert wants == {
        "1001_DFA_ANG_XX": ("faces", "clips"),
        "1002_IEO_SAD_HI": ("voices", "faces", "clips"),
    }
    only = listing(tmp_path, faces=False, clips=False)
    assert [(type(item), item.key) for item in only.items] == [
        (VoiceItem, "1001_DFA_ANG_XX"),
        (VoiceItem, "1001_IEO_HAP_LO"),
        (VideoItem, "1002_IEO_SAD_HI"),
    ]


def test_copies_in_other_containers_are_told(tmp_path):
    source_trees.cremad(tmp_path)
    assert {note.path for note in listing(tmp_path).rejected} == {
        "AudioMP3/1001_DFA_ANG_XX.mp3",
        "VideoFlash/1001_DFA_ANG_XX.flv",
    }


def test_names_that_are_none_of_its_own(tmp_path):
    source_trees.cremad(tmp_path)
    for name in ("1001_DFA_ANG.wav", "1001_XYZ_ANG_XX.wav", "1001_DFA_JOY_XX.wav", "practice.wav"):
        source_trees.empty(tmp_path / "AudioWAV" / name, 0)
    source_trees.empty(tmp_path / "AudioWAV" / "1001_ith_sad_x.WAV", 0)  # a level cut short, as one file's is
    found = listing(tmp_path)
    assert sum("is not named ACTOR_" in note.reason for note in found.rejected) == 4
    assert "1001_ITH_SAD_X" in {item.key for item in found.items}


def test_without_the_actors_table(tmp_path):
    source_trees.cremad(tmp_path)
    (tmp_path / "VideoDemographics.csv").unlink()
    found = listing(tmp_path)
    assert {person.gender for person in found.people} == {""}
    assert (
        "age, sex and race of the actors stay unknown"
        in {note.path: note.reason for note in found.rejected}["VideoDemographics.csv"]
    )


@pytest.mark.skipif(not LISTS.is_dir(), reason="the shared lists are not here")
def test_every_real_name_is_understood(tmp_path):
    with gzip.open(LISTS / "cremad_sentence_filenames.csv.gz", "rt") as file:
        names = [row["Filename"] for row in csv.DictReader(file)]
    assert len(set(names)) == 7442
    (tmp_path / "AudioWAV").mkdir()
    for name in names[::6]:
        (tmp_path / "AudioWAV" / f"{name}.wav").touch()
    table = (LISTS / "cremad_demographics.csv").read_bytes()
    (tmp_path / "VideoDemographics.csv").write_bytes(table)
    found = listing(tmp_path)
    assert {item.key for item in found.items} == set(names[::6]) and not found.rejected
    assert Counter(person.gender for person in found.people) == {"m": 48, "f": 43}
    assert set(Counter(item.emotion for item in found.items)) == set(EMOTION_CODES.values())
