"""Pixel measures against slow loops and SciPy, and where their scales bite."""

import math

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.face.quality import blur
from voiceface.metrics.image import mae, mse, pamse, psnr, sharpness, snr, ssim

RANDOM = np.random.default_rng(0)
REAL = RANDOM.integers(0, 256, (3, 17, 14, 3)).astype(np.uint8)
DRAWN = np.clip(REAL + RANDOM.normal(0, 30, REAL.shape), 0, 255).astype(np.uint8)


def window(taps, sigma):
    line = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-taps, taps + 1)]
    square = np.outer(line, line)
    return square / square.sum()


def test_errors_are_what_a_loop_over_pixels_says():
    for k in range(3):
        gaps = [float(a) - float(b) for a, b in zip(DRAWN[k].ravel(), REAL[k].ravel(), strict=True)]
        square = sum(g * g for g in gaps) / len(gaps)
        power = sum(float(v) ** 2 for v in REAL[k].ravel()) / len(gaps)
        assert mae(DRAWN, REAL, scale=255)[k] == pytest.approx(sum(map(abs, gaps)) / len(gaps), rel=1e-12)
        assert mse(DRAWN, REAL, scale=255)[k] == pytest.approx(square, rel=1e-12)
        assert psnr(DRAWN, REAL, scale=255)[k] == pytest.approx(10 * math.log10(255**2 / square), rel=1e-12)
        assert snr(DRAWN, REAL, scale=255)[k] == pytest.approx(10 * math.log10(power / square), rel=1e-12)


def test_pamse_is_the_smoothed_error_squared_pixel_by_pixel():
    taps = window(3, 0.8)
    grey = (DRAWN.astype(float) - REAL) @ [0.299, 0.587, 0.114]
    for k in range(3):
        squares = [
            (grey[k, i : i + 7, j : j + 7] * taps).sum() ** 2 for i in range(17 - 6) for j in range(14 - 6)
        ]
        assert pamse(DRAWN, REAL, scale=255)[k] == pytest.approx(np.mean(squares), rel=1e-10)


def test_ssim_is_wangs_map_in_a_loop():
    taps, c1, c2 = window(5, 1.5), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    a, b = DRAWN.astype(float), REAL.astype(float)
    for k in range(3):
        found = []
        for c in range(3):
            for i in range(17 - 10):
                for j in range(14 - 10):
                    x, y = a[k, i : i + 11, j : j + 11, c], b[k, i : i + 11, j : j + 11, c]
                    mx, my = (x * taps).sum(), (y * taps).sum()
                    vx, vy = (taps * (x - mx) ** 2).sum(), (taps * (y - my) ** 2).sum()
                    both = (taps * (x - mx) * (y - my)).sum()
                    found.append(
                        (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
                    )
        assert ssim(DRAWN, REAL, scale=255)[k] == pytest.approx(np.mean(found), abs=1e-10)


def test_the_scale_changes_errors_and_nothing_else():
    small = DRAWN / 255.0, REAL / 255.0
    assert mae(*small, scale=1) * 255 == pytest.approx(mae(DRAWN, REAL, scale=255))
    for square in (mse, pamse):
        assert square(*small, scale=1) * 255**2 == pytest.approx(square(DRAWN, REAL, scale=255))
    for ratio in (psnr, snr, ssim):
        assert ratio(*small, scale=1) == pytest.approx(ratio(DRAWN, REAL, scale=255))
    assert sharpness(small[0], scale=1) == pytest.approx(sharpness(DRAWN))


def test_equal_pictures_have_no_error():
    for error in (mae, mse, pamse):
        assert (error(REAL, REAL, scale=255) == 0).all()
    assert np.isinf(psnr(REAL, REAL, scale=255)).all() and np.isinf(snr(REAL, REAL, scale=255)).all()
    assert ssim(REAL, REAL, scale=255) == pytest.approx(1.0)


def test_the_papers_mse_is_not_the_papers_psnr():
    # Agarwal's Table II: an MSE of 0.011 on [0, 1] is 19.6 dB, not the 28.3 printed beside it.
    grey = np.full((1, 16, 16, 3), 0.5)
    assert psnr(grey + math.sqrt(0.011), grey, scale=1)[0] == pytest.approx(19.586, abs=1e-3)


def test_sharpness_is_the_house_blur_but_for_rounding_and_falls_when_smoothed():
    from scipy import ndimage

    assert sharpness(REAL) == pytest.approx([blur(one) for one in REAL], rel=5e-3)
    smooth = ndimage.gaussian_filter(REAL.astype(float), (0, 1, 1, 0))
    assert (sharpness(smooth) < 0.2 * sharpness(REAL)).all()
    grey = REAL[0].astype(float) @ [0.299, 0.587, 0.114]
    kernel = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert sharpness(REAL)[0] == pytest.approx(ndimage.convolve(grey, kernel)[1:-1, 1:-1].var())


def test_many_pictures_are_measured_like_few():
    many = np.concatenate([DRAWN] * 50), np.concatenate([REAL] * 50)
    assert ssim(*many, scale=255) == pytest.approx(np.tile(ssim(DRAWN, REAL, scale=255), 50))
    assert mae(DRAWN[:0], REAL[:0], scale=255).shape == (0,)


@pytest.mark.parametrize(
    ("drawn", "scale", "told"),
    [
        (DRAWN, 1, "outside"),
        (DRAWN - 300.0, 255, "outside"),
        (np.where(DRAWN > 250, np.nan, DRAWN / 255.0), 1, "outside"),
        (DRAWN[:2], 255, "one size"),
        (DRAWN[..., 0], 255, "one size"),
        (DRAWN, 0, "full brightness"),
    ],
)
def test_what_is_no_pair_of_pictures_on_the_scale_is_refused(drawn, scale, told):
    with pytest.raises(InputError, match=told):
        mse(drawn, REAL, scale=scale)


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(InputError, match="at least 11"):
        ssim(DRAWN[:, :10], REAL[:, :10], scale=255)
    with pytest.raises(InputError, match="at least 7"):
        pamse(DRAWN[:, :6], REAL[:, :6], scale=255)
