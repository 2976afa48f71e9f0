"""Made problems of a few hundred numbers, on which the loop's promises are proved in seconds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.models.gather import gather_with_gradient
from voiceface.models.model import Model, Turn
from voiceface.training.run import Optimiser, Run

ITEMS = 64


class Regression(Model):
    """A small network with dropout (random numbers) and batch statistics (buffers), if wanted."""

    def __init__(self, *, dropout: float = 0.2, norm: bool = False, classes: int = 3) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(16) if norm else nn.Identity()
        self.body = nn.Sequential(nn.Linear(4, 16), middle, nn.Tanh(), nn.Dropout(dropout))
        self.head = nn.Linear(16, classes)
        self.class_heads = ("head",)

    def turns(self) -> list[Turn]:
        return [Turn("fit", list(self.parameters()), self.error)]

    def error(self, batch: dict[str, Tensor], shared: None) -> dict[str, Tensor]:
        guess = self.head(self.body(batch["x"]))
        error = (guess - batch["y"][:, : guess.shape[1]]).square()
        return {"loss": error.mean(), "largest": error.max()}


class Adversaries(Model):
    """A GAN of linear layers; counts how often the generator runs, and notes who got gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        self.judge = nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
        self.teacher = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.generated = 0
        self.seen: list[tuple[str, bool, bool, bool]] = []

    def turns(self) -> list[Turn]:
        return [
            Turn("judge", list(self.judge.parameters()), self.judging),
            Turn("generator", list(self.generator.parameters()), self.generating),
        ]

    def shared(self, batch: dict[str, Tensor]) -> Tensor:
        self.generated += 1
        return self.generator(batch["x"] + 0.1 * torch.randn_like(batch["x"]))

    def judging(self, batch: dict[str, Tensor], fake: Tensor) -> dict[str, Tensor]:
        self._note("judge")
        # Not detached on purpose: the loop must keep this loss out of the generator.
        real, made = self.judge(batch["y"]), self.judge(fake)
        return {"loss": F.softplus(-real).mean() + F.softplus(made).mean(), "real": real.sigmoid().mean()}

    def generating(self, batch: dict[str, Tensor], fake: Tensor) -> dict[str, Tensor]:
        self._note("generator")
        features = (self.teacher(fake) - self.teacher(batch["y"])).square().mean()
        return {"loss": F.softplus(-self.judge(fake)).mean() + 0.1 * features}

    def _note(self, turn: str) -> None:
        wanted = [
            next(part.parameters()).requires_grad for part in (self.judge, self.generator, self.teacher)
        ]
        self.seen.append((turn, *wanted))


class Contrast(Model):
    """Two heads to one space, symmetric InfoNCE over the whole global batch."""

    def __init__(self) -> None:
        super().__init__()
        self.voice, self.face = nn.Linear(4, 8), nn.Linear(3, 8)

    def turns(self) -> list[Turn]:
        return [Turn("match", list(self.parameters()), self.loss)]

    def loss(self, batch: dict[str, Tensor], shared: None) -> dict[str, Tensor]:
        voices = gather_with_gradient(F.normalize(self.voice(batch["x"]), dim=1))
        faces = gather_with_gradient(F.normalize(self.face(batch["y"]), dim=1))
        logits = voices @ faces.T / 0.1
        names = torch.arange(len(logits))
        return {"loss": (F.cross_entropy(logits, names) + F.cross_entropy(logits.T, names)) / 2}


class Data:
    """Rows drawn by a generator seeded with the step."""

    def __init__(self, *, batch_size: int = 16, seed: int = 0) -> None:
        make = torch.Generator().manual_seed(seed)
        self.x = torch.randn(ITEMS, 4, generator=make)
        self.y = torch.tanh(self.x @ torch.randn(4, 3, generator=make))
        self.batch_size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(ITEMS, (self.batch_size,), generator=draw)
        return {"x": self.x[rows], "y": self.y[rows]}


CORPUS: Any = SimpleNamespace(
    fingerprint="made", people=[], column=lambda table, name: np.array([], dtype=str)
)


def small_split(corpus: Any) -> Any:
    return SimpleNamespace(
        train=SimpleNamespace(people=["ann", "bob"]),
        validation=SimpleNamespace(people=["eve"]),
        test=SimpleNamespace(people=[]),
    )


def small_run(kind: str, **changes: Any) -> Run:
    """A run of one of the models above: ``regression``, ``adversaries`` or ``contrast``."""
    models = {"regression": Regression, "adversaries": Adversaries, "contrast": Contrast}
    spec = Optimiser(name="adam", lr=1e-2)
    turns = {"regression": ["fit"], "adversaries": ["judge", "generator"], "contrast": ["match"]}[kind]

    def validate(model: Model, selection: Any, facts: dict[str, Any]) -> dict[str, float]:
        assert not model.training
        data = Data()
        loss = model.turns()[-1].loss({"x": data.x, "y": data.y}, model.shared({"x": data.x}))
        return {"loss": float(loss["loss"])}

    plain: dict[str, Any] = {
        "recipe": kind,
        "arguments": {"lr": 1e-2},
        "split": small_split,
        "facts": lambda selection: {"people": len(selection.people)},
        "build": lambda facts: models[kind](),
        "data": lambda selection, facts: Data(),
        "optimisers": dict.fromkeys(turns, spec),
        "steps": 60,
        "validate": validate,
        "every": 20,
        "select": "-loss",
        "ema": 0.9,
    }
    return Run(**(plain | changes))
