"""Kill every command that writes at random moments, run it again, and compare with one left alone.

    python benchmarks/kills.py [COMMAND ...] [--kills 30] [--seed 0] [--minutes 60]

The commands: prepare, train, gallery-add, gallery-remove, embed, imagine, animate, record; all without an
argument. Each works on made voices and pictures. It is forked from a process that has loaded the package,
so that strikes fall into its work and not into imports, and is ended by SIGKILL (every fifth time by
SIGTERM) after a random share of the time that it takes alone; then the same command runs again, is struck
again, and so on until it ends by itself. What it leaves must then equal what it leaves alone. Prints a line
a command; exits with 1 if anything differed, or if no strike fell into the work. Linux and macOS.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

PEOPLE = 10
LEAVING = "person00"


@dataclass
class Job:
    """A command: its tokens for a place, what is compared there, and what is there before."""

    tokens: Callable[[Path], list[object]]
    state: Callable[[Path], object]
    before: Path | None = None
    again: int = 0
    """The exit code of a run that finds its work done: the struck one had just finished it."""


def files(place: Path) -> dict[str, str]:
    """Every file under a place, hidden ones too: what a kill leaves behind would show."""
    found = [path for path in place.rglob("*") if path.is_file()]
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def training(place: Path) -> dict[str, str]:
    """A training's log and weights; its curves and hours are of one run."""
    names = ("log.jsonl", "training.json", "weights/run.json", "weights/model.safetensors")
    return {name: hashlib.sha256((place / "run" / name).read_bytes()).hexdigest() for name in names}


def gallery(place: Path) -> object:
    """A gallery's rows, and where the name of who leaves is left."""
    import pyarrow as pa

    from voiceface.pipelines.gallery_folder import read_card
    from voiceface.pipelines.gallery_store import Store

    store = Store(place / "gallery", int(read_card(place / "gallery")["dim"]))
    tables: list[pa.Table] = [pa.table({"id": pa.array([], pa.binary(16))})]  # of an empty gallery
    for segment in store.segments:
        vectors, kinds, items = segment.contents()
        tables.append(items.append_column("vector", [vectors.tolist()]).append_column("kind", [kinds]))
    table = pa.concat_tables(tables, promote_options="default").sort_by("id")
    there = [path for path in (place / "gallery").rglob("*") if path.is_file()]
    named = any(LEAVING.encode() in path.read_bytes() for path in there)
    return table.to_pydict(), named, (place / "gallery" / "removing.json").exists()


def records(place: Path) -> object:
    """The different records: one that was whole before the kill is written again by the next run."""
    there = sorted((place / "results").iterdir())
    return {path.name: sorted(set(path.read_text(encoding="utf-8").splitlines())) for path in there}


def make_inputs(root: Path) -> None:
    """The media, the corpus, the gallery and the embeddings that the commands need."""
    from cli_fixtures import call
    from corpus_media import synthetic_voice
    from draw_face import draw_face
    from voiceface.media.sound import save_sound

    people, voices = root / "people", root / "voices"
    voices.mkdir(parents=True)
    sheet = ["voice,face,person"]
    for number in range(PEOPLE):
        name = f"person{number:02}"
        (people / name).mkdir()
        for take in range(2):
            save_sound(people / name / f"{take}.wav", synthetic_voice(10 * number + take, 2.0))
            draw_face(number, 160).save(people / name / f"{take}.png")
            sheet.append(f"{name}/{take}.wav,{name}/{take}.png,{name}")
        shutil.copy(people / name / "0.wav", voices / f"{name}.wav")
    (people / "pairs.csv").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    for tokens in (
        ["prepare", "pairs", people, "-o", root / "corpus", "--workers", "1"],
        ["gallery", "add", root / "full" / "gallery", people, "--attribute", "town=Mérida"],
    ):
        said = call(*tokens)
        if said.code:
            sys.exit(said.err)
    rng = np.random.default_rng(0)
    for side in ("voices", "faces"):
        who = np.array([f"p{k % 30}" for k in range(60)])
        names = np.array([f"{side}{k}" for k in range(60)])
        np.savez(root / f"made-{side}.npz", names=names, people=who, embeddings=rng.standard_normal((60, 16)))


def jobs(root: Path) -> dict[str, Job]:
    """The commands by name."""
    people, voices, corpus, full = (root / name for name in ("people", "voices", "corpus", "full"))
    pair = ["--voices", root / "made-voices.npz", "--faces", root / "made-faces.npz", "--resamples", "400"]
    return {
        "prepare": Job(lambda at: ["prepare", "pairs", people, "-o", at / "corpus", "--workers", "1"], files),
        "train": Job(
            lambda at: ["train", "saeed_fop", "--corpus", corpus, "--steps", "400", "--validation", "0.3",
                        "-o", at / "run"],
            training,
        ),
        "gallery-add": Job(
            lambda at: ["gallery", "add", at / "gallery", people, "--attribute", "town=Mérida"], gallery
        ),
        "gallery-remove": Job(
            lambda at: ["gallery", "remove", at / "gallery", LEAVING], gallery, full, again=1
        ),
        "embed": Job(lambda at: ["embed", people, "--kind", "both", "-o", at / "e.npz"], files),
        "imagine": Job(lambda at: ["imagine", voices, "-o", at / "faces", "--force"], files),
        "animate": Job(
            lambda at: ["animate", voices / "person01.wav", "-o", at / "a.mp4", "--force"],
            files,
        ),
        "record": Job(
            lambda at: ["evaluate", "verification", *pair, "--record", "--results", at / "results"], records
        ),
    }  # fmt: skip


