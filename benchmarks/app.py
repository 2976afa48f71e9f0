"""How long the first face takes, and the server under load: 16 clients on this machine send 200 requests.

    python benchmarks/app.py [--runs 3] [--requests 200] [--clients 16] [--workers 2] [--queue 8]

Starts `voiceface app` with the shipped models, each time anew, and waits for one face by the API and by the
page in Chromium (where that and Playwright are there); beside it `voiceface imagine`, the whole process.
Then it sends more requests than its queue takes. Half of them compare a voice with a face, half imagine one.
A client that is refused (429) asks again after half a second; all must be answered in the end.
Prints answers, refusals, waits and the peak memory of the server and of its largest worker (Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import io
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
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
    for name, value in (("runs", 3), ("requests", 200), ("clients", 16), ("workers", 2), ("queue", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        voice, faces = made(Path(folder))
        sound, face = voice.read_bytes(), faces[0].read_bytes()
        print("| what | figure |\n|---|---|")
        first_faces(voice, given.runs)
    forms = [("/v1/verify", *body({"voice": sound, "face": face})), ("/v1/imagine", *body({"voice": sound}))]
    with served("--workers", str(given.workers), "--queue", str(given.queue)) as (server, port):
        load = Load(port, given.requests, forms)
        assert load.ask(*forms[1]) == 200
        load.statuses.clear()
        started = time.perf_counter()
        clients = [threading.Thread(target=load.client) for _ in range(given.clients)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        wall = time.perf_counter() - started
        workers = [peak(child) for child in children(server.pid)]
        report(load, given.requests, wall)
        print(
            f"| peak memory of the server | {peak(server.pid):.0f} MB |\n"
            f"| peak memory of its largest worker | {max(workers, default=0):.0f} MB |"
        )
    lost = given.requests - load.statuses[200]
    sys.exit(f"{lost} requests were lost" if lost else 0)


@contextlib.contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that is ready, and its port."""
    command = [sys.executable, "-m", "voiceface", "app", "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        yield server, int(server.stdout.readline().rstrip("/\n").rpartition(":")[2])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def first_faces(voice: Path, runs: int) -> None:
    """Print how long one face takes by command, API and page."""
    times: dict[str, list[float]] = defaultdict(list)
    sound = voice.read_bytes()
    form = body({"voice": sound})
    load = os.getloadavg()[0]
    for _ in range(runs):
        begun = time.perf_counter()
        with served("--workers", "1") as (_, port):
            times["`voiceface app` until its page can be opened"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            assert Load(port, 0, []).ask("/v1/imagine", *form) == 200
            times["then the first face by the API"].append(time.perf_counter() - begun)
        with served("--workers", "1") as (_, port):
            for name, seconds in by_page(port, voice).items():
                times[name].append(seconds)
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "voiceface", "imagine", str(voice), "-o", f"{folder}/face.png"]
            subprocess.run(command, check=True, capture_output=True)
        times["`voiceface imagine`, the whole process"].append(time.perf_counter() - begun)
    for name, seconds in times.items():
        print(f"| {name} | {statistics.median(seconds):.2f} s |")
    print(f"| load average before, of {os.cpu_count()} cores | {load:.1f} |", flush=True)


def by_page(port: int, voice: Path) -> dict[str, float]:
    """How long the page takes to load, and from its button to the first face; nothing without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu"]
    with sync_playwright() as driver, driver.chromium.launch(executable_path=chromium, args=flags) as browser:
        page = browser.new_page()
        begun = time.perf_counter()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#models:not(:empty)")  # the page's policy lets no text be run as a script
        loaded = time.perf_counter() - begun
        page.set_input_files("#voice-file", str(voice))
        page.fill("#imagine [name=n]", "1")
        begun = time.perf_counter()
        page.click("#imagine button.primary")
        page.wait_for_selector("#imagine .faces img")
        return {
            "then the page loads": loaded,
            "then the first face by the page": time.perf_counter() - begun,
        }


def report(load: Load, requests: int, wall: float) -> None:
    """Print the figures of the load as rows of the table."""
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
