"""The recogniser with gradients is dlib's own, to the last digits."""

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.face.dlib_embedding import embed_faces
from voiceface.face.dlib_models import model_file
from voiceface.face.read_dlib_layers import read_dlib_layers
from voiceface.models import dlib_recogniser
from voiceface.nn.face.dlib_resnet import DlibResNet, Residual


@pytest.fixture(scope="module")
def chips():
    random = np.random.default_rng(0)
    smooth = random.uniform(0, 255, (2, 6, 6, 3)).repeat(25, axis=1).repeat(25, axis=2)
    return np.concatenate([smooth, random.integers(0, 256, (1, 150, 150, 3))]).astype(np.uint8)


def as_batch(chips):
    return torch.from_numpy(chips).permute(0, 3, 1, 2).float()


def test_descriptors_are_dlibs(chips):
    ours = dlib_recogniser.load_dlib_recogniser()(as_batch(chips)).numpy()
    np.testing.assert_allclose(ours, embed_faces(chips), atol=2e-6)
    assert np.linalg.norm(ours[0] - ours[1]) > 0.01  # or anything constant would pass


def test_gradients_reach_the_picture_and_not_the_weights(chips):
    network = dlib_recogniser.load_dlib_recogniser()
    faces = as_batch(chips[:1]).requires_grad_()
    network(faces).square().sum().backward()
    assert faces.grad.abs().sum() > 0
    assert all(p.grad is None for p in network.parameters())


def test_gradients_pass_also_if_it_was_first_loaded_for_inference(chips):
    with torch.inference_mode():
        network = dlib_recogniser.load_dlib_recogniser.__wrapped__()
    faces = as_batch(chips[:1]).requires_grad_()
    network(faces).square().sum().backward()
    assert faces.grad.abs().sum() > 0


def test_maps_have_dlibs_sizes(chips):
    sizes = [tuple(m.shape[1:]) for m in dlib_recogniser.load_dlib_recogniser().maps(as_batch(chips[:1]))]
    assert sizes[0] == (32, 35, 35)
    assert sizes[3] == (64, 17, 17)
    assert sizes[7] == (128, 8, 8)
    assert sizes[10] == (256, 4, 4)
    assert sizes[-1] == (256, 2, 2)


def test_a_block_fills_up_with_zeros():
    block = Residual(2, 4, halve=True)
    torch.nn.init.zeros_(block.first.weight)
    torch.nn.init.zeros_(block.second.weight)
    torch.nn.init.zeros_(block.first.bias)
    torch.nn.init.zeros_(block.second.bias)
    maps = torch.rand(1, 2, 8, 8)
    out = block(maps)
    assert out.shape == (1, 4, 4, 4)
    torch.testing.assert_close(out[:, :2], torch.nn.functional.avg_pool2d(maps, 2))
    assert not out[:, 2:].any()


def test_a_damaged_file_is_one_line(tmp_path):
    whole = model_file("dlib_recogniser").read_bytes()
    path = tmp_path / "cut.dat"
    path.write_bytes(whole[:5000])
    with pytest.raises(InputError, match="cut short"):
        read_dlib_layers(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="no layers"):
        read_dlib_layers(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_dlib_layers(tmp_path / "absent.dat")


def test_another_network_is_refused():
    layers = read_dlib_layers()
    with pytest.raises(InputError, match="another network"):
        dlib_recogniser._fill(DlibResNet(), layers[:-1])
    with pytest.raises(InputError, match="another network"):
        dlib_recogniser._fill(DlibResNet(), [*layers, layers[-1]])
