"""FVD: I3D in the exact layout of its published weights, a slow reading of it, clips from files, chance."""

import numpy as np
import pytest
import torch

from cli_fixtures import call
from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.errors import InputError, MissingPartError
from voiceface.media.write_movie import write_movie
from voiceface.metrics.distribution import frechet_distance
from voiceface.models.i3d import load_i3d
from voiceface.nn.i3d import I3d
from voiceface.protocols.frechet_video_distance import frechet_video_distance

RANDOM = np.random.default_rng(0)
BLOCKS = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Made weights with the names of rgb_imagenet.pt, five actions in place of 400."""
    torch.manual_seed(0)
    tensors = I3d(5).state_dict()
    for name, tensor in tensors.items():
        if name.endswith("conv3d.weight"):  # He's scale, so that the answer depends on the clip
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif name.endswith("bn.running_mean"):
            tensor.normal_(0, 0.3)
        elif name.endswith("bn.running_var"):
            tensor.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp("i3d") / "rgb_imagenet.pt"
    torch.save(tensors, path)
    return path


def slowly(clip, tensors):
    """I3D as its paper's figure 3 has it, in double precision, from the tensors' names alone."""

    def padded(x, kernel, stride):
        for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=1):
            size = x.shape[axis]
            lacking = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
            shape = list(x.shape)
            for end, count in (("front", lacking // 2), ("back", lacking - lacking // 2)):
                shape[axis] = count
                parts = [torch.zeros(shape, dtype=x.dtype), x]
                x = torch.cat(parts if end == "front" else parts[::-1], dim=axis)
        return x

    def unit(x, name, stride=1):
        weight = tensors[f"{name}.conv3d.weight"].double()
        x = torch.nn.functional.conv3d(padded(x, weight.shape[2:], (stride,) * 3), weight, stride=stride)
        mean, variance, gain, bias = (
            tensors[f"{name}.bn.{part}"].double()[:, None, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 0.001).sqrt() * gain + bias).clamp_min(0)

    def highest(x, kernel, stride):
        return torch.nn.functional.max_pool3d(padded(x, kernel, stride), kernel, stride)

    x = unit(clip.double(), "Conv3d_1a_7x7", 2)
    x = unit(highest(x, (1, 3, 3), (1, 2, 2)), "Conv3d_2b_1x1")
    x = highest(unit(x, "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        if block in ("4b", "5b"):
            size = 3 if block == "4b" else 2
            x = highest(x, (size,) * 3, (2, 2, 2))
        own = f"Mixed_{block}."
        x = torch.cat(
            [
                unit(x, own + "b0"),
                unit(unit(x, own + "b1a"), own + "b1b"),
                unit(unit(x, own + "b2a"), own + "b2b"),
                unit(highest(x, (3, 3, 3), (1, 1, 1)), own + "b3b"),
            ]
        )
    moments = torch.stack([x[:, t : t + 2].mean(dim=(1, 2, 3)) for t in range(x.shape[1] - 1)])
    last, bias = (tensors[f"logits.conv3d.{part}"].double() for part in ("weight", "bias"))
    return (moments @ last[:, :, 0, 0, 0].T + bias).mean(0)


def test_the_network_is_the_published_one(weights):
    assert sum(one.numel() for one in I3d().parameters()) == 12_697_264
    clip = RANDOM.integers(0, 256, (9, 224, 224, 3), dtype=np.uint8)
    found = load_i3d(weights)(clip)
    pictures = torch.from_numpy(clip).permute(3, 0, 1, 2).double() / 127.5 - 1
    expected = slowly(pictures, torch.load(weights, weights_only=True)).numpy()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3) and np.ptp(expected) > 0.05
    still = load_i3d(weights.parent)(np.repeat(clip[:1], 9, axis=0))
    assert np.abs(still - found).max() > 1e-2  # motion counts


def test_faults_are_named(weights, tmp_path, monkeypatch):
    monkeypatch.delenv("VOICEFACE_I3D", raising=False)
    with pytest.raises(MissingPartError, match="VOICEFACE_I3D"):
        load_i3d()
    tensors = torch.load(weights, weights_only=True)
    tensors["Mixed_4c.b0.conv3d.weight"] = torch.zeros(3, 3, 1, 1, 1)
    torch.save(tensors, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"Mixed_4c.b0.conv3d.weight has the shape \(3, 3, 1, 1, 1\)"):
        load_i3d(tmp_path / "other.pt")
    with pytest.raises(InputError, match="9 frames or more"):
        load_i3d(weights)(np.zeros((8, 16, 16, 3), np.uint8))


def test_the_distance_its_chance_and_its_interval():
    people = np.repeat([f"p{k}" for k in range(40)], 5)
    real = RANDOM.normal(size=(200, 4))
    own, halves = frechet_video_distance(real, real, people=people, still=real + 3)
    assert own.value == pytest.approx(0, abs=1e-6) and own.chance == pytest.approx(36, rel=1e-6)
    assert (own.name, own.n, own.people, halves.name) == ("FVD", 200, 40, "FVD of real halves")
    assert 0.01 < halves.value < 0.5
    worse = RANDOM.normal(size=(200, 4)) * 1.5 + 1
    found = frechet_video_distance(worse, real, people=people)[0]
    assert found.value == pytest.approx(frechet_distance(worse, real))
    assert found.low < found.value < found.high < 9 and np.isnan(found.chance)
    few = frechet_video_distance(worse, real, people=["p"] * 200)
    assert np.isnan(few[0].low) and len(few) == 1
    with pytest.raises(InputError, match="equal shapes"):
        frechet_video_distance(worse[:9], real, people=people)


def film(path, seed, *, count, swing):
    face = np.asarray(draw_face(seed, 112))
    pictures = [np.roll(face, round(swing * np.sin(k)), axis=1) for k in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_movie(path, pictures, fps=25, wave=synthetic_voice(seed, count / 25), rate=16000)


def test_clips_of_two_folders_from_the_command_line(weights, tmp_path):
    for person, seed, count in (("ann", 1, 18), ("bob", 2, 33), ("eve", 3, 12)):
        film(tmp_path / "real" / person / "1.mp4", seed, count=count, swing=12)
        film(tmp_path / "generated" / person / "1.mp4", seed, count=count, swing=3)
    tokens = ["evaluate", "video", "--generated", tmp_path / "generated", "--fvd", weights]
    call(*tokens).refused("--fvd", "--reference")
    said = call(*tokens, "--reference", tmp_path / "real", "--resamples", "5", "--json")
    assert said.code == 0, said.err
    (found,) = said.json["rows"]["generated, as a set"]
    assert found["name"] == "FVD" and found["n"] == 3 and found["people"] == 2
    assert 0.01 < found["value"] < found["chance"]  # 1e-16 where both folders hold the same clips
    assert said.json["left_out"]["FVD: shorter than 16 frames"] == ["eve/1"]
