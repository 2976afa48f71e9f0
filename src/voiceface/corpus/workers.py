"""Who does work that can be divided: this process, several of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from voiceface.corpus.cluster_pool import cluster_worker_pool
from voiceface.corpus.default_workers import default_workers
from voiceface.corpus.worker_pool import WorkerPool, local_worker_pool
from voiceface.errors import InputError

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes of this machine, or the workers of a Dask cluster; by default this process alone.

    Raises InputError for fewer than one process.
    """

    processes: int = 1
    cluster: str | None = None
    """``"local"`` or a Dask scheduler's address: its workers instead."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.processes < 1:
            raise InputError("--workers", f"is {self.processes}", "give 1 or more")

    @property
    def here(self) -> bool:
        """Whether the work is done in this process."""
        return self.cluster is None and self.processes == 1

    @property
    def threads(self) -> int:
        """Torch's threads for each process, so that all share the cores; 0 leaves a cluster's as they are."""
        return 0 if self.cluster is not None else max(1, default_workers() // self.processes)

    def pool(
        self, task: Callable[[A], R], *, folders: Sequence[Path] = ()
    ) -> AbstractContextManager[WorkerPool[A, R]]:
        """The workers, for `voiceface.corpus.worker_pool.run_tasks`.

        Args:
            task: A function of a module of this package.
            folders: What a cluster's workers must see under the same path.

        Raises:
            InputError: as `cluster_worker_pool`.
        """
        if self.cluster is not None:
            return cluster_worker_pool(self.cluster, task, folders=folders)
        return local_worker_pool(self.processes, task)


HERE = Workers()
"""This process alone."""
