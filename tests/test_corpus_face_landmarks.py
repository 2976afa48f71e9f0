"""Landmarks from the face mesh: where dlib has them, steadier, and refused instead of wrong."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
from PIL import Image, ImageFilter

from draw_face import draw_face
from voiceface.corpus import face_landmarks, video_items
from voiceface.corpus.face_landmarks import locate_landmarks, shipped_mesh_network
from voiceface.corpus.item import FaceItem, Listing
from voiceface.corpus.item_processing import process_item
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare
from voiceface.errors import InputError
from voiceface.face.detect import Detection, detect
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE, find_mesh, five_points_of_mesh

MESH = PrepareOptions(landmarks="mesh")


@functools.cache
def faces() -> list[tuple[np.ndarray, Detection]]:
    found = []
    for seed in range(40, 56):
        picture = np.asarray(draw_face(seed, 200))
        for face in detect(picture)[:1]:
            found.append((picture, face))
    return found


def both(picture: np.ndarray, face: Detection) -> tuple[np.ndarray, np.ndarray]:
    """dlib's five points and the mesh's, in distances between the eyes."""
    pair = [locate_landmarks(picture, face, source=source, name="x").landmarks for source in ("dlib", "mesh")]
    eyes = np.linalg.norm(pair[0][:2].mean(0) - pair[0][2:4].mean(0))
    return pair[0] / eyes, pair[1] / eyes


def test_they_are_where_dlib_has_them_on_faces_drawn_for_tests() -> None:
    assert len(faces()) >= 13
    away = np.array([np.subtract(*both(picture, face)) for picture, face in faces()])
    assert np.median(np.linalg.norm(away, axis=2)) < 0.06
    assert np.abs(np.median(away, axis=0)).max() < 0.06


def test_the_base_of_the_nose_is_dlibs_not_the_meshs() -> None:
    """dlib puts it below the mesh's point; without that the nose of every aligned face would be too low."""
    picture, face = faces()[0]
    mesh = find_mesh(
        picture, locate_landmarks(picture, face, source="dlib", name="x").landmarks, shipped_mesh_network()
    )
    own, five = mesh.points[list(EYE_CORNERS_AND_NOSE)], five_points_of_mesh(mesh.points)
    eyes = np.linalg.norm(own[:2].mean(0) - own[2:4].mean(0))
    assert (five - own)[4, 1] / eyes == pytest.approx(0.033, abs=0.005)
    turned = five_points_of_mesh(mesh.points @ np.array([[0.0, 1.0], [-1.0, 0.0]], np.float32))
    assert np.allclose(turned, five @ np.array([[0.0, 1.0], [-1.0, 0.0]]), atol=1e-3)


def test_they_move_less_than_dlibs_when_the_picture_gets_noise() -> None:
    moved = {"dlib": [], "mesh": []}
    random = np.random.default_rng(0)
    for picture, face in faces()[:12]:
        noisy = (picture + random.normal(0, 12, picture.shape)).clip(0, 255).astype(np.uint8)
        for source, distances in moved.items():
            points = [locate_landmarks(p, face, source=source, name="x").landmarks for p in (picture, noisy)]
            distances.append(np.linalg.norm(points[0] - points[1], axis=1).mean())
    assert np.mean(moved["mesh"]) < 0.8 * np.mean(moved["dlib"])


def listing(root) -> Listing:
    draw_face(41, 200).save(root / "clear.png")
    draw_face(41, 200).rotate(180).save(root / "upended.png")
    left, top, right, bottom = box = detect(np.asarray(draw_face(41, 200)))[0].box
    turned = (200 - right, 200 - bottom, 200 - left, 200 - top)
    items = [
        FaceItem(key=n, person=n, path=f"{n}.png", box=b) for n, b in (("clear", box), ("upended", turned))
    ]
    return Listing(root=root, people=[], items=items)


def test_a_corpus_holds_them_and_says_which_faces_it_could_not_trust(tmp_path) -> None:
    found = listing(tmp_path)
    plain = prepare(found, tmp_path / "plain", arguments={}, workers=1, progress=False)
    mesh = prepare(found, tmp_path / "mesh", arguments={}, options=MESH, workers=1, progress=False)
    assert len(plain.faces) == 2
    assert [face.id for face in mesh.faces] == ["clear"]
    assert mesh.fingerprint != plain.fingerprint
    (rejected,) = mesh.rejected
    assert rejected.path == "upended.png"
    assert "mesh" in rejected.reason or "upright face" in rejected.reason
    assert "\n" not in rejected.reason
    assert json.loads((tmp_path / "mesh/corpus.json").read_text())["options"]["landmarks"] == "mesh"


def test_a_corpus_of_before_there_was_a_choice_has_dlibs_and_goes_on_with_them(tmp_path) -> None:
    found = listing(tmp_path)
    prepare(found, tmp_path / "old", arguments={}, workers=1, progress=False)
    path = tmp_path / "old/corpus.json"
    card = json.loads(path.read_text())
    del card["options"]["landmarks"]
    path.write_text(json.dumps(card))
    prepare(found, tmp_path / "old", arguments={}, workers=1, progress=False)
    with pytest.raises(InputError, match="was prepared with landmarks = 'dlib', not 'mesh'"):
        prepare(found, tmp_path / "old", arguments={}, options=MESH, workers=1, progress=False)


def test_in_video_a_doubtful_face_is_missing_from_its_frame_alone() -> None:
    (picture, face), (other, second) = faces()[:2]
    page = np.concatenate(
        [picture, np.asarray(Image.fromarray(other).filter(ImageFilter.GaussianBlur(12)))], 1
    )
    left, top, right, bottom = second.box
    pair = [face, Detection(box=(left + 200, top, right + 200, bottom), score=1.0)]
    assert len(video_items._located(page, pair, PrepareOptions())) == 2
    (kept,) = video_items._located(page, pair, MESH)
    assert kept.box == face.box


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(InputError, match="landmarks: is 'five'; give dlib or mesh"):
        PrepareOptions(landmarks="five")  # type: ignore[arg-type]


def test_a_damaged_network_is_said_to_be(tmp_path, monkeypatch) -> None:
    (tmp_path / "face-mesh").mkdir()
    (tmp_path / "face-mesh/model.safetensors").write_bytes(b"nothing")
    monkeypatch.setattr(face_landmarks, "SHIPPED", tmp_path)
    shipped_mesh_network.cache_clear()
    try:
        with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
            shipped_mesh_network()
    finally:
        shipped_mesh_network.cache_clear()


def test_one_picture_is_processed_with_either(tmp_path) -> None:
    listing(tmp_path)
    item = FaceItem(key="clear", person="p", path="clear.png")
    rows = [process_item(item, tmp_path, options).rows["faces"][0][0] for options in (PrepareOptions(), MESH)]
    assert rows[0]["landmarks"] != rows[1]["landmarks"]
    assert np.abs(np.subtract(rows[0]["landmarks"], rows[1]["landmarks"])).max() < 12
    assert rows[0]["others"] == rows[1]["others"] == 0