def start(work: Callable[[], int | None], log: Path | None = None) -> int:
    """Fork a process, in a group of its own, that does some work; its number."""
    process = os.fork()
    if process:
        return process
    code: int | None = 99
    try:
        os.setsid()
        if log is not None:
            out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
        code = work()
    finally:
        os._exit(code or 0)


def command(job: Job, place: Path, log: Path) -> int:
    """Start a job's command line."""
    from voiceface.cli import main

    return start(lambda: main([str(token) for token in job.tokens(place)]), log)


def end(process: int, how: int) -> int | None:
    """Send a signal and wait for the end of the process and of its workers; its exit code, None if struck."""
    os.kill(process, how)
    status = os.waitpid(process, 0)[1]
    for _ in range(1000):  # workers end by themselves once their parent is gone
        try:
            os.killpg(process, 0)
        except (ProcessLookupError, PermissionError):
            break
        time.sleep(0.01)
    return None if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 143 else os.WEXITSTATUS(status)


def finished(process: int, seconds: float) -> int | None:
    """Wait for a process so long; its exit code, or None if it is still at work."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def to_the_end(job: Job, place: Path, log: Path) -> int:
    """Run a command without a strike."""
    found = finished(command(job, place, log), 3600)
    assert found is not None
    return found


def seen(job: Job, place: Path) -> str:
    """A digest of what is compared, computed in a process of its own: Arrow's threads survive no fork."""
    reading, writing = os.pipe()

    def look() -> None:
        os.write(writing, hashlib.sha256(repr(job.state(place)).encode()).hexdigest().encode())

    process = start(look)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read().decode()
    os.waitpid(process, 0)
    return found or "cannot be read"


def fresh(job: Job, place: Path) -> Path:
    """An empty place, or one with what has to be there before."""
    shutil.rmtree(place, ignore_errors=True)
    if job.before is not None:
        shutil.copytree(job.before, place)
    place.mkdir(exist_ok=True)
    return place


def struck(name: str, job: Job, root: Path, kills: int, draw: random.Random, until: float) -> bool:
    """Strike one command so often; whether it always ended as if left alone."""
    log = root / "log.txt"
    alone = fresh(job, root / f"{name}-alone")
    began = time.monotonic()
    code = to_the_end(job, alone, log)
    span = time.monotonic() - began
    if code:
        print(f"{name:15} fails alone with {code}: {log.read_text()[-300:]}", flush=True)
        return False
    expected = seen(job, alone)
    place = fresh(job, root / f"{name}-struck")
    signals: Counter[str] = Counter()
    done = different = rounds = late = 0
    resumed = False
    while done < kills and time.monotonic() < until:
        process, began = command(job, place, log), time.monotonic()
        how = signal.SIGTERM if done % 5 == 4 else signal.SIGKILL
        code = finished(process, draw.uniform(0.0, span))
        if code is None:
            code = end(process, how)
            if code is None:
                done += 1
                signals[signal.Signals(how).name] += 1
                resumed = draw.random() < 0.6
                if resumed:
                    continue  # strike the resumed run, too
                code = to_the_end(job, place, log)
        else:
            late += 1
            if not resumed:
                span = min(span, time.monotonic() - began)  # the machine was busier before
        rounds += 1
        if code not in (0, job.again) or seen(job, place) != expected:
            different += 1
            print(f"{name}: DIFFERENT, exit {code}: {log.read_text()[-300:]}", flush=True)
            shutil.copytree(place, root.parent / f"kept-{name}-{different}", dirs_exist_ok=True)
        place, resumed = fresh(job, place), False
    how_often = ", ".join(f"{count} {one}" for one, count in sorted(signals.items()))
    print(
        f"{name:15} alone {span:5.1f} s; {done} kills ({how_often}), {late} ended before the strike, "
        f"{rounds} ends compared, {different} different",
        flush=True,
    )
    return not different and done > 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", nargs="*")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="of each command at most")
    asked = parser.parse_args()
    import torch

    from voiceface.pipelines import embed, gallery_items, matcher  # noqa: F401  loaded before the forks
    from voiceface.pipelines import gallery as gallery_room

    torch.set_num_threads(1)
    # So that strikes fall between blocks, too.
    embed._BLOCK = gallery_room._BLOCK = gallery_room._COMMIT_ROWS = 4
    with tempfile.TemporaryDirectory(prefix="voiceface-kills-") as scratch:
        root = Path(scratch) / "work"
        (root / "people").mkdir(parents=True)
        if os.waitpid(start(lambda: make_inputs(root)), 0)[1]:
            sys.exit("what the commands need could not be made")
        known = jobs(root)
        chosen = asked.commands or list(known)
        good = True
        for name in chosen:
            draw, until = random.Random(f"{asked.seed} {name}"), time.monotonic() + 60 * asked.minutes
            good &= struck(name, known[name], root, asked.kills, draw, until)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
