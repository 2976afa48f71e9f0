"""A Dask scheduler and workers on loopback, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent


class DaskCluster:
    """A scheduler at one port, which can be killed and started again, and workers that can be killed."""

    def __init__(self, folder: Path, *, protocol: str = "tcp", tls: dict[str, str] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"{protocol}://127.0.0.1:{self.port}"
        self.folder, self.protocol = folder, protocol
        self.tls = [word for name, value in (tls or {}).items() for word in (f"--tls-{name}", value)]
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int) -> None:
        words = [
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--no-dashboard",
            "--protocol",
            self.protocol,
        ]
        self.scheduler = self._run("distributed.cli.dask_scheduler", *words)
        self._wait_for_port()
        for _ in range(workers):
            self.join()

    def join(self) -> None:
        """One more worker, of one thread and without a nanny that would start it again."""
        words = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        words += ["--local-directory", str(self.folder)]
        self.workers.append(self._run("distributed.cli.dask_worker", *words))

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _run(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        paths = [str(TESTS.parent / "src"), str(TESTS), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words, *self.tls],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
            )

    def _wait_for_port(self) -> None:
        for _ in range(600):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "dask.log").read_text())
