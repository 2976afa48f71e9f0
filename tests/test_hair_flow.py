"""Orientations of stripes are those of the stripes; streaks run along them and are as strong as the grain."""

import math

import pytest
import torch

from voiceface.nn.face.hair_flow import orientations, streaks


def stripes(angle, size=64):
    """Stripes that run in a direction (radians from the x axis)."""
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    return 100 + 50 * torch.sin(0.9 * (y * math.cos(angle) - x * math.sin(angle)))[None, None]


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
def test_stripes_have_their_own_orientation(degrees):
    angle = math.radians(degrees)
    middle = orientations(stripes(angle), width=9)[0, :, 20:44, 20:44]
    wanted = torch.tensor([math.cos(2 * angle), math.sin(2 * angle)])
    assert (middle - wanted[:, None, None]).abs().max() < 0.15


def test_noise_has_none():
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert orientations(noise, width=17)[0, :, 20:44, 20:44].norm(dim=0).mean() < 0.3


@pytest.mark.parametrize("degrees", [0, 60, 90])
def test_streaks_run_along_the_orientation(degrees):
    grain = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    angle = math.radians(degrees)
    flow = torch.tensor([math.cos(2 * angle), math.sin(2 * angle)])
    found = streaks(grain, flow.view(1, 2, 1, 1).expand(1, 2, 128, 128))
    assert 0.6 < float(found.std()) < 1.7
    measured = orientations(found, width=33)[0, :, 50:78, 50:78].mean((1, 2))
    assert float(measured @ flow) > 0.4


def test_streaks_do_not_depend_on_the_pictures_beside():
    grain = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    flow = torch.randn(2, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(streaks(grain, flow)[1:], streaks(grain[1:], flow[1:]))
