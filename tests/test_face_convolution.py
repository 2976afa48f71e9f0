"""Convolutions by blocks of rows are those of a loop over pixels, and equal for every size of block."""

import numpy as np
import pytest

from voiceface.face import convolution
from voiceface.face.convolution import convolve


def by_pixels(maps, weights, side, *, step, pad):
    maps = np.pad(maps, ((0, 0), *((side // 2,) * 2,) * 2)) if pad else maps
    rows, columns = ((size - side) // step + 1 for size in maps.shape[1:])
    out = np.empty((len(weights), rows, columns))
    for row in range(rows):
        for column in range(columns):
            top, left = row * step, column * step
            out[:, row, column] = weights @ maps[:, top : top + side, left : left + side].ravel()
    return out


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("block", [1, 5000, 1 << 20])
@pytest.mark.parametrize(
    ("height", "width", "side", "step", "pad"),
    [
        (23, 17, 5, 2, False),
        (24, 18, 5, 2, False),
        (9, 31, 3, 1, True),
        (7, 7, 7, 3, False),
        (11, 12, 3, 3, True),
    ],
)
def test_blocks_give_what_pixels_give(monkeypatch, threads, block, height, width, side, step, pad):
    monkeypatch.setattr(convolution, "_BLOCK", block)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
    random = np.random.default_rng(0)
    maps = random.normal(size=(4, height, width)).astype(np.float32)
    weights = random.normal(size=(6, 4 * side * side)).astype(np.float32)
    found = convolve(maps, weights, side, step=step, pad=pad)
    wanted = by_pixels(maps.astype(np.float64), weights.astype(np.float64), side, step=step, pad=pad)
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-4)
    assert found.dtype == np.float32


def test_a_transposed_picture_is_read_as_it_lies():
    picture = np.random.default_rng(1).normal(size=(20, 30, 3)).astype(np.float32).transpose(2, 0, 1)
    weights = np.random.default_rng(2).normal(size=(2, 27)).astype(np.float32)
    assert np.array_equal(convolve(picture, weights, 3), convolve(picture.copy(), weights, 3))


def test_products_are_many_only_where_one_thread_makes_them(monkeypatch):
    monkeypatch.setattr(convolution, "_BLOCK", 1)
    counted = []

    class Weights(np.ndarray):
        def __matmul__(self, other):
            counted.append(other.shape)
            return np.asarray(self) @ other

    maps, weights = np.ones((2, 9, 9), np.float32), np.ones((3, 18), np.float32).view(Weights)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(convolution.os, "cpu_count", lambda: 8)
    for said, products in (({}, 1), ({"OMP_NUM_THREADS": "4"}, 1), ({"OMP_NUM_THREADS": "1"}, 9)):
        with monkeypatch.context() as patch:
            for name, value in said.items():
                patch.setenv(name, value)
            counted.clear()
            convolve(maps, weights, 3)
            assert len(counted) == products
