"""Checkpoints: everything a training needs to go on, bit for bit, written whole or not at all."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from voiceface.errors import InputError
from voiceface.media.files import atomic_path, partial_files
from voiceface.media.open_file import check_regular

_NAME = re.compile(r"step-(\d+)\.pt")


class Checkpoints:
    """The folder of a run's checkpoints, one file a step: the newest few and the best."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self) -> list[int]:
        """The steps there are whole checkpoints of, in order."""
        found = (_NAME.fullmatch(path.name) for path in self.folder.glob("step-*.pt"))
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """Where the checkpoint of ``step`` lies."""
        return self.folder / f"step-{step:09}.pt"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write ``state`` (tensors, numbers, strings, lists and dicts) as the checkpoint of ``step``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path(step)) as temporary:
            torch.save(state, temporary)

    def load(self, step: int) -> dict[str, Any]:
        """Read the checkpoint of ``step`` to the CPU, without running any code in it.

        Raises:
            InputError: it is damaged or not a checkpoint.
        """
        path = self.path(step)
        check_regular(path)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load has no error type of its own
            fault = f"is damaged ({type(error).__name__})"
            raise InputError(path, fault, "delete it to go on from the checkpoint before it") from error
        if not isinstance(state, dict) or state.get("step") != step:
            raise InputError(
                path, "is no checkpoint of that step", "delete it to go on from the one before it"
            )
        return state

    def prune(self, keep: int, best: Collection[int]) -> None:
        """Remove all but the newest ``keep`` and the ``best``, and what killed writers left."""
        for step in self.steps()[:-keep]:
            if step not in best:
                self.path(step).unlink(missing_ok=True)
        for path in partial_files(self.folder):
            path.unlink(missing_ok=True)


def random_states() -> dict[str, Any]:
    """The states of all generators: python's, numpy's, torch's on the CPU and on every GPU."""
    numbers: dict[str, Any] = np.random.get_state(legacy=False)
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "python": random.getstate(),
        # torch.load(weights_only=True) reads tensors, not arrays.
        "numpy": numbers
        | {"state": numbers["state"] | {"key": torch.tensor(numbers["state"]["key"].tolist())}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if on_gpu else [],
    }


def gather_random_states() -> list[dict[str, Any]]:
    """`random_states` of every process, in the order of their ranks; all must call it."""
    mine = random_states()
    if not dist.is_available() or not dist.is_initialized():
        return [mine]
    states: list[dict[str, Any]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(states, mine)
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Put all generators back to what `random_states` returned."""
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    numbers = states["numpy"]
    keys = numbers["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state(numbers | {"state": numbers["state"] | {"key": keys}})
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
