"""Arrays from an ``.npz``, also a stranger's: only those asked for, none larger than its file may hold."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.media.open_file import open_file

_ALWAYS = 100_000_000
"""Bytes that a file may hold whatever its own size."""
_RATIO = 100
"""How many times its own size it may hold beyond that: numbers do not shrink so far, bombs 1,000 times."""

_LONGEST_HEADER = 100_000
"""Bytes of an array's header; numpy reads none over 10,000."""


class Header(NamedTuple):
    """What an array is before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_npz(
    path: str | Path, wanted: Callable[[Mapping[str, Header]], Iterable[str]], *, remedy: str
) -> dict[str, npt.NDArray[Any]]:
    """Read some arrays of an ``.npz``; of the others nothing but their headers is looked at.

    Args:
        path: The file.
        wanted: From the headers to the names of the arrays to read; names that are not there are left out.
        remedy: What to do about a file that cannot be read.

    Raises:
        InputError: the file cannot be read, is no ``.npz``, has a damaged array, or says to hold more than
            100 times its own size.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            headers = {name: _header(archive, info) for name, info in members.items()}
            names = [name for name in dict.fromkeys(wanted(headers)) if name in headers]
            size = sum(members[name].file_size for name in names)
            if size > _ALWAYS and size > _RATIO * Path(path).stat().st_size:
                fault = f"would be {size:,} bytes once it is unpacked, over {_RATIO} times its size"
                raise InputError(path, fault, remedy)
            return {name: _array(archive, members[name]) for name in names}
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", remedy) from error
    except Exception as error:  # zipfile, zlib and numpy have a dozen between them
        fault = f"is no readable .npz file ({type(error).__name__})"
        raise InputError(path, fault, remedy) from error


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    with archive.open(info) as packed:
        file = io.BytesIO(packed.read(_LONGEST_HEADER))  # a header says itself how long it is
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        bytes_told = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or dtype.hasobject or file.tell() + bytes_told != info.file_size:
            raise ValueError(f"{info.filename} is not as long as its header says")
    return Header(shape, dtype)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(info) as file:
        found: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    if found.dtype.kind == "S":
        return np.char.decode(found, "utf-8")
    if found.dtype.kind == "U":
        found.astype("U").tolist()  # code points that are none are found here, not where they are used
    return found
