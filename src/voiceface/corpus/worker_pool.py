"""Work handed out to workers: spawned processes on this machine, or those of a Dask cluster.

Whoever works, the task is the same function of a module, given one picklable argument. `run_all_shards` hands
out the shards of a preparation, `run_tasks` anything else; both survive a worker that dies.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import connection
from typing import Any, Generic, Protocol, TypeVar

from voiceface.corpus.item_limits import was_stopped
from voiceface.corpus.shards import JOURNAL_FOLDER, Shard, read_journal
from voiceface.errors import InputError

Facts = dict[str, dict[str, Any]]
A = TypeVar("A")
R = TypeVar("R")
A_in = TypeVar("A_in", contravariant=True)

_POLL = 0.25  # seconds between looks at the journals
_CRASHED_TWICE = (
    "ended the program that read it, twice (a crash in its decoder, or too little memory); leave it out"
)
_TOO_LONG = "took too long to read; leave it out, or give more time with --item-minutes"


class WorkerPool(Protocol[A_in, R]):
    """Some workers that do one task each at a time."""

    @property
    def size(self) -> int:
        """How many tasks to have at work; it may change."""
        ...

    def submit(self, argument: A_in) -> Future[R]:
        """Start the task with this argument on an idle worker."""
        ...

    def done(self, future: Future[R]) -> None:
        """Make its worker idle again, replaced if it died."""
        ...

    def check(self) -> None:
        """Raise InputError if nobody can work any longer."""
        ...


class _ProcessPool(Generic[A, R]):
    """One single-process pool a worker: when a process dies it is known whose shard it held."""

    def __init__(self, size: int, task: Callable[[A], R]) -> None:
        self.size, self._task = size, task
        self._context = multiprocessing.get_context("spawn")
        # The parent holds one end, every worker the other: it closes when the parent stops or is killed,
        # otherwise the workers would wait forever or go on writing.
        ends: tuple[Any, Any] = self._context.Pipe(duplex=False)
        self._theirs, self._ours = ends
        self._idle: list[Executor] = []
        self._busy: dict[Future[R], Executor] = {}

    def submit(self, argument: A) -> Future[R]:
        pool = self._idle.pop() if self._idle else self._new()
        with _worker_environment():  # a new process starts here
            future = pool.submit(self._task, argument)
        self._busy[future] = pool
        return future

    def done(self, future: Future[R]) -> None:
        pool = self._busy.pop(future)
        if isinstance(future.exception(), BrokenProcessPool):
            pool.shutdown(wait=False)
        else:
            self._idle.append(pool)

    def check(self) -> None:
        """Processes that die are replaced."""

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


_ENVIRONMENT = {
    # OpenBLAS would start a thread for every core in each of them, which wait busily for the next product:
    # `prepare` took a fifth more of the processor's time. Torch counts its own.
    "OPENBLAS_NUM_THREADS": "1",
    # glibc would give memory back after a picture and map it anew for the next, page by page: 600 a pair.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
"""What worker processes start with (docs/measurements/speed.md), unless the user said something else."""


@contextlib.contextmanager
def _worker_environment() -> Iterator[None]:
    """Processes that start inside get `_ENVIRONMENT`."""
    given = {name for name in _ENVIRONMENT if name in os.environ}
    if "OMP_NUM_THREADS" in os.environ:  # OpenBLAS takes it, too
        given.add("OPENBLAS_NUM_THREADS")
    if any(name.startswith("MALLOC_") for name in given):  # one threshold without the other makes it worse
        given.update(name for name in _ENVIRONMENT if name.startswith("MALLOC_"))
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in given}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


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
def local_worker_pool(size: int, task: Callable[[A], R]) -> Iterator[WorkerPool[A, R]]:
    """``size`` spawned processes of this machine; ended at once if the block ends in an error."""
    pool = _ProcessPool(size, task)
    try:
        yield pool
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close(at_once=False)


def run_tasks(
    arguments: Iterable[A], pool: WorkerPool[A, R], *, name: Callable[[A], str] = str
) -> Iterator[tuple[A, R]]:
    """Have every task done, each argument with what its task returned, in the order in which they end.

    No more arguments are taken than there are workers, so that they may be many.

    Args:
        arguments: What to do, in the order to begin with.
        pool: Who does it.
        name: What an argument is called in an error.

    Raises:
        InputError: what a task raised, or a task that ends its worker twice.
    """
    waiting, deaths = iter(arguments), Counter[str]()
    working: dict[Future[R], A] = {}
    again: list[A] = []
    while True:
        while len(working) < pool.size:
            task = again.pop() if again else next(waiting, None)
            if task is None:
                break
            working[pool.submit(task)] = task
        if not working:
            return
        done, _ = wait(working, timeout=_POLL, return_when=FIRST_COMPLETED)
        pool.check()
        for future in done:
            task = working.pop(future)
            pool.done(future)
            error = future.exception()
            if error is None:
                yield task, future.result()
            elif worker_died(error):
                deaths[name(task)] += 1
                if deaths[name(task)] > 1:
                    fault = "ended the process that worked on it, twice (a crash, or too little memory)"
                    raise InputError(name(task), fault, "leave it out, or run the command again") from error
                again.append(task)
            else:
                raise error


def run_all_shards(
    shards: Sequence[Shard], pool: WorkerPool[Shard, Facts], on_progress: Callable[[int, Facts | None], None]
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
        pool.check()
        for future in done:
            shard = working.pop(future)
            pool.done(future)
            error = future.exception()
            if error is None:
                finished += len(shard.items)
                on_progress(finished + sum(map(_items_done, working.values())), future.result())
            elif worker_died(error):
                waiting.append(_retry_or_reject(shard, deaths))
            else:
                raise error
        on_progress(finished + sum(map(_items_done, working.values())), None)


def _items_done(shard: Shard) -> int:
    return read_journal(shard) or 0


def worker_died(error: BaseException) -> bool:
    """Whether a task failed because its worker ended, and may succeed on another."""
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
