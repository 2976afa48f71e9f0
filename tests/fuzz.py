"""Hand altered files to everything that reads a stranger's: one line, or a right answer, and nothing else.

    python tests/fuzz.py [SUBJECT ...] [--inputs 10000] [--seed 0] [--minutes 30] [--keep FOLDER]

The subjects: sounds, movies, pictures, tables, arrays, corpus, weights, gallery, commands; all without an
argument. Input N of a subject and seed is always the same. Each is read in a process that is ended if it
takes over 20 seconds. A fault is an exception that is no InputError, an InputError of several lines, an
answer that is none (NaN, no pixels), a crash, a hang, over 1 GB of memory, or a file half written. Prints
each place of a fault once, keeps its input in FOLDER, and exits with 1 if there was any. Linux and macOS.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import fuzz_inputs
from voiceface.errors import InputError

SECONDS, GIGABYTES = 20.0, 1.0
FIRST = 20.0  # seconds more for the first input of a process, which loads what reads it


def read_sounds(folder: Path) -> None:
    from voiceface.media.sound import load_sound, sound_seconds

    for path in folder.iterdir():
        assert sound_seconds(path) >= 0
        wave = load_sound(path)
        assert np.isfinite(wave).all() and wave.ndim == 1 and len(wave)


def read_movies(folder: Path) -> None:
    from voiceface.media.movie import frames, movie_facts

    for path in folder.iterdir():
        facts = movie_facts(path)
        assert facts.seconds >= 0 and facts.width > 0 and facts.height > 0
        for seconds, picture in itertools.islice(frames(path), 40):
            assert np.isfinite(seconds) and picture.dtype == np.uint8 and picture.shape[2] == 3


def read_pictures(folder: Path) -> None:
    from voiceface.media.origin import read_origin
    from voiceface.media.picture import load_picture

    for path in folder.iterdir():
        found = load_picture(path)
        assert found.mode == "RGB" and min(found.size) > 0
        read_origin(path)


def read_tables(folder: Path) -> None:
    from voiceface.corpus.sources.pairs import listing
    from voiceface.evaluation.embedding_files import read_scores
    from voiceface.media.text_tables import open_text_table, read_words
    from voiceface.protocols.read_lines import read_lines

    for path in (path for path in folder.rglob("*.*") if path.suffix in (".csv", ".txt")):
        if path.suffix == ".txt":
            assert list(read_words(path)) is not None and read_lines(path)
            continue
        for row in open_text_table(path, optional=["person", "voice"]).rows():
            assert row is not None
        read_scores(path) if path.name == "scores.csv" else listing(path.parent, table=path.name)


def read_arrays(folder: Path) -> None:
    from voiceface.evaluation.embedding_files import read_named_embeddings

    for path in folder.iterdir():
        found = read_named_embeddings(path)
        assert np.isfinite(found.embeddings).all() and len(found.embeddings)


def read_corpus(folder: Path) -> None:
    from voiceface.corpus.check import check_corpus
    from voiceface.corpus.corpus import Corpus

    corpus = Corpus.open(folder / "corpus")
    assert corpus.fingerprint and corpus.rejected is not None and corpus.people
    check_corpus(corpus, deep=True)
    for k in range(len(corpus.voices)):
        assert corpus.voices[k].person in corpus.person_index
        corpus.wave(k)
    for k in range(len(corpus.faces)):
        corpus.picture(k)
    for k in range(len(corpus.clips)):
        corpus.clip_wave(k)
        corpus.clip_pictures(k)


def read_weights(folder: Path) -> None:
    from voiceface.pipelines.weights import load_model

    for path in folder.iterdir():
        load_model(path)


def read_gallery(folder: Path) -> None:
    from voiceface.pipelines.gallery import Gallery

    room = Gallery.open(folder / "gallery")
    assert len(room) >= 0 and room.people() is not None and room.attributes is not None
    room.remove("p1")


def run_commands(folder: Path) -> None:
    from cli_fixtures import call
    from voiceface.media.files import partial_files

    results = folder / "results"
    sides = ["--voices", folder / "voices.npz", "--faces", folder / "faces.npz"]
    said = call("evaluate", "verification", *sides, "--resamples", "5", "--record", "--results", results)
    assert not partial_files(folder)
    if said.code == 0:
        (record,) = (json.loads(line) for path in results.iterdir() for line in path.read_text().splitlines())
        assert record
    else:
        said.refused()
        assert not results.exists() or not list(results.iterdir())
        raise InputError("command", "refused")


SUBJECTS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "sounds": (fuzz_inputs.sounds, read_sounds),
    "movies": (fuzz_inputs.movies, read_movies),
    "pictures": (fuzz_inputs.pictures, read_pictures),
    "tables": (fuzz_inputs.tables, read_tables),
    "arrays": (fuzz_inputs.arrays, read_arrays),
    "corpus": (fuzz_inputs.corpus, read_corpus),
    "weights": (fuzz_inputs.weights, read_weights),
    "gallery": (fuzz_inputs.gallery, read_gallery),
    "commands": (fuzz_inputs.arrays, run_commands),
}
_ONE_FILE = {"sounds", "movies", "pictures", "tables", "weights"}  # of their seeds, one at a time


def place_input(seeds: Path, place: Path, subject: str, seed: int, number: int) -> str:
    """Put input ``number`` there: a copy of a seed, one file of it altered; that file's name.

    The first ones are the seeds as they are.
    """
    draw = random.Random(f"{seed} {subject} {number}")
    shutil.rmtree(place, ignore_errors=True)
    if subject in _ONE_FILE:
        there = sorted(seeds.iterdir())
        chosen = there[number] if number < len(there) else draw.choice(there)
        place.mkdir()
        (shutil.copytree if chosen.is_dir() else shutil.copy)(chosen, place / chosen.name)
    else:
        shutil.copytree(seeds, place)
    if number < (len(there) if subject in _ONE_FILE else 1):
        return "unaltered"
    others = [path.read_bytes() for path in sorted(seeds.rglob("*")) if path.is_file()]
    return fuzz_inputs.altered(place, draw, others)


def outcome(read: Callable[[Path], None], place: Path) -> str:
    """``right``, ``refused``, or what went wrong and where."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(place)
        found = "right"
    except InputError as error:
        text = str(error)
        found = "refused" if len(text.splitlines()) == 1 and len(text) < 2000 else f"lines: {text[:300]!r}"
    except BaseException as error:  # noqa: BLE001  a Rust panic is none either
        ours = [one for one in traceback.extract_tb(error.__traceback__) if "voiceface" in one.filename]
        at = ours[-1] if ours else traceback.extract_tb(error.__traceback__)[-1]
        found = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}: {str(error)[:120]!r}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (
        2**30 if sys.platform == "darwin" else 2**20
    )
    return found if grown < GIGABYTES else f"memory: {grown:.1f} GB, {found}"


