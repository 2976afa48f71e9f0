"""Every benchmark runs to its end on something tiny; its figures then mean nothing."""

import importlib
import re
import sys

import pytest
import torch

from test_benchmarks import FOLDER, SCRIPTS, among_scripts
from voiceface.cli import main

__all__ = ["among_scripts"]  # a fixture, for this file too

QUICK = {
    "few_people": "--controls 20",
    "gallery": "--count 2000 --queries 3",
    "loop_overhead": "--steps 20",
    "wen_front_end": "--seconds 1 --repeats 1",
    "wen_step": "--batch-size 2 --width 32 --repeats 1 --threads 1",
    "whole_process": f"{sys.executable} -c pass",
}
SLOW = {
    "animate": "--minutes 0.06 --sizes 128",
    "app": "--runs 1 --requests 4 --clients 2 --workers 1 --queue 2",
    "decoding_process": "{files} --clips 4 --pairs 1",
    "doors": "",
    "embed": "{files}/voices {files}/faces --count 6 --killed 6 --kills 1 --early 2",
    "embed_bf16": "{corpus} --voices student --resamples 20",
    "export": "--count 1",
    "fine_tuning": "{corpus}",
    "imagine": "--voices 2",
    "kills": "imagine --kills 1 --minutes 1",
    "kills_gallery": "--kills 1 --command-kills 1",
    "kills_prepare": "--kills 1 --people 4 --workers 1",
    "kills_training": "--kills 1",
    "matcher_by_group": "{corpus} student --resamples 20",
    "voice_encoders": "{corpus} student --resamples 20",
    "wrong_assignments": "{corpus} --assignments 2",
}
SMALLER = {
    "export": {"RUNS": 1},
    "fine_tuning": {"NEW": (2, 5)},
    "imagine": {"RUNS": 1},
}
"""Of a benchmark's own numbers, those that no option makes smaller."""
ELSEWHERE = {"growth", "protocols", "speed"}
"""These have a smoke of their own, here or in test_benchmarks.py."""
NEED_MORE = {
    "agreed_gender": "recordings with the speakers' sex and age",
    "face_mesh": "points of a teacher's mesh",
    "false_faces": "portraits with meshes, and videos",
    "faces_found": "weights of a generator in training, and its checkpoints",
    "judge_ceiling": "published judges of faces",
    "matcher_additions": "recordings and portraits with ages",
    "matcher_robustness": "people with several videos",
    "opencv_faces": "OpenCV's models",
    "si_emotion": "weights of Speech2Video and a judge of emotions",
    "sync_expert": "weights of a sync expert",
    "training_people": "weights of a generator",
}
"""What nobody has made small yet."""


def test_every_benchmark_has_a_smoke_or_needs_what_cannot_be_made_here():
    kinds = [set(kind) for kind in (QUICK, SLOW, ELSEWHERE, NEED_MORE)]
    placed = set().union(*kinds)
    assert set(SCRIPTS) <= placed, "name it above, with words that make it tiny or what it needs"
    assert sum(map(len, kinds)) == len(placed)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Recordings and pictures of 60 people, and the corpus of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        files = importlib.import_module("growth").make_people(tmp_path_factory.mktemp("files"), 60)
    corpus = files.parent / "corpus"
    main(["prepare", "pairs", str(files), "-o", str(corpus), "--workers", "1"])
    return {"files": files, "corpus": corpus}


def runs_to_its_end(name, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *words.split()])
    for what, value in SMALLER.get(name, {}).items():
        monkeypatch.setattr(importlib.import_module(name), what, value)
    threads = torch.get_num_threads()
    try:
        importlib.import_module(name).main()
    except SystemExit as ended:
        assert not ended.code
    finally:
        torch.set_num_threads(threads)
    assert re.search(r"\d", capsys.readouterr().out), "it prints figures"


@pytest.mark.parametrize("name", QUICK)
def test_it_runs(name, monkeypatch, capsys):
    runs_to_its_end(name, QUICK[name], monkeypatch, capsys)


@pytest.mark.slow
def test_the_coverage_of_intervals_runs(capsys):
    importlib.import_module("protocols").coverage(experiments=2, people=20, resamples=20)
    assert re.search(r"\d", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_it_runs_when_there_is_time(name, places, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    runs_to_its_end(name, SLOW[name].format(**places), monkeypatch, capsys)
