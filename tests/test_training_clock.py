"""Checkpoints and lines of progress by the clock; nothing shows where a training was stopped."""

from __future__ import annotations

import pytest

from small_models import CORPUS, Data, small_run
from voiceface.evaluation import train_with_progress
from voiceface.training import logs, loop


class Noting(Data):
    """Data that note which steps are asked for, and fail at one."""

    def __init__(self, *, fail_at=None):
        super().__init__()
        self.asked, self.fail_at = [], fail_at

    def batch(self, step):
        self.asked.append(step)
        if step == self.fail_at:
            raise KeyboardInterrupt
        return super().batch(step)


def fit(data, out, progress=False):
    run = small_run("regression", data=lambda selection, facts: data)
    return loop.train(run, CORPUS, out, device="cpu", progress=progress)


def test_a_checkpoint_is_written_by_the_clock_too(tmp_path, monkeypatch):
    fit(Noting(), tmp_path / "whole")
    monkeypatch.setattr(loop, "_SECONDS_UNSAVED", -1.0)
    with pytest.raises(KeyboardInterrupt):
        fit(Noting(fail_at=37), tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-000000020.pt", "step-000000030.pt"]
    monkeypatch.undo()
    resumed = Noting()
    fit(resumed, tmp_path / "run")
    assert resumed.asked[0] == 30
    for name in ("log.jsonl", "weights/model.safetensors", "weights/run.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_without_a_terminal_progress_is_a_line_now_and_then(tmp_path, monkeypatch):
    told = []
    fit(Noting(), tmp_path / "soon", told.append)
    assert told == []  # half a minute has not passed
    monkeypatch.setattr(logs, "_LINE_SECONDS", 0.0)
    fit(Noting(), tmp_path / "run", told.append)
    assert told[0].startswith("regression: step 10 of 60, ") and "steps/s  fit " in told[0]
    assert "val " in told[-1]
    log = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert log == (tmp_path / "soon" / "log.jsonl").read_bytes()


def test_trainings_of_a_longer_work_are_named_and_say_how_far_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_LINE_SECONDS", 0.0)
    monkeypatch.setattr(train_with_progress, "in_terminal", lambda: False)
    run = small_run("regression", data=lambda selection, facts: Noting())
    told = []

    def trained(tell):
        given = {"what": "2 of 6, C-GAN", "tell": tell, "device": "cpu"}
        return train_with_progress.train_with_progress(run, CORPUS, tmp_path / "run", **given)

    weights = trained(told.append)
    assert told[0] == "training 2 of 6, C-GAN: 60 steps of regression"
    assert told[1].startswith("2 of 6, C-GAN: regression: step 10 of 60, ")
    assert weights == tmp_path / "run" / "weights"
    told.clear()
    assert trained(told.append) == weights and told == []
    assert trained(None) == weights
