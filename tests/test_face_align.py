"""Aligned faces: dlib's geometry, templates, no aliasing, any size, borders."""

import dlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face.align import (
    MEAN_FACE,
    TEMPLATES,
    align,
    change_template,
    crop_box,
    fit_similarity_transform,
    template_points,
)
from voiceface.face.detect import detect
from voiceface.face.landmarks import five_points

POINTS = np.array([(310, 180), (270, 184), (172, 190), (215, 190), (245, 262)], dtype=np.float32)


def ramps(height, width):
    """Pictures whose grey says where it was: one rises to the right, one downwards."""
    down, across = np.mgrid[:height, :width] * 0.5
    return [np.repeat(np.round(ramp).astype(np.uint8)[:, :, None], 3, axis=2) for ramp in (across, down)]


def dlib_chip(image, points, size=150):
    parts = [dlib.point(int(x), int(y)) for x, y in points]
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
    return dlib.get_face_chip(image, face, size=size, padding=0.25)


def test_the_geometry_is_that_of_dlibs_own_chip():
    for ramp in ramps(400, 500):
        ours = align(ramp, POINTS, size=150).astype(float)
        theirs = dlib_chip(ramp, POINTS).astype(float)
        # A grey level is two pixels of the picture, a pixel of the chip 1.9: nowhere more than a level apart
        # (rounding alone can be one), a third of one on average.
        assert np.abs(ours - theirs).max() <= 1.0
        assert np.abs(ours - theirs).mean() < 0.35


def test_a_drawn_face_is_cut_like_dlib_cuts_it():
    face = np.asarray(draw_face(3, 400))
    points = five_points(face, detect(face)[0].box)
    ours, theirs = align(face, points, size=150), dlib_chip(face, points)
    assert np.abs(ours.astype(int) - theirs).mean() < 2.5


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.1, 20),
    x=st.floats(-300, 300),
    y=st.floats(-300, 300),
)
def test_similarity_recovers_any_turn_scale_and_shift(angle, scale, x, y):
    source = MEAN_FACE * 100
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = fit_similarity_transform(source, source @ turn.T + (x, y))
    assert np.allclose(matrix, np.column_stack([turn, (x, y)]), atol=1e-6 * (1 + scale * 100))


def test_similarity_is_the_least_squares_one_and_never_mirrors():
    random = np.random.default_rng(5)
    source, target = random.normal(size=(5, 2)), random.normal(size=(5, 2))
    # Independently: a similarity is linear in (a, b, x, y) of x' = a x - b y + x0, y' = b x + a y + y0.
    rows = [[(u, -v, 1, 0), (v, u, 0, 1)] for u, v in source]
    a, b, x, y = np.linalg.lstsq(np.array(rows, dtype=float).reshape(-1, 4), target.ravel(), rcond=None)[0]
    assert np.allclose(fit_similarity_transform(source, target), [[a, -b, x], [b, a, y]])
    mirrored = fit_similarity_transform(source, source * (-1, 1))
    assert np.linalg.det(mirrored[:, :2]) > 0


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("size", [64, 150, 256])
def test_the_points_come_to_lie_on_the_template(template, size):
    angle, scale = 0.4, 90.0
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = MEAN_FACE @ turn.T + (200, 180)
    page = np.zeros((500, 500, 3), dtype=np.uint8)
    for x, y in points.round().astype(int):
        page[y - 4 : y + 5, x - 4 : x + 5] = 255
    chip = align(page, points, size=size, template=template)[:, :, 0].astype(float)
    down, across = np.mgrid[:size, :size] + 0.5
    for x, y in template_points(template, size):
        near = chip * (np.hypot(across - x, down - y) < size * 0.1 / TEMPLATES[template][2])
        centre = np.array([(near * across).sum(), (near * down).sum()]) / near.sum()
        # Marks sit on whole pixels of the picture: at most 0.7 off.
        assert np.hypot(*(centre - (x, y))) < 0.3 + 0.75 * size / (TEMPLATES[template][2] * scale)


