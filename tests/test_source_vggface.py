"""VGGFace and VGGFace2: metadata with quoted commas, boxes, curation."""

import pytest

import source_trees
from voiceface.corpus.sources.vggface import listing, read_classes
from voiceface.errors import InputError


def test_classes_names_and_splits(tmp_path):
    source_trees.vggface(tmp_path)
    found = listing(tmp_path)
    told = {person.id: (person.name, person.gender, person.split) for person in found.people}
    assert told == {
        "n000001": ("14th Dalai Lama", "m", "test"),
        "n000002": ("A Fine Frenzy", "f", "train"),
        "n000009": ("Robert Downey, Jr.", "m", "train"),
    }
    assert {item.key for item in found.items} == {
        "n000001/0001_01",
        "n000002/0001_01",
        "n000002/0002_02",
        "n000009/0017_01",
    }
    assert {item.box for item in found.items} == {None} and not found.rejected


@pytest.mark.parametrize(
    ("row", "name", "gender"),
    [
        ('n000077, "Adhyaksa_Dault", 319, 1, m ', "Adhyaksa Dault", "m"),
        ('n000001, "14th_Dalai_Lama",424,0, m,', "14th Dalai Lama", "m"),
        ("n000001,Robert_Downey,_Jr.,424,0,m,", "Robert Downey, Jr.", "m"),
        ('n000001, "Zoë_F",424,0, f, 33', "Zoë F", "f"),
        ("n000001,M,424,0,f,", "M", "f"),
        ("n000001,Ann", "Ann", ""),
    ],
)
def test_rows_as_they_come(tmp_path, row, name, gender):
    table = source_trees.text(tmp_path / "identity_meta.csv", "Class_ID, Name, Sample_Num, Flag, Gender", row)
    assert list(read_classes(table).values()) == [(name, gender)]


def test_a_row_that_is_no_class(tmp_path):
    table = source_trees.text(
        tmp_path / "identity_meta.csv", "Class_ID, Name", 'n000001, "A"', "404 not found"
    )
    with pytest.raises(InputError, match="line 3.*no class of VGGFace2"):
        read_classes(table)


def test_boxes_of_the_second(tmp_path):
    source_trees.vggface(tmp_path)
    with pytest.raises(InputError, match="no loose_bb_train.csv"):
        listing(tmp_path, boxes=True)
    source_trees.text(
        tmp_path / "bb_landmark" / "loose_bb_train.csv", "NAME_ID,X,Y,W,H", '"n000002/0001_01",60,70,80,90'
    )
    boxes = {item.key: item.box for item in listing(tmp_path, boxes=True).items}
    assert boxes["n000002/0001_01"] == (60.0, 70.0, 140.0, 160.0)
    assert boxes["n000002/0002_02"] is None
    source_trees.text(
        tmp_path / "bb_landmark" / "loose_bb_test.csv", "NAME_ID,X,Y,W,H", '"n000001/0001_01",60,x,80,90'
    )
    with pytest.raises(InputError, match="line 2.*is no box"):
        listing(tmp_path, boxes=True)


def test_the_first_by_name_with_its_lists(tmp_path):
    source_trees.vggface1(tmp_path)
    found = listing(tmp_path)
    assert [(person.id, person.name) for person in found.people] == [
        ("A.J._Buckley", "A.J. Buckley"),
        ("Harry_Connick_Jr.", "Harry Connick Jr."),
        ("Zoë_Saldana", "Zoë Saldana"),
    ]
    assert len(found.items) == 6 and not found.rejected
    boxed = listing(tmp_path, boxes=True)
    assert {item.box for item in boxed.items} == {(22.0, 33.0, 122.0, 133.0)}
    curated = listing(tmp_path, curated=True)
    assert {item.key.rpartition("/")[2] for item in curated.items} == {"00000001"} and len(curated.items) == 3
    assert "1 pictures are not marked as curated" in curated.rejected[0].reason
    assert {item.box for item in curated.items} == {None}


def test_lists_that_are_missing_or_broken(tmp_path):
    source_trees.vggface1(tmp_path)
    broken = tmp_path / "files" / "A.J._Buckley.txt"
    broken.write_text("<html>\nnot found\n")
    with pytest.raises(InputError, match="A.J._Buckley.txt, line 1.*no line of a VGGFace list"):
        listing(tmp_path, boxes=True)
    broken.unlink()
    with pytest.raises(InputError, match="A.J._Buckley.txt: no such list"):
        listing(tmp_path, curated=True)


def test_a_person_in_both_parts_copies_and_strays(tmp_path):
    source_trees.vggface(tmp_path)
    source_trees.empty(tmp_path / "train" / "n000001" / "0009_01.jpg", 0)
    source_trees.empty(tmp_path / "train" / "n000002" / "0001_01.png", 0)
    source_trees.empty(tmp_path / "train" / "misc" / "0001_01.jpg", 0)
    source_trees.empty(tmp_path / "cover.jpg", 0)
    found = listing(tmp_path)
    assert {person.id: person.split for person in found.people}["n000001"] == ""
    notes = {note.path: note.reason for note in found.rejected}
    assert "split of n000001 is 'test' and 'train'" in notes["train/n000001"]
    assert "repeats train/n000002/0001_01.jpg" in notes["train/n000002/0001_01.png"]
    assert notes["train/misc"] == "1 pictures in a folder that is no class of VGGFace2"
    assert notes["cover.jpg"] == "lies in no person's folder"
    assert len(found.items) == 5


def test_at_most_so_many_a_person(tmp_path):
    for picture in range(30):
        source_trees.empty(tmp_path / "Ann_Lee" / f"{picture:08d}.jpg", 0)
    source_trees.empty(tmp_path / "Bo" / "1.jpg", 0)
    kept = [item.key for item in listing(tmp_path, faces_per_person=3).items]
    assert kept == ["Ann_Lee/00000005", "Ann_Lee/00000015", "Ann_Lee/00000025", "Bo/1"]
