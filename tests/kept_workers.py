"""Worker processes that outlive one `prepare`: a new one loads face detectors for two seconds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from voiceface.corpus import worker_pool
from voiceface.corpus.shards import run_shard

_real_pool = worker_pool.local_worker_pool


class KeptWorkers:
    """Stands for `local_worker_pool`: the same spawned processes, ended only with the tests.

    They are used again for the same number of workers in the same folder and environment; a preparation
    that fails, or has a task of its own, gets and ends its own processes as always.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], tuple[contextlib.ExitStack, Any]] = {}

    @contextlib.contextmanager
    def local_worker_pool(self, size: int, task: Callable[[Any], Any]) -> Iterator[Any]:
        if task is not run_shard:
            with _real_pool(size, task) as pool:
                yield pool
            return
        test = "PYTEST_CURRENT_TEST"
        key = size, os.getcwd(), *sorted(pair for pair in os.environ.items() if pair[0] != test)
        if key not in self._kept:
            self.close()
            stack = contextlib.ExitStack()
            self._kept[key] = stack, stack.enter_context(_real_pool(size, run_shard))
        try:
            yield self._kept[key][1]
        except BaseException as error:
            stack, _ = self._kept.pop(key)
            stack.__exit__(type(error), error, error.__traceback__)
            raise

    def close(self) -> None:
        """End the processes."""
        while self._kept:
            self._kept.popitem()[1][0].close()
