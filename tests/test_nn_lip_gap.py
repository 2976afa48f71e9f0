"""Lips that are farther apart than face-mesh sees are found by their colours, and brought together."""

import numpy as np
import pytest

from voiceface.nn.face.lip_edges import LOWER_EDGE, LOWER_LIP, UPPER_EDGE, UPPER_LIP
from voiceface.nn.face.lip_gap import lip_features, lip_gap, part_lips
from voiceface.nn.face.mesh_animation import SKIN_POINTS, MeshAnimation
from voiceface.pipelines.weights import load_model

LIPS, TEETH, DARK = (170.0, 90.0, 90.0), (190.0, 180.0, 165.0), (60.0, 30.0, 25.0)


@pytest.fixture(scope="module")
def talker():
    return load_model("talker").model


def mouth(shape, gap):
    """A photograph's colours: lips, between which teeth stand above the dark as far as they are apart."""
    middle = (shape[UPPER_LIP, 1] + shape[LOWER_LIP, 1]) / 2

    def photographed(spots):
        from_middle = spots[:, 1] - middle
        inside = np.abs(from_middle) < gap / 2
        return np.where(inside[:, None], np.where(from_middle[:, None] < gap / 6, TEETH, DARK), LIPS)

    return photographed


def opened(talker, gap):
    """The mean face with lips so far apart, as face-mesh sees it."""
    shape = talker.get_buffer("rest").double().numpy().copy()
    return shape + (gap - shape[LOWER_LIP, 1] + shape[UPPER_LIP, 1]) * talker._opening()


def test_the_mesh_is_believed_unless_colours_say_that_lips_are_farther_apart(talker):
    shape = opened(talker, 0.06)
    assert lip_gap(mouth(shape, 0.0), shape) == pytest.approx(0.06)
    assert 0.1 < lip_gap(mouth(shape, 0.2), shape) <= 0.3
    wide = opened(talker, 0.5)
    assert lip_gap(mouth(wide, 0.5), wide) == pytest.approx(0.3)


def test_features_do_not_depend_on_the_exposure_but_on_where_the_dark_is(talker):
    shape = opened(talker, 0.06)
    bright, dim = (lip_features(lambda spots, k=k: k * mouth(shape, 0.15)(spots), shape) for k in (1.0, 0.5))
    assert bright.shape == (24,) and np.allclose(bright, dim, atol=0.02)
    assert np.abs(bright - lip_features(mouth(shape, 0.0), shape))[:22].max() > 0.2


def test_lips_part_in_the_middle_and_the_corners_stay(talker):
    shape = opened(talker, 0.06)
    moved = shape.copy()
    part_lips(moved, 0.15)
    assert moved[LOWER_LIP, 1] - moved[UPPER_LIP, 1] == pytest.approx(0.15)
    assert np.array_equal(moved[[78, 308, 61, 291, 0, 17, 152]], shape[[78, 308, 61, 291, 0, 17, 152]])
    upper, lower = list(UPPER_EDGE[1:-1]), list(LOWER_EDGE[1:-1])
    assert (moved[lower, 1] >= moved[upper, 1]).all() and moved[12, 1] < shape[12, 1]
    same = shape.copy()
    part_lips(same, 0.06)
    assert np.allclose(same, shape)


def test_a_strip_of_teeth_that_the_mesh_misses_is_gone_when_the_mouth_closes(talker):
    """Teeth are 0.14 apart, the mesh says 0.05: no white is left between closed lips."""
    side = 400
    shape = opened(talker, 0.05)
    y, x = np.mgrid[:side, :side]
    spots = (np.stack([x, y], -1).reshape(-1, 2) - [200.0, 160.0]) / 80.0
    picture = np.full((side * side, 3), (190.0, 150.0, 130.0))
    centre = shape[[UPPER_LIP, LOWER_LIP]].mean(0)
    near = np.hypot((spots[:, 0] - centre[0]) / 0.42, (spots[:, 1] - centre[1]) / 0.22) < 1
    picture[near] = mouth(shape, 0.14)(spots)[near]
    picture = picture.reshape(side, side, 3).astype(np.uint8)
    points = np.array([200.0, 160.0]) + 80 * shape
    still = {"sway": np.zeros((1, 3)), "lids": np.zeros(1), "brows": np.zeros(1)}

    def white(opening):
        moved = MeshAnimation(picture, points, talker.get_buffer("triangles"), opening=opening)
        frame = moved.frames(np.zeros((1, SKIN_POINTS, 2)), **still)[0]
        middle = slice(200 - 12, 200 + 12)
        return int((frame[160:320, middle].min(axis=2) > 155).sum())

    assert white(None) > 60
    assert white(talker._opening()) < 0.5 * white(None)
