"""A gallery that several use, whose removal is killed, whose names are spelt otherwise, or is damaged."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from test_pipelines_gallery import Made, files, opened, pytestmark  # noqa: F401  two are fixtures
from voiceface.errors import InputError
from voiceface.pipelines import gallery as room
from voiceface.pipelines.gallery import Gallery, Item

# ruff: noqa: F811  a fixture has the name of the function that makes it


class Killed(BaseException):
    """Stands in for a kill: nothing that catches errors may catch it."""


@pytest.mark.parametrize("moment", ["delete", "update", "optimize"])
@pytest.mark.parametrize("again", ["remove", "search", "add"])
def test_a_removal_that_was_killed_is_finished_by_whoever_comes_next(
    opened, files, monkeypatch, moment, again
):
    items = files(30)
    opened.add([*items[:29], Item(path=items[29].path, kind="face", person="somebody")])
    long_open = Gallery.open(opened.path, matcher=Made())
    monkeypatch.setattr(room, "remove_person", killed_at(moment))
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


def killed_at(moment):
    """`remove_person` on a table whose method of that name kills after its work is done."""
    remove = room.remove_person

    class Table:
        def __init__(self, table):
            self.table = table

        def __getattr__(self, name):
            found = getattr(self.table, name)
            if name != moment:
                return found

            def killing(*args, **options):
                found(*args, **options)
                raise Killed

            return killing

    return lambda path, table, person: remove(path, Table(table), person)


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
            (place / name).write_bytes(damage((place / name).read_bytes()))
            try:
                found = Gallery.open(place, matcher=Made())
                if [hit.path for hit in found.search(row, side="voice", k=1)] != [str(items[1].path)]:
                    wrong.append((str(name), how))
            except InputError as error:
                assert "\n" not in str(error)
            shutil.rmtree(place)
    assert wrong == []


DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "turned": lambda data: data[: len(data) // 3] + bytes(b ^ 0xFF for b in data[len(data) // 3 :]),
    "last byte": lambda data: data[:-1] + bytes([data[-1] ^ 0xFF]),
}
