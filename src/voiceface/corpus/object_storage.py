"""A corpus in a bucket: its files are mirrored into this user's cache, and read there.

Rows and media are read at random places, through memory maps, again and again: at every step of a training.
Over the network that would be a request an item, so that a whole copy is faster and costs less.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.fs as fs

from voiceface.corpus.table_reader import CARD
from voiceface.errors import InputError
from voiceface.media.cache_folder import cache_folder
from voiceface.media.files import atomic_path
from voiceface.media.make_folder import make_folder
from voiceface.media.writer_lock import writer_lock

_URL = re.compile(r"s3:/{1,2}(?P<place>[^/].*?)/*")
_LEFT_OUT = {"views", ".working"}
"""Folders of a corpus that are made again where they are needed."""
_SECONDS, _ATTEMPTS = 10, 3
_CHUNK = 1 << 22
_REASONS = {
    r"no such bucket|NO_SUCH_BUCKET|bucket does not exist": (
        "there is no such bucket",
        "check the name, AWS_REGION, and AWS_ENDPOINT_URL where it is not Amazon's",
    ),
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|credential|HTTP status (code: )?403": (
        "access is refused",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, of somebody who may read it",
    ),
    r"curl|NETWORK_CONNECTION|timed? ?out|resolve host": (
        "the storage cannot be reached",
        "check the network and AWS_ENDPOINT_URL, then try again: what is here is kept",
    ),
}


def bucket_url(path: str | Path) -> str | None:
    """The URL that is meant, also where a `Path` was made of it; None for a path of this machine.

    >>> bucket_url(Path("s3://bucket/corpora/one/"))
    's3://bucket/corpora/one'
    >>> bucket_url("corpora/s3") is None
    True
    """
    found = _URL.fullmatch(Path(path).as_posix() if isinstance(path, Path) else path)
    return f"s3://{found['place']}" if found else None


@functools.cache
def mirrored_corpus(url: str) -> Path:
    """The folder with a copy of the corpus at ``url``; once a process it is compared with what is there now.

    Only files that are new or of another size or time are fetched, and those that are gone are removed. A
    killed copy goes on with what it lacks.

    Args:
        url: ``s3://BUCKET/FOLDER``.

    Raises:
        InputError: there is no such bucket or corpus, access is refused, the network fails, or the cache
            cannot be written.
    """
    place = url.removeprefix("s3://")
    storage = _storage(url, place.partition("/")[0])
    there = _listing(url, storage, place)
    if CARD not in there:
        raise InputError(url, "is not a corpus (no corpus.json in it)", "name a prepared folder")
    name = f"{PurePosixPath(place).name}-{hashlib.sha256(_identity(url).encode()).hexdigest()[:12]}"
    folder = make_folder(cache_folder() / "corpora" / name)
    with writer_lock(folder, wait=-1):
        # The card last: only with it the folder is a corpus.
        for file in sorted(there, key=lambda file: (file == CARD, file.startswith("items/"), file)):
            if not _is_same(folder / file, there[file]):
                _fetch(url, storage, there[file], folder / file)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            relative = path.relative_to(folder)
            kept = relative.as_posix() in there or relative.parts[0] in _LEFT_OUT
            if not kept and not path.name.startswith("."):
                path.unlink()
    return folder


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _identity(url: str) -> str:
    return f"{_endpoint() or ''} {url}"


def _storage(url: str, bucket: str) -> fs.FileSystem:
    endpoint = _endpoint()
    options: dict[str, Any] = {"connect_timeout": _SECONDS, "request_timeout": 6 * _SECONDS}
    if endpoint is not None:
        options |= {"endpoint_override": endpoint, "scheme": endpoint.partition("://")[0]}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    try:
        if region is None and endpoint is None:
            region = fs.resolve_s3_region(bucket)
        retry = fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
        return fs.S3FileSystem(region=region, retry_strategy=retry, **options)
    except (OSError, ValueError) as error:
        raise _refusal(url, error) from error


def _listing(url: str, storage: fs.FileSystem, place: str) -> Mapping[str, fs.FileInfo]:
    """Every file of the corpus by its path below it."""
    try:
        found = storage.get_file_info(fs.FileSelector(place, recursive=True))
    except FileNotFoundError as error:
        if "/" in place:
            raise InputError(url, "there is nothing there", "check bucket and folder") from error
        raise InputError(url, *_REASONS[next(iter(_REASONS))]) from error
    except OSError as error:
        raise _refusal(url, error) from error
    files = {info.path.removeprefix(place).lstrip("/"): info for info in found if info.is_file}
    return {
        file: info
        for file, info in files.items()
        if file.partition("/")[0] not in _LEFT_OUT and ".." not in PurePosixPath(file).parts
    }


def _is_same(path: Path, info: fs.FileInfo) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == info.size and (info.mtime_ns is None or found.st_mtime_ns == info.mtime_ns)


def _fetch(url: str, storage: fs.FileSystem, info: fs.FileInfo, path: Path) -> None:
    make_folder(path.parent)
    try:
        with (
            atomic_path(path) as temporary,
            temporary.open("wb") as file,
            storage.open_input_stream(info.path) as stream,
        ):
            while block := stream.read(_CHUNK):
                file.write(block)
    except InputError:
        raise  # the cache's disk
    except OSError as error:
        raise _refusal(url, error) from error
    if info.mtime_ns is not None:
        os.utime(path, ns=(info.mtime_ns, info.mtime_ns))


def _refusal(url: str, error: Exception) -> InputError:
    text = str(error)
    for pattern, (fault, remedy) in _REASONS.items():
        if re.search(pattern, text, re.IGNORECASE):
            return InputError(url, fault, remedy)
    return InputError(url, f"cannot be read ({text[:200]})", "check bucket, credentials and network")
