"""Box filters and enlarging beside PyTorch's pooling and interpolation."""

import pytest
import torch
import torch.nn.functional as F

from voiceface.nn.face.box_filters import blur, dilate, enlarge, window_mean


@pytest.fixture
def pictures():
    return 255 * torch.rand(2, 3, 40, 28, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7, 9, 11, 13, 15, 28])
def test_window_means_are_those_of_pooling(pictures, width):
    torch.testing.assert_close(
        window_mean(pictures, width), F.avg_pool2d(pictures, width, stride=1), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("width", [1, 3, 5, 13, 15])
def test_a_blur_repeats_the_edge(pictures, width):
    padded = F.pad(pictures, (width // 2,) * 4, mode="replicate")
    found = blur(pictures, width)
    assert found.shape == pictures.shape
    torch.testing.assert_close(found, F.avg_pool2d(padded, width, stride=1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("width", [1, 3, 5, 7, 13, 25])
def test_maxima_are_those_of_pooling_to_the_bit(pictures, width):
    wanted = F.max_pool2d(pictures - 128, width, stride=1, padding=width // 2)
    assert torch.equal(dilate(pictures - 128, width), wanted)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("side", "size"), [(4, 256), (28, 56), (28, 41), (28, 20)])
def test_enlarging_is_bicubic_interpolation(pictures, side, size, align_corners):
    given = pictures[:, :, :side, :side]
    wanted = F.interpolate(given, size=size, mode="bicubic", align_corners=align_corners)
    found = enlarge(given, size, align_corners=align_corners)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-3)


def test_gradients_of_a_blur_are_those_of_pooling(pictures):
    one, two = pictures.clone().requires_grad_(), pictures.clone().requires_grad_()
    weights = torch.rand(2, 3, 40, 28, generator=torch.Generator().manual_seed(4))
    (blur(one, 5) * weights).sum().backward()
    padded = F.pad(two, (2,) * 4, mode="replicate")
    (F.avg_pool2d(padded, 5, stride=1) * weights).sum().backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-5, atol=1e-5)
