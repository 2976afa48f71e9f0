"""The face mesh: windows and their way back, refusal, training data, and learning."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.face.align import template_points
from voiceface.face.mesh import (
    EYE_CORNERS_AND_NOSE,
    Mesh,
    crop_for_mesh,
    find_mesh,
    find_or_refuse_mesh,
    points_in_picture,
    points_of_crop,
)
from voiceface.models.face_crops import FaceCrops, read_mesh_points
from voiceface.models.face_mesh import FaceMeshModel, eye_distance


def five(size: int = 200, turn: float = 0.0) -> np.ndarray:
    points = template_points("head", 1) * size - size / 2
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ matrix.T + size / 2 + 20


@pytest.mark.parametrize("turn", [0.0, 0.5, -1.2])
def test_points_of_the_crop_return_to_where_they_are_in_the_picture(turn: float) -> None:
    back = points_in_picture(template_points("head", 1), five(turn=turn))
    assert np.allclose(back, five(turn=turn), atol=1e-3)
    anywhere = np.random.default_rng(0).uniform(-1, 2, (9, 2))
    assert np.allclose(
        points_of_crop(points_in_picture(anywhere, five(turn=turn)), five(turn=turn)), anywhere, atol=1e-4
    )


def test_the_crop_is_grey_upright_and_between_minus_one_and_one() -> None:
    image = np.zeros((240, 240, 3), np.uint8)
    image[:, :, 0] = np.arange(240)
    crop = crop_for_mesh(image, five(), 96)
    assert crop.shape == (96, 96)
    assert -1 <= crop.min() < crop.max() <= 1
    assert np.all(np.diff(crop[48]) >= -1e-6)


class Fixed:
    """A network that always says the same."""

    size = 96

    def __init__(self, confidence: float = 1.0, error: float = 0.03, deviation: float = 1.0) -> None:
        self.said, self.calls = (confidence, error, deviation), 0
        self.points = np.full((478, 2), 0.5, np.float32)
        self.points[list(EYE_CORNERS_AND_NOSE)] = template_points("head", 1)

    def find(self, crop: np.ndarray) -> tuple[np.ndarray, float, float, float]:
        self.calls += 1
        return self.points, *self.said


IMAGE = np.full((240, 240, 3), 90, np.uint8)


def test_a_trusted_mesh_is_looked_for_twice_and_a_doubtful_one_is_not() -> None:
    trusted, doubtful = Fixed(), Fixed(confidence=0.1)
    mesh = find_mesh(IMAGE, five(turn=0.3), trusted)
    assert not mesh.fault
    assert np.allclose(mesh.points[list(EYE_CORNERS_AND_NOSE)], five(turn=0.3), atol=1e-3)
    assert find_mesh(IMAGE, five(), doubtful).fault
    assert (trusted.calls, doubtful.calls) == (2, 1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((0.2, 0.03, 1.0), "no upright face"),
        ((1.0, 0.40, 1.0), "too unclear"),
        ((0.85, 0.03, 1.0), "no upright face"),
        ((1.0, 0.11, 1.0), "too unclear"),
        ((1.0, 0.03, 9.0), "unlike any face's"),
        ((float("nan"), 0.03, 1.0), "no upright face"),
        ((1.0, float("nan"), 1.0), "too unclear"),
        ((1.0, 0.03, float("nan")), "unlike any face's"),
    ],
)
def test_a_refusal_names_the_picture_and_the_reason_in_one_line(
    said: tuple[float, float, float], why: str
) -> None:
    with pytest.raises(InputError, match=rf"x\.jpg.*{why}") as error:
        find_or_refuse_mesh(IMAGE, five(), Fixed(*said), name="x.jpg")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("turn", "refused"), [(0.8, False), (-0.8, False), (1.3, True), (3.1, True)])
def test_a_face_that_is_not_upright_is_refused(turn: float, refused: bool) -> None:
    mesh = find_mesh(IMAGE, five(turn=turn), Fixed())
    assert mesh.tilt == pytest.approx(np.degrees(turn), abs=3)
    assert ("turned by" in mesh.fault) == refused


def test_points_that_are_no_numbers_are_a_fault() -> None:
    points = np.full((478, 2), np.nan, np.float32)
    assert Mesh(points=points, confidence=1.0, expected_error=0.01, deviation=1.0).fault


def planted(shape: tuple[int, int, int] = (240, 240, 3), faces: int = 6) -> tuple[SimpleNamespace, dict]:
    """A selection of pictures that are dark but for a bright disc at every second point of their mesh."""
    random = np.random.default_rng(0)
    pictures, meshes, rows = [], {}, []
    for k in range(faces):
        mesh = np.random.default_rng(99).uniform(60, 180, (478, 2))
        mesh[list(EYE_CORNERS_AND_NOSE)] = five(110) + 45 + random.uniform(-6, 6, 2)
        picture = random.integers(0, 60, shape).astype(np.uint8)
        if k % 2:
            picture[:] = picture.mean(2, keepdims=True).astype(np.uint8)
        pictures.append(picture)
        meshes[f"f{k}"] = mesh
        rows.append(SimpleNamespace(id=f"f{k}"))
    corpus = SimpleNamespace(faces=rows, picture=lambda index: pictures[index], path="corpus")
    return SimpleNamespace(corpus=corpus, faces=np.arange(faces)), meshes


def test_crops_move_with_their_points() -> None:
    selection, meshes = planted()
    for k, picture in enumerate(selection.corpus.picture(k) for k in range(6)):
        x, y = meshes[f"f{k}"][2].round().astype(int)
        picture[y - 4 : y + 5, x - 4 : x + 5] = 255  # the base of the nose, number 2
    crops = FaceCrops(selection, meshes)
    pictures, points = crops.turned(40, torch.Generator().manual_seed(0))
    for picture, mesh in zip(pictures[:, 0], points, strict=True):
        bright = (picture > 0.5).nonzero().float().flip(1)
        middle = (bright.mean(0) + 0.5) / 96
        assert torch.dist(middle, mesh[2]) < 0.012


def test_mirrored_faces_keep_the_meaning_of_their_points() -> None:
    selection, meshes = planted(faces=1)
    picture = selection.corpus.picture(0)
    x, y = meshes["f0"][263].round().astype(int)
    picture[y - 3 : y + 4, x - 3 : x + 4] = 255  # the left eye's corner; mirrored: 33
    crops = FaceCrops(selection, meshes, batch_size=16)
    from voiceface.models import face_crops

    random = torch.Generator().manual_seed(0)
    pictures, points = crops.turned(16, random)
    mirrored, moved = face_crops._mirror(pictures, points, random)
    kinds = set()
    for one, before, after in zip(mirrored[:, 0], points, moved, strict=True):
        middle = ((one > 0.5).nonzero().float().flip(1).mean(0) + 0.5) / 96
        kind = 33 if not torch.equal(before, after) else 263
        kinds.add(kind)
        assert torch.dist(middle, after[kind]) < 0.015
    assert kinds == {33, 263}


def test_batches_follow_seed_and_step_and_hold_faces_and_others() -> None:
    selection, meshes = planted()
    one, same, other = (FaceCrops(selection, meshes, batch_size=8, seed=s) for s in (0, 0, 1))
    batch = one.batch(3)
    assert {name: tuple(t.shape) for name, t in batch.items()} == {
        "crops": (8, 1, 96, 96),
        "points": (8, 478, 2),
        "others": (1, 1, 96, 96),
    }
    assert all(torch.equal(batch[name], same.batch(3)[name]) for name in batch)
    assert not torch.equal(batch["crops"], other.batch(3)["crops"])
    assert not torch.equal(batch["crops"], one.batch(4)["crops"])


def test_faces_in_colour_are_taken_more_often_where_it_is_asked_for() -> None:
    selection, meshes = planted()
    assert FaceCrops(selection, meshes, colour=3.0).weights.tolist() == [3, 1, 3, 1, 3, 1]


def test_faces_without_points_are_left_out_and_none_at_all_is_an_error() -> None:
    selection, meshes = planted()
    assert len(FaceCrops(selection, {"f2": meshes["f2"]}).crops) == 1
    with pytest.raises(InputError, match="has no face whose points are known"):
        FaceCrops(selection, {"somebody": meshes["f2"]})


def test_a_teachers_file_is_read_or_refused_in_one_line(tmp_path) -> None:
    path = tmp_path / "mesh.npz"
    points = np.random.default_rng(0).uniform(0, 9, (2, 478, 3))
    np.savez(path, face=np.array(["a", "b"]), points=points)
    assert np.array_equal(read_mesh_points(str(path))["b"], points[1, :, :2])
    np.savez(path, face=np.array(["a"]), points=points)
    with pytest.raises(InputError, match=r"1 faces and points of the shape \(2, 478, 3\)"):
        read_mesh_points(str(path))
    path.write_text("no npz")
    with pytest.raises(InputError, match="is no readable .npz file"):
        read_mesh_points(str(path))


def test_it_learns_to_place_the_points_of_faces_it_has_not_seen() -> None:
    """Patterns whose one bright spot says where the whole mesh lies: far better than the mean shape."""
    random = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    base = torch.rand(478, 2, generator=random) * 0.4 + 0.3
    base[[33, 133, 263, 362]] = torch.tensor([[0.35, 0.4], [0.45, 0.4], [0.65, 0.4], [0.55, 0.4]])
    line = (torch.arange(96) + 0.5) / 96

    def batch(count: int) -> dict[str, torch.Tensor]:
        shift = 0.15 * torch.randn(count, 2, generator=random).clamp(-2, 2)
        spot = base[2] + shift
        away = (line[None, :] - spot[:, :1]) ** 2, (line[None, :] - spot[:, 1:]) ** 2
        crops = 2 * torch.exp(-(away[1][:, :, None] + away[0][:, None, :]) / 0.005) - 1
        return {
            "crops": crops[:, None],
            "points": base + shift[:, None],
            "others": -torch.ones(2, 1, 96, 96),
        }

    model = FaceMeshModel(components=4, channels=(4, 8, 12, 16), hidden=16)
    model.start(batch(50)["points"])
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(120):
        optimiser.zero_grad()
        model.loss(batch(8), {})["loss"].backward()
        optimiser.step()
    test = batch(64)
    model.eval()
    with torch.no_grad():
        found, none = model.network(test["crops"]), model.network(test["others"])
    error = (found.points - test["points"]).norm(dim=2).mean(1) / eye_distance(test["points"])
    mean = (model.network.get_buffer("mean").view(478, 2) - test["points"]).norm(dim=2).mean(1)
    assert error.mean() < 0.4 * (mean / eye_distance(test["points"])).mean()
    assert (found.face_logit > 0).float().mean() > 0.95
    assert (none.face_logit < 0).all()
