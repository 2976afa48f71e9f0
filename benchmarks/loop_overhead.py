"""Steps per second of a tiny network in the loop and in the shortest loop one can write by hand.

    python benchmarks/loop_overhead.py [--steps 3000]

Both do the same sums (a made regression, fused Adam); the difference is what the loop costs a step:
seeding, turns, figures, log lines, TensorBoard.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from small_models import CORPUS, Data, Regression, small_run  # noqa: E402
from voiceface.training.loop import train  # noqa: E402


class Clock(Data):
    """Notes when each step began."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The step's rows."""
        self.times.append(time.perf_counter())
        return super().batch(step)


def by_hand(steps: int) -> list[float]:
    data, model = Clock(), Regression()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    for step in range(steps):
        named = model.error(data.batch(step), None)
        optimiser.zero_grad(set_to_none=True)
        named["loss"].backward()
        optimiser.step()
    return data.times


def in_the_loop(steps: int) -> list[float]:
    data = Clock()
    with tempfile.TemporaryDirectory() as place:
        run = small_run(
            "regression", data=lambda s, f: data, steps=steps, every=steps, validate=None, ema=None
        )
        train(run, CORPUS, Path(place) / "run", device="cpu", progress=False)
    return data.times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    for name, way in (("warm-up", by_hand), ("by hand", by_hand), ("in the loop", in_the_loop)):
        gaps = torch.tensor(way(steps), dtype=torch.float64).diff()
        mean, median = float(gaps.mean()), float(gaps.median())
        print(
            f"{name:12} {1 / mean:8.0f} steps/s, median {median * 1e6:6.0f} us a step, mean {mean * 1e6:6.0f}"
        )


if __name__ == "__main__":
    main()
