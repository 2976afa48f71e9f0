"""Tables, lists and the walk over folders: what users and data sets really hand in."""

import gzip
import os
import sys

import pytest

from voiceface.corpus.file_tree import find_file, find_tables, walk_media
from voiceface.corpus.item import VoiceItem
from voiceface.corpus.listing_builder import ListingBuilder, add_people_from_table, evenly_spaced
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table, read_words


def rows(path, *columns):
    return [tuple(row.values[name] for name in columns) for row in open_text_table(path, columns).rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_delimiter_newline_and_encoding(tmp_path, delimiter, newline, encoding):
    lines = [["Clip", "Person "], ["a", "Zoë"], ["b", "Bo"]]
    table = newline.join(delimiter.join(line) for line in lines)
    path = tmp_path / "t.csv"
    path.write_bytes(table.encode(encoding))
    assert rows(path, "clip", "person") == [("a", "Zoë"), ("b", "Bo")]


def test_a_gzipped_table(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"clip,person\na,b\n"))
    assert rows(path, "clip", "person") == [("a", "b")]
    path.write_bytes(gzip.compress(b"clip,person\n" + os.urandom(1000).hex().encode())[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        rows(path, "clip", "person")


def test_columns_by_any_spelling_and_lines_numbered(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('VoxCeleb1 ID ,note\n\n,,\nid1,"two\nlines"\nid2,x\n')
    sheet = open_text_table(path, {"id": ("VoxCeleb1_ID",)}, ("note", "absent"))
    found = [(row.line, row.values) for row in sheet.rows()]
    assert [line for line, _ in found] == [4, 6]
    assert found[0][1] == {"id": "id1", "note": "two\nlines"}
    assert "absent" not in sheet.columns


def test_short_rows_and_quoted_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('clip, person, note\na\nb, "Lee, Ann", z, more\n')
    assert rows(path, "clip", "person") == [("a", ""), ("b", "Lee, Ann")]


def test_a_missing_column_names_the_nearest(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("clip,persn\na,b\n")
    with pytest.raises(InputError, match="no column 'person'.*rename 'persn'"):
        open_text_table(path, ("clip", "person"))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"clip\n\xff\xe9\x80\n", "line [12].*not UTF-8"),
        (b"clip\na\0b\n", "line 2.*no line of a text"),
        (b"clip\n" + b"x" * 200_000, "line 2.*no line of a text"),
        (b'clip\n"' + b"x\n" * 100_000, "line 2.*no row of a table"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(tmp_path, content, fault):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=fault) as caught:
        rows(path, "clip")
    assert "\n" not in str(caught.value)


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_text_table(tmp_path / "t.csv")
    with pytest.raises(InputError, match="is a folder"):
        list(read_words(tmp_path))


def test_a_list_of_words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff1 a/b.wav\r\n\r\n# no\r\n2\tc/d.wav  \r\n".encode())
    assert list(read_words(path)) == [(1, ["1", "a/b.wav"]), (4, ["2", "c/d.wav"])]


def test_the_walk_follows_links_but_not_in_circles(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.WAV").touch()
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    try:
        (root / "a" / "linked").symlink_to(elsewhere, target_is_directory=True)
        (root / "a" / "up").symlink_to(root, target_is_directory=True)
        (elsewhere / "back").symlink_to(root / "a", target_is_directory=True)
        (root / "gone.wav").symlink_to(root / "nothing.wav")
    except OSError:
        pytest.skip("this system makes no links")
    found = {item.path: (item.kind, item.reason) for item in walk_media(root)}
    assert found["a/linked/b.WAV"] == ("sound", "")
    assert "back into" in found["a/up"][1] and "back into" in found["a/linked/back/linked"][1]
    assert "not there" in found["gone.wav"][1]
    assert len(found) < 10


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_and_folders_that_are_closed(tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.wav").touch()
    open(os.path.join(os.fsencode(tmp_path), b"na\xefve.wav"), "wb").close()
    (tmp_path / "closed").chmod(0)
    found = {item.path: item.reason for item in walk_media(tmp_path)}
    (tmp_path / "closed").chmod(0o755)
    assert found["open.wav"] == ""
    assert found["na?ve.wav"] == "its name is no Unicode text; rename it"
    if os.geteuid():
        assert "cannot be listed" in found["closed"]
    for path, reason in found.items():
        (path + reason).encode()


def test_finding_metadata_beside_the_media(tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "meta").mkdir()
    assert find_file(tmp_path, "vox1_meta.csv") is None
    (tmp_path / "wav" / "vox1_meta.csv").touch()
    (tmp_path / "meta" / "VOX1_META.CSV").touch()
    assert find_file(tmp_path, "vox1_meta.csv").parent.name == "meta"
    assert [path.name for path in find_tables(tmp_path, skip={"wav"})] == ["VOX1_META.CSV"]


def test_contradictions_between_mentions_of_a_person(tmp_path):
    builder = ListingBuilder(tmp_path, "made")
    builder.add_person("ann", gender="f", split="train")
    builder.add_person("ann", gender="", split="test", where="t.csv, line 3", age=30.0)
    builder.add_person("ann", split="train")
    builder.add(VoiceItem(key="a", person="ann", path="a.wav"))
    listing = builder.build("nothing")
    (ann,) = listing.people
    assert (ann.gender, ann.split, ann.age) == ("f", "", 30.0)
    (note,) = listing.rejected
    assert note.path == "t.csv, line 3" and "put in no split" in note.reason and note.person == "ann"


def test_copies_are_counted_by_folder(tmp_path):
    builder = ListingBuilder(tmp_path, "made")
    for number in range(50):
        builder.add(VoiceItem(key=str(number), person="ann", path=f"wav/{number}.wav"))
        builder.add(VoiceItem(key=str(number), person="ann", path=f"mp3/{number}.mp3"))
    listing = builder.build("nothing")
    assert len(listing.items) == 50
    (note,) = listing.rejected
    assert note.path == "mp3" and "50 .mp3 files repeat others (mp3/0.mp3 is wav/0.wav)" in note.reason


def test_nothing_found_says_what_was_met_and_looked_for(tmp_path):
    builder = ListingBuilder(tmp_path, "made")
    builder.reject("x.txt", "is no sound")
    with pytest.raises(InputError, match=r"1 left out, first x.txt: is no sound; looked for b\.wav"):
        builder.build("b.wav")


def test_a_table_of_people(tmp_path):
    builder = ListingBuilder(tmp_path, "made")
    path = tmp_path / "people.csv"
    path.write_text(
        "Person;Sex;Age;Split;Nationality\nAnn;Woman;33;dev;Ireland\n;m;;;\nBo;?;old;;\n", "utf-8"
    )
    add_people_from_table(builder, path)
    for person in ("Ann", "Bo"):
        builder.add(VoiceItem(key=person, person=person, path=f"{person}.wav"))
    listing = builder.build("nothing")
    ann, bo = listing.people
    assert (ann.gender, ann.age, ann.split, ann.nationality) == ("f", 33.0, "validation", "Ireland")
    assert (bo.gender, bo.age, bo.split) == ("", None, "")
    assert [(note.path, note.reason) for note in listing.rejected] == [
        ("people.csv, line 3", "names no person")
    ]


def test_spacing_keeps_to_the_number_and_covers_the_whole():
    assert list(evenly_spaced(range(100), 0)) == list(range(100))
    assert list(evenly_spaced(range(3), 5)) == [0, 1, 2]
    for most in range(1, 20):
        kept = list(evenly_spaced(range(20), most))
        assert len(kept) == most == len(set(kept)) and kept == sorted(kept)
        assert kept[0] <= 20 / most and kept[-1] >= 20 - 1 - 20 / most


def test_excels_own_first_line_names_the_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\nclip;a,b\nc0;1,5\n\nc1;2\n", encoding="utf-8")
    table = open_text_table(tmp_path / "t.csv", ["clip"])
    assert table.header == ["clip", "a,b"]
    assert [(row.line, list(row.cells)) for row in table.rows()] == [(3, ["c0", "1,5"]), (5, ["c1", "2"])]


def test_a_byte_that_is_no_utf8_is_named_by_its_own_line(tmp_path):
    lines = ["clip,name", *(f"c{k},x" for k in range(900)), "c,Jos\xe9"]
    (tmp_path / "t.csv").write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.csv, line 902: is not UTF-8 text"):
        list(open_text_table(tmp_path / "t.csv", ["clip"]).rows())
