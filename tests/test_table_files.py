"""Figures as CSV, LaTeX, Markdown and JSON, from every evaluation and table."""

import csv
import json
import shutil
import subprocess

import numpy as np
import pytest

from cli_fixtures import call
from voiceface.evaluation.paper_table import Table
from voiceface.evaluation.table_files import latex, write_csv, write_latex
from voiceface.protocols.estimate import Estimate


def one(value, low=float("nan"), chance=0.5, name="AUC"):
    return Estimate(name=name, value=value, low=low, high=value + 0.1, chance=chance, n=9, people=4)


TABLE = Table(
    title="Table 50 % & more",
    columns=["AUC", "EER", "step_size", "word"],
    rows={
        "λ = 0": [one(0.7, 0.6), one(0.4, chance=0.5), 3.0, "a|b"],
        "ours": [one(0.8), one(0.3), 4.0, None],
        "ours, wrong labels": [one(0.9), one(0.1), 5.0, None],
    },
    paper_rows={"ours": [0.95, 0.05, None, "-"]},
    command="voiceface tables x_y",
)


def test_latex_has_intervals_the_best_of_the_methods_bold_and_chance_once():
    lines = latex(TABLE).splitlines()
    assert r"\caption{Table 50 \% \& more}" in lines and "% voiceface tables x_y" in lines
    assert r" & AUC & EER & step\_size & word \\" in lines
    assert r"$\lambda$ = 0 & 0.700 [0.600, 0.800] & 0.400 & 3.000 & a\textbar{}b \\" in lines
    # The control scores higher and the paper too; neither competes. No step is better than another.
    assert r"ours & \textbf{0.800} & \textbf{0.300} & 4.000 & -- \\" in lines
    assert r"ours (paper) & 0.950 & 0.050 & -- & - \\" in lines
    assert r"chance & 0.500 & 0.500 &  &  \\" in lines


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
def test_latex_compiles(tmp_path):
    write_latex(tmp_path / "t.tex", [TABLE])
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{t}\end{document}"
    (tmp_path / "d.tex").write_text(head)
    subprocess.run(["pdflatex", "-halt-on-error", "d"], cwd=tmp_path, check=True, capture_output=True)


def test_csv_has_a_line_a_figure_and_blanks_where_nothing_is_known(tmp_path):
    write_csv(tmp_path / "t.csv", [TABLE])
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert len(rows) == 4 * 4
    first = rows[0]
    assert first["whose"] == "ours" and float(first["low"]) == 0.6 and first["people"] == "4"
    assert rows[1]["low"] == "" and rows[3]["value"] == "a|b" and rows[7]["value"] == ""
    assert [row["value"] for row in rows if row["whose"] == "paper"] == ["0.95", "0.05", "", "-"]


@pytest.fixture
def scores(tmp_path):
    random = np.random.default_rng(0)
    lines = ["score,label,voice_person,face_person"]
    for voice in range(8):
        for face in range(8):
            lines.append(
                f"{abs(random.normal()) + 2 * (voice == face)},{int(voice == face)},p{voice},p{face}"
            )
    (tmp_path / "s.csv").write_text("\n".join(lines))
    return tmp_path / "s.csv"


def test_every_evaluation_writes_all_four(scores, tmp_path):
    for words in (("verification", "--scores", scores), ("threshold_search", scores)):
        if words[0] == "threshold_search":
            scores.write_text(scores.read_text().replace("score,label", "distance,same", 1))
        files = {kind: tmp_path / f"{words[0]}.{kind}" for kind in ("csv", "latex", "markdown")}
        said = call("evaluate", *words, "--json", *(w for k, f in files.items() for w in (f"--{k}", f)))
        assert said.code == 0, said.err
        rows = list(csv.DictReader(files["csv"].open()))
        name, figures = next(iter(json.loads(said.out)["rows"].items()))
        assert float(rows[0]["value"]) == figures[0]["value"] and rows[0]["row"] == name
        assert r"\toprule" in files["latex"].read_text() and "| " in files["markdown"].read_text()
        assert str(files["csv"]) in said.err
    call("evaluate", *words, "--csv", tmp_path / "no" / "x.csv").refused("no", "folder")
