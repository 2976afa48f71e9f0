"""Contours of hair: measured on discs whose sizes are known, and moved onto each other."""

import math

import torch

from voiceface.models import hair_contours as contours
from voiceface.nn.face.canonical_frame import ANGLES, MIDDLE, SIZE, angles, at_angles, polar_coordinates

FACE = torch.full((ANGLES,), 50.0)
SKIN, HAIR, WALL = 180.0, 40.0, 230.0


def heads(outlines, hairlines, side=128):
    """Discs of hair with a face inside on a light wall, their masks and what is known."""
    radius, _ = polar_coordinates(side)
    pictures = []
    for outline, hairline in zip(outlines, hairlines, strict=True):
        light = torch.where(radius < outline, HAIR, WALL)
        pictures.append(torch.where(radius < hairline, SKIN, light))
    small, _ = polar_coordinates(64)
    person = torch.stack([torch.sigmoid(outline - small) for outline in outlines])
    known = torch.ones(len(outlines), 64, 64, dtype=torch.bool)
    return torch.stack(pictures)[:, None].expand(-1, 3, -1, -1), person, known


def test_radii_of_discs_are_found():
    pictures, person, known = heads([100.0, 90.0], [60.0, 70.0])
    found = contours.measure_contours(person, known, pictures, FACE)
    assert found.known.all()
    for row, (outline, hairline) in enumerate([(100, 60), (90, 70)]):
        assert (found.outline[row] - outline).abs().max() < 3
        assert (found.hairline[row] - hairline).abs().max() < 3


def test_a_bald_head_has_no_hairline():
    pictures, person, known = heads([95.0], [95.0])
    found = contours.measure_contours(person, known, pictures, FACE)
    assert (found.outline - found.hairline).abs().max() < 1 and (found.outline - 95).abs().max() < 3


def test_what_the_border_cuts_off_is_guessed_and_said():
    pictures, person, known = heads([100.0, 100.0, 80.0], [60.0] * 3)
    known[2, :18] = False
    found = contours.measure_contours(person, known, pictures, FACE)
    up = angles().abs() < math.radians(30)
    assert not found.known[2, up].any() and found.known[:2].all()
    assert (found.outline[2, up] - 80).abs().max() < 4


def test_angles_begin_upwards_and_run_clockwise():
    radius, angle = polar_coordinates(SIZE)
    x, y = (round(value) for value in MIDDLE)
    assert abs(float(angle[y - 60, x])) < 0.02 and abs(float(radius[y - 60, x]) - 60) < 1
    assert abs(float(angle[y, x + 60]) - math.pi / 2) < 0.02
    table = torch.arange(float(ANGLES))[None]
    assert float(at_angles(table, torch.tensor([[0.0]]))) == ANGLES / 2 - 0.5


def test_aligned_heads_have_the_wanted_contours_and_keep_their_faces():
    pictures, person, known = heads([100.0, 80.0], [62.0, 70.0])
    own = contours.measure_contours(person, known, pictures, FACE)
    wanted = contours.HairContours(*(part[:1] for part in own))
    moved = contours.align_contours(pictures, own, wanted, FACE)
    radius, angle = polar_coordinates(128)
    high = angle.abs() < math.radians(95)
    for inside, value in ((radius < 45, SKIN), (high & (radius > 68) & (radius < 92), HAIR)):
        assert (moved[1, 0][inside] - value).abs().mean() < 6
    assert (moved[1, 0][high & (radius > 108)] - WALL).abs().mean() < 6
    # Below the shoulders nothing moves.
    low = angle.abs() > math.radians(135)
    assert torch.allclose(moved[1, 0][low], pictures[1, 0][low], atol=1.0)


def test_contours_of_a_mirrored_picture_are_the_mirrored_contours():
    pictures, person, known = heads([100.0], [60.0])
    pictures, person = pictures.clone(), person.clone()
    pictures[..., 90:] = WALL
    person[..., 45:] = 0
    own = contours.measure_contours(person, known, pictures, FACE)
    turned = contours.measure_contours(person.flip(2), known, pictures.flip(3), FACE)
    assert (own.mirrored().outline - turned.outline).abs().max() < 2
    assert (own.outline - turned.outline).abs().max() > 20
    both = own.symmetric()
    assert torch.allclose(both.outline, both.outline.flip(1))


def test_the_radius_of_the_face_is_that_of_its_pixels():
    radius, _ = polar_coordinates(SIZE)
    assert (contours.face_radius(radius < 70) - 70).abs().max() < 2


def test_ears_are_no_hair():
    pictures, person, known = heads([100.0], [60.0])
    radius, angle = polar_coordinates(128)
    aside = (angle.abs() > 1.3) & (angle.abs() < 2.0)
    pictures = torch.where(aside & (radius > 80) & (radius < 100), SKIN, pictures)
    found = contours.measure_contours(person, known, pictures, FACE)
    ears = (angles().abs() > 1.4) & (angles().abs() < 1.9)
    assert torch.allclose(found.hairline[0, ears], found.outline[0, ears], atol=2)
    assert (found.hairline[0, angles().abs() < 1.2] - 60).abs().max() < 3
