"""`prepare` from the command line: every source, its options, what is said at the end."""

import os

import pytest

import source_trees
from cli_fixtures import call, fits, shell, write_people_tree
from voiceface.cli.docstrings import component_summaries
from voiceface.components import SOURCES
from voiceface.corpus.corpus import Corpus

QUICK = ("--face-fps", "2", "--clip-seconds", "5", "--workers", "1")


@pytest.fixture
def pairs(tmp_path):
    return source_trees.TREES["pairs"](tmp_path / "data", source_trees.real).root


def test_pairs_with_an_option_of_its_own(pairs, tmp_path):
    (pairs / "voices" / "cy_00.flac").write_bytes(b"fLaC nothing")
    said = call("prepare", "pairs", pairs, "-o", tmp_path / "c", "--faces-only", *QUICK)
    assert said.code == 0, said.err
    corpus = Corpus.open(tmp_path / "c")
    assert corpus.card["arguments"] == {"source": "pairs", "faces_only": True}
    assert corpus.card["options"]["face_fps"] == 2.0
    assert len(corpus.faces) == 5 and len(corpus.rejected) == 1
    lines = said.out.splitlines()
    assert lines[0].split()[:2] == ["people", "voices"] and lines[1].split()[0] == "male"
    assert "1 file was rejected:" in said.out
    assert "cy_00.flac" in said.out and corpus.fingerprint[:16] in said.out and "Check:" in said.out
    assert fits(said.out)


def test_as_json_and_again(pairs, tmp_path):
    first = call("prepare", "pairs", pairs, "-o", tmp_path / "c", "--json", *QUICK).json
    again = call("prepare", "pairs", pairs, "-o", tmp_path / "c", "--json", *QUICK).json
    assert first == again and first["people"] == 3 and first["voices"] == 4 and first["complete"]
    assert [line["sex"] for line in first["statistics"]] == ["male", "female", "unknown", "all"]


def test_another_option_into_the_same_corpus_is_refused(pairs, tmp_path):
    assert call("prepare", "pairs", pairs, "-o", tmp_path / "c", *QUICK).code == 0
    before = Corpus.open(tmp_path / "c").fingerprint
    call("prepare", "pairs", pairs, "-o", tmp_path / "c", "--crop-side", "128", *QUICK).refused(
        "crop_side", "256"
    )
    call("prepare", "pairs", pairs, "-o", tmp_path / "c", "--faces-only", *QUICK).refused("faces_only")
    assert Corpus.open(tmp_path / "c").fingerprint == before


def test_a_source_whose_name_no_file_can_have(tmp_path):
    root = source_trees.TREES["voxceleb_vggface"](tmp_path / "data", source_trees.real).root
    said = call("prepare", "voxceleb+vggface", root, "-o", tmp_path / "c", "--no-letters", "--json", *QUICK)
    assert said.code == 0 and said.json["people"] == 2 and len(said.json["rejected"]) == 3
    assert Corpus.open(tmp_path / "c").card["arguments"] == {"source": "voxceleb_vggface", "letters": False}


def test_a_source_with_an_option_called_version(tmp_path):
    root = source_trees.TREES["mavceleb"](tmp_path / "data", source_trees.empty).root
    said = call("prepare", "mavceleb", root, "-o", tmp_path / "c", "--version", "v9", "--languages", "None")
    assert said.code == 1 and len(said.lines) == 1


def test_all_sources_are_listed_with_what_they_are():
    said = call("prepare", "--help")
    words = " ".join(said.out.replace("│", " ").split())
    for name, line in component_summaries(SOURCES).items():
        assert name in said.out and line.split(":")[0] in words


def test_help_of_a_source_shows_layout_options_and_the_engine():
    said = call("prepare", "voxceleb", "--help")
    for part in ("Layout", "--split-list", "--no-clips", "--frame-side", "--workers", "--cluster"):
        assert part in said.out


def test_a_data_set_of_which_nothing_is_left_is_an_error(tmp_path):
    root = source_trees.TREES["pairs"](tmp_path / "data", source_trees.empty).root
    call("prepare", "pairs", root, "-o", tmp_path / "c", *QUICK).refused("is empty", "all 8 files")
    assert len(Corpus.open(tmp_path / "c").rejected) == 8


def test_impossible_values_are_refused_before_anything_is_written(pairs, tmp_path):
    for tokens, word in ((("--workers", "0"), "workers"), (("--face-fps", "0"), "face_fps")):
        call("prepare", "pairs", pairs, "-o", tmp_path / "c", *tokens).refused(word)
        assert not (tmp_path / "c").exists()


def test_people_who_are_made_need_no_root(tmp_path):
    made = ("--people", "3", "--voices", "1", "--faces", "1", "--clips", "0", "--workers", "1")
    said = call("prepare", "synthetic", "-o", tmp_path / "c", *made, "--link", "0.5", "--json")
    assert said.code == 0 and said.json["people"] == 3 and said.json["faces"] == 3
    card = Corpus.open(tmp_path / "c").card
    assert card["arguments"] == {
        "source": "synthetic",
        "people": 3,
        "voices": 1,
        "faces": 1,
        "clips": 0,
        "link": 0.5,
    }
    call("prepare", "synthetic", tmp_path, "-o", tmp_path / "d", *made).refused("Unused", code=2)
    call("prepare", "synthetic", "-o", tmp_path / "d", "--link", "2").refused("link")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("options, loaded", [((), False), (("--landmarks", "mesh"), True)])
def test_pytorch_is_loaded_only_by_an_option_that_needs_it(tmp_path, options, loaded):
    """In no process: PyTorch takes a second and 200 MB in each."""
    root = write_people_tree(tmp_path / "data", people=1)
    stand_in = tmp_path / "path" / "torch"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text(
        "from pathlib import Path\n"
        "Path(__file__).with_name('loaded').touch()\n"
        "raise ImportError('torch is not for this test')\n"
    )
    path = os.pathsep.join([str(stand_in.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = ("prepare", "pairs", root, "-o", tmp_path / "c", *QUICK, *options)
    said = shell(*command, env={"PYTHONPATH": path})
    assert (stand_in / "loaded").exists() == loaded, said.err
    assert loaded or said.code == 0, said.err
