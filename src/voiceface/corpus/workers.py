"""Who does work that can be divided: this process, several of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from voiceface.corpus.cluster_pool import cluster_worker_pool
from voiceface.corpus.default_workers import default_workers
from voiceface.corpus.worker_pool import WorkerPool, local_worker_pool, run_tasks
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

    def run(
        self, task: Callable[[A], R], arguments: Iterable[A], *, folders: Sequence[Path] = ()
    ) -> Iterator[tuple[A, R]]:
        """Every argument with what the task made of it, in the order in which they end.

        Args:
            task: A function of a module of this package.
            arguments: What to do; as a text each is what an error calls it.
            folders: What a cluster's workers must see under the same path.

        Raises:
            InputError: what the task raises, and as `cluster_worker_pool`.
        """
        if self.here:
            for argument in arguments:
                yield argument, task(argument)
            return
        with self.pool(task, folders=folders) as pool:
            yield from run_tasks(arguments, pool)


HERE = Workers()
"""This process alone."""
