"""Teeth that are put into a photograph are as light as its skin and eyes let expect."""

import numpy as np
import pytest

from voiceface.nn.face.lip_edges import LOWER_LIP, LUMA, UPPER_EDGE, UPPER_LIP
from voiceface.nn.face.mouth_interior import MouthInterior
from voiceface.nn.face.teeth_light import FaceLight, face_light
from voiceface.pipelines.weights import load_model


@pytest.fixture(scope="module")
def talker():
    return load_model("talker").model


def grey(level):
    return np.full(3, float(level))


def shares_of_skin(talker, light, opening):
    """Brightness of the mouth's lightest quarter and darkest tenth, as shares of the cheeks'."""
    closed = talker.get_buffer("rest").double().numpy()
    gap = closed[LOWER_LIP, 1] - closed[UPPER_LIP, 1]
    shape = closed + (opening - gap) * talker._opening()
    middle = shape[[UPPER_LIP, LOWER_LIP]]
    x, y = np.meshgrid(
        middle[0, 0] + np.linspace(-0.25, 0.25, 9), np.linspace(middle[0, 1], middle[1, 1], 17)[1:-1]
    )
    spots = np.stack([x, y], -1).reshape(-1, 2)
    inside = MouthInterior(closed, closed, light=light)
    colours, _ = inside.colours(spots, shape, np.zeros((len(spots), 3)))
    found = np.sort(colours @ LUMA) / light.skin
    return found[-len(found) // 4 :].mean(), np.quantile(found, 0.1)


@pytest.mark.parametrize("opening", [0.1, 0.18, 0.3])
def test_the_lightest_quarter_of_a_mouth_is_as_light_as_was_measured(talker, opening):
    light = FaceLight(cheeks=grey(160), whites=grey(125), eyes=47.0)
    lightest, darkest = shares_of_skin(talker, light, opening)
    assert lightest == pytest.approx(light.teeth(opening) / light.skin, rel=0.1)
    assert 0.2 < darkest < 0.45 and 0.5 < lightest < 1


def test_teeth_follow_skin_eyes_and_the_opening_of_the_mouth():
    usual = FaceLight(cheeks=grey(160), whites=grey(125), eyes=47.0)
    lit = FaceLight(cheeks=grey(110), whites=grey(140), eyes=47.0)
    assert lit.teeth(0.2) / lit.skin > 1.1 * usual.teeth(0.2) / usual.skin
    assert usual.teeth(0.1) < 0.85 * usual.teeth(0.3) < 0.9 * 160
    assert usual.teeth(0.9) == usual.teeth(0.5) and usual.teeth(-0.1) == usual.teeth(0.0)
    assert np.isfinite(FaceLight(cheeks=grey(0), whites=grey(0), eyes=0.0).teeth(0.2))


def test_teeth_are_tinted_half_as_much_as_the_skin_and_are_of_brightness_1():
    light = FaceLight(cheeks=np.array([200.0, 140.0, 110.0]), whites=grey(120), eyes=47.0)
    tint, skin = light.tint(), light.cheeks / light.skin
    assert tint @ LUMA == pytest.approx(1)
    assert 1 < tint[0] < skin[0] and skin[2] < tint[2] < 1
    assert FaceLight(cheeks=grey(90), whites=grey(90), eyes=47.0).tint() == pytest.approx(1)


def test_light_is_measured_on_cheeks_and_in_the_whites_of_the_eyes(talker):
    shape = talker.get_buffer("rest").double().numpy()
    eyes = shape[[33, 133, 159, 145, 263, 362, 386, 374]]

    def photographed(spots):
        """Skin of 100, eyes of 30 with whites of 200 at their outer corners."""
        near = np.linalg.norm(spots[:, None] - eyes, axis=2).min(axis=1) < 0.25
        outer = np.abs(spots[:, 0]) > 0.55
        return np.where(near, np.where(outer, 200.0, 30.0), 100.0)[:, None] * np.ones(3)

    light = face_light(photographed, shape, eyes=40.0)
    assert light.skin == pytest.approx(100) and 150 < light.whites[0] <= 200 and light.eyes == 40


def test_teeth_that_a_photograph_shows_go_on_above_it_and_end_in_gums(talker):
    closed = talker.get_buffer("rest").double().numpy()
    photographed = closed + 0.2 * talker._opening()
    raised = photographed.copy()
    raised[list(UPPER_EDGE), 1] -= 0.2
    top = photographed[UPPER_LIP]
    light = FaceLight(cheeks=grey(160), whites=grey(125), eyes=200.0)
    inside = MouthInterior(photographed, closed, light=light)
    spots = top + np.array([[0.0, -0.01], [0.0, -0.15]])
    places = inside.own_places(spots)
    assert (places[:, 1] > top[1]).all() and np.allclose(places[:, 0], top[0])
    own = np.full((2, 3), 250.0)
    near, far = inside.colours(spots, raised, own)[0] @ LUMA
    assert near > 200 and far < 120
