"""A command that is told to end leaves nothing half written; what killed ones left is swept."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from cli_fixtures import call
from small_models import CORPUS, Data, small_run
from voiceface.cli import app
from voiceface.errors import InputError
from voiceface.media import files
from voiceface.media.files import atomic_path, temporary_name, write_text
from voiceface.training.checkpoint import Checkpoints
from voiceface.training.loop import train
from voiceface.training.weights import write_weights

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_to_end_is_like_ctrl_c(monkeypatch, tmp_path, name, code):
    def work(tokens):
        with atomic_path(tmp_path / "half.txt") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(5)

    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        monkeypatch.setattr(app, "_dispatch", work)
        call("list").refused(f"stopped by {name}; run the same command again", code=code)
        assert list(tmp_path.iterdir()) == []
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


@posix
def test_under_nohup_a_command_goes_on(monkeypatch):
    def work(tokens):
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    monkeypatch.setattr(app, "_dispatch", work)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert call("list").code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@posix
def test_a_working_directory_that_is_gone_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    call("list", "metrics").refused("the working directory: has been deleted; change to another folder")


@posix
def test_what_dead_processes_were_writing_is_removed_at_the_next_write(tmp_path, monkeypatch):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    ours = temporary_name(tmp_path / "x.npz")
    theirs = ours.with_name(ours.name.replace(str(os.getpid()), dead.stdout.strip()))
    elsewhere = theirs.with_name(theirs.name.replace(files._HOST, "0" * len(files._HOST)))
    for path in (ours, theirs, elsewhere):
        path.write_text("half")
    folder = theirs.with_name(theirs.name.replace(".npz", ""))
    (folder / "inner").mkdir(parents=True)
    monkeypatch.setattr(files, "_SWEPT", set())
    write_text(tmp_path / "y.txt", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([ours, elsewhere, tmp_path / "y.txt"])


def test_weights_replaced_by_a_killed_writer_are_removed_by_the_next(tmp_path):
    left = tmp_path / ".w.replaced-0badcafe"
    left.mkdir()
    write_weights(tmp_path / "w", {"a": torch.ones(2)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@posix
def test_a_checkpoint_over_the_limit_of_a_file_is_one_line(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(InputError, match="larger than this disk or account allows"):
            checkpoints.save(2, {"step": 2, "model": torch.zeros(200_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.pt"]


class Drawing(Data):
    """Data of a user who draws from python's and numpy's global generators."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def batch(self, step):
        self.drawn.append((random.random(), float(np.random.rand())))
        return super().batch(step)


def test_two_trainings_of_one_seed_draw_the_same_from_every_generator(tmp_path):
    drawn = []
    for number in range(2):
        data = Drawing()
        run = small_run("regression", data=lambda selection, facts, data=data: data, steps=4, every=4)
        train(run, CORPUS, tmp_path / str(number), device="cpu", progress=False)
        drawn.append(data.drawn)
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 4
