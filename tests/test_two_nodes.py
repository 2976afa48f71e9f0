"""Two nodes, each with a torchrun of its own, on loopback: one is killed and started again in the middle."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from node_training import STEPS, run
from small_models import CORPUS
from voiceface.training.loop import train
from voiceface.training.weights import read_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="torchrun's processes are ended by POSIX signals"),
]
SCRIPT = Path(__file__).with_name("node_training.py")


class Node:
    """A launcher with its training process, in a group of processes of its own."""

    def __init__(self, out, port, *, nodes=2, processes=1, seconds=0.0, host=True, log):
        words = ["--nnodes", nodes, "--nproc-per-node", processes, "--max-restarts", 3]
        words += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test"]
        words += ["--rdzv-conf", f"is_host={host}"]
        paths = [str(SCRIPT.parents[1] / "src"), str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        # Otherwise a launcher that stayed tells one that comes later no address.
        environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
        command = [sys.executable, "-m", "torch.distributed.run", *words, SCRIPT, out, seconds]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self):
        """Like a machine that loses its power: launcher and training end without a word."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        for pid in [self.process.pid, *map(int, found.stdout.split())]:
            os.kill(pid, 9)
        self.process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def nodes():
    started = []
    yield started
    for node in started:
        if node.process.poll() is None:
            node.kill()


def test_a_node_that_is_killed_and_started_again_costs_the_steps_since_the_checkpoint(tmp_path, nodes):
    log = tmp_path / "nodes.log"
    port = free_port()
    nodes += [Node(tmp_path / "two", port, seconds=0.2, host=host, log=log) for host in (True, False)]
    deadline = time.monotonic() + 300
    while not list((tmp_path / "two").glob("checkpoints/*")):
        assert time.monotonic() < deadline and nodes[0].process.poll() is None, log.read_text()
        time.sleep(0.05)
    nodes[1].kill()
    assert not (tmp_path / "two/weights").exists()
    nodes.append(Node(tmp_path / "two", port, host=False, log=log))
    assert [nodes[k].process.wait(timeout=200) for k in (0, 2)] == [0, 0], log.read_text()
    assert f'"step": {STEPS}' in (tmp_path / "two/log.jsonl").read_text().splitlines()[-1]

    nodes.append(Node(tmp_path / "one", free_port(), nodes=1, processes=2, log=log))
    assert nodes[-1].process.wait(timeout=300) == 0, log.read_text()
    train(run(0.0), CORPUS, tmp_path / "alone", device="cpu", progress=False)
    two, one, alone = (read_weights(tmp_path / name / "weights")[0] for name in ("two", "one", "alone"))
    assert all(torch.equal(two[name], one[name]) for name in one)
    assert max(float((two[name] - alone[name]).abs().max()) for name in one) < 1e-5
    assert (tmp_path / "two/log.jsonl").read_bytes() == (tmp_path / "one/log.jsonl").read_bytes()
