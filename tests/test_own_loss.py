"""The example of docs/training.md, a recipe in one file of one's own, is trained and used as it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import voiceface as vf
from cli_fixtures import call, require_ge2e
from voiceface.errors import InputError
from voiceface.pipelines.weights import load_recipe
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.two_stream_run import SMALL

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
(TEXT,) = re.findall(r"```python\n# hardest_negative\.py\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "hardest_negative.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_it_keeps_the_house(example):
    root = Path(__file__).parents[1]
    for command in (["check", "--ignore", "D"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", root / "pyproject.toml"]
        done = subprocess.run([*words, example], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len([line for line in TEXT.splitlines() if line]) <= 60


def test_it_learns_who_is_nearest():
    namespace = {}
    exec(compile(TEXT, "hardest_negative.py", "exec"), namespace)  # noqa: S102  the page's own text
    loss = namespace["HardestNegative"](margin=0.2)
    rows, people = torch.eye(3), torch.arange(3)
    assert loss(rows, rows, {"people": people})["loss"] == 0
    swapped = loss(rows, rows[[1, 0, 2]], {"people": people})
    assert swapped["loss"].item() == pytest.approx(2 * 2 * 1.2 / 3) and swapped["violated"] == 2 / 3
    # Rows of one person are no negatives of each other.
    assert loss(rows[:2], rows[[1, 0]], {"people": torch.zeros(2)})["loss"] == 0


def test_it_is_trained_and_used_from_python_and_by_command(example, tmp_path):
    require_ge2e()
    pytest.importorskip("espeakng_loader")
    corpus = tiny_corpus()
    with vf.trusting(example):
        weights = vf.train("hardest_negative", corpus, tmp_path / "python", **SMALL, margin=0.3)
        matcher = vf.Matcher.load(weights)
    card = json.loads((weights / "run.json").read_text(encoding="utf-8"))
    sides = [matcher.embed_corpus_items(corpus, kind, [0, 1]) for kind in ("voices", "faces")]
    assert [side.shape for side in sides] == [(2, SMALL["dim"])] * 2
    assert all(0 < chance < 1 for chance in matcher.probability((sides[0] @ sides[1].T).ravel()))
    assert card["facts"]["calibration"]["prior"] == 0.5
    assert card["recipe"] == "hardest_negative" and card["arguments"]["margin"] == 0.3
    words = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)]
    command = ("--trust", example, "--corpus", corpus.path, *words, "--margin", "0.3")
    said = call("train", "hardest_negative", *command, "-o", tmp_path / "command")
    assert said.code == 0, said.err
    other = tmp_path / "command" / "weights" / "model.safetensors"
    assert (weights / "model.safetensors").read_bytes() == other.read_bytes()
    folds = ("--folds", 2, "--resamples", 0, "-o", tmp_path / "folds")
    said = call("evaluate", "hardest_negative", *command, *folds)
    assert said.code == 0 and "AUC" in said.out, said.err
    with pytest.raises(InputError, match="known recipe"):
        load_recipe("hardest_negative")  # trust ends with its block
