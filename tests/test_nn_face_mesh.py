"""The network that finds a mesh, and its training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voiceface.components import SHIPPED
from voiceface.face.mesh_mirror import MIRRORED_POINTS
from voiceface.models.alter_face_crops import alter_face_crops
from voiceface.models.face_mesh import FaceMeshModel, eye_distance
from voiceface.nn.face.landmark_net import LandmarkNet


def test_coefficients_of_zero_give_the_mean_shape() -> None:
    net = LandmarkNet(points=5, components=3, channels=(4, 4, 8, 8), hidden=8).eval()
    net.get_buffer("mean").copy_(torch.arange(10.0))
    net.get_buffer("basis").normal_()
    with torch.no_grad():
        net.coef.weight.zero_()
        net.coef.bias.zero_()
        found = net(torch.randn(2, 1, 96, 96))
    assert found.points.shape == (2, 5, 2)
    assert torch.equal(found.points[0].flatten(), torch.arange(10.0))
    assert found.face_logit.shape == found.log_error.shape == (2,)


def test_one_crop_is_found_as_in_a_batch_and_its_deviation_is_in_standard_deviations() -> None:
    net = LandmarkNet(points=5, components=3, channels=(4, 4, 8, 8), hidden=8).eval()
    net.get_buffer("scale").copy_(torch.tensor([9.0, 4.0, 1.0]))
    with torch.no_grad():
        net.coef.weight.zero_()
        net.coef.bias.copy_(torch.tensor([3.0, 0.0, -3.0]))
    crop = np.random.default_rng(0).uniform(-1, 1, (96, 96)).astype(np.float32)
    points, confidence, error, deviation = net.find(crop)
    with torch.no_grad():
        batch = net(torch.from_numpy(crop)[None, None])
    assert np.allclose(points, batch.points[0])
    assert confidence == pytest.approx(float(batch.face_logit.sigmoid()))
    assert error == pytest.approx(float(batch.log_error.exp()))
    assert deviation == pytest.approx(6**0.5)


def test_the_shipped_file_is_far_smaller_than_two_megabytes() -> None:
    assert (SHIPPED / "face-mesh/model.safetensors").stat().st_size < 1_000_000


def test_the_basis_gives_training_shapes_back() -> None:
    model = FaceMeshModel(components=3, channels=(4, 4, 8, 8), hidden=8)
    random = torch.Generator().manual_seed(0)
    shapes = torch.randn(20, 3, generator=random) @ torch.randn(3, 956, generator=random) + 0.5
    model.start(shapes.view(20, 478, 2))
    net = model.network
    left = shapes - net.get_buffer("mean")
    coefficients = left @ net.get_buffer("basis").T
    assert torch.allclose(coefficients @ net.get_buffer("basis"), left, atol=1e-3)
    assert torch.allclose(coefficients.square().mean(0).sqrt(), net.get_buffer("scale"), rtol=1e-3)


def test_the_eyes_distance_is_between_their_middles() -> None:
    points = torch.zeros(1, 478, 2)
    points[0, [33, 133, 263, 362], 0] = torch.tensor([0.0, 2, 10, 8])
    assert float(eye_distance(points)) == 8.0


def test_alterations_keep_the_range_change_the_picture_and_follow_the_seed() -> None:
    crops = torch.rand(64, 1, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = crops.clone()
    once, again, other = (alter_face_crops(crops, torch.Generator().manual_seed(k)) for k in (1, 1, 2))
    assert torch.equal(crops, before)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.min() >= -1
    assert once.max() <= 1
    assert ((once - crops).abs().mean((1, 2, 3)) > 0.01).all()


def test_mirrored_points_are_an_exchange_that_leaves_a_mean_face_as_it_is() -> None:
    order = np.array(MIRRORED_POINTS)
    assert (order[order] == np.arange(478)).all()
    from voiceface.training.weights import read_weights

    mean = read_weights(SHIPPED / "face-mesh")[0]["network.mean"].view(478, 2).numpy()
    mirrored = mean[order] * [-1, 1]
    mirrored[:, 0] += mean[:, 0].mean() - mirrored[:, 0].mean()
    assert np.abs(mirrored - mean).max() < 0.01
