"""A paper's tables: ours beside the printed figures, saved, and made by one command."""

import inspect
import json
import re
import types

import numpy as np
import pytest

from corpus_media import written
from voiceface.cli.app import run
from voiceface.cli.commands import tables as command
from voiceface.components import component_names, load_component
from voiceface.errors import InputError
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.evaluation.paper_plots import threshold_plot, tsne, tsne_plot
from voiceface.evaluation.paper_table import Table, save_tables
from voiceface.protocols.estimate import Estimate

GIVEN = Estimate(name="top-1", value=0.5, low=0.25, high=0.75, chance=0.1, n=8, people=4)


def made(**told):
    rows = {"ours alone": [GIVEN, None], "both": [0.123456, "a | b"]}
    return Table(title="T", columns=["x", "y"], rows=rows, paper_rows={"both": [12.34, None]}, **told)


def test_a_table_stands_beside_the_papers():
    lines = str(made(notes=["scale 1"], command="voiceface x")).splitlines()
    assert lines[0] == "## T"
    assert "| ours alone | ours | 0.500 [0.250, 0.750] (chance 0.100) | - |" in lines
    both = [line for line in lines if line.startswith("| both")]
    assert both == ["| both | ours | 0.123 | a \\| b |", "| both | paper | 12.3 | - |"]
    assert lines[-1] == "`voiceface x`" and "- scale 1" in lines
    assert made().estimates() == [("ours alone, x", GIVEN)]
    with pytest.raises(InputError, match="row 'r' has 1 cells for 2 columns"):
        Table(title="T", columns=["x", "y"], rows={}, paper_rows={"r": [1.0]})


def test_tables_are_saved_to_read_and_to_compute_with(tmp_path):
    rows = {"r": [float("nan"), GIVEN]}
    page = save_tables([Table(title="N", columns=["x", "y"], rows=rows)], tmp_path / "o", name="p", title="P")
    assert page.read_text().startswith("# P\n\n## N\n")
    told = json.loads((tmp_path / "o" / "p.json").read_text())["tables"][0]
    assert told["rows"]["r"][0] is None and told["rows"]["r"][1]["value"] == 0.5
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        save_tables([], tmp_path / "file" / "o", name="p", title="P")


@pytest.fixture
def paper(monkeypatch, tmp_path):
    """A paper of one table, and a corpus of nobody."""
    written(tmp_path / "corpus", [], [])
    seen = []

    def tables(
        corpus,
        out,
        choice=None,
        tell=None,
        *,
        steps: int = 5,
        names: list[str] | None = None,
        fast: bool = False,
    ):
        """Make them.

        Args:
            corpus: any
            out: any
            steps: of it
            names: of whom
            fast: or not
        """
        seen.append((out, steps, names, fast))
        tell("training 1 of 1, it")
        return [made()]

    module = types.ModuleType("paper", '"""Somebody 2001: Table T.\n\nMore.\n')
    module.__doc__, module.tables = "Somebody 2001: Table T.\n\nMore.\n", tables
    monkeypatch.setattr(command, "load_component", lambda *_: module)
    return seen


def test_one_command_makes_records_and_saves_them(paper, tmp_path, capsys):
    corpus, out, results = (str(tmp_path / name) for name in ("corpus", "out", "results"))
    given = ["--steps", "7", "--names", "a b", "--fast", "--record", "--results", results]
    assert run(["tables", "agarwal", "--corpus", corpus, "-o", out, *given]) == 0
    assert paper == [(tmp_path / "out", 7, ["a b"], True)]
    words = "voiceface tables agarwal --corpus CORPUS --steps 7 --names 'a b' --fast"
    printed = capsys.readouterr()
    assert words in printed.out
    assert "voiceface: training 1 of 1, it\n" in printed.err and "training" not in printed.out
    (one,) = read_experiments(tmp_path / "results")
    assert one["command"] == words and one["figures"][0]["row"].startswith("T: ours")
    assert [one["figures"][0][key] for key in ("value", "low", "high")] == [0.5, 0.25, 0.75]
    assert words in (tmp_path / "out" / "agarwal.md").read_text()
    assert run(["tables", "agarwal", "--corpus", corpus, "-o", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tables"][0]["command"] == "voiceface tables agarwal --corpus CORPUS"
    assert paper[1] == (tmp_path / "out", 5, None, False)


@pytest.mark.parametrize("name", component_names("voiceface.papers"))
def test_every_paper_that_trains_tells_what_it_trains(name):
    module = load_component("voiceface.papers", name)
    takes = inspect.signature(module.tables).parameters
    assert ("tell" in takes) == ("choice" in takes)  # what is given a split trains


def test_papers_are_listed_and_the_nearest_is_offered(capsys, tmp_path):
    assert run(["tables", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in component_names("voiceface.papers"))
    assert run(["tables", "agarwall", "--corpus", str(tmp_path)]) == 1
    assert "did you mean 'agarwal'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", component_names("voiceface.papers"))
def test_every_papers_options_are_explained(name, capsys):
    own = set(inspect.signature(load_component("voiceface.papers", name).tables).parameters)
    assert run(["tables", name, "--help"]) == 0
    told = capsys.readouterr().out
    assert {"corpus", "out"} < own
    for option in own - {"choice", "tell"} | {"record", "split", "leave_out"}:
        assert re.search(rf"--{option.replace('_', '-')}\b.* [a-z0-9]", told), option


def test_plots_are_pictures_of_what_is_given(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    from PIL import Image

    at = np.linspace(0, 1, 5)
    threshold_plot(tmp_path / "a" / "4.png", at, {"accuracy": at}, chosen=0.5, paper=0.7)
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(size=(12, 6)), random.normal(size=(12, 6)) + 30])
    points = tsne(rows)
    # Two heaps far apart stay two heaps.
    within = max(np.ptp(points[:12], axis=0).max(), np.ptp(points[12:], axis=0).max())
    assert points.shape == (24, 2)
    assert np.linalg.norm(points[:12].mean(0) - points[12:].mean(0)) > within / 2
    tsne_plot(tmp_path / "2.png", {"one": (rows, ["a"] * 12 + ["b"] * 12)})
    for path in (tmp_path / "a" / "4.png", tmp_path / "2.png"):
        with Image.open(path) as picture:
            assert picture.format == "PNG" and len(np.unique(np.asarray(picture))) > 10
    with pytest.raises(InputError, match="too few"):
        tsne(rows[:3])
