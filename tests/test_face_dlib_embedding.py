"""Descriptors are dlib's own, batch by batch, repeatable, and tell drawn people apart."""

from concurrent.futures import ThreadPoolExecutor

import dlib
import numpy as np
import pytest

from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face import dlib_models
from voiceface.face.align import align
from voiceface.face.detect import detect
from voiceface.face.dlib_embedding import CHIP, DIM, describe, embed_face_in_picture, jitter_face
from voiceface.face.landmarks import five_points


@pytest.fixture(scope="module")
def faces():
    found = []
    for seed in range(4):
        for size in (140, 420):
            picture = np.asarray(draw_face(seed, size))
            found.append((picture, five_points(picture, detect(picture)[0].box)))
    return found


@pytest.fixture(scope="module")
def chips(faces):
    return np.stack([align(picture, points, size=CHIP) for picture, points in faces])


@pytest.fixture(scope="module")
def descriptors(chips):
    return describe(chips)


def test_descriptors_are_practically_dlibs_own(faces, descriptors):
    for (picture, points), ours in zip(faces, descriptors, strict=True):
        parts = [dlib.point(int(x), int(y)) for x, y in points]
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
        theirs = np.array(dlib_models.recogniser().compute_face_descriptor(picture, shape))
        assert np.linalg.norm(ours - theirs) < 0.1


def test_a_batch_is_its_faces_one_by_one(chips, descriptors):
    assert descriptors.shape == (len(chips), DIM)
    assert descriptors.dtype == np.float32
    for index in (0, 5):
        assert np.allclose(describe(chips[index : index + 1])[0], descriptors[index], atol=1e-5)
    many = describe(np.repeat(chips[:1], 17, axis=0))  # more than one of the network's batches
    assert np.allclose(many, descriptors[0], atol=1e-5)
    assert describe(chips[:0]).shape == (0, DIM)


def test_one_drawing_at_two_sizes_is_nearer_than_two_drawings(descriptors):
    gaps = np.linalg.norm(descriptors[:, None] - descriptors[None], axis=2)
    same = gaps[np.arange(0, 8, 2), np.arange(1, 8, 2)]
    other = [gaps[i, j] for i in range(8) for j in range(8) if i // 2 != j // 2]
    assert same.max() < min(other)


def test_describe_face_aligns_by_itself(faces, descriptors):
    assert np.allclose(embed_face_in_picture(*faces[2]), descriptors[2], atol=1e-6)


def test_jitter_is_repeatable_and_an_average(chips, descriptors):
    once, again = describe(chips[:1], jitter=4, seed=3), describe(chips[:1], jitter=4, seed=3)
    assert (once == again).all()
    assert (once != describe(chips[:1], jitter=4, seed=4)).any()
    assert np.allclose(once[0], describe(jitter_face(chips[0], 4, 3)).mean(axis=0), atol=1e-5)
    assert 0 < np.linalg.norm(once[0] - descriptors[0]) < 0.35
    assert (describe(chips[:1], jitter=1) == descriptors[:1]).all() or np.allclose(
        describe(chips[:1], jitter=1), descriptors[:1], atol=1e-5
    )


def test_the_jittered_copies_are_what_they_are_said_to_be():
    ramp = np.zeros((CHIP, CHIP, 3), dtype=np.uint8)
    ramp[:, :, 0] = np.arange(CHIP)  # grows to the right, and so says what was mirrored and how far moved
    ramp[:, :, 1] = np.arange(CHIP)[:, None]
    copies = jitter_face(ramp, 8, 0)
    assert (copies[0] == ramp).all()
    assert (copies[1] == ramp[:, ::-1]).all()
    for index in range(2, 8):
        inner = copies[index, 40:110, 40:110].astype(float)
        across, down = np.diff(inner[:, :, 0], axis=1).mean(), np.diff(inner[:, :, 1], axis=0).mean()
        assert 0.95 < across * (-1) ** index < 1.05
        assert 0.95 < down < 1.05
        assert np.abs(inner[:, :, 1].mean() - 74.5) < 0.03 * CHIP
        assert (copies[index] != copies[index % 2]).any()


def test_threads_may_describe_at_once(chips, descriptors):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda chip: describe(chip[None])[0], chips))
    assert np.allclose(found, descriptors, atol=1e-5)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((1, 149, 150, 3), np.uint8), np.zeros((150, 150, 3), np.uint8), np.zeros((1, 150, 150, 3))],
)
def test_other_shapes_are_refused(bad):
    with pytest.raises(InputError, match="aligned faces"):
        describe(bad)
