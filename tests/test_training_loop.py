"""The loop: same seed, same bits; stopped and resumed = uninterrupted; turns keep to their own parameters."""

from __future__ import annotations

import copy
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from small_models import CORPUS, Adversaries, Data, Regression, small_run
from voiceface.errors import InputError
from voiceface.models.model import Turn
from voiceface.training.batches import seed_step
from voiceface.training.loop import train
from voiceface.training.optimisers import build_optimiser, learning_rate
from voiceface.training.run import Optimiser
from voiceface.training.trainer import average_weights
from voiceface.training.weights import read_weights

KINDS = ["regression", "adversaries", "contrast"]


def fit(run, out: Path, **more: Any) -> Path:
    return train(run, CORPUS, out, **({"device": "cpu", "progress": False} | more))


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


class Stopping(Data):
    """Data on which the power fails at one step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        if step == self.at:
            raise KeyboardInterrupt
        return super().batch(step)


class Gambler(Regression):
    """Draws from python's and numpy's generators too."""

    def error(self, batch, shared):
        chance = random.random() + float(np.random.rand())
        return {"loss": super().error(batch, shared)["loss"] * chance}


def assert_same_outcome(one: Path, two: Path) -> None:
    first, second = read_weights(one / "weights"), read_weights(two / "weights")
    assert first[1] == second[1]
    assert first[0].keys() == second[0].keys()
    for name, tensor in first[0].items():
        assert torch.equal(tensor, second[0][name]), name
    assert (one / "log.jsonl").read_bytes() == (two / "log.jsonl").read_bytes()
    for file in (one / "checkpoints").iterdir():
        a, b = (torch.load(f / "checkpoints" / file.name, weights_only=True) for f in (one, two))
        a.pop("seconds"), b.pop("seconds")
        assert_equal(a, b)


def assert_equal(one: Any, two: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for name in one:
            assert_equal(one[name], two[name])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b)
    else:
        assert one == two


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_losses_and_another_seed_others(kind, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(random.randrange(1000))  # what the caller drew before must not matter
        fit(small_run(kind, seed=seed, steps=20), tmp_path / name)
    assert log_of(tmp_path / "a") == log_of(tmp_path / "b")
    assert log_of(tmp_path / "a") != log_of(tmp_path / "c")


@pytest.mark.parametrize("stops", [[5], [47], [20, 21, 59]])
@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(kind, stops, tmp_path):
    fit(small_run(kind), tmp_path / "whole")
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            fit(small_run(kind, data=lambda selection, facts, at=stop: Stopping(at)), tmp_path / "cut")
        assert not (tmp_path / "cut" / "weights").exists()
        torch.manual_seed(stop)
    fit(small_run(kind), tmp_path / "cut")
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_python_and_numpy_generators_resume_too(tmp_path):
    changes: dict[str, Any] = {"build": lambda facts: Gambler(), "validate": None}
    for name, stop in (("whole", None), ("cut", 47)):
        random.seed(3)
        np.random.seed(3)
        if stop is not None:
            with pytest.raises(KeyboardInterrupt):
                fit(small_run("regression", data=lambda s, f: Stopping(47), **changes), tmp_path / name)
            random.seed(4)
            np.random.seed(4)
        fit(small_run("regression", **changes), tmp_path / name)
    assert_same_outcome(tmp_path / "whole", tmp_path / "cut")


def test_a_gan_step_is_what_a_hand_written_one_does(tmp_path):
    """The reference detaches the fakes and steps plain Adams; the loop must land on the same weights."""
    built: list[Adversaries] = []

    def build(facts) -> Adversaries:
        built.append(Adversaries())
        return built[-1]

    run = small_run("adversaries", build=build, steps=12, validate=None, ema=None)
    fit(run, tmp_path / "run")
    loop = built[0]

    seed_step(0, -1, 0, torch.device("cpu"))
    hand = Adversaries()
    start = copy.deepcopy(hand.teacher.state_dict())
    hand.teacher.eval()
    judge = torch.optim.Adam(hand.judge.parameters(), lr=1e-2)
    generator = torch.optim.Adam(hand.generator.parameters(), lr=1e-2)
    for step in range(12):
        seed_step(0, step, 0, torch.device("cpu"))
        batch = Data().batch(step)
        fake = hand.generator(batch["x"] + 0.1 * torch.randn_like(batch["x"]))
        loss = F.softplus(-hand.judge(batch["y"])).mean() + F.softplus(hand.judge(fake.detach())).mean()
        judge.zero_grad()
        loss.backward()
        judge.step()
        features = (hand.teacher(fake) - hand.teacher(batch["y"])).square().mean()
        loss = F.softplus(-hand.judge(fake)).mean() + 0.1 * features
        generator.zero_grad()
        loss.backward()
        generator.step()
    for name, tensor in hand.state_dict().items():
        torch.testing.assert_close(loop.state_dict()[name], tensor, rtol=1e-5, atol=1e-7, msg=name)

    assert loop.generated == 12  # shared once a step
    assert loop.seen == [("judge", True, False, False), ("generator", False, True, False)] * 12
    for name, tensor in start.items():  # frozen: neither weights nor running statistics moved
        assert torch.equal(loop.teacher.state_dict()[name], tensor), name
    assert all(p.grad is None for p in loop.teacher.parameters())


def test_a_turn_zeroes_only_its_own_gradients(tmp_path):
    seen = []

    class Watched(Adversaries):
        def generating(self, batch, fake):
            seen.append([p.grad.clone() for p in self.judge.parameters()])
            return super().generating(batch, fake)

        def after_step(self):
            assert all(torch.equal(p.grad, g) for p, g in zip(self.judge.parameters(), seen[-1], strict=True))
            assert all(p.grad is not None for p in self.generator.parameters())

    fit(small_run("adversaries", build=lambda facts: Watched(), steps=3, validate=None), tmp_path / "run")
    assert len(seen) == 3


def test_a_rare_turn_is_played_at_the_last_of_its_steps(tmp_path):
    played = []

    class Critic(Adversaries):
        def turns(self):
            first, second = super().turns()
            return [first, Turn("generator", second.parameters, second.loss, every=5)]

        def _note(self, turn):
            played.append(turn)

    fit(small_run("adversaries", build=lambda facts: Critic(), steps=10, validate=None), tmp_path / "run")
    assert played == (["judge"] * 5 + ["generator"]) * 2


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("32", torch.float32), ("auto", torch.float32)]
)
def test_precision_reaches_the_activations_of_every_turn_and_of_shared(precision, dtype, tmp_path):
    seen = set()

    class Watched(Adversaries):
        def shared(self, batch):
            fake = super().shared(batch)
            seen.add(("shared", fake.dtype))
            return fake

        def judging(self, batch, fake):
            seen.add(("judge", self.judge(fake).dtype))
            return super().judging(batch, fake)

        def generating(self, batch, fake):
            seen.add(("generator", self.judge(fake).dtype))
            return super().generating(batch, fake)

    run = small_run("adversaries", build=lambda facts: Watched(), steps=2, validate=None)
    weights = fit(run, tmp_path / "run", precision=precision)
    assert seen == {(part, dtype) for part in ("shared", "judge", "generator")}
    assert all(t.dtype == torch.float32 for n, t in read_weights(weights)[0].items() if n.endswith("weight"))


def test_the_average_is_the_slow_formula():
    torch.manual_seed(0)
    model = Regression(norm=True)
    average = average_weights(model, 0.9)
    slow = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(5):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p))
        model.body(torch.randn(8, 4))
        average.update_parameters(model)
        for name, p in model.named_parameters():
            slow[name] = 0.9 * slow[name] + 0.1 * p.detach()
    for name, p in average.module.named_parameters():
        torch.testing.assert_close(p.detach(), slow[name])
    assert torch.equal(average.module.body[1].running_mean, model.body[1].running_mean)


def test_the_average_is_what_is_exported(tmp_path):
    weights = fit(small_run("regression"), tmp_path / "run")
    state = torch.load(tmp_path / "run/checkpoints/step-000000060.pt", weights_only=True)
    tensors, run_json = read_weights(weights)
    assert run_json["best_step"] == 60
    for name, tensor in tensors.items():
        assert torch.equal(tensor, state["average"][name])
        assert not torch.equal(tensor, state["model"][name])


def test_clipping_bounds_the_gradient_and_logs_its_norm(tmp_path):
    norms = []

    class Watched(Regression):
        def after_step(self):
            norms.append(float(torch.cat([p.grad.flatten() for p in self.parameters()]).norm()))

    spec = Optimiser(name="sgd", lr=0.1, clip=0.05)
    run = small_run("regression", build=lambda facts: Watched(), optimisers={"fit": spec}, steps=10)
    fit(run, tmp_path / "run")
    assert max(norms) <= 0.05 * (1 + 1e-4)
    assert log_of(tmp_path / "run")[0]["fit/gradient"] > 0.05


def test_the_schedule_reaches_the_optimiser(tmp_path):
    spec = Optimiser(name="sgd", lr=1.0, schedule="linear", warmup=2)
    weights = []

    class Slope(Regression):
        def error(self, batch, shared):
            return {"loss": self.head.bias.sum()}  # gradient 1: a step moves the bias by the rate

        def after_step(self):
            weights.append(float(self.head.bias[0]))

    run = small_run(
        "regression", build=lambda facts: Slope(), optimisers={"fit": spec}, steps=12, validate=None, ema=None
    )
    fit(run, tmp_path / "run")
    moved = -np.diff(weights)
    assert moved == pytest.approx([learning_rate(spec, step, 12) for step in range(1, 12)], abs=1e-5)
    assert moved[0] == pytest.approx(1.0, abs=1e-5)
    assert moved[-1] == pytest.approx(0.1, abs=1e-5)


def test_the_best_step_is_exported_and_kept_beside_the_newest(tmp_path):
    values = iter([0.5, 0.9, 0.7, float("nan"), 0.8])
    run = small_run(
        "regression", steps=50, every=10, select="auc", validate=lambda *_: {"auc": next(values)}, ema=None
    )
    weights = fit(run, tmp_path / "run")
    kept = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [f"step-{step:09}.pt" for step in (20, 40, 50)]
    tensors, run_json = read_weights(weights)
    assert (run_json["best_step"], run_json["results"]) == (20, {"validation": {"auc": 0.9}})
    state = torch.load(tmp_path / "run/checkpoints/step-000000020.pt", weights_only=True)
    assert all(torch.equal(tensor, state["model"][name]) for name, tensor in tensors.items())
    assert [line["validation/auc"] for line in log_of(tmp_path / "run") if "validation/auc" in line][
        3
    ] is None


def test_calibration_is_learnt_with_the_exported_weights(tmp_path):
    seen = []

    def calibrate(model, selection, facts):
        seen.append({name: tensor.clone() for name, tensor in model.weights().items()})
        assert not model.training
        return {"scale": 2.0, "people": selection.people}

    weights = fit(small_run("regression", calibrate=calibrate), tmp_path / "run")
    tensors, run_json = read_weights(weights)
    assert run_json["facts"] == {"people": ["eve"], "scale": 2.0}
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in seen[0].items())


def test_a_line_of_the_log_is_the_mean_of_its_steps(tmp_path):
    losses = []

    class Watched(Regression):
        def error(self, batch, shared):
            named = super().error(batch, shared)
            if self.training:
                losses.append(named["loss"].item())
            return named

    fit(small_run("regression", build=lambda facts: Watched(), steps=25, every=25), tmp_path / "run")
    lines = [line for line in log_of(tmp_path / "run") if "fit/loss" in line]
    assert [line["step"] for line in lines] == [10, 20, 25]
    assert [line["fit/loss"] for line in lines] == pytest.approx(
        [np.mean(losses[:10]), np.mean(losses[10:20]), np.mean(losses[20:])]
    )


def test_curves_of_a_resumed_run_have_each_step_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KeyboardInterrupt):
        fit(small_run("regression", data=lambda s, f: Stopping(37)), tmp_path / "run")
    time.sleep(1.1)  # TensorBoard orders its files by the second they were opened in
    fit(small_run("regression"), tmp_path / "run")
    curves = EventAccumulator(str(tmp_path / "run" / "curves"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("fit/loss")] == [10, 20, 30, 40, 50, 60]


def test_the_bar_shows_the_figures_that_matter_and_quiet_is_quiet(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    fit(small_run("adversaries", steps=20), tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    fit(small_run("adversaries", steps=20), tmp_path / "bar", progress=True)
    out, shown = capsys.readouterr()
    assert not out
    for part in ("adversaries", "20/20", "steps/s", "judge 1.", "generator ", "val loss"):
        assert part in shown
    assert "real" not in shown


def test_a_finished_training_is_returned_at_once(tmp_path):
    first = fit(small_run("regression", steps=10), tmp_path / "run")

    def never(*_):
        raise AssertionError("it is finished")

    assert fit(small_run("regression", steps=10, build=never, data=never), tmp_path / "run") == first


def test_a_frozen_part_stays_in_eval_mode_after_validation(tmp_path):
    modes = []

    class Watched(Adversaries):
        def _note(self, turn):
            modes.append((self.training, self.judge.training, self.teacher.training))

    def validate(model, selection, facts):
        assert not any(module.training for module in model.modules())
        return {"loss": 0.0}

    run = small_run(
        "adversaries", build=lambda facts: Watched(), steps=30, every=10, ema=None, validate=validate
    )
    fit(run, tmp_path / "run")
    assert modes == [(True, True, False)] * 60


def test_optimisers_by_name():
    for name, kind in (("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD"), ("rmsprop", "RMSprop")):
        weight = nn.Parameter(torch.ones(3))
        optimiser = build_optimiser(Optimiser(name=name, lr=0.5, weight_decay=0.1), [weight])
        assert optimiser.defaults["weight_decay"] == 0.1
        assert type(optimiser).__name__ == kind
        weight.sum().backward()
        optimiser.step()
        assert (weight < 1).all()
    with pytest.raises(InputError, match="lion: is no optimiser"):
        build_optimiser(Optimiser(name="lion"), [nn.Parameter(torch.ones(1))])  # type: ignore[arg-type]