def test_one_crop_at_every_size():
    face = np.asarray(draw_face(8, 600))
    points = five_points(face, detect(face)[0].box)
    large = Image.fromarray(align(face, points, size=256, template="portrait"))
    for size in (32, 64, 128):
        small = align(face, points, size=size, template="portrait").astype(int)
        reduced = np.asarray(large.resize((size, size), Image.Resampling.BOX)).astype(int)
        assert np.abs(small - reduced).mean() < 2.0


def test_arcface_has_arcfaces_eyes_and_portrait_the_whole_head():
    eyes = template_points("arcface", 112)
    assert np.allclose(eyes[[2, 3]].mean(axis=0), (38.29, 51.6), atol=0.15)
    assert np.allclose(eyes[[0, 1]].mean(axis=0), (73.53, 51.6), atol=0.15)
    # The tallest hair and the longest chin that draw_face draws, in a 200-pixel drawing.
    ends = np.array([(100, 200 / 2 * (1 - 0.12 - 0.86), 1), (100, 200 / 2 * (1 + 0.02 + 0.82), 1)])
    face = np.asarray(draw_face(0))
    points = five_points(face, detect(face)[0].box)
    for template, whole in (("portrait", True), ("dlib", False), ("arcface", False)):
        matrix = fit_similarity_transform(points + 0.5, template_points(template, 100))
        heights = (ends @ matrix.T)[:, 1]
        assert bool(heights.min() > 0 and heights.max() < 100) is whole, (template, heights)


def test_wens_window_puts_the_face_where_the_published_pictures_have_it():
    """Means of dlib's five points, which count pixel centres, in ten published pictures of 64 pixels."""
    published = [(44.6, 29.7), (37.3, 30.1), (18.6, 29.6), (26.1, 30.0), (31.8, 44.0)]
    away = {
        name: np.hypot(*(template_points(name, 64) - 0.5 - published).T).mean()
        for name in ("wen", "arcface", "dlib")
    }
    assert away["wen"] < 0.2 and 0.9 < away["arcface"] < 1.3 and 9 < away["dlib"] < 11, away


