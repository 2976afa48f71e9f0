"""What no voice says of a face: random numbers that a seed gives for voices."""

import numpy as np
import pytest
import torch

from voiceface.models.random_appearance import RandomAppearance, chosen_styles, random_appearance
from voiceface.nn.face.torso import torso

WIDTH, RESIDUALS, OUTLINES = 16, 40, 5
KNOWN = [1.5454638, 0.5640865, -1.1072075]


def appearance(voices, samples=None, *, seed=0) -> RandomAppearance:
    samples = [0] * len(voices) if samples is None else samples
    return random_appearance(voices, samples, seed=seed, residuals=RESIDUALS, outlines=OUTLINES)


def voices(count=2, seed=1):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_over_seeds_the_numbers_of_a_voice_are_standard_normal_and_independent():
    rows = torch.cat([appearance(voices(1), seed=seed).residual for seed in range(800)])
    covariance = torch.cov(rows.T)
    assert (covariance - torch.eye(RESIDUALS)).abs().max() < 0.2
    assert rows.mean(0).abs().max() < 0.15


@pytest.mark.parametrize("cosine", [0.9, 0.0, -0.5])
def test_two_voices_are_as_alike_as_their_directions(cosine):
    one, other = torch.linalg.qr(voices(2).T).Q.T
    pair = torch.stack([7 * one, 0.1 * (cosine * one + (1 - cosine**2) ** 0.5 * other)])
    found = [appearance(pair, seed=seed).residual for seed in range(300)]
    correlation = float(np.mean([(a * b).mean() for a, b in found]))
    assert abs(correlation - cosine) < 0.05


def test_the_length_of_a_voice_changes_nothing_and_no_direction_gives_zeros():
    pair = torch.cat([voices(1), 3 * voices(1), torch.zeros(1, WIDTH)])
    found = appearance(pair)
    torch.testing.assert_close(found.residual[0], found.residual[1])
    assert found.residual[2].abs().max() == 0 and found.style[2] == 0.5


def test_seeds_and_samples_give_other_numbers_and_a_batch_the_same_as_one_alone():
    one = voices(1)
    first = appearance(one)
    assert (appearance(one, seed=1).residual != first.residual).any()
    assert (appearance(one, [1]).residual != first.residual).any()
    both = appearance(torch.cat([voices(1, seed=9), one]), [4, 0])
    for alone, beside in zip(first, both, strict=True):
        if isinstance(alone, torch.Tensor):
            torch.testing.assert_close(beside[1], alone[0])
    torch.testing.assert_close(both.clothing.colours[1], first.clothing.colours[0])


def test_the_numbers_are_those_of_numpy_on_every_machine():
    """Printed once; another machine, device or release of PyTorch must not change who is seen."""
    found = appearance(torch.eye(WIDTH)[:1])
    assert found.residual[0, :3].tolist() == pytest.approx(KNOWN, abs=1e-6)


def test_clothes_and_walls_are_plain_colours_of_many_people():
    found = appearance(voices(200))
    assert found.background.shape == (200, 3, 4, 4)
    assert found.background.min() >= 20 and found.background.max() <= 235
    assert 130 < found.background.mean() < 160
    colours = found.clothing.colours
    assert (
        colours.min() >= 12 and colours.max() <= 235 and len({tuple(row) for row in colours.tolist()}) == 200
    )
    assert found.clothing.depth.min() >= 36 and found.clothing.depth.max() <= 42


def test_no_collar_reaches_the_lower_border():
    """What crosses it is repeated below it when a face is warped: streaks."""
    seam = torso(torch.tensor([36.0, 42.0]), 256).seam
    assert seam[:, :, -1].max() < 0.3 and seam[1].max() > 0.9


def test_styles_are_chosen_in_proportion_to_their_shares():
    shares = torch.tensor([[2.0, 0.0, 6.0]]).expand(4000, -1)
    found = chosen_styles(shares, (torch.arange(4000) + 0.5) / 4000)
    assert torch.bincount(found, minlength=3).tolist() == [1000, 0, 3000]
    assert chosen_styles(shares[:2], torch.tensor([0.0, 1.0])).tolist() == [0, 2]
