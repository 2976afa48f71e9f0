"""Neck and clothes below a face: a collar as deep as asked, cloth below it, skin above."""

import torch

from voiceface.nn.face.torso import Clothing, cloth_colours, neck_colours, plain_clothing, torso

SIZE = 256


def test_a_deeper_collar_shows_more_skin():
    parts = torso(torch.tensor([30.0, 46.0]), SIZE)
    assert parts.clothes[0, 0, 245, 128] > 0.9 > 0.1 > parts.clothes[1, 0, 245, 128]
    for row in range(2):
        assert parts.clothes[row, 0, 250, 5] > 0.99  # shoulders are dressed
        assert parts.clothes[row, 0, 150].max() < 0.01 and parts.neck[row, 0, 150].max() < 0.01
        assert (parts.seam[row] <= parts.clothes[row] + 1e-6).all()
    assert torch.allclose(parts.clothes, parts.clothes.flip(3), atol=1e-4)


def test_cloth_has_its_colour_and_a_seam():
    parts = torso(torch.tensor([40.0]), SIZE)
    colour = torch.tensor([[60.0, 90.0, 150.0]])
    cloth = cloth_colours(colour, parts)
    assert (cloth[0, :, 252, 100] / colour[0] - 1).abs().max() < 0.15
    along = parts.seam[0, 0].flatten() > 0.2
    assert cloth[0, 0].flatten()[along].std() > 1


def test_a_neck_is_darker_near_the_head():
    shadow = torch.zeros(1, 1, SIZE, SIZE)
    shadow[..., :230, :] = 1
    neck = neck_colours(torch.full((1, 3, 1, 1), 150.0), shadow)
    assert neck[0, 0, 229, 128] < 0.7 * 150 < neck[0, 0, 250, 128] < 150


def test_plain_clothing_is_one_for_all():
    found = plain_clothing(torch.zeros(3, 2, dtype=torch.float64))
    assert isinstance(found, Clothing) and found.colours.shape == (3, 3)
    assert found.colours.dtype == torch.float64 and (found.colours == found.colours[0]).all()
