"""What torchrun starts in tests/test_two_nodes.py: a small training whose steps take a moment.

torchrun ... node_training.py FOLDER SECONDS_A_STEP
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from small_models import CORPUS, Data
from test_training_processes import Plain, runs
from voiceface.training.loop import train

STEPS, EVERY = 60, 5


def run(seconds: float):
    class Slow(Data):
        def batch(self, step: int):
            time.sleep(seconds)
            return super().batch(step)

    plain = replace(runs()["plain"], build=lambda facts: Plain(), steps=STEPS, every=EVERY)
    return replace(plain, data=lambda selection, facts: Slow())


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(run(float(sys.argv[2])), CORPUS, Path(sys.argv[1]), device="cpu", progress=False)
