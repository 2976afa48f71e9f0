"""The folder is the registry of protocols: a file there reaches Python and the command line by its name."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import voiceface as vf
from planted_component import planted
from voiceface.errors import InputError
from voiceface.evaluation.protocol_from_file import file_protocols, protocol_from_file
from voiceface.protocols import protocol_modules

ROOT = Path(__file__).parents[1]
SEPARATION = '''"""How far apart two kinds of scores lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_labels, as_scores

__all__ = ["separation"]


def separation(scores: ArrayLike, labels: ArrayLike, *, scale: float = 1.0) -> Estimate:
    """Difference of the two means.

    Args:
        scores: (n,) finite.
        labels: (n,) 1 for the same person, 0 for two.
        scale: what to multiply it by
    """
    values = as_scores(scores)
    same = as_labels(labels, len(values))
    return Estimate(name="apart", value=scale * float(values[same].mean() - values[~same].mean()))


PROTOCOL = separation
'''
HELPER = '"""No protocol."""\n\n\ndef offcut() -> None:\n    """Nothing."""\n'


@pytest.fixture
def added(tmp_path):
    with planted("voiceface.protocols", tmp_path / "p", {"separation": SEPARATION, "offcut": HELPER}):
        yield


def test_a_new_protocol_is_found_and_a_helper_is_not(added):
    assert "separation" in vf.protocols.__all__ and "separation" in dir(vf.protocols)
    assert protocol_modules()["separation"] == "voiceface.protocols.separation"
    assert "offcut" not in protocol_modules() and not hasattr(vf.protocols, "offcut")
    assert vf.protocols.separation([1.0, 0.0], [1, 0]).value == 1.0


def test_a_protocol_stays_a_function_when_its_module_of_the_same_name_is_imported(added):
    module = importlib.import_module("voiceface.protocols.separation")
    assert vf.protocols.separation is module.separation
    assert callable(vf.protocols.calibration)
    assert importlib.import_module("voiceface.protocols.calibration").calibration is vf.protocols.calibration


def test_a_new_protocol_runs_on_a_file(added, tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("label,score\n1,3\n0,1\n", encoding="utf-8")
    assert "separation" in file_protocols()
    assert protocol_from_file("separation")(table, scale=2.0).value == 4.0
    table.write_text("score\n3\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="separation needs label or labels"):
        protocol_from_file("separation")(table)


def test_two_models_compared_from_one_table(tmp_path):
    random = np.random.default_rng(0)
    people = np.array(list("abcd"))
    voice, face = np.repeat(people, 4), np.tile(people, 4)
    columns = {"first": random.normal(size=16), "second": random.normal(size=16), "label": voice == face}
    table = tmp_path / "two.csv"
    rows = zip(columns["first"], columns["second"], columns["label"].astype(int), voice, face, strict=True)
    text = "first,second,label,voice_person,face_person\n"
    table.write_text(text + "\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8")
    found = protocol_from_file("compare")(table, figure="EER", resamples=20)
    direct = vf.protocols.compare(
        columns["first"],
        columns["second"],
        columns["label"],
        people=(voice, face),
        figure="EER",
        resamples=20,
    )
    assert found.to_dict() == direct.to_dict()


def test_arrays_of_an_archive(tmp_path):
    path = tmp_path / "scores.npz"
    scores = np.array([[0.9, 0.1], [0.4, 0.4]])
    np.savez(path, scores=scores, labels=np.array(["a", "b"]), people=np.array(["a", "b"]))
    found = protocol_from_file("identify")(path, ks=(1,), resamples=0)
    assert found.rows["all"][0].value == 0.75


@pytest.mark.parametrize(
    ("name", "told"), [("separatoin", "is no protocol"), ("gender-agreement", "which no file holds")]
)
def test_what_cannot_be_run_is_said(name, told):
    with pytest.raises(InputError, match=told):
        protocol_from_file(name)


def test_every_protocol_that_the_documents_name_exists():
    texts = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = {n for text in texts for n in re.findall(r"vf\.protocols\.(\w+)\(", text.read_text("utf-8"))}
    assert {"verification", "matching", "retrieval"} <= named
    assert [name for name in {*named, "compare"} if not callable(getattr(vf.protocols, name))] == []


def test_every_protocol_says_what_it_is_for():
    for name, module in protocol_modules().items():
        function = importlib.import_module(module).PROTOCOL
        assert function.__name__ == name and function.__doc__
