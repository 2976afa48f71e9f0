"""The workers of a Dask cluster, behind the same pool as processes of this machine."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

from voiceface.corpus.worker_pool import WorkerPool
from voiceface.errors import InputError, MissingPartError

A = TypeVar("A")
R = TypeVar("R")

_CONNECT = 15  # seconds for the scheduler to answer
_WORKERS = 60  # seconds for the first worker to come


@dataclass(frozen=True)
class _OnWorker(Generic[A, R]):
    """The task as a worker of the cluster does it: only where it would do what is done here."""

    task: Callable[[A], R]
    version: str
    folders: tuple[Path, ...]

    def __call__(self, argument: A) -> R:
        host = f"the worker on {socket.gethostname()}"
        if _version() != self.version:
            fault = f"has voiceface {_version()}, and this command is of {self.version}"
            raise InputError(host, fault, "install the same version on all machines")
        for folder in self.folders:
            if not folder.is_dir():
                remedy = "mount the same storage under the same path on all machines"
                raise InputError(folder, f"is not there for {host}", remedy)
        return self.task(argument)


class _DaskPool(Generic[A, R]):
    def __init__(self, client: Any, address: str, call: Callable[[A], R]) -> None:  # noqa: ANN401  distributed's
        self._client, self._address, self._call = client, address, call
        self._executor: Executor = client.get_executor(pure=False)

    @property
    def size(self) -> int:
        """Twice as many tasks as threads, so that none waits for the next; workers join and leave."""
        self.check()
        threads: dict[str, int] = self._client.nthreads()
        return max(1, 2 * sum(threads.values()))

    def submit(self, argument: A) -> Future[R]:
        self.check()
        return self._executor.submit(self._call, argument)

    def done(self, future: Future[R]) -> None:
        """Tell what a user can mend; the scheduler replaces its workers itself."""
        error = CancelledError() if future.cancelled() else future.exception()
        if isinstance(error, CancelledError) or type(error).__name__.endswith("CancelledError"):
            raise self._lost() from error
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ModuleNotFoundError):
                remedy = "install the same voiceface, with its extras, on all machines"
                raise InputError(self._address, f"has a worker without {cause.name}", remedy) from error
            cause = cause.__cause__

    def check(self) -> None:
        """Raise InputError if the scheduler is gone: what it had is lost, what is stored is not."""
        if self._client.status != "running":
            raise self._lost()

    def _lost(self) -> InputError:
        remedy = "start the scheduler, then the same command again: what is finished is kept"
        return InputError(self._address, "the Dask scheduler has gone", remedy)


@contextlib.contextmanager
def cluster_worker_pool(
    address: str, task: Callable[[A], R], *, folders: Sequence[Path] = ()
) -> Iterator[WorkerPool[A, R]]:
    """The workers of a Dask scheduler at ``address``, or of one started here for ``"local"``.

    Certificates are those of Dask's own configuration (``distributed.comm.tls``).

    Args:
        address: ``tcp://host:port``, ``tls://host:port`` or ``local``.
        task: A function of a module of this package.
        folders: What every worker must see under the same path.

    Raises:
        MissingPartError: the package distributed is not installed.
        InputError: nobody answers at the address, no worker comes, or the scheduler goes.
    """
    try:
        import distributed
    except ImportError as error:
        fault = "is not installed, and --cluster needs it"
        raise MissingPartError("distributed", fault, "pip install 'voiceface[cluster]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its tracebacks; the error is one line
    connect: Any = distributed.Client
    how: dict[str, Any] = {"processes": True, "dashboard_address": None}
    how = how if address == "local" else {"address": address, "timeout": _CONNECT}
    try:
        client = connect(**how, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        remedy = "check the address, and that `dask scheduler` runs there"
        if address.startswith("tls:"):
            remedy += "; tls:// needs the certificates in Dask's configuration, distributed.comm.tls"
        raise InputError(address, "no Dask scheduler answers there", remedy) from error
    call = _OnWorker(task, _version(), tuple(folder.resolve() for folder in folders))
    with contextlib.closing(client):
        if not client.nthreads():
            try:
                client.wait_for_workers(1, timeout=_WORKERS)
            except TimeoutError as error:
                remedy = f"start some: dask worker {address}"
                raise InputError(address, "the Dask scheduler has no workers", remedy) from error
        yield _DaskPool(client, address, call)


def _version() -> str:
    try:
        return version("voiceface")
    except PackageNotFoundError:
        return "unknown"
