"""A gallery that several use, whose removal is killed, whose names are spelt otherwise, or is damaged."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from test_pipelines_gallery import Made, files, opened  # noqa: F401  two are fixtures
from voiceface.errors import InputError
from voiceface.pipelines import gallery as room
from voiceface.pipelines import gallery_store
from voiceface.pipelines.gallery import Gallery, Item

# ruff: noqa: F811  a fixture has the name of the function that makes it


class Killed(BaseException):
    """Stands in for a kill: nothing that catches errors may catch it."""


MOMENTS = {
    "before a segment is rewritten": ("write_segment", False),
    "after a segment is rewritten": ("write_segment", True),
    "before the list of segments": ("write_segments", False),
    "after the list of segments": ("write_segments", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("again", ["remove", "search", "add"])
def test_a_removal_that_was_killed_is_finished_by_whoever_comes_next(
    opened, files, monkeypatch, moment, again
):
    items = files(30)
    opened.add([*items[:29], Item(path=items[29].path, kind="face", person="somebody")])
    long_open = Gallery.open(opened.path, matcher=Made())
    kill(monkeypatch, *MOMENTS[moment])
    with pytest.raises(Killed):
        opened.remove("somebody")
    monkeypatch.undo()
    if again == "remove":
        assert Gallery.open(opened.path, matcher=Made()).remove("somebody") == 1
    elif again == "search":
        hits = long_open.search(Made()._row(items[29].path), side="voice", k=30)
        assert hits and "somebody" not in {hit.person for hit in hits}
    else:
        long_open.add(files(3, start=30))
    assert not any(b"somebody" in path.read_bytes() for path in opened.path.rglob("*") if path.is_file())
    now = Gallery.open(opened.path, matcher=Made())
    assert len(now) == (32 if again == "add" else 29)
    with pytest.raises(InputError, match="holds nobody called 'somebody'"):
        now.remove("somebody")


def kill(monkeypatch, name, after):
    """Let a function of the store end in a kill, before or after its work."""
    real = getattr(gallery_store, name)

    def killing(*args):
        if after:
            real(*args)
        raise Killed

    monkeypatch.setattr(gallery_store, name, killing)


def test_what_a_killed_commit_left_of_a_person_goes_when_they_are_removed(opened, files, monkeypatch):
    items = files(30)
    opened.add(items)
    kill(monkeypatch, "write_segments", False)
    with pytest.raises(Killed):
        opened.add([Item(path=items[0].path, kind="face", person="somebody")])
    monkeypatch.undo()
    assert any(b"somebody" in path.read_bytes() for path in opened.path.rglob("*") if path.is_file())
    with pytest.raises(InputError, match="holds nobody called 'somebody'"):
        opened.remove("somebody")
    assert not any(b"somebody" in path.read_bytes() for path in opened.path.rglob("*") if path.is_file())
    assert len(opened) == 30


def test_a_removal_is_not_told_as_done_while_a_file_with_the_person_cannot_be_deleted(
    opened, files, monkeypatch
):
    opened.add(files(30))
    held = {path.name for path in (opened.path / "segments").iterdir()}
    real = Path.unlink

    def unlink(path, missing_ok=False):
        if path.name in held:
            raise PermissionError(13, "is in use")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(InputError, match="cannot be deleted"):
        opened.remove("p3")
    monkeypatch.undo()
    assert Gallery.open(opened.path, matcher=Made()).remove("p3") == 4
    assert not any(b"p3" in path.read_bytes() for path in opened.path.rglob("*") if path.is_file())


def test_a_name_in_another_unicode_form_is_the_same_name(opened, files, tmp_path):
    nfc, nfd = "Jos\u00e9", "Jose\u0301"
    (item,) = files(1)
    told = Item(path=item.path, kind="face", person=nfd, attributes={"town": "Me\u0301rida"})
    assert opened.add([told]).added == 1
    assert opened.add([Item(path=item.path, kind="face", person=nfc)]).already_present == 1
    row = Made()._row(item.path)
    for form in (nfc, nfd):
        (hit,) = opened.search(row, side="voice", where={"person": form, "town": "M\u00e9rida"})
        assert hit.person == nfc
    assert opened.remove(nfd) == 1


def test_a_gallery_that_keeps_names_as_spelt_is_searched_and_emptied_by_both_forms(
    opened, files, monkeypatch
):
    nfc, nfd = "Jos\u00e9", "Jose\u0301"
    monkeypatch.setattr(room, "checked_item", lambda item: item)  # as galleries were written before
    (item,) = files(1)
    opened.add([Item(path=item.path, kind="face", person=nfd)])
    monkeypatch.undo()
    assert opened.people() == {nfd: 1}
    assert opened.add([Item(path=item.path, kind="face", person=nfc)]).already_present == 1
    assert len(opened.search(Made()._row(item.path), side="voice", where={"person": nfc})) == 1
    assert opened.remove(nfc) == 1


def test_two_that_add_and_one_that_removes_do_not_disturb_each_other(tmp_path, files):
    shared, others = files(130), files(130, start=200)
    extra = Item(path=shared[0].path, kind="face", person="leaving")

    def add(items):
        return Gallery.open(tmp_path / "gallery", matcher=Made(), create=True).add(items)

    def remove():
        return Gallery.open(tmp_path / "gallery", matcher=Made(), create=True).remove("leaving")

    assert add([extra]).added == 1
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(add, items) for items in (shared, [*shared[:64], *others], others)]
        gone = pool.submit(remove)
        done = [job.result() for job in jobs]
    assert gone.result() == 1
    assert sum(one.added for one in done) == 260
    assert sum(one.already_present for one in done) == 194
    assert not any(one.failed for one in done)
    now = Gallery.open(tmp_path / "gallery")
    assert len(now) == 260 and "leaving" not in now.people()


def test_damage_to_any_file_of_a_gallery_is_one_line_or_harmless(opened, files, tmp_path):
    items = files(20)
    opened.add(items)
    row = Made()._row(items[1].path)
    names = sorted(path.relative_to(opened.path) for path in opened.path.rglob("*") if path.is_file())
    wrong = []
    for name in names:
        for how, damage in DAMAGE.items():
            place = tmp_path / "damaged"
            shutil.copytree(opened.path, place)
            damage(place / name)
            try:
                found = Gallery.open(place, matcher=Made())
                if [hit.path for hit in found.search(row, side="voice", k=1)] != [str(items[1].path)]:
                    wrong.append((str(name), how))
            except InputError as error:
                assert "\n" not in str(error) and str(place) in error.what and error.remedy
            shutil.rmtree(place)
    assert wrong == []


def turned(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + bytes(byte ^ 0xFF for byte in data[len(data) // 3 :]))


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "turned": turned,
    "last byte": lambda path: path.write_bytes(
        path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 0xFF])
    ),
    "gone": Path.unlink,
    "a folder": a_folder,
}


def test_who_reads_while_another_merges_and_removes_sees_the_gallery_before_or_after(
    opened, files, monkeypatch
):
    items = files(40)
    opened.add(items[:20])
    reader = Gallery.open(opened.path, matcher=Made())
    row = Made()._row(items[1].path)
    before = gallery_store.read_segments(opened.path)
    opened.add(items[20:])
    (old,), (new,) = before, gallery_store.read_segments(opened.path)
    assert old["name"] != new["name"]
    (mapped,) = reader._store.segments  # its files are gone, what it mapped is not
    assert str(items[1].path) in mapped.contents()[2]["path"].to_pylist()
    # The list was read before the merge, and the files it names are opened after it.
    lists, real = [before], gallery_store.read_segments
    monkeypatch.setattr(gallery_store, "read_segments", lambda path: lists.pop() if lists else real(path))
    late = Gallery.open(opened.path, matcher=Made())
    assert not lists and len(late) == 40
    assert late.search(row, side="voice", k=1)[0].path == str(items[1].path)
    assert reader.search(row, side="voice", k=40) == late.search(row, side="voice", k=40)


def test_a_commit_that_fails_leaves_nothing_on_the_disk_and_a_later_one_succeeds(opened, files, monkeypatch):
    items = files(20)
    opened.add(items[:10])
    there = sorted((opened.path / "segments").iterdir())

    def full(path, segments):
        raise InputError(path, "the disk is full", "free some space")

    monkeypatch.setattr(gallery_store, "write_segments", full)
    with pytest.raises(InputError, match="the disk is full"):
        opened.add(items[10:])
    assert sorted((opened.path / "segments").iterdir()) == there and len(opened) == 10
    monkeypatch.undo()
    assert opened.add(items).added == 10


def test_an_empty_gallery_is_listed_refused_emptied_and_filled_also_without_its_empty_folder(opened, files):
    for _ in range(2):
        assert len(opened) == 0 and opened.people() == {} and opened.attributes == []
        assert opened.add([]).added == 0
        with pytest.raises(InputError, match="is empty"):
            opened.search(Made()._row(files(1)[0].path), side="voice")
        with pytest.raises(InputError, match="holds nobody called 'p0'"):
            opened.remove("p0")
        (opened.path / "segments").rmdir()  # as a copy that leaves out empty folders
    assert opened.add(files(1)).added == 1
    assert opened.remove("p0") == 1 and len(Gallery.open(opened.path)) == 0


def test_a_name_that_is_no_text_is_nobodys(opened, files):
    opened.add(files(3))
    with pytest.raises(InputError, match="holds nobody called"):
        opened.remove("p\udcff")
    assert opened.search(Made()._row(files(1)[0].path), side="voice", where={"person": "p\udcff"}) == []
