"""Speech2Video's losses against slow loops, its networks' shapes, and what reaches what."""

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.nn.face.speech2video import FrameDecoder, IdentityDiscriminator, IdentityInflation, map_sides
from voiceface.nn.loss.frame_losses import gradient_loss, half_frame_l1, smoothed

MAPS = (6, 5, 3)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def slow_similarity(drawn, real, rows):
    values = [
        abs(float(drawn[n, c, y, x]) - float(real[n, c, y, x]))
        for n in range(drawn.shape[0])
        for c in range(3)
        for y in rows
        for x in range(drawn.shape[3])
    ]
    return sum(values) / len(values)


def slow_smooth(picture):
    height, width = picture.shape
    found = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    weight = (2 - abs(dy)) * (2 - abs(dx)) / 16
                    at = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                    found[y, x] += weight * picture[at]
    return found


def slow_gradient(drawn, real):
    across, down = [], []
    for n in range(drawn.shape[0]):
        for c in range(3):
            one, two = (slow_smooth(side[n, c].double().numpy()) for side in (drawn, real))
            for y in range(one.shape[0]):
                for x in range(one.shape[1]):
                    if x + 1 < one.shape[1]:
                        across.append(abs((one[y, x + 1] - one[y, x]) - (two[y, x + 1] - two[y, x])))
                    if y + 1 < one.shape[0]:
                        down.append(abs((one[y + 1, x] - one[y, x]) - (two[y + 1, x] - two[y, x])))
    return np.mean(across) + np.mean(down)


def test_the_half_above_the_nose_and_the_gradients_of_slow_loops():
    drawn, real = torch.rand(2, 3, 8, 6), torch.rand(2, 3, 8, 6)
    assert half_frame_l1(drawn, real).item() == pytest.approx(slow_similarity(drawn, real, range(4)))
    lower = half_frame_l1(drawn, real, lower=True).item()
    assert lower == pytest.approx(slow_similarity(drawn, real, range(4, 8)))
    assert gradient_loss(drawn, real).item() == pytest.approx(slow_gradient(drawn, real), rel=1e-5)
    expected = torch.from_numpy(slow_smooth(drawn[1, 2].double().numpy())).float()
    torch.testing.assert_close(smoothed(drawn)[1, 2], expected)


def test_similarity_pushes_no_pixel_of_the_mouth_and_gradients_no_brightness():
    drawn, real = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8)
    (pushed,) = torch.autograd.grad(half_frame_l1(drawn, real), drawn)
    assert (pushed[:, :, :4] != 0).all() and (pushed[:, :, 4:] == 0).all()
    assert gradient_loss(real + 0.25, real).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_identity_is_inflated_to_three_maps_that_its_judge_and_the_decoder_read(size):
    inflation = IdentityInflation(identity=7, maps=MAPS, width=4, size=size)
    decoder = FrameDecoder(context=5, emotion=2, maps=MAPS, width=4, size=size)
    judge = IdentityDiscriminator(maps=MAPS, width=4, size=size)
    maps = inflation(torch.randn(2, 7))
    assert [tuple(known.shape) for known in maps] == [
        (2, channels, side, side) for channels, side in zip(MAPS, map_sides(size), strict=True)
    ]
    drawn = decoder(torch.randn(2, 5), torch.randn(2, 2), maps)
    assert drawn.shape == (2, 3, size, size) and drawn.abs().max() <= 1
    assert judge(maps).shape == (2,)


def test_every_input_reaches_the_frame_and_every_map_the_score():
    inflation = IdentityInflation(identity=7, maps=MAPS, width=4, size=32)
    decoder = FrameDecoder(context=5, emotion=2, maps=MAPS, width=4, size=32)
    judge = IdentityDiscriminator(maps=MAPS, width=4, size=32)
    inputs = [torch.randn(1, n, requires_grad=True) for n in (5, 2, 7)]
    maps = inflation(inputs[2])
    found = torch.autograd.grad(
        decoder(*inputs[:2], maps).square().sum(), [*inputs, *maps], retain_graph=True
    )
    assert all(one.abs().max() > 0 for one in found)
    found = torch.autograd.grad(judge(maps).sum(), maps)
    assert all(one.abs().max() > 0 for one in found)


@pytest.mark.parametrize("size", [16, 40, 100])
def test_other_sizes_are_refused(size):
    with pytest.raises(InputError, match="multiple of 16"):
        IdentityInflation(identity=4, maps=MAPS, size=size)
