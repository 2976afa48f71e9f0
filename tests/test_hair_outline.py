"""Hair whose outline and length vary: how they were found, where pixels move, and that faces stay."""

import math

import pytest
import torch
import torch.nn.functional as F

from small_face_model import draw_faces, fitted_model
from voiceface.models.hair_contours import HairContours, contour_components
from voiceface.nn.face.canonical_frame import ANGLES, MIDDLE, SIZE, angles, polar_coordinates
from voiceface.nn.face.hair_colours import plain_shading
from voiceface.nn.face.hair_outline import below_jaw, outline_grid
from voiceface.nn.face.torso import Clothing

FACE = torch.full((ANGLES,), 60.0)
CONTOURS = torch.stack([torch.full((ANGLES,), 75.0), torch.full((ANGLES,), 100.0)])[None]


def moved_disc(outline, hairline=None, *, edge=100, side=128):
    """A disc of radius ``edge`` after contours have changed, and the polar coordinates of its pixels."""
    radius, angle = polar_coordinates(side)
    disc = torch.sigmoid(edge - radius)[None, None]
    change = torch.stack([torch.zeros(1, ANGLES) if hairline is None else hairline, outline], 1)
    grid = outline_grid(change, CONTOURS, FACE, side)
    return F.grid_sample(disc, grid, padding_mode="border", align_corners=False)[0, 0], radius, angle


@pytest.mark.parametrize("share", [0.1, -0.1])
def test_an_outline_moves_by_its_share_and_the_face_stays(share):
    change = torch.full((1, ANGLES), share)
    found, radius, _ = moved_disc(change)
    assert (found[radius < 100 * (1 + share) - 4] > 0.9).all()
    assert (found[radius > 100 * (1 + share) + 4] < 0.1).all()
    places = outline_grid(change[:, None].expand(-1, 2, -1), CONTOURS, FACE, SIZE)[0]
    still = polar_coordinates(SIZE)[0] < 58
    line = (torch.arange(SIZE) + 0.5) / (SIZE / 2) - 1
    own = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    assert torch.allclose(places[still], own[still], atol=1e-5)


@pytest.mark.parametrize("share", [0.12, -0.12])
def test_a_hairline_moves_within_an_outline_that_stays(share):
    none, change = torch.zeros(1, ANGLES), torch.full((1, ANGLES), share)
    found, radius, _ = moved_disc(none, change, edge=75)
    assert (found[radius < 75 * (1 + share) - 4] > 0.9).all()
    assert (found[radius > 75 * (1 + share) + 4] < 0.1).all()
    still, radius, _ = moved_disc(none, change)
    assert (still[radius < 98] > 0.6).all() and (still[radius > 103] < 0.1).all()


@pytest.mark.parametrize("hairline", [-5.0, 5.0])
@pytest.mark.parametrize("outline", [-5.0, 5.0])
def test_contours_never_cross_each_other_nor_the_face(hairline, outline):
    change = torch.stack([torch.full((1, ANGLES), hairline), torch.full((1, ANGLES), outline)], 1)
    grid = outline_grid(change, torch.cat([CONTOURS, CONTOURS[:, [0, 0]]]), FACE, SIZE)
    straight_up = grid[:, :140, 128, 1].flip(1)
    assert (straight_up.diff(dim=1) < 0).all()
    # Of hair that was 25 pixels deep, half stays.
    source = MIDDLE[1] - (straight_up[0] + 1) * (SIZE / 2)
    assert ((source > 75) & (source < 100)).sum() >= 11


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
        grid = outline_grid(none[:, None].expand(-1, 2, -1), CONTOURS, FACE, SIZE, torch.tensor([length]))
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
    both = contour_components(own, labels, FACE, 3)
    assert both.shape == (3, 2, ANGLES) and both[:, 0].abs().max() < 1e-6  # bald
    found = both[:, 1]
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
    fitted.net.get_buffer("style_outlines")[0, 1] = 0.1
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
    found = contour_components(own, torch.zeros(80, dtype=torch.int64), FACE, 2)[0, 1]
    share = found[lopsided.argmax()].abs() / lopsided.max()
    assert float(share) == pytest.approx(0.4 * float(amounts.square().mean().sqrt()), rel=0.15)


def test_a_parting_at_one_side_is_kept_whole():
    lopsided = angles().sin() * (angles().abs() < 1.5)
    amounts = 0.1 * torch.randn(80, 1, generator=torch.Generator().manual_seed(1))
    hairline = 80 * (1 + amounts * lopsided)
    outline = torch.full_like(hairline, 110.0)
    own = HairContours(outline, hairline, torch.ones_like(outline, dtype=torch.bool))
    found = contour_components(own, torch.zeros(80, dtype=torch.int64), FACE, 2)[0]
    share = found[0, lopsided.argmax() - 8].abs() / lopsided[lopsided.argmax() - 8]
    assert float(share) == pytest.approx(float(amounts.square().mean().sqrt()), rel=0.15)
    assert found[1].abs().max() < 1e-3


def test_shading_of_hair_keeps_little_colour():
    shading = torch.tensor([[40.0, -20.0, 10.0], [-60.0, -30.0, 0.0], [90.0, 120.0, 60.0]])[..., None, None]
    found = plain_shading(shading, 18.0)[..., 0, 0]
    torch.testing.assert_close(found[0], torch.tensor([10 + 0.3 * 30, 10 - 0.3 * 30, 10.0]))
    torch.testing.assert_close(found[1], torch.tensor([-39.0, -30.0, -21.0]))
    assert found[2].mean() < 45  # much of what is lighter than hair is the wall
