"""Faces of a corpus aligned by their meshes, with what is known around them; and the tools that name them."""

import importlib.util
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from small_face_model import mean_mesh
from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.models.corpus_face_set import PersonMasks, corpus_face_set, read_person_masks
from voiceface.nn.face.face_model import SIZE
from voiceface.synthetic.tiny_corpus import tiny_corpus

CHIN = 152
TURN, SCALE, SHIFT = math.radians(14), 0.55, (12.0, -24.0)
WIDTH, HEIGHT = 190, 176


def in_picture(points):
    """Places of the aligned face, from its corner, as pixels of the tilted photograph, from its corner."""
    turn = np.array([[math.cos(TURN), -math.sin(TURN)], [math.sin(TURN), math.cos(TURN)]])
    return SCALE * np.asarray(points, float) @ turn.T + SHIFT


@pytest.fixture(scope="module")
def tilted():
    """A corpus of one photograph: the mean face, turned and smaller, its chin marked; and the mesh."""
    mesh = in_picture(mean_mesh().numpy()) - 0.5  # pixels by number
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    spot = 200 * np.exp(-((x - mesh[CHIN, 0]) ** 2 + (y - mesh[CHIN, 1]) ** 2) / 8)
    picture = np.repeat((spot + 20).astype(np.uint8)[..., None], 3, axis=2)
    corpus = SimpleNamespace(
        path="somewhere",
        faces=[SimpleNamespace(id="a"), SimpleNamespace(id="b")],
        picture=lambda index: Image.fromarray(picture),
    )
    return corpus, mesh


def test_points_and_picture_are_aligned_alike(tilted):
    corpus, mesh = tilted
    faces = corpus_face_set(corpus, np.arange(2), {"a": mesh})
    assert faces.faces.tolist() == [0] and faces.pictures.shape == (1, 3, SIZE, SIZE)
    assert np.abs(faces.points[0].numpy() - mean_mesh().numpy()).max() < 0.01
    grey = faces.pictures[0, 0].double().numpy() - 20
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    found = np.array([(x * grey).sum(), (y * grey).sum()]) / grey.sum()
    assert np.abs(found - mean_mesh()[CHIN].numpy()).max() < 0.5


def test_what_the_photograph_reached_and_the_mask_are_where_they_were(tilted):
    corpus, mesh = tilted
    mask = np.zeros((44, 38), np.uint8)
    mask[:, :19] = 255  # person in the left half of the photograph
    faces = corpus_face_set(corpus, np.arange(2), {"a": mesh, "b": mesh}, {"a": PersonMasks(mask, 1.0)})
    assert faces.glasses[0] == 1 and faces.glasses[1].isnan() and faces.person[1].isnan().all()
    for row, column in np.ndindex(64, 64):
        x, y = in_picture([(column + 0.5) * 4, (row + 0.5) * 4])
        if min(x, y, WIDTH - x, HEIGHT - y) > 3:
            assert faces.known[0, row, column]
            if abs(x - WIDTH / 2) > 5:
                assert (faces.person[0, row, column] > 0.5) == (x < WIDTH / 2)
        elif min(x, y, WIDTH - x, HEIGHT - y) < -1:
            assert not faces.known[0, row, column]
    assert 0.2 < faces.known[0].float().mean() < 0.9


def test_a_corpus_without_a_mesh_is_refused(tilted):
    with pytest.raises(InputError, match="no face whose mesh is known"):
        corpus_face_set(tilted[0], np.arange(2), {})


def test_a_file_that_holds_no_masks_is_refused(tmp_path):
    path = tmp_path / "masks.npz"
    np.savez(path, face=np.array(["a"]), person=np.zeros((2, 8, 8), np.uint8), glasses=np.zeros(1))
    with pytest.raises(InputError, match="1 faces and masks of the shape"):
        read_person_masks(str(path))
    np.savez(path, face=np.array(["a"]))
    with pytest.raises(InputError, match=r"no array 'person'; make it with tools/person_masks\.py"):
        read_person_masks(str(path))
    person = np.stack([np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)])
    np.savez(path, face=np.array(["a", "b"]), person=person, glasses=np.array([np.nan, 1.0]))
    masks = read_person_masks(str(path))
    assert masks["a"].person is None and masks["b"].glasses == 1.0


def test_the_tools_see_the_pictures_that_the_corpus_shows():
    """They read its files without voiceface, so that a new layout would leave them behind."""
    pytest.importorskip("espeakng_loader")
    path = Path(__file__).parents[1] / "tools" / "corpus_pictures.py"
    if not path.is_file():
        pytest.skip("the tools are not here")
    spec = importlib.util.spec_from_file_location("corpus_pictures", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    corpus: Corpus = tiny_corpus()
    seen = dict(tool.corpus_pictures(Path(corpus.path)))
    assert list(seen) == [face.id for face in corpus.faces]
    for index, face in enumerate(corpus.faces):
        assert np.array_equal(seen[face.id], np.asarray(corpus.picture(index)))
    with pytest.raises(SystemExit, match="is no corpus"):
        next(tool.corpus_pictures(Path(sys.prefix)))
