"""Two gloo processes on the CPU against one on the same global batch, within rounding.

Systems with BatchNorm are the stated exception: each process norms by its own share of the batch.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from small_models import CORPUS, Contrast, Data, Regression, small_run
from voiceface.errors import InputError
from voiceface.models.gather import gather_with_gradient
from voiceface.training.gradients import average_gradients
from voiceface.training.loop import train
from voiceface.training.run import Run
from voiceface.training.weights import read_weights

WORLD = 2


class OwnShare(Data):
    """Data that makes only its process's rows."""

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, torch.Tensor]:  # type: ignore[override]
        whole = super().batch(step)
        return {name: rows.chunk(world)[rank] for name, rows in whole.items()}


class Plain(Regression):
    """No dropout, and a mean-only figure (a maximum does not average over processes)."""

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__(dropout=0.0, norm=norm)

    def error(self, batch, shared):
        return {"loss": super().error(batch, shared)["loss"]}


class Noisy(Regression):
    """Dropout on: each process must draw its own."""

    def error(self, batch, shared):
        noise = torch.rand(()).item()  # before dropout, which draws more for a larger share
        return super().error(batch, shared) | {"noise": noise}


class Local(Contrast):
    """The mistake: each process contrasts its own rows alone."""

    def loss(self, batch, shared):
        voices, faces = (
            nn.functional.normalize(f(batch[k])) for f, k in ((self.voice, "x"), (self.face, "y"))
        )
        return {"loss": nn.functional.cross_entropy(voices @ faces.T / 0.1, torch.arange(len(voices)))}


def runs() -> dict[str, Run]:
    # SGD: Adam divides the rounding of a near-zero gradient by itself.
    from voiceface.training.run import Optimiser

    spec = Optimiser(name="sgd", lr=0.1, momentum=0.9, clip=1.0)

    def small(kind: str, turn: str, **changes: Any) -> Run:
        return small_run(kind, optimisers={turn: spec}, steps=30, **changes)

    return {
        "plain": small("regression", "fit", build=lambda facts: Plain()),
        "own": small("regression", "fit", build=lambda facts: Plain(), data=lambda s, f: OwnShare()),
        "contrast": small("contrast", "match"),
        "local": small("contrast", "match", build=lambda facts: Local()),
        "norm": small("regression", "fit", build=lambda facts: Plain(norm=True)),
        "noisy": small("regression", "fit", build=lambda facts: Noisy()),
    }


def worker(rank: int, port: int, folder: str) -> None:
    """One of the processes torchrun would start."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(WORLD),
        "LOCAL_WORLD_SIZE": str(WORLD),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    place = Path(folder)
    for name, run in runs().items():
        train(run, CORPUS, place / name, device="cpu", progress=False)
    # Stopped after the checkpoint of step 20, then resumed: equal to "plain".
    try:
        train(stopping(), CORPUS, place / "resumed", device="cpu", progress=False)
    except KeyboardInterrupt:
        train(runs()["plain"], CORPUS, place / "resumed", device="cpu", progress=False)
    facts = {"gather": gathering(rank), "reach": reaching(rank), "odd": odd(place)}
    (place / f"facts-{rank}.json").write_text(json.dumps(facts))
    dist.destroy_process_group()


def stopping() -> Run:
    class Stopping(Data):
        def batch(self, step: int) -> dict[str, torch.Tensor]:
            if step == 25:
                raise KeyboardInterrupt
            return super().batch(step)

    from dataclasses import replace

    return replace(runs()["plain"], data=lambda s, f: Stopping())


def gathering(rank: int) -> list[float]:
    """This process's rows of the gradient of one loss over all rows, divided by the processes."""
    rows = torch.arange(6.0).reshape(3, 2).add(10 * rank).requires_grad_()
    everything = gather_with_gradient(rows)
    assert everything.shape == (6, 2)
    (everything.prod(dim=1) * torch.arange(1.0, 7.0)).sum().backward()
    return (rows.grad / WORLD).flatten().tolist()


def reaching(rank: int) -> list[list[float] | None]:
    """Averages of a parameter reached by both, by the first process alone, and by neither."""
    both, first, neither = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.tensor([1.0, 2.0]) * (rank + 1)
    if rank == 0:
        first.grad = torch.tensor([4.0, 6.0])
    average_gradients([both, first, neither])
    return [None if p.grad is None else p.grad.tolist() for p in (both, first, neither)]


def odd(place: Path) -> str:
    run = small_run("regression", data=lambda s, f: Data(batch_size=15))
    try:
        train(run, CORPUS, place / "odd", device="cpu", progress=False)
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(worker, args=(port, str(folder)), nprocs=WORLD)
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    for name, run in runs().items():
        train(run, CORPUS, folder / name, device="cpu", progress=False)
    return folder


def distance(one: Path, two: Path) -> float:
    first, second = (read_weights(folder / "weights")[0] for folder in (one, two))
    return max(float((tensor - second[name]).abs().max()) for name, tensor in first.items() if tensor.dim())


@pytest.mark.parametrize("name", ["plain", "own", "contrast"])
def test_two_processes_learn_what_one_does(name, one, two):
    assert distance(one / name, two / name) < 1e-5
    lines = [[json.loads(x) for x in (f / name / "log.jsonl").read_text().splitlines()] for f in (one, two)]
    for alone, together in zip(*lines, strict=True):
        assert together == pytest.approx(alone, rel=1e-4)


def test_without_the_gather_a_contrastive_system_learns_something_else(one, two):
    assert distance(one / "local", two / "local") > 1e-2


def test_batch_statistics_are_each_process_own(one, two):
    """Stated, not hidden: with BatchNorm two processes are not one process on the same batch."""
    assert distance(one / "norm", two / "norm") > 1e-3


def test_processes_draw_their_own_random_numbers(one, two):
    noise = [
        json.loads((f / "noisy" / "log.jsonl").read_text().splitlines()[0])["fit/noise"] for f in (one, two)
    ]
    assert noise[0] != pytest.approx(noise[1])


def test_two_processes_resume_to_the_same_bits(two):
    for name, tensor in read_weights(two / "plain" / "weights")[0].items():
        assert torch.equal(tensor, read_weights(two / "resumed" / "weights")[0][name])
    assert (two / "plain" / "log.jsonl").read_bytes() == (two / "resumed" / "log.jsonl").read_bytes()


def test_gathered_rows_carry_the_gradient_of_the_whole_loss(two):
    rows = torch.cat([torch.arange(6.0).reshape(3, 2), torch.arange(6.0).reshape(3, 2) + 10]).requires_grad_()
    (rows.prod(dim=1) * torch.arange(1.0, 7.0)).sum().backward()
    got = [json.loads((two / f"facts-{rank}.json").read_text())["gather"] for rank in range(WORLD)]
    assert sum(got, []) == pytest.approx(rows.grad.flatten().tolist())


def test_a_gradient_missing_on_some_processes_counts_as_zero_and_on_all_stays_missing(two):
    for rank in range(WORLD):
        facts = json.loads((two / f"facts-{rank}.json").read_text())
        assert facts["reach"] == [[1.5, 3.0], [2.0, 3.0], None]


def test_a_batch_that_processes_cannot_share_is_refused(two):
    facts = json.loads((two / "facts-0.json").read_text())
    assert facts["odd"].startswith(
        "the batch: holds a tensor of shape (15, 4) for 2 processes; take a batch size"
    )
