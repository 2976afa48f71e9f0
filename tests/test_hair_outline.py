"""Hair whose outline and length vary: how they were found, where pixels move, and that faces stay."""

import math

import pytest
import torch
import torch.nn.functional as F

from small_face_model import draw_faces, fitted_model
from voiceface.models.fit_hair_styles import _outlines
from voiceface.models.hair_contours import HairContours
from voiceface.nn.face.canonical_frame import ANGLES, MIDDLE, SIZE, angles, polar_coordinates
from voiceface.nn.face.hair_outline import below_jaw, outline_grid
from voiceface.nn.face.torso import Clothing

FACE = torch.full((ANGLES,), 60.0)


def moved_disc(change, length=None, side=128):
    """A disc of radius 100 after its outline has changed, and the polar coordinates of its pixels."""
    radius, angle = polar_coordinates(side)
    disc = torch.sigmoid(100 - radius)[None, None]
    grid = outline_grid(change, FACE, side, length)
    return F.grid_sample(disc, grid, padding_mode="border", align_corners=False)[0, 0], radius, angle


@pytest.mark.parametrize("share", [0.1, -0.1])
def test_an_outline_moves_by_its_share_and_the_face_stays(share):
    change = torch.full((1, ANGLES), share)
    found, radius, _ = moved_disc(change)
    assert (found[radius < 100 * (1 + share) - 4] > 0.9).all()
    assert (found[radius > 100 * (1 + share) + 4] < 0.1).all()
    places = outline_grid(change, FACE, SIZE)[0]
    still = polar_coordinates(SIZE)[0] < 58
    line = (torch.arange(SIZE) + 0.5) / (SIZE / 2) - 1
    own = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    assert torch.allclose(places[still], own[still], atol=1e-5)


def test_one_side_alone_moves():
    right = (angles() > 0.3) & (angles() < 2.0)
    found, radius, angle = moved_disc(0.12 * right[None].float())
    ring = (radius > 104) & (radius < 108)
    assert found[ring & (angle > 0.6) & (angle < 1.7)].min() > 0.9
    assert found[ring & (angle < -0.1) & (angle > -2.5)].max() < 0.1


def test_no_outline_moves_by_more_than_a_fifth():
    found, radius, _ = moved_disc(torch.full((1, ANGLES), 5.0))
    assert found[radius > 122].max() < 0.1


def test_long_hair_falls_below_the_jaw_and_nothing_above_it_changes():
    none = torch.zeros(1, ANGLES)
    rows = torch.arange(SIZE)[None, :, None].expand(1, -1, SIZE)[None].float()

    def sources(length):
        grid = outline_grid(none, FACE, SIZE, torch.tensor([length]))
        return F.grid_sample(rows, grid, align_corners=False)[0, 0, :, 128]

    long, short = sources(1.5), sources(-2.5)
    assert torch.allclose(long[:180], torch.arange(180.0), atol=0.1)
    assert long[240] < 210 and short[210] > 215
    assert sources(9.0)[240] > 182 + (240 - 182) / 3.5
    assert below_jaw(SIZE)[150] == 0 and below_jaw(SIZE)[220] == 1


def test_components_are_how_outlines_differ_from_their_styles():
    random = torch.Generator().manual_seed(0)
    wider = torch.cos(angles() / 2).square()
    amounts = 0.05 * torch.randn(60, 1, generator=random)
    amounts = amounts - amounts.mean()
    labels = torch.arange(60) % 2
    outline = torch.where(labels[:, None] == 0, 80.0, 120.0) * (1 + amounts * wider)
    own = HairContours(outline, outline, torch.ones_like(outline, dtype=torch.bool))
    found = _outlines(own, labels, 3)
    assert found.shape == (3, ANGLES)
    high = angles().abs() < math.radians(100)
    likeness = F.cosine_similarity(found[0, high], wider[high], dim=0).abs()
    assert likeness > 0.99
    deviation = float(found[0, ANGLES // 2].abs() / wider[ANGLES // 2])
    assert deviation == pytest.approx(float(amounts.std()), rel=0.15)
    assert found[1:].abs().max() < 0.01 and found[:, angles().abs() > 2.4].abs().max() < 1e-6


@pytest.fixture(scope="module")
def fitted():
    return fitted_model(draw_faces(24))[0]


def rendered(model, outline):
    coefficients, styles = torch.zeros(1, model.net.width), torch.tensor([0])
    wall, clothing = torch.full((1, 3, 4, 4), 150.0), Clothing(torch.full((1, 3), 90.0), torch.tensor([40.0]))
    return model.net.render_layers(coefficients, styles, wall, clothing=clothing, outline=outline)


def test_rendered_heads_vary_around_the_same_face(fitted):
    fitted.net.get_buffer("style_outlines")[0] = 0.1
    plain, usual = rendered(fitted, None), rendered(fitted, torch.tensor([[0.0, 0.0, -0.35 / 0.45]]))
    wide = rendered(fitted, torch.tensor([[1.0, 0.0, -0.35 / 0.45]]))
    # An outline as the style's, and the length of its average.
    assert (plain.pictures - usual.pictures).abs().mean() < 0.5
    assert wide.person.sum() > 1.03 * plain.person.sum()
    x, y = (round(value) for value in MIDDLE)
    inner = (slice(None), slice(None), slice(y - 20, y + 40), slice(x - 30, x + 30))
    assert (wide.pictures[inner] - plain.pictures[inner]).abs().max() < 2


def test_shoulders_stay_while_hair_falls(fitted):
    long, short = (rendered(fitted, torch.tensor([[0.0, 0.0, value]])) for value in (2.0, -2.0))
    assert short.person[..., 250, 100:156].min() > 0.9
    assert torch.allclose(long.person[..., 250, :], short.person[..., 250, :], atol=0.05)


def test_what_differs_between_the_sides_is_kept_in_part():
    random = torch.Generator().manual_seed(1)
    lopsided = angles().sin() * (angles().abs() < 1.8)
    amounts = 0.05 * torch.randn(80, 1, generator=random)
    outline = 100 * (1 + amounts * lopsided)
    own = HairContours(outline, outline, torch.ones_like(outline, dtype=torch.bool))
    found = _outlines(own, torch.zeros(80, dtype=torch.int64), 2)[0]
    share = found[lopsided.argmax()].abs() / lopsided.max()
    assert float(share) == pytest.approx(0.4 * float(amounts.square().mean().sqrt()), rel=0.15)
