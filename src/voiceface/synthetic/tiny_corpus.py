"""A small corpus of synthetic people, made once and kept: what `smoke()` and the tests train and judge on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.prepare import prepare
from voiceface.errors import InputError
from voiceface.media.cache_folder import CACHE, cache_folder
from voiceface.synthetic.sources.synthetic import listing

_PACKAGES_IN_CACHE_KEY = ("synthetic", "corpus", "face", "audio", "video", "media")


def tiny_corpus(
    *,
    people: int = 12,
    voices: int = 3,
    faces: int = 3,
    clips: int = 0,
    link: float = 1.0,
    seed: int = 0,
    seconds: float = 2.0,
    size: int = 96,
) -> Corpus:
    """A synthetic corpus made in seconds on first use, and opened from a cache by its arguments after.

    Small pictures and short voices, no clips unless asked for (one takes a second or more). Two
    processes may ask at once: both get the same finished corpus.

    Raises:
        InputError: impossible numbers, or the cache cannot be written.
        MissingPartError: eSpeak NG is not installed.
    """
    arguments = {
        "people": people, "voices": voices, "faces": faces, "clips": clips, "link": float(link),
        "seed": seed, "seconds": float(seconds), "size": size,
    }  # fmt: skip
    listed = listing(
        people=people, voices=voices, faces=faces, clips=clips, link=link, seed=seed, seconds=seconds,
        size=size, talk_seconds=1.2, talk_size=96,
    )  # fmt: skip
    name = hashlib.sha256(json.dumps([arguments, _sources()], sort_keys=True).encode()).hexdigest()[:20]
    home = cache_folder() / "synthetic"
    target = home / name
    with contextlib.suppress(InputError):
        found = Corpus.open(target)
        if found.complete:
            return found
    with _temporary_folder(home) as work:
        made = {"source": "synthetic", **arguments}
        prepare(listed, work / "corpus", arguments=made, workers=1, progress=False)
        _move(work / "corpus", target)
    return Corpus.open(target)


@cache
def _sources() -> str:
    """A digest of the code that makes a corpus: other code, another corpus."""
    package = Path(__file__).parents[1]
    total = hashlib.sha256()
    for room in _PACKAGES_IN_CACHE_KEY:
        for path in sorted((package / room).rglob("*.py")):
            if path.parent != package / "corpus" / "sources":  # layouts of other data
                total.update(path.read_bytes())
    return total.hexdigest()


@contextlib.contextmanager
def _temporary_folder(home: Path) -> Iterator[Path]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        # Beside its target, so that the finished corpus is moved there at one go.
        work = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise InputError(home, fault, f"set {CACHE} to a folder that you may write to") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move(made: Path, target: Path) -> None:
    """Move a finished corpus to its target, unless somebody else was first."""
    try:
        made.rename(target)
    except OSError:
        with contextlib.suppress(InputError):
            if Corpus.open(target).complete:
                return
        # What stands there is damaged (a half-emptied cache): make way, then it must succeed.
        shutil.rmtree(target, ignore_errors=True)
        try:
            made.rename(target)
        except OSError as error:
            fault = f"cannot be put in target ({error.strerror or error})"
            raise InputError(target, fault, f"delete it, or set {CACHE} to another folder") from error
