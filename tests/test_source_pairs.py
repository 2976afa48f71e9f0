"""The source `pairs`: a table with a folder of voices and one of faces, and all that goes wrong with it."""

from collections import Counter
from pathlib import Path

import pytest

import source_trees
from voiceface.corpus.item import FaceItem, VoiceItem
from voiceface.corpus.sources.pairs import listing
from voiceface.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data" / "pairs"


def reasons(found):
    return {rejection.path: rejection.reason for rejection in found.rejected}


def table(root, *lines, newline="\n"):
    for folder in ("voices", "faces"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    return source_trees.text(root / "pairs.csv", *lines, newline=newline)


def media(root, *clips):
    for clip in clips:
        source_trees.empty(root / "voices" / f"{clip}.wav", 0)
        source_trees.empty(root / "faces" / f"{clip}.jpg", 0)


def test_attributes_and_sessions(tmp_path):
    source_trees.pairs(tmp_path)
    found = listing(tmp_path)
    ann, bo, cy = found.people
    assert (ann.id, ann.gender, ann.nationality) == ("Ann Lee", "f", "Ireland")
    assert (bo.gender, bo.nationality, cy.gender) == ("m", "", "")
    voices = {item.key: item for item in found.items if isinstance(item, VoiceItem)}
    assert voices["ann_01"].path == "voices/ann_01.ogg" and voices["ann_01"].session == "vid2"
    faces = {item.key: item for item in found.items if isinstance(item, FaceItem)}
    assert faces["ann_01"].path == "faces/ann_01.JPG" and faces["ann_01"].session == "vid2"


def test_faces_without_a_voice_are_people_of_their_own(tmp_path):
    source_trees.pairs(tmp_path)
    assert len(listing(tmp_path).people) == 3
    found = listing(tmp_path, faces_only=True)
    assert [person.id for person in found.people][-1] == "only-f0000"
    assert [item.path for item in found.items if item.person == "only-f0000"] == ["faces_only/f0000.jpg"]


def test_rows_naming_absent_files_are_told_by_their_line(tmp_path):
    table(tmp_path, "clip,person", "a,Ann", "b,Bo", "c,Cy", newline="\r\n")
    media(tmp_path, "a", "b")
    (tmp_path / "faces" / "b.jpg").unlink()
    found = listing(tmp_path)
    assert [rejection.path for rejection in found.rejected] == [
        "pairs.csv, line 3",
        "pairs.csv, line 4",
        "pairs.csv, line 4",
    ]
    assert "no face faces/b.*: the file is not there" in reasons(found)["pairs.csv, line 3"]
    assert {person.id for person in found.people} == {"Ann", "Bo"}


def test_double_clips_keep_the_first(tmp_path):
    table(tmp_path, "clip,person", "a,Ann", "a,Bo")
    media(tmp_path, "a")
    found = listing(tmp_path)
    assert {item.person for item in found.items} == {"Ann"}
    assert "clip 'a' stands in line 2 already" in reasons(found)["pairs.csv, line 3"]


def test_two_files_of_one_clip(tmp_path):
    table(tmp_path, "clip,person", "a,Ann")
    media(tmp_path, "a")
    source_trees.empty(tmp_path / "voices" / "a.ogg", 0)
    found = listing(tmp_path)
    assert [item.path for item in found.items if isinstance(item, VoiceItem)] == ["voices/a.ogg"]
    assert reasons(found) == {"voices/a.wav": "clip 'a' is already voices/a.ogg"}


def test_a_person_in_two_splits_is_put_in_none(tmp_path):
    table(tmp_path, "clip,person,split", "a,Ann,train", "b,Ann,test", "c,Cy,dev")
    media(tmp_path, "a", "b", "c")
    found = listing(tmp_path)
    assert {person.id: person.split for person in found.people} == {"Ann": "", "Cy": "validation"}
    assert "split of Ann is 'train' and 'test'" in reasons(found)["pairs.csv, line 3"]


def test_names_with_accents_spaces_and_other_case_find_their_files(tmp_path):
    # The table is composed (é), the files decomposed (e + accent), as macOS writes them.
    table(tmp_path, "clip;person", "Zo\u00e9 1;Zo\u00e9 Lee", "B_2;B\u00f8")
    media(tmp_path, "zoe\u0301 1", "b_2")
    found = listing(tmp_path)
    assert not found.rejected
    assert {item.person for item in found.items} == {"Zo\u00e9 Lee", "B\u00f8"}


def test_files_no_row_names_and_files_of_the_wrong_kind(tmp_path):
    table(tmp_path, "clip,person", "a,Ann")
    media(tmp_path, "a", "spare")
    source_trees.empty(tmp_path / "voices" / "a.jpg", 0)
    assert reasons(listing(tmp_path)) == {
        "faces/spare.jpg": "not named in pairs.csv",
        "voices/spare.wav": "not named in pairs.csv",
        "voices/a.jpg": "is no sound; this folder is for sounds",
    }


def test_files_named_outright_and_stretches_of_time(tmp_path):
    source_trees.text(
        tmp_path / "mine.csv",
        "person,voice,face,start,stop",
        r"Ann,sound\a.mp3,shots/a.png,1.5,4",
        "Ann,sound/b.mp3,,3,2",
        "Ann,sound/c.mp3,shots/gone.png,,",
    )
    for name in ("a", "b", "c"):
        source_trees.empty(tmp_path / "sound" / f"{name}.mp3", 0)
    source_trees.empty(tmp_path / "shots" / "a.png", 0)
    found = listing(tmp_path, table="mine.csv")
    voice = next(item for item in found.items if isinstance(item, VoiceItem) and item.path == "sound/a.mp3")
    assert (voice.start, voice.stop) == (1.5, 4.0)
    assert "no stretch of time" in reasons(found)["mine.csv, line 3"]
    assert "shots/gone.png" in reasons(found)["mine.csv, line 4"]
    assert len(found.items) == 3


def test_one_voice_named_with_several_faces(tmp_path):
    source_trees.text(
        tmp_path / "pairs.csv",
        "voice,face,person",
        "one/a.wav,one/1.jpg,Ann",
        "one/a.wav,one/2.jpg,Ann",
        "two/a.wav,,Bo",
        "one/a.wav,,Bo",
    )
    for name in ("one/a.wav", "two/a.wav", "one/1.jpg", "one/2.jpg"):
        source_trees.empty(tmp_path / name, 0)
    found = listing(tmp_path)
    assert [(item.path, item.person) for item in found.items] == [
        ("one/1.jpg", "Ann"),
        ("one/2.jpg", "Ann"),
        ("one/a.wav", "Ann"),
        ("two/a.wav", "Bo"),
    ]
    assert reasons(found) == {"pairs.csv, line 5": "one/a.wav is Ann's already, and cannot be Bo's too"}


def test_the_one_other_table_is_taken_and_two_are_not(tmp_path):
    table(tmp_path, "clip,person", "a,Ann").rename(tmp_path / "list.tsv")
    media(tmp_path, "a")
    assert len(listing(tmp_path).items) == 2
    source_trees.text(tmp_path / "other.csv", "x")
    with pytest.raises(InputError, match="no pairs.csv and 2 other tables; name the table with --table"):
        listing(tmp_path)


def test_a_table_without_clips_names_its_columns(tmp_path):
    table(tmp_path, "klip,person", "a,Ann")
    with pytest.raises(InputError, match="no column 'clip'.*klip, person.*rename 'klip'"):
        listing(tmp_path)


def test_no_file_there_at_all(tmp_path):
    table(tmp_path, "clip,person", "a,Ann")
    with pytest.raises(InputError, match="no pairs data found.*line 2.*looked for"):
        listing(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared pairs are not here")
def test_the_real_pairs():
    found = listing(DATA)
    kinds = Counter(type(item) for item in found.items)
    assert kinds == {VoiceItem: 874, FaceItem: 874}
    assert len(found.people) == 756 and not found.rejected
    assert sum(person.gender != "" for person in found.people) == 60
    assert all(item.session for item in found.items)
    more = listing(DATA, faces_only=True)
    assert len(more.items) == 2 * 874 + 371 and len(more.people) == 756 + 371


def test_a_cell_longer_than_any_name_is_a_missing_file(tmp_path):
    (tmp_path / "v.wav").write_bytes(b"x")
    (tmp_path / "pairs.csv").write_text(f"voice,person\nv.wav,P1\n{'9' * 400}.wav,P2\n")
    listed = listing(tmp_path)
    assert [item.path for item in listed.items] == ["v.wav"]
    assert len(listed.rejected) == 1 and "is not there" in listed.rejected[0].reason


def test_a_decimal_comma_and_a_path_of_another_computer_are_named_with_their_line(tmp_path):
    media(tmp_path, "a", "b")
    table(tmp_path, "clip,person,start", 'a,p,"1,5"', "b,q,0")
    assert [(r.path, r.reason) for r in listing(tmp_path).rejected] == [
        ("pairs.csv, line 2", "start '1,5' and stop '' are no stretch of time; write 1.5, not 1,5")
    ]
    table(tmp_path, "clip,person,start", "a,p,0", "b,q,1,5")
    (reject,) = [r for r in listing(tmp_path).rejected if r.path.startswith("pairs")]
    assert reject.path == "pairs.csv, line 3" and "4 cells" in reject.reason and "1.5" in reject.reason
    table(tmp_path, "voice,person", r"C:\data\a.wav,p")
    with pytest.raises(InputError, match=r"first pairs.csv, line 2: .*a path on another computer; write"):
        listing(tmp_path)
    table(tmp_path, "clip,person", r"voices\a.wav,p")
    assert [one.path for one in listing(tmp_path).items if isinstance(one, VoiceItem)] == ["voices/a.wav"]
