"""The one seam for work on several processes: nothing is lost when one dies, and results are those of one."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_fixtures import matcher_weights
from corpus_media import synthetic_voice
from pool_tasks import NAMES, environment_there, square_or_die
from voiceface.corpus import worker_pool
from voiceface.corpus.cluster_pool import cluster_worker_pool
from voiceface.corpus.worker_pool import run_tasks
from voiceface.corpus.workers import Workers
from voiceface.errors import InputError, MissingPartError
from voiceface.media.sound import save_sound
from voiceface.pipelines import embed as place
from voiceface.pipelines import embed_block
from voiceface.pipelines.embed import embed_files
from voiceface.pipelines.matcher import Matcher


def test_a_worker_that_dies_is_replaced_and_its_task_done_again(tmp_path):
    with Workers(2).pool(square_or_die) as pool:
        found = {task[0]: done for task, done in run_tasks([(k, tmp_path) for k in range(5)], pool)}
        assert found == {k: k * k for k in range(5)} and (tmp_path / "2").exists()
        with pytest.raises(InputError, match="task 5: ended the process that worked on it, twice"):
            list(run_tasks([(5, tmp_path)], pool, name=lambda task: f"task {task[0]}"))
        with pytest.raises(InputError, match="7: is no good; leave it out"):
            list(run_tasks([(6, tmp_path), (7, tmp_path)], pool))


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, ("1", None, "33554432", "134217728")),
        ({"OMP_NUM_THREADS": "3"}, (None, "3", "33554432", "134217728")),
        ({"OPENBLAS_NUM_THREADS": "2"}, ("2", None, "33554432", "134217728")),
        ({"MALLOC_TRIM_THRESHOLD_": "5000000"}, ("1", None, None, "5000000")),
    ],
)
def test_a_worker_has_one_thread_for_products_and_keeps_memory_unless_the_user_says_otherwise(
    monkeypatch, given, there
):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with Workers(2).pool(environment_there) as pool:
        assert [answer for _, answer in run_tasks(["a", "b"], pool)] == [there, there]
    assert dict(os.environ) == before


def test_no_more_tasks_are_taken_than_there_are_workers(tmp_path, monkeypatch):
    class Two:
        size = 2

        def submit(self, argument):
            future = worker_pool.Future()
            future.set_result(argument)
            return future

        def done(self, future):
            pass

        def check(self):
            pass

    taken, ended = [], 0
    for _ in run_tasks((taken.append(k) or k for k in range(1000)), Two()):
        ended += 1
        assert len(taken) <= ended + 2
    assert ended == 1000


def test_fewer_than_one_worker_is_refused():
    with pytest.raises(InputError, match="--workers: is 0; give 1 or more"):
        Workers(0)


def test_without_the_package_a_cluster_is_a_missing_part(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(MissingPartError, match=r"pip install 'voiceface\[cluster\]'"),
        cluster_worker_pool("tcp://127.0.0.1:1", square_or_die),
    ):
        pass


def voices(folder):
    folder.mkdir()
    paths = [folder / f"{k}.wav" for k in range(5)]
    for number, path in enumerate(paths):
        save_sound(path, synthetic_voice(number, 0.5))
    paths[3].write_text("no sound")
    return [str(path) for path in paths]


def test_two_processes_embed_the_same_bytes_as_one_and_go_on_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_BLOCK", 2)
    monkeypatch.chdir(tmp_path)
    matcher = Matcher.load(matcher_weights())
    names = [os.path.relpath(name) for name in voices(tmp_path / "voices")]
    one = embed_files(matcher, names, "one.npz", kind="voices")

    def killed(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_files(matcher, names, "two.npz", kind="voices", progress=killed)
    kept = next(Path("two.npz.parts").glob("0*.npz"))
    before = kept.stat().st_mtime_ns
    told = []

    def progress(done, total):
        told.append((done, kept.stat().st_mtime_ns))

    two = embed_files(matcher, names, "two.npz", kind="voices", workers=Workers(2), progress=progress)
    assert sorted(told)[-1] == (5, before) and len(told) == 2
    assert two.path.read_bytes() == one.path.read_bytes()
    assert [str(error) for error in two.failed] == [str(error) for error in one.failed]
    assert two.failed[0].what == names[3]


def other(**changed):
    """A block as a worker gets it."""
    matcher = Matcher.load(matcher_weights())
    block = embed_block.EmbedBlock(kind="voices", first=0, names=("missing.wav",))
    given = embed_block._elsewhere(block, matcher, None, 0)
    return replace(given, **changed)


def test_a_worker_with_other_weights_or_without_the_files_says_so():
    with pytest.raises(InputError, match="holds other weights for the worker on"):
        embed_block.embed_elsewhere(other(fingerprint="0" * 64))
    with pytest.raises(InputError, match=r"missing\.wav: is not there for the worker on .*; mount the same"):
        embed_block.embed_elsewhere(other(there=(True,)))
    rows, faults = embed_block.embed_elsewhere(other())
    assert np.isnan(rows).all() and faults[0][1].what == "missing.wav"
