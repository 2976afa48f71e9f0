"""The measure of regular grids: silent on noise and smooth pictures, loud on grids of its periods."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.metrics.regular_grid import PERIODS, regular_grid


def smooth_noise(count=4, side=256):
    noise = np.random.default_rng(0).normal(size=(count, side, side))
    spectrum = np.fft.fft2(noise)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    soft = np.fft.ifft2(spectrum / (radius + 0.02)).real
    return np.repeat((soft / soft.std() * 40 + 128)[..., None], 3, axis=3)


def test_pictures_without_a_grid_stay_near_zero():
    assert np.abs(regular_grid(smooth_noise())).max() < 0.7


@pytest.mark.parametrize("period", PERIODS)
def test_a_grid_is_found_at_its_period_alone(period):
    pictures = smooth_noise()
    # Photographs have the more power the longer the period, and hide the more.
    pictures[:, ::period] += 3 * period
    pictures[:, :, ::period] += 3 * period
    found = dict(zip(PERIODS, regular_grid(pictures), strict=True))
    assert found[period] > 1
    larger = [other for other in PERIODS if other > period]
    assert all(abs(found[other]) < 0.7 for other in larger)


def test_other_shapes_and_periods_are_refused():
    with pytest.raises(InputError, match="have the shape"):
        regular_grid(np.zeros((2, 8, 8)))
    with pytest.raises(InputError, match="5 does not divide 8"):
        regular_grid(np.ones((1, 8, 8, 3)), periods=[5])
