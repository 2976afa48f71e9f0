"""LPIPS and CSIM by published networks: weights in the exact layout, slow loops, columns of their own."""

import sys

import numpy as np
import pytest
import torch

from published_weights import arcface_file
from voiceface.errors import InputError, MissingPartError
from voiceface.evaluation.clip_files import video_judges
from voiceface.face.align import align
from voiceface.models.face_encoders.arcface import load as load_arcface
from voiceface.models.lpips import load_lpips
from voiceface.protocols.clip_measurement import Judges, VideoClip
from voiceface.protocols.video_quality import video

ALEXNET = {
    "0": (64, 3, 11, 11),
    "3": (192, 64, 5, 5),
    "6": (384, 192, 3, 3),
    "8": (256, 384, 3, 3),
    "10": (256, 256, 3, 3),
}
"""Shapes of the convolutions in torchvision's alexnet-owt-7be5be79.pth; its classifier is not read."""
RANDOM = np.random.default_rng(0)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Made weights: AlexNet's state dict, and the wheel ``lpips`` with version 0.1's linear layers."""
    generator = torch.Generator().manual_seed(0)
    tensors = {"classifier.1.weight": torch.zeros(4, 4), "classifier.1.bias": torch.zeros(4)}
    for name, shape in ALEXNET.items():
        size = np.sqrt(np.prod(shape[1:]))
        tensors[f"features.{name}.weight"] = torch.randn(shape, generator=generator) / size
        tensors[f"features.{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    torch.save(tensors, tmp_path / "alexnet-owt-7be5be79.pth")
    folder = tmp_path / "wheel" / "lpips" / "weights" / "v0.1"
    folder.mkdir(parents=True)
    (tmp_path / "wheel" / "lpips" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    linear = {
        f"lin{at}.model.1.weight": torch.rand((1, shape[0], 1, 1), generator=generator)
        for at, shape in enumerate(ALEXNET.values())
    }
    torch.save(linear, folder / "alex.pth")
    monkeypatch.syspath_prepend(str(tmp_path / "wheel"))
    return tmp_path / "alexnet-owt-7be5be79.pth", tensors, linear


def slowly(first, second, tensors, linear):
    """LPIPS of one pair, written out as the paper's equation 1 has it."""
    total = 0.0
    maps = []
    for picture in (first, second):
        x = torch.from_numpy(picture.astype(np.float64) / 127.5 - 1).permute(2, 0, 1)
        shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
        x = torch.stack([(x[c] - shift[c]) / scale[c] for c in range(3)])[None]
        layers = []
        for name, stride, padding in (("0", 4, 2), ("3", 1, 2), ("6", 1, 1), ("8", 1, 1), ("10", 1, 1)):
            if name in ("3", "6"):
                x = torch.nn.functional.max_pool2d(x, 3, 2)
            weight, bias = (tensors[f"features.{name}.{part}"].double() for part in ("weight", "bias"))
            x = torch.nn.functional.conv2d(x, weight, bias, stride=stride, padding=padding).relu()
            layers.append(x[0].numpy())
        maps.append(layers)
    for at, (a, b) in enumerate(zip(*maps, strict=True)):
        weight = linear[f"lin{at}.model.1.weight"][0, :, 0, 0].double().numpy()
        places = []
        for y in range(a.shape[1]):
            for x in range(a.shape[2]):
                one, other = (m[:, y, x] / (np.linalg.norm(m[:, y, x]) + 1e-10) for m in (a, b))
                places.append(weight @ (one - other) ** 2)
        total += np.mean(places)
    return total


def test_lpips_is_the_published_distance(weights):
    path, tensors, linear = weights
    first, second = (RANDOM.integers(0, 256, (2, 64, 48, 3), dtype=np.uint8) for _ in range(2))
    distance = load_lpips(path)
    found = distance(first, second)
    expected = [slowly(a, b, tensors, linear) for a, b in zip(first, second, strict=True)]
    assert found == pytest.approx(expected, rel=1e-4) and min(found) > 0.01
    assert (distance(first, first) == 0).all() and "lpips" not in sys.modules
    assert load_lpips(path.parent)(first, second) == pytest.approx(found)
    with pytest.raises(InputError, match="31 pixels or more"):
        distance(first[:, :16], second[:, :16])


def test_weights_of_another_network_and_missing_ones_are_refused(weights, tmp_path, monkeypatch):
    path, tensors, _ = weights
    torch.save({**tensors, "features.3.weight": torch.zeros(192, 64, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"features.3.weight has the shape \(192, 64, 3, 3\)"):
        load_lpips(tmp_path / "other.pth")
    (tmp_path / "wheel" / "lpips" / "weights" / "v0.1" / "alex.pth").unlink()
    with pytest.raises(MissingPartError, match="pip install --no-deps lpips"):
        load_lpips(path)
    monkeypatch.delenv("VOICEFACE_ALEXNET", raising=False)
    with pytest.raises(MissingPartError, match="VOICEFACE_ALEXNET"):
        load_lpips()


def clips():
    points = np.tile([[20.0, 20], [40, 20], [30, 30], [22, 42], [38, 42]], (6, 1, 1))
    for number in range(4):
        real = np.full((6, 64, 64, 3), 40 * number + 20, np.uint8)
        generated = real + np.uint8(5)
        yield VideoClip(
            name=f"{number}", person=f"p{number}", generated=generated, real=real,
            generated_points=points, real_points=points,
        )  # fmt: skip


def test_published_figures_stand_in_columns_of_their_own_with_chance():
    def likeness(frames, points):
        angle = frames.mean(axis=(1, 2, 3)) / 100
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def apart(generated, real):
        return np.abs(generated.astype(float) - real).mean(axis=(1, 2, 3))

    report = video(clips(), judges=Judges(likeness=likeness, perceptual=apart), resamples=50)
    lpips, csim = report.figure("LPIPS", "generated"), report.figure("CSIM", "generated")
    assert lpips.value == pytest.approx(5.0) and lpips.chance > 20 and lpips.low == lpips.high == 5.0
    assert csim.value == pytest.approx(np.cos(0.05)) and csim.chance < 0.95 and csim.people == 4
    names = [one.name for one in video(clips(), resamples=0).rows["generated"]]
    assert "LPIPS" not in names and "CSIM" not in names


def test_csim_aligns_faces_as_arcface_does_and_leaves_frames_without_a_face_out(tmp_path):
    path = tmp_path / "backbone.pth"
    arcface_file(path)
    judge = video_judges(None, csim=path).likeness
    points = np.tile([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], (3, 1, 1))
    points[1] = np.nan
    frames = RANDOM.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    rows = judge(frames, points)
    assert rows.shape == (3, 12) and np.isnan(rows[1]).all()
    faces = np.stack(
        [align(frames[k], points[k], size=112, template="arcface", border="edge") for k in (0, 2)]
    )
    assert rows[[0, 2]] == pytest.approx(load_arcface(path).embed(faces), abs=1e-5)
