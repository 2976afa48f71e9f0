"""The server under load: 16 clients on this machine send 200 requests, more than its queue takes.

    python benchmarks/app.py [--requests 200] [--clients 16] [--workers 2] [--queue 8]

Starts `voiceface app` with the shipped models. Half of the requests compare a voice with a face, half imagine
a face. A client that is refused (429) asks again after half a second; all must be answered in the end.
Prints answers, refusals, waits and the peak memory of the server and of its largest worker (Linux).
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from doors import made


def body(fields: dict[str, bytes]) -> tuple[bytes, str]:
    """A multipart form and its content type."""
    mark = secrets.token_hex(8)
    out = io.BytesIO()
    for name, data in fields.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        out.write(head.encode() + data + b"\r\n")
    out.write(f"--{mark}--\r\n".encode())
    return out.getvalue(), f"multipart/form-data; boundary={mark}"


def peak(process: int) -> float:
    """The largest resident size that a process had, in MB; 0 where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def children(process: int) -> list[int]:
    """The processes that it started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(parts[1]) == process:
            found.append(int(status.parent.name))
    return found


class Load:
    """What the clients send, and what they get."""

    def __init__(self, port: int, requests: int, forms: list[tuple[str, bytes, str]]) -> None:
        self.port, self.forms = port, forms
        self.left = list(range(requests))
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.lock = threading.Lock()

    def client(self) -> None:
        """Send requests until none is left."""
        while True:
            with self.lock:
                if not self.left:
                    return
                number = self.left.pop()
            started = time.perf_counter()
            while (status := self.ask(*self.forms[number % len(self.forms)])) == 429:
                time.sleep(0.5)
            if status == 200:
                self.seconds.append(time.perf_counter() - started)

    def ask(self, path: str, data: bytes, kind: str) -> int:
        """Send one request; its status, 0 where there is no whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", path, data, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        with self.lock:
            self.statuses[status] += 1
        return status


def main() -> None:
    """Start the server, load it, print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("requests", 200), ("clients", 16), ("workers", 2), ("queue", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        voice, faces = made(Path(folder))
        sound, face = voice.read_bytes(), faces[0].read_bytes()
    forms = [("/v1/verify", *body({"voice": sound, "face": face})), ("/v1/imagine", *body({"voice": sound}))]
    command = [sys.executable, "-m", "voiceface", "app", "--port", "0"]
    command += ["--workers", str(given.workers), "--queue", str(given.queue)]
    started = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().rstrip("/\n").rpartition(":")[2])
        ready = time.perf_counter() - started
        load = Load(port, given.requests, forms)
        one = time.perf_counter()
        assert load.ask(*forms[1]) == 200
        first = time.perf_counter() - one
        load.statuses.clear()
        started = time.perf_counter()
        clients = [threading.Thread(target=load.client) for _ in range(given.clients)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        wall = time.perf_counter() - started
        workers = [peak(child) for child in children(server.pid)]
        report(load, given.requests, wall, {"ready after": ready, "first face": first})
        print(
            f"| peak memory of the server | {peak(server.pid):.0f} MB |\n"
            f"| peak memory of its largest worker | {max(workers, default=0):.0f} MB |"
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    lost = given.requests - load.statuses[200]
    sys.exit(f"{lost} requests were lost" if lost else 0)


def report(load: Load, requests: int, wall: float, times: dict[str, float]) -> None:
    """Print the figures as a table."""
    print("| what | figure |\n|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.2f} s |")
    answered, refused = load.statuses[200], load.statuses[429]
    print(f"| requests answered, of {requests} | {answered} |")
    print(f"| refusals (429), asked again | {refused} |")
    print(
        f"| other statuses | {json.dumps({k: v for k, v in load.statuses.items() if k not in (200, 429)})} |"
    )
    print(f"| answers a second | {answered / wall:.2f} |")
    waits = sorted(load.seconds)
    middle, late = statistics.median(waits), waits[int(0.95 * (len(waits) - 1))]
    print(f"| time to the answer, refusals included | median {middle:.1f} s, 95 % {late:.1f} s |")
    print(f"| load average of {os.cpu_count()} cores | {os.getloadavg()[0]:.1f} |")


if __name__ == "__main__":
    main()
