"""How far a generated picture is from the real one, pixel by pixel: one number a picture, its scale stated.

Every error is in the pictures' own units: ``scale`` says what full brightness is (1 or 255), so that an MAE
on [0, 1] and a PAMSE on [0, 255] cannot be mixed up unseen. Pictures outside [0, scale] are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.figure import Figure

Floats = NDArray[np.float64]

_BLOCK = 64
LUMA = np.array([0.299, 0.587, 0.114])
"""Rec. 601, as Pillow's ``L``."""
_SSIM_TAPS, _SSIM_SIGMA = 5, 1.5
_MAX_PSNR = 100.0
"""dB that two equal frames of a clip count."""
_PAMSE_TAPS, _PAMSE_SIGMA = 3, 0.8


def mae(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Mean absolute error of each picture, (n,), in units of ``scale``.

    Args:
        generated: (n, height, width, 3) on [0, ``scale``].
        real: The pictures they should be, of the same shape.
        scale: Full brightness: 1 or 255.

    Raises:
        InputError: shapes differ, or a value is not finite or lies outside [0, ``scale``].

    >>> print(mae(np.zeros((1, 4, 4, 3)), np.full((1, 4, 4, 3), 51.0), scale=255))
    [51.]
    """
    return _each(generated, real, scale, lambda a, b: np.abs(a - b).mean(axis=(1, 2, 3)))


def mse(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Mean squared error of each picture, (n,), in units of ``scale`` squared; arguments as in `mae`."""
    return _each(generated, real, scale, lambda a, b: ((a - b) ** 2).mean(axis=(1, 2, 3)))


def snr(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Signal-to-noise ratio of each picture in dB, (n,): power of the real one over that of the error.

    The power is the mean square about zero, black being no signal; infinite where the two are equal.
    """

    def ratio(a: Floats, b: Floats) -> Floats:
        return _decibel((b**2).mean(axis=(1, 2, 3)), ((a - b) ** 2).mean(axis=(1, 2, 3)))

    return _each(generated, real, scale, ratio)


def psnr(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Peak signal-to-noise ratio of each picture in dB, (n,): ``scale`` squared over the MSE.

    The mean over pictures is not the PSNR of the mean MSE; infinite where the two pictures are equal.

    >>> print(psnr(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.1), scale=1).round(6))
    [20.]
    """
    errors = mse(generated, real, scale=scale)
    return _decibel(np.full(len(errors), float(scale) ** 2), errors)


def pamse(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Perceptual-fidelity aware MSE of each picture, (n,): the mean square of the smoothed error.

    Xue, Mou, Zhang & Feng 2013: the error of the grey pictures is smoothed by a Gaussian of 0.8 pixels (7 x 7
    taps, only where the window fits) and squared. Their figures are on [0, 255]; on [0, 1] it is 65,025
    times smaller.

    Raises:
        InputError: as `mae`, or pictures of fewer than 7 pixels a side.
    """

    def smoothed(a: Floats, b: Floats) -> Floats:
        error = _smooth((a - b) @ LUMA, _PAMSE_TAPS, _PAMSE_SIGMA)
        return np.asarray((error**2).mean(axis=(1, 2)))

    return _each(generated, real, scale, smoothed, side=2 * _PAMSE_TAPS + 1)


def ssim(generated: ArrayLike, real: ArrayLike, *, scale: float) -> Floats:
    """Structural similarity of each picture, (n,): 1 where equal.

    Wang et al. 2004, equation 13: Gaussian window of 1.5 pixels (11 x 11 taps, only where it fits), K1 0.01,
    K2 0.03; mean over the map, then over the three colours.

    Raises:
        InputError: as `mae`, or pictures of fewer than 11 pixels a side.
    """
    first, second = (0.01 * scale) ** 2, (0.03 * scale) ** 2

    def similarity(a: Floats, b: Floats) -> Floats:
        a, b = np.moveaxis(a, 3, 1), np.moveaxis(b, 3, 1)
        mean_a, mean_b, square_a, square_b, product = (
            _smooth(x, _SSIM_TAPS, _SSIM_SIGMA) for x in (a, b, a * a, b * b, a * b)
        )
        variances = square_a - mean_a**2 + square_b - mean_b**2
        above = (2 * mean_a * mean_b + first) * (2 * (product - mean_a * mean_b) + second)
        below = (mean_a**2 + mean_b**2 + first) * (variances + second)
        return np.asarray((above / below).mean(axis=(1, 2, 3)))

    return _each(generated, real, scale, similarity, side=2 * _SSIM_TAPS + 1)


def sharpness(pictures: ArrayLike, *, scale: float = 255.0) -> Floats:
    """Variance of the Laplacian of each picture's grey values, (n,), in squared levels of [0, 255].

    Pech-Pacheco et al. 2000 (LAPV), four neighbours, inner pixels; comparable only between pictures of one
    size and template. Noise counts as sharp.

    Raises:
        InputError: no (n, height, width, 3) pictures on [0, ``scale``] of 3 or more pixels a side.

    >>> sharpness(np.full((1, 8, 8, 3), 200, np.uint8)).round(9).tolist()
    [0.0]
    """
    values = np.asarray(pictures)
    _check(values, scale, "pictures", 3)
    found = []
    for block in _blocks(len(values)):
        grey = (values[block].astype(np.float64) * (255.0 / scale)) @ LUMA
        inner = grey[:, 1:-1, 1:-1]
        around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        found.append((around - 4 * inner).var(axis=(1, 2)))
    return np.concatenate(found) if found else np.zeros(0)


def _each(
    generated: ArrayLike,
    real: ArrayLike,
    scale: float,
    measure: Callable[[Floats, Floats], Floats],
    *,
    side: int = 1,
) -> Floats:
    """``measure`` of blocks of both, as float64."""
    a, b = np.asarray(generated), np.asarray(real)
    if a.shape != b.shape:
        raise InputError("pictures", f"generated are {a.shape} and real {b.shape}", "give pairs of one size")
    _check(a, scale, "generated pictures", side)
    _check(b, scale, "real pictures", side)
    found = [measure(a[block].astype(np.float64), b[block].astype(np.float64)) for block in _blocks(len(a))]
    return np.concatenate(found) if found else np.zeros(0)


def _check(values: NDArray[np.generic], scale: float, what: str, side: int) -> None:
    if values.ndim != 4 or values.shape[3] != 3 or values.dtype.kind not in "fiu":
        raise InputError(what, f"are {values.dtype} {values.shape}", "give (n, height, width, 3)")
    if not scale > 0:
        raise InputError("scale", f"is {scale:g}", "give full brightness: 1 or 255")
    if min(values.shape[1:3]) < side:
        fault = f"are {values.shape[1]} x {values.shape[2]} pixels"
        raise InputError(what, fault, f"give at least {side} a side")
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= scale):  # false for NaN too
        fault = f"hold values from {low:g} to {high:g}, outside [0, {scale:g}]"
        raise InputError(what, fault, "say their scale: 1 or 255")


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _BLOCK):
        yield slice(start, min(count, start + _BLOCK))


def _decibel(signal: Floats, noise: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(noise > 0, 10.0 * np.log10(signal / noise), np.inf))


def _smooth(planes: Floats, taps: int, sigma: float) -> Floats:
    """Gaussian smoothing over the last two axes where the window of 2 taps + 1 pixels fits."""
    weights = np.exp(-0.5 * (np.arange(-taps, taps + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (-2, -1):
        length = planes.shape[axis] - 2 * taps
        total = np.zeros_like(np.take(planes, range(length), axis=axis))
        for k, weight in enumerate(weights):
            part = planes[..., k : k + length, :] if axis == -2 else planes[..., k : k + length]
            total += weight * part
        planes = total
    return planes


_TO_REFERENCE = "to one real picture of the person; chance: of somebody else"
MAE = Figure(
    name="MAE on [0, 1]",
    of="pictures",
    function=lambda a, b: mae(a, b, scale=255) / 255,
    convention=_TO_REFERENCE,
    order=1,
)
MSE = Figure(
    name="MSE on [0, 1]",
    of="pictures",
    function=lambda a, b: mse(a, b, scale=255) / 255**2,
    convention=_TO_REFERENCE,
    order=2,
)
SNR = Figure(
    name="SNR (dB)", of="pictures", function=partial(snr, scale=255), convention=_TO_REFERENCE, order=3
)
PSNR = Figure(
    name="PSNR (dB)", of="pictures", function=partial(psnr, scale=255), convention=_TO_REFERENCE, order=4
)
PAMSE = Figure(
    name="PAMSE of grey on [0, 255]",
    of="pictures",
    function=partial(pamse, scale=255),
    convention=_TO_REFERENCE,
    order=5,
)
SSIM = Figure(
    name="SSIM", of="pictures", function=partial(ssim, scale=255), convention=_TO_REFERENCE, order=6
)
SHARPNESS_RATIO = Figure(
    name="sharpness ratio",
    of="sharpness",
    function=lambda a, b: float(a.mean() / b.mean()),
    convention="jackknife over 20 groups of people",
)
CLIP_SSIM = Figure(
    name="SSIM",
    of="clip pictures",
    function=lambda a, b: float(ssim(a, b, scale=255).mean()),
    convention="mean over frames, then clips; Wang et al. 2004, 11 x 11 window, mean of three colours",
    order=1,
)
CLIP_PSNR = Figure(
    name="PSNR",
    of="clip pictures",
    function=lambda a, b: float(np.minimum(psnr(a, b, scale=255), _MAX_PSNR).mean()),
    convention="dB, mean over frames, then clips; equal frames count 100",
    order=2,
)
