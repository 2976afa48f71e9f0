"""Most frames of a video are searched near known faces alone, and nobody who enters or stays is lost."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from voiceface.corpus import face_search
from voiceface.corpus.face_search import ENLARGED_SECONDS, WHOLE_SECONDS, FaceSearch
from voiceface.corpus.options import PrepareOptions

STEP = 0.5
SPEAKER, LARGE, SMALL = (3, 190, 80, 100), (5, 220, 390, 90), (5, 80, 440, 120)


def scene(*faces, shade=110):
    picture = Image.new("RGB", (640, 360), (shade, shade, shade))
    for seed, side, left, top in faces:
        picture.paste(draw_face(seed, side), (left, top))
    return np.asarray(picture)


def searched(frames):
    """The number of faces found in every frame, half a second apart."""
    search = FaceSearch(PrepareOptions())
    return [len(search(STEP * k, frame)) for k, frame in enumerate(frames)]


@pytest.fixture
def whole(monkeypatch):
    """How often a frame was searched as a picture is."""
    count, search = [], face_search.detect_faces
    monkeypatch.setattr(face_search, "detect_faces", lambda *given: [count.append(1), search(*given)][1])
    return count


def test_a_second_person_is_never_lost_and_most_frames_are_searched_in_part(whole):
    frames = [scene((3, 190, 60 + 9 * k, 100 - 3 * k), (5, 110, 440 - 5 * k, 120 + 4 * k)) for k in range(9)]
    assert searched(frames) == [2] * 9
    assert len(whole) == 2  # the first, and after four seconds


def test_a_large_face_that_enters_is_found_within_two_seconds(whole):
    found = searched([scene(SPEAKER)] + [scene(SPEAKER, LARGE)] * 6)
    late = found.index(2)
    assert found == [1] * late + [2] * (7 - late) and STEP * late <= WHOLE_SECONDS
    assert late > 1 and len(whole) == 1  # or it was not found by the whole frame, as it is


def test_a_small_face_that_enters_is_found_within_four_seconds(whole):
    found = searched([scene(SPEAKER)] + [scene(SPEAKER, SMALL)] * 10)
    late = found.index(2)
    assert found == [1] * late + [2] * (11 - late) and STEP * late <= ENLARGED_SECONDS
    assert STEP * late > WHOLE_SECONDS and len(whole) == 2  # or it is not so small that it must be enlarged


def test_after_a_cut_and_where_a_face_is_lost_the_whole_frame_is_searched_at_once(whole):
    other = np.asarray(
        Image.fromarray(scene(SMALL, SPEAKER, shade=30)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    )
    assert searched([scene(SPEAKER), scene(SPEAKER), other]) == [1, 1, 2]
    assert len(whole) == 2
    jumped = scene((3, 190, 420, 20))
    assert searched([scene(SPEAKER), jumped, scene()]) == [1, 1, 0]


def test_frames_without_a_face_are_searched_whole_each(whole):
    assert searched([scene(), scene(), scene(SMALL)]) == [0, 0, 1]
    assert len(whole) == 3


def test_the_cascade_looks_at_whole_frames(monkeypatch):
    looked = []
    monkeypatch.setattr(face_search, "detect_faces", lambda *given: looked.append(1) or [])
    search = FaceSearch(SimpleNamespace(face_detector="haar"))
    for k in range(3):
        search(STEP * k, scene(SPEAKER))
    assert len(looked) == 3
