"""Faces known a moment ago are found again in small parts of a picture, and a lost one is said to be lost."""

import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from voiceface.face import detect_near as near_search
from voiceface.face.detect import Detection, detect
from voiceface.face.detect_near import detect_near, distinct_faces
from voiceface.video.tracks import box_iou


def scene(*faces, size=(640, 360)):
    picture = Image.new("RGB", size, (110, 110, 110))
    for seed, side, left, top in faces:
        picture.paste(draw_face(seed, side), (left, top))
    return np.asarray(picture)


@pytest.fixture
def seen(monkeypatch):
    """Pixels that the detector looked at, each enlarged ones counted four times."""
    looked = []
    whole = near_search.detect_hog

    def counted(pixels, *, upsample):
        looked.append(pixels.shape[0] * pixels.shape[1] * 4**upsample)
        return whole(pixels, upsample=upsample)

    monkeypatch.setattr(near_search, "detect_hog", counted)
    return looked


def test_two_that_moved_are_found_where_the_whole_search_finds_them(seen):
    before, after = scene((3, 150, 60, 60), (5, 110, 440, 150)), scene((3, 150, 100, 90), (5, 110, 410, 140))
    known = [face.box for face in detect(before)]
    found, whole = detect_near(after, known), detect(after)
    assert found is not None and len(known) == len(found) == len(whole) == 2
    assert box_iou([face.box for face in found], [face.box for face in whole]).max(axis=1).min() > 0.7
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)
    assert sum(seen) < 0.4 * 4 * 640 * 360  # or it saves nothing


def test_one_of_two_that_is_gone_is_said_to_be_lost():
    known = [face.box for face in detect(scene((3, 150, 60, 60), (5, 110, 440, 150)))]
    assert detect_near(scene((3, 150, 60, 60)), known) is None


def test_two_side_by_side_are_one_part_and_both_are_needed():
    both = scene((3, 150, 60, 60), (5, 130, 200, 70))
    known = [face.box for face in detect(both)]
    assert len(near_search._parts(known, 1.0, 640, 360)) == 1 < len(known)
    found = detect_near(both, known)
    assert found is not None and len(found) == 2
    assert detect_near(scene((3, 150, 60, 60)), known) is None


def test_where_nothing_is_known_or_the_parts_are_the_picture_the_whole_is_to_be_searched(seen):
    assert detect_near(scene((3, 150, 60, 60)), []) is None
    assert detect_near(scene((3, 150, 60, 60)), [(250.0, 100.0, 340.0, 190.0)], reach=3.0) is None
    assert detect_near(scene((3, 150, 60, 60)), [(-90.0, -90.0, -40.0, -40.0)], reach=0.1) is None
    assert not seen


def test_a_face_that_two_searches_found_counts_once():
    def face(left, score):
        return Detection(box=(left, 0, left + 10, 10), score=score)

    first, same, other = face(0, 0.5), face(2, 0.9), face(50, 0.7)
    assert distinct_faces([first], [same, other]) == [other, first]
