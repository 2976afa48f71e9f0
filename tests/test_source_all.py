"""What every corpus source keeps to, by walking their folder: a new one needs a tree and nothing else."""

import inspect
import os
import pickle
import typing
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import source_trees
from voiceface import components
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.errors import InputError

MODULES = components.component_modules(components.SOURCES)
ALL = sorted(MODULES)
ROOTLESS = [name for name in ALL if getattr(import_module(MODULES[name]), "ROOTLESS", False)]
"""Sources that make their media and read no folder."""
SOURCES = [name for name in ALL if name not in ROOTLESS]


def listing_of(source: str):
    return import_module(MODULES[source]).listing


def test_every_source_has_a_tree():
    assert set(SOURCES) == set(source_trees.TREES)


@pytest.mark.parametrize("source", SOURCES)
def test_its_tree_is_listed_whole(source, tmp_path):
    tree = source_trees.TREES[source](tmp_path)
    found = listing_of(source)(tree.root, **tree.options)
    assert {person.id for person in found.people} == tree.people
    kinds = Counter(type(item) for item in found.items)
    assert [kinds[VoiceItem], kinds[FaceItem], kinds[VideoItem]] == [tree.voices, tree.faces, tree.videos]
    assert len(found.rejected) == tree.rejected, found.rejected
    for item in found.items:
        assert (found.root / item.path).is_file() and not Path(item.path).is_absolute()
        assert "\\" not in item.path
        assert item.person in tree.people and item.key
    keys = Counter((type(item), item.key) for item in found.items)
    assert max(keys.values()) == 1
    assert [item.key for item in found.items] == sorted(item.key for item in found.items)


@pytest.mark.parametrize("source", SOURCES)
def test_the_listing_does_not_depend_on_the_disks_order(source, tmp_path, monkeypatch):
    tree = source_trees.TREES[source](tmp_path)
    once = listing_of(source)(tree.root, **tree.options)
    assert pickle.loads(pickle.dumps(once)) == once
    real_scandir = os.scandir

    class Backwards:
        def __init__(self, folder):
            self.entries = real_scandir(folder)

        def __enter__(self):
            return reversed(list(self.entries))

        def __exit__(self, *error):
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Backwards)
    assert listing_of(source)(tree.root, **tree.options) == once


@pytest.mark.parametrize("source", SOURCES)
def test_hidden_files_are_no_media(source, tmp_path):
    tree = source_trees.TREES[source](tmp_path)
    before = listing_of(source)(tree.root, **tree.options)
    for folder, _, files in list(os.walk(tree.root)):
        for name in files:
            (Path(folder) / f"._{name}").touch()  # what macOS leaves beside every file on foreign disks
        (Path(folder) / ".DS_Store").touch()
        (Path(folder) / "Thumbs.db").touch()
    after = listing_of(source)(tree.root, **tree.options)
    assert after == before


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", ["missing", "file", "empty", "foreign"])
def test_a_wrong_root_is_one_line(source, fault, tmp_path):
    root = tmp_path / "data"
    if fault == "file":
        root.write_text("x")
    elif fault != "missing":
        root.mkdir()
    if fault == "foreign":
        (root / "photo album").mkdir()
        (root / "photo album" / "holiday.tar").touch()
    with pytest.raises(InputError) as caught:
        listing_of(source)(root)
    text = str(caught.value)
    assert str(root) in text and "\n" not in text
    assert caught.value.remedy


@pytest.mark.parametrize("source", ROOTLESS)
def test_without_a_folder_the_options_alone_say_what_is_made(source):
    found = listing_of(source)()
    assert found.generator is not None and found.items and found.people
    again = pickle.loads(pickle.dumps(found))
    assert again == found == listing_of(source)()
    assert {item.person for item in found.items} == {person.id for person in found.people}
    assert max(Counter((type(item), item.key) for item in found.items).values()) == 1
    assert [item.key for item in found.items] == sorted(item.key for item in found.items)


@pytest.mark.parametrize("source", ALL)
def test_its_options_are_typed_and_have_defaults(source):
    signature = inspect.signature(listing_of(source))
    hints = typing.get_type_hints(listing_of(source))
    options = list(signature.parameters.values())
    if source not in ROOTLESS:
        first = options.pop(0)
        assert first.name == "root" and hints["root"] is Path
    for option in options:
        assert option.kind is option.KEYWORD_ONLY
        assert option.default is not option.empty and option.name in hints
        assert f"{option.name}:" in listing_of(source).__doc__, f"--{option.name} has no line of help"


@pytest.mark.parametrize("source", ALL)
def test_its_card_tells_what_a_user_asks(source):
    card = import_module(MODULES[source]).__doc__
    for line in ("Layout", "Licence", "Splits", "Command   voiceface prepare "):
        assert f"\n{line}" in card
