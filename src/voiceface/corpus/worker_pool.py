"""Workers for shards: spawned processes on this machine, or a Dask cluster.

Either way `run_all_shards` hands out shards, survives a worker that dies, and reports progress.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import connection
from typing import Any, Protocol

from voiceface.corpus.item_limits import was_stopped
from voiceface.corpus.shards import JOURNAL_FOLDER, Shard, read_journal, run_shard
from voiceface.errors import InputError, MissingPartError

Facts = dict[str, dict[str, Any]]
Task = Callable[[Shard], Facts]

_POLL = 0.25  # seconds between looks at the journals
_CRASHED_TWICE = (
    "ended the program that read it, twice (a crash in its decoder, or too little memory); leave it out"
)


_TOO_LONG = "took too long to read; leave it out, or give more time with --item-minutes"


class WorkerPool(Protocol):
    """Some workers that take one shard each."""

    size: int

    def submit(self, shard: Shard) -> Future[Facts]:
        """Start a shard on an idle worker."""
        ...

    def done(self, future: Future[Facts]) -> None:
        """Make its worker idle again, replaced if it died."""
        ...


class _ProcessPool:
    """One single-process pool a worker: when a process dies it is known whose shard it held."""

    def __init__(self, size: int, task: Task) -> None:
        self.size, self._task = size, task
        self._context = multiprocessing.get_context("spawn")
        # The parent holds one end, every worker the other: it closes when the parent stops or is killed,
        # otherwise the workers would wait forever or go on writing.
        ends: tuple[Any, Any] = self._context.Pipe(duplex=False)
        self._theirs, self._ours = ends
        self._idle: list[Executor] = []
        self._busy: dict[Future[Facts], Executor] = {}

    def submit(self, shard: Shard) -> Future[Facts]:
        pool = self._idle.pop() if self._idle else self._new()
        future = pool.submit(self._task, shard)
        self._busy[future] = pool
        return future

    def done(self, future: Future[Facts]) -> None:
        pool = self._busy.pop(future)
        if isinstance(future.exception(), BrokenProcessPool):
            pool.shutdown(wait=False)
        else:
            self._idle.append(pool)

    def close(self, *, at_once: bool) -> None:
        if at_once:
            self._ours.close()
        for pool in (*self._idle, *self._busy.values()):
            pool.shutdown(wait=True, cancel_futures=True)
        self._ours.close()
        self._theirs.close()

    def _new(self) -> Executor:
        return ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_initialise_worker, initargs=(self._theirs,)
        )


def _initialise_worker(lifeline: connection.Connection) -> None:
    """In a new worker: leave Ctrl-C and SIGHUP to the parent; end when its end of the lifeline is gone."""
    for name in ("SIGINT", "SIGHUP"):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def watch() -> None:
        connection.wait([lifeline])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def local_worker_pool(size: int, task: Task = run_shard) -> Iterator[WorkerPool]:
    """``size`` spawned processes of this machine; ended at once if the block ends in an error."""
    pool = _ProcessPool(size, task)
    try:
        yield pool
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close(at_once=False)


class _DaskPool:
    def __init__(self, executor: Executor, size: int) -> None:
        self.executor, self.size = executor, size

    def submit(self, shard: Shard) -> Future[Facts]:
        return self.executor.submit(run_shard, shard)

    def done(self, future: Future[Facts]) -> None:
        """The scheduler replaces its workers itself."""


@contextlib.contextmanager
def cluster_worker_pool(address: str) -> Iterator[WorkerPool]:
    """The workers of a Dask scheduler at ``address``, or of one started here for ``"local"``.

    They must see the source's and the corpus' folders under the same paths.

    Raises:
        MissingPartError: the package distributed is not installed.
        InputError: nobody answers at the address.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingPartError(
            "distributed", "is not installed, and cluster= needs it", "pip install 'voiceface[cluster]'"
        ) from error
    connect: Any = distributed.Client
    how = {"processes": True, "dashboard_address": None} if address == "local" else {"address": address}
    try:
        client = connect(**how)
    except (OSError, ValueError) as error:
        raise InputError(address, "no Dask scheduler answers there", "check the address") from error
    with client:
        if not client.nthreads():
            client.wait_for_workers(1)
        # Twice as many shards as threads, so that none waits for the next.
        yield _DaskPool(client.get_executor(pure=False), 2 * sum(client.nthreads().values()))


def run_all_shards(
    shards: Sequence[Shard], pool: WorkerPool, on_progress: Callable[[int, Facts | None], None]
) -> None:
    """Have every shard done; an item that ends its worker twice is rejected, the others are not lost.

    Args:
        shards: What to do, in the order to begin with.
        pool: Who does it.
        on_progress: Called often with the number of items finished, and with what a finished shard wrote.

    Raises:
        InputError: what a shard raised (a full disk), or workers that die without an item at fault.
    """
    waiting = list(reversed(shards))
    working: dict[Future[Facts], Shard] = {}
    deaths: Counter[tuple[str, int | None]] = Counter()
    finished = 0
    while waiting or working:
        while waiting and len(working) < pool.size:
            shard = waiting.pop()
            working[pool.submit(shard)] = shard
        done, _ = wait(working, timeout=_POLL, return_when=FIRST_COMPLETED)
        for future in done:
            shard = working.pop(future)
            pool.done(future)
            error = future.exception()
            if error is None:
                finished += len(shard.items)
                on_progress(finished + sum(map(_items_done, working.values())), future.result())
            elif _worker_died(error):
                waiting.append(_retry_or_reject(shard, deaths))
            else:
                raise error
        on_progress(finished + sum(map(_items_done, working.values())), None)


def _items_done(shard: Shard) -> int:
    return read_journal(shard) or 0


def _worker_died(error: BaseException) -> bool:
    # Dask's error by name: the package may not be there to import it from.
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


def _retry_or_reject(shard: Shard, deaths: Counter[tuple[str, int | None]]) -> Shard:
    """The shard to try next: the same once more, then without the item that was at work both times."""
    index = read_journal(shard)
    if index is not None and index >= len(shard.items):
        index = None
    if index is not None and was_stopped(shard.stopped_note):
        shard.stopped_note.unlink()
        return replace(shard, fatal={**shard.fatal, index: _TOO_LONG})
    # Otherwise a worker that dies before it begins would be blamed on the last one's item.
    (shard.out / JOURNAL_FOLDER / shard.part).unlink(missing_ok=True)
    deaths[shard.part, index] += 1
    if deaths[shard.part, index] < 2:
        return shard
    if index is None:
        raise InputError(shard.out, "its workers end before they begin", "look at what they print above")
    return replace(shard, fatal={**shard.fatal, index: _CRASHED_TWICE})
