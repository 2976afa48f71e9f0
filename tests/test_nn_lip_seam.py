"""Lips that meet show lips: no teeth between them, no crumbs of the warp; lids that close show skin."""

import numpy as np
import pytest

from voiceface.nn.face.edge_width import edge_width
from voiceface.nn.face.eyelids import LIDS, LidSkin, close_lids
from voiceface.nn.face.lip_edges import LOWER_LIP, UPPER_LIP
from voiceface.nn.face.lip_seam import LipSeam
from voiceface.nn.face.mouth_interior import MouthInterior
from voiceface.nn.face.teeth_light import FaceLight
from voiceface.pipelines.weights import load_model

SKIN, LIPS = (190.0, 150.0, 130.0), (170.0, 90.0, 90.0)
TEETH, BROW = (220.0, 210.0, 200.0), (20.0, 18.0, 16.0)


@pytest.fixture(scope="module")
def talker():
    return load_model("talker").model


def opened(talker, gap):
    """The mean face with lips so far apart."""
    shape = talker.get_buffer("rest").double().numpy().copy()
    return shape + (gap - shape[LOWER_LIP, 1] + shape[UPPER_LIP, 1]) * talker._opening()


def mouth(shape, inside):
    """A photograph's colours: lips, and another colour between them."""

    def photographed(spots):
        between = (spots[:, 1] > shape[UPPER_LIP, 1]) & (spots[:, 1] < shape[LOWER_LIP, 1])
        return np.where(between[:, None], inside, LIPS)

    return photographed


def column(shape, reach=0.1):
    """Places down the middle of the mouth."""
    middle = shape[[UPPER_LIP, LOWER_LIP]].mean(axis=0)
    return middle + np.stack([np.zeros(41), np.linspace(-reach, reach, 41)], 1)


def test_of_lips_that_meet_nothing_is_lighter_than_lips_and_the_line_is_dark(talker):
    shape, closed = opened(talker, 0.1), opened(talker, 0.0)
    seam = LipSeam(mouth(shape, TEETH), shape, eyes=60.0)
    spots = column(closed)
    white = np.broadcast_to(TEETH, (len(spots), 3))
    met = seam.meet(white, spots, closed)
    near = np.abs(spots[:, 1] - closed[UPPER_LIP, 1])
    assert met[near < 0.01].max() < 0.75 * LIPS[0]
    assert (met[near < 0.02] < white[near < 0.02]).all()
    assert np.array_equal(met[near > 0.05], white[near > 0.05])


def test_an_open_mouth_has_no_line(talker):
    shape = opened(talker, 0.1)
    seam = LipSeam(mouth(shape, TEETH), shape, eyes=60.0)
    spots = column(shape)
    white = np.broadcast_to(TEETH, (len(spots), 3))
    assert np.array_equal(seam.meet(white, spots, shape), white)


def test_lips_carry_no_strip_of_teeth_where_the_photograph_shows_teeth(talker):
    shape = opened(talker, 0.1)
    spots = column(shape)
    white = np.broadcast_to(TEETH, (len(spots), 3))
    for inside, shown in ((TEETH, True), (LIPS, False), ((60.0, 30.0, 25.0), False)):
        seam = LipSeam(mouth(shape, inside), shape, eyes=60.0)
        assert seam.teeth_show is shown
        bare = seam.without_strips(white, spots, shape)
        below = (spots[:, 1] > shape[LOWER_LIP, 1]) & (spots[:, 1] < shape[LOWER_LIP, 1] + 0.015)
        assert below.any() and (bare[below] < white[below]).all() == shown
        assert shown or np.array_equal(bare, white)


def test_the_line_of_closed_lips_is_not_put_into_an_open_mouth(talker):
    closed, wide = opened(talker, 0.0), opened(talker, 0.2)
    own = np.array([[10.0, 200.0, 10.0]])
    light = FaceLight(cheeks=np.full(3, 150.0), whites=np.full(3, 120.0), eyes=50.0)
    middle = (wide[[UPPER_LIP]] + wide[[LOWER_LIP]]) / 2
    for teeth_show in (True, False):
        inside = MouthInterior(opened(talker, 0.2), closed, light=light, teeth_show=teeth_show)
        colours, _ = inside.colours(middle, wide, own)
        assert np.allclose(colours, own) == teeth_show


