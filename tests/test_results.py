"""Experiments as data: what is recorded, that every record is whole, and that RESULTS.md is made of them."""

import copy
import importlib.util
import json
import threading
from pathlib import Path

import pytest

from house_documents import record_faults
from voiceface.errors import InputError
from voiceface.evaluation.experiment_records import (
    check_results_folder,
    read_experiments,
    record_experiment,
)
from voiceface.media.writer_lock import writer_lock
from voiceface.protocols.estimate import Estimate

ROOT = Path(__file__).parents[1]
AUC = Estimate(name="AUC", value=0.8, low=0.75, high=0.85, chance=0.5, n=12)
RECORDS = read_experiments(ROOT / "results")


def recorded(folder, figures=(("verification, all", AUC),), recipe="made"):
    facts = {"corpus": "ab" * 32, "protocol": "5 folds over people", "command": "voiceface evaluate made"}
    return record_experiment(folder, recipe=recipe, figures=figures, **facts)


def results_page():
    spec = importlib.util.spec_from_file_location("results_page", ROOT / "tools" / "results_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the records of this repository


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: f"{one['recipe']}-{one['commit']}")
def test_every_record_is_whole(record):
    assert record_faults(record) == []


def test_the_page_is_what_the_records_give():
    written = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    assert written == results_page().page(RECORDS), "run python tools/results_page.py"
    assert len(written.splitlines()) <= 150 and len(RECORDS) >= 45


# ---- recording


def test_an_experiment_is_recorded_with_all_that_is_due(tmp_path):
    kept = [("verification, all", AUC), ("found", Estimate(name="found", value=0.9, low=0.8, high=1.0))]
    dropped = [
        ("no interval", Estimate(name="ECE", value=0.1)),
        ("no value", Estimate(name="x", value=float("nan"))),
    ]
    path = recorded(tmp_path / "results", kept + dropped)
    (one,) = read_experiments(tmp_path / "results")
    assert path.name == "made.jsonl" and record_faults(one) == []
    assert one["figures"] == [
        {
            "row": "verification, all",
            "name": "AUC",
            "value": 0.8,
            "low": 0.75,
            "high": 0.85,
            "chance": 0.5,
            "n": 12,
        },
        {"row": "found", "name": "found", "value": 0.9, "low": 0.8, "high": 1.0, "chance": None, "n": None},
    ]
    assert one["corpus"] == "ab" * 32 and one["date"][:2] == "20" and one["commit"]


def test_figures_without_intervals_are_no_experiment(tmp_path):
    with pytest.raises(InputError, match="no intervals over people"):
        recorded(tmp_path, [("all", Estimate(name="AUC", value=0.8))])
    assert list(tmp_path.iterdir()) == []


def test_records_are_appended_and_no_other_line_changes(tmp_path):
    first = recorded(tmp_path).read_bytes()
    path = recorded(tmp_path)
    assert path.read_bytes() == first * 2
    path.write_bytes(first + first[:40])  # its writer was killed
    assert recorded(tmp_path).read_bytes() == first + first[:40] + b"\n" + first
    with pytest.raises(InputError, match="line 2 is no JSON object"):
        read_experiments(tmp_path)


def test_several_may_record_at_once(tmp_path):
    writers = [threading.Thread(target=recorded, args=(tmp_path,)) for _ in range(8)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert len(read_experiments(tmp_path)) == 8


def test_who_records_waits_for_who_is_recording(tmp_path):
    writer = threading.Thread(target=recorded, args=(tmp_path,))
    with writer_lock(tmp_path / "made.jsonl"):
        writer.start()
        writer.join(0.3)
        assert writer.is_alive() and not (tmp_path / "made.jsonl").exists()
    writer.join(5)
    assert [path.name for path in tmp_path.iterdir()] == ["made.jsonl"]


def test_a_name_that_is_a_path_stays_in_the_folder(tmp_path):
    assert recorded(tmp_path / "r", recipe="../drawn faces").parent == tmp_path / "r"
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_place_that_cannot_be_written_is_refused_first(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "missing" / "results"):
        with pytest.raises(InputError):
            check_results_folder(place)
    check_results_folder(tmp_path / "new")
    check_results_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- and each fault of a record is found

WHOLE = {
    "recipe": "matcher",
    "corpus": "0a1b2c3d4e5f",
    "protocol": "5 folds over people",
    "command": "voiceface evaluate matcher",
    "commit": "7853b67",
    "date": "2026-11-21",
    "figures": [
        {"row": "all", "name": "AUC", "value": 0.8, "low": 0.77, "high": 0.83, "chance": 0.5, "n": None}
    ],
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"recipe": ""}, "recipe is missing"),
        ({"protocol": None}, "protocol is missing"),
        ({"corpus": "mine"}, "corpus is 'mine'"),
        ({"commit": "today"}, "commit is 'today'"),
        ({"date": "yesterday"}, "date is 'yesterday'"),
        ({"command": "ran it"}, "command is 'ran it'"),
        ({"figures": []}, "no figures"),
        ({"low": None}, "no number with its interval"),
        ({"value": 0.9}, "outside its interval"),
        ({"chance": None}, "no chance level"),
        ({"chance": None, "name": "sharpness ratio"}, None),
    ],
)
def test_a_record_that_lacks_something_is_found(change, fault):
    record = copy.deepcopy(WHOLE)
    for key, value in change.items():
        (record if key in record else record["figures"][0])[key] = value
    found = record_faults(record)
    assert found == [] if fault is None else fault in found[0]


def test_headlines_are_chosen_by_the_record_or_are_the_first_three():
    page = results_page().page
    many = copy.deepcopy(WHOLE)
    many["figures"] = [many["figures"][0] | {"row": f"r{k}"} for k in range(5)]
    row = page([many]).splitlines()[-1]
    assert "r0: AUC 0.800 [0.770, 0.830] (chance 0.500)" in row and "r2: AUC" in row and "r3" not in row
    many["figures"][4]["headline"] = "the | one"
    row = page([many]).splitlines()[-1]
    assert "the \\| one 0.800" in row and "r0" not in row and "r4" not in row
    assert json.dumps(many)
