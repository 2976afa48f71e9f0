"""LibriSpeech's tree and flat folders with a table."""

from pathlib import Path

import pytest

import source_trees
from voiceface.corpus.sources.librispeech import listing
from voiceface.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data" / "libri_voices"


def notes_of(found):
    return {note.path: note.reason for note in found.rejected}


def test_speakers_subsets_and_chapters(tmp_path):
    source_trees.librispeech(tmp_path)
    found = listing(tmp_path)
    told = {person.id: (person.name, person.gender, person.split) for person in found.people}
    assert told == {"103": ("Karen Savage", "f", "train"), "84": ("Christie Nowak", "m", "validation")}
    assert [(item.key, item.session) for item in found.items] == [
        ("103-1240-0000", "103-1240"),
        ("103-1240-0001", "103-1240"),
        ("84-121123-0000", "84-121123"),
    ]
    assert not found.rejected


def test_subsets_chosen(tmp_path):
    source_trees.librispeech(tmp_path)
    assert [person.id for person in listing(tmp_path, subset="dev-*").people] == ["84"]
    with pytest.raises(InputError, match="no LibriSpeech-like data found"):
        listing(tmp_path, subset="test-*")


def test_libritts_names_and_unknown_speakers(tmp_path):
    source_trees.librispeech(tmp_path)
    source_trees.empty(tmp_path / "train-clean-100" / "7" / "40" / "7_40_000000_000001.WAV", 0)
    source_trees.empty(tmp_path / "train-clean-100" / "7" / "40" / "note.wav", 0)
    found = listing(tmp_path)
    assert {item.session for item in found.items if item.person == "7"} == {"7-40"}
    notes = notes_of(found)
    assert "speaker 7 is not in SPEAKERS.TXT" in notes["train-clean-100/7/40/7_40_000000_000001.WAV"]
    assert "no sound named" in notes["train-clean-100/7/40/note.wav"]


def test_without_speakers_and_with_broken_ones(tmp_path):
    source_trees.librispeech(tmp_path)
    speakers = tmp_path / "LibriSpeech" / "SPEAKERS.TXT"
    source_trees.text(speakers, ";ID", "<html>")
    with pytest.raises(InputError, match="SPEAKERS.TXT, line 2"):
        listing(tmp_path)
    speakers.unlink()
    found = listing(tmp_path)
    assert {person.gender for person in found.people} == {""} and "stays unknown" in notes_of(found)[
        "SPEAKERS.TXT"
    ]


def test_a_flat_folder_with_a_table(tmp_path):
    source_trees.text(
        tmp_path / "voices.csv",
        "clip\tspeaker\tsex\tlanguage",
        "a-0\tAnn\tF\t",
        "a-1.mp3\tAnn\tF\tIrish",
        "a-0\tBo\tm\t",
        "gone\tBo\tm\t",
        "b-0\t\tm\t",
        newline="\r\n",
    )
    for name in ("a-0.MP3", "a-1.mp3", "b-0.wav", "spare.wav", "deep/a-0.wav"):
        source_trees.empty(tmp_path / name, 0)
    source_trees.empty(tmp_path / "cover.jpg", 0)
    found = listing(tmp_path)
    assert [(item.key, item.person, item.language) for item in found.items] == [
        ("a-0", "Ann", "English"),
        ("a-1", "Ann", "Irish"),
    ]
    assert notes_of(found) == {
        "voices.csv, line 4": "clip 'a-0' stands in line 2 already; the first one is used",
        "voices.csv, line 5": "no sound gone.*: the file is not there",
        "voices.csv, line 6": "names no speaker of clip 'b-0'",
        "b-0.wav": "not named in voices.csv",
        "spare.wav": "not named in voices.csv",
        "cover.jpg": "is no sound",
        "deep/a-0.wav": "clip 'a-0' is already a-0.MP3",
    }


def test_tables_missing_or_too_many(tmp_path):
    source_trees.empty(tmp_path / "a.wav", 0)
    with pytest.raises(InputError, match="no such file"):
        listing(tmp_path, table="voices.csv")
    source_trees.text(tmp_path / "a.csv", "clip,speaker")
    source_trees.text(tmp_path / "b.csv", "clip,speaker")
    with pytest.raises(InputError, match="holds 2 tables; name the one of the speakers with --table"):
        listing(tmp_path)
    with pytest.raises(InputError, match="no LibriSpeech-like data found"):
        listing(tmp_path, table="a.csv")


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared recordings are not here")
def test_the_real_recordings():
    found = listing(DATA)
    assert len(found.items) == 351 and len(found.people) == 261 and not found.rejected
    assert all(item.session.startswith(f"{item.person}-") for item in found.items)