def work(pipe: Connection, seeds: Path, place: Path, subject: str, seed: int, numbers: range) -> None:
    """Read one input after another, telling each outcome."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        name = place_input(seeds, place, subject, seed, number)
        pipe.send(("begun", name))
        pipe.send(("done", outcome(SUBJECTS[subject][1], place)))


def fuzz(
    subject: str, root: Path, inputs: int, seed: int, until: float, keep: Path | None = None
) -> tuple[Counter[str], dict[str, str]]:
    """Read so many inputs; how many were right and refused, and the faults by the place they are in."""
    seeds, place = root / f"{subject}-seeds", root / f"{subject}-input"
    seeds.mkdir()
    # Forked from one process that has loaded the slow part, and is itself forked from none.
    multiprocessing.set_forkserver_preload(["torch", "fuzz"])
    context = multiprocessing.get_context("forkserver")
    maker = context.Process(target=SUBJECTS[subject][0], args=(seeds,))
    maker.start()
    maker.join()
    assert maker.exitcode == 0 and any(seeds.iterdir()), f"no seeds for {subject}"
    counts: Counter[str] = Counter()
    faults: dict[str, str] = {}
    number = 0
    while number < inputs and time.monotonic() < until:
        ours, theirs = context.Pipe()
        worker = context.Process(
            target=work, args=(theirs, seeds, place, subject, seed, range(number, inputs)), daemon=True
        )
        worker.start()
        theirs.close()
        started = alive = True
        while alive and number < inputs and time.monotonic() < until:
            name, found = "", "hang"
            try:
                if ours.poll(120 if started else SECONDS):
                    name = ours.recv()[1]
                    if ours.poll(SECONDS + (FIRST if started else 0)):
                        found = ours.recv()[1]
            except EOFError:
                worker.join()
                found = f"crash: exit code {worker.exitcode}"
            if name == "unaltered" and found == "refused":
                found = "an intact seed is refused"
            started, alive = False, found.split(":")[0] not in ("hang", "crash")
            counts[found if found in ("right", "refused") else "faults"] += 1
            key = found.split(": '")[0].split(': "')[0]
            if found not in ("right", "refused") and key not in faults:
                faults[key] = f"{subject} {number} ({name}): {found}"
                print("FAULT", faults[key], flush=True)
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    place_input(seeds, keep / f"{subject}-{number}", subject, seed, number)
            number += 1
        worker.kill()
        worker.join()
    return counts, faults


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*")
    parser.add_argument("--inputs", type=int, default=10_000, help="of all subjects together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30.0, help="of all subjects together")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    chosen = asked.subjects or list(SUBJECTS)
    failed = total = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="voiceface-fuzz-") as scratch:
        for place, subject in enumerate(chosen):
            now = time.monotonic()
            until = now + (began + 60 * asked.minutes - now) / (len(chosen) - place)
            counts, faults = fuzz(
                subject, Path(scratch), -(-asked.inputs // len(chosen)), asked.seed, until, asked.keep
            )
            total += sum(counts.values())
            failed += counts["faults"]
            print(
                f"{subject:9} {sum(counts.values()):6} inputs in {time.monotonic() - now:4.0f} s: "
                f"{counts['right']} right, {counts['refused']} refused, {counts['faults']} faults "
                f"in {len(faults)} places",
                flush=True,
            )
    print(f"{total} inputs, {failed} faults; seed {asked.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