@pytest.mark.parametrize("scale", [2.3, 7.0, 23.5])
def test_reducing_averages_over_the_area(scale):
    side = int(scale * 1.5 * 64) + 40
    stripes = np.zeros((side, side, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    points = MEAN_FACE * scale * 64 / 1.5 + side / 2 - scale * 64 / 1.5 / 2
    chip = align(stripes, points, size=64)[4:-4, 4:-4].astype(float)
    # A pixel that looked at one or two of the picture's pixels would be black or white: spread 127.
    assert chip.std() < 26
    assert abs(chip.mean() - 127.5) < 3


def test_a_border_is_black_or_repeats_the_edge():
    page = np.full((100, 100, 3), 90, dtype=np.uint8)
    points = MEAN_FACE * 60 + (20, 20)
    black = align(page, points, size=80, template="portrait")
    edge = align(page, points, size=80, template="portrait", border="edge")
    assert (black[:3] == 0).all()
    assert (edge == 90).all()
    assert (black[35:45, 35:45] == 90).all()
    far = align(page, points + 5000, size=20)
    assert (far == 0).all()
    assert (align(page, points + 5000, size=20, border="edge") == 90).all()


@pytest.mark.parametrize("scale", [40, 900])  # enlarged; and reduced beforehand
def test_the_border_moves_nothing_inside_the_picture(scale):
    ramp = ramps(400, 400)[0] if scale == 40 else ramps(500, 510)[0]
    points = MEAN_FACE * scale + (10 - scale * 0.3, 20)
    black = align(ramp, points, size=64, template="portrait").astype(int)
    edge = align(ramp, points, size=64, template="portrait", border="edge").astype(int)
    # Whole pixels of the picture only: those at its rim are half black in one and not in the other.
    rim = [np.roll(black, shift, axis=(0, 1)) for shift in ((2, 0), (-2, 0), (0, 2), (0, -2))]
    inside = np.min([black, *rim], axis=0) > 4
    assert inside.mean() > 0.01
    assert np.abs(black - edge)[inside].max() <= 2


@pytest.mark.parametrize("size", [1, 2, 7, 400])
def test_any_size_of_any_picture(size):
    for shape in ((1, 1, 3), (50, 50), (60, 30, 3)):
        chip = align(np.full(shape, 200, dtype=np.uint8), MEAN_FACE * 20 + 5, size=size)
        assert chip.shape == (size, size, 3)
        assert chip.dtype == np.uint8


def test_a_huge_face_costs_no_more_than_its_pixels():
    points = MEAN_FACE * 2500 + 300
    page = np.full((3000, 4000, 3), 180, dtype=np.uint8)
    assert abs(int(align(page, points, size=64)[32, 32, 0]) - 180) <= 1
    # A face far larger than the picture, as a broken detector may give one.
    assert align(page, MEAN_FACE * 1e6, size=64, border="edge").shape == (64, 64, 3)


def test_a_bare_box_is_cut_as_it_is():
    page = np.zeros((60, 100, 3), dtype=np.uint8)
    page[20:40, 30:70] = (10, 200, 30)
    inside = crop_box(page, (30, 20, 70, 40), 16)
    assert (inside[1:-1, 1:-1] == (10, 200, 30)).all()
    assert (inside[:, :, 1] > 170).all()  # the outermost samples lie nearer to the edge than half a pixel
    beyond = crop_box(page + 50, (-40, -20, 40, 60), 80)
    assert (beyond[:, :40] == 0).all()
    assert (beyond[:20] == 0).all()
    assert (beyond[21:38, 41:68] == 50).all()
    assert (crop_box(page + 50, (-40, -20, 10, 10), 40, border="edge") == 50).all()
    ramp = ramps(64, 64)[0]
    halves = crop_box(ramp, (0, 0, 64, 64), 32).astype(float)[:, :, 0]
    assert np.abs(halves[5] - ramp[5, :, 0].reshape(32, 2).mean(axis=1)).max() <= 1


@pytest.mark.parametrize(
    ("template", "nearest"), [("dlibb", "dlib"), ("portait", "portrait"), ("ArcFace", "arcface"), ("", "")]
)
def test_an_unknown_template_names_the_nearest(template, nearest):
    with pytest.raises(InputError, match=f"did you mean '{nearest}"):
        align(np.zeros((9, 9, 3), np.uint8), POINTS, size=64, template=template)


def test_what_cannot_be_aligned_is_refused():
    page = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(InputError, match="coincide"):
        align(page, np.full((5, 2), 4.0), size=64)
    with pytest.raises(InputError, match="landmarks"):
        align(page, np.full((5, 2), np.nan), size=64)
    with pytest.raises(InputError, match="landmarks"):
        align(page, POINTS[:4], size=64)
    with pytest.raises(InputError, match="size"):
        align(page, POINTS, size=0)
    with pytest.raises(InputError, match="border"):
        align(page, POINTS, size=8, border="green")
    with pytest.raises(InputError, match="face box"):
        crop_box(page, (5, 5, 5, 9), 8)


def test_a_face_cut_again_is_the_picture_cut_so():
    picture = np.asarray(draw_face(3, 400))
    points = 120 + 160 * MEAN_FACE
    head = align(picture, points, size=240, template="head", border="edge")
    expected = align(picture, points, size=90, template="dlib", border="edge").astype(int)
    found = change_template(head[None], source="head", target="dlib", size=90)[0].astype(int)
    assert np.abs(found - expected).mean() < 2 < 10 < np.abs(np.roll(found, 6, 0) - expected).mean()
    with pytest.raises(InputError, match="shape"):
        change_template(head, source="head", target="dlib", size=90)