def test_teeth_in_shade_are_redder_than_lit_ones_and_not_grey(talker):
    closed = opened(talker, 0.0)
    light = FaceLight(cheeks=np.array(SKIN), whites=np.full(3, 120.0), eyes=60.0)
    inside = MouthInterior(closed, closed, light=light)

    def redness(gap):
        shape = opened(talker, gap)
        colours, within = inside.colours(column(shape, gap / 2), shape, np.zeros((41, 3)))
        colours = colours[within > 0]
        lightest = colours[colours.sum(axis=1).argmax()]
        return (lightest[0] - lightest[1:].mean()) / lightest.sum()

    assert redness(0.08) > 1.15 * redness(0.3) > 0


def test_a_brow_that_a_lid_draws_down_becomes_skin_and_other_skin_stays(talker):
    found = talker.get_buffer("rest").double().numpy()
    shape = found.copy()
    close_lids(shape, 1.0)

    def photographed(spots):
        above = spots[:, 1] < found[list(LIDS[0].fold), 1].mean() - 0.08
        return np.where(above[:, None], BROW, SKIN)

    skin = LidSkin(photographed, found, eyes=60.0)
    lids = LIDS[0]
    lid = (found[list(lids.upper[2:5])] + found[list(lids.lower[2:5])]) / 2
    dark, usual = np.broadcast_to(BROW, (3, 3)), np.broadcast_to(0.9 * np.array(SKIN), (3, 3))
    white = np.full((3, 3), 250.0)
    assert skin.keep_skin(dark, lid, shape, 1.0, 0).min() > 0.55 * SKIN[2]
    assert skin.keep_skin(white, lid, shape, 1.0, 0).max() < 1.3 * SKIN[0]
    assert np.allclose(skin.keep_skin(usual, lid, shape, 1.0, 0), usual)
    assert np.array_equal(skin.keep_skin(dark, lid, found, 0.0, 0), dark), "an open eye stays"
    cheek = lid + [0, 0.4]
    assert np.array_equal(skin.keep_skin(dark, cheek, shape, 1.0, 0), dark)
    low, high = skin.box(shape, 0)
    assert (low <= lid.min(axis=0)).all() and (high >= lid.max(axis=0)).all()


def test_the_width_of_edges_says_how_soft_a_picture_is_at_any_size(talker):
    shape = talker.get_buffer("rest").double().numpy()
    irises = np.array([shape[[33, 133]].mean(axis=0), shape[[263, 362]].mean(axis=0)])

    def eyes(softness):
        def photographed(spots):
            away = np.linalg.norm(spots[:, None] - irises, axis=2).min(axis=1)
            return (60 + 120 * np.clip((away - 0.1) / softness, 0, 1))[:, None] * np.ones(3)

        return photographed

    sharp, soft = (edge_width(eyes(width), shape, eyes=60.0) for width in (0.04, 0.12))
    assert soft > 2 * sharp and sharp == pytest.approx(0.04, rel=0.3)
    assert edge_width(eyes(0.12), shape, eyes=120.0) == pytest.approx(soft, rel=0.1)
    assert edge_width(lambda spots: np.full((len(spots), 3), 90.0), shape, eyes=60.0) == 0.1


def test_edges_in_the_mouth_of_a_soft_picture_are_soft(talker):
    closed, wide = opened(talker, 0.0), opened(talker, 0.3)
    light = FaceLight(cheeks=np.array(SKIN), whites=np.full(3, 120.0), eyes=120.0)

    def steepest(edges):
        inside = MouthInterior(closed, closed, light=light, edges=edges)
        colours, _ = inside.colours(column(wide, 0.14), wide, np.zeros((41, 3)))
        return np.abs(np.diff(colours.mean(axis=1))).max()

    assert steepest(0.1) < 0.8 * steepest(0.03)
