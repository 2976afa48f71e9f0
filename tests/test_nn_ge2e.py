"""The GE2E speaker encoder: its arithmetic, its published weights, and the whole chain from samples."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reference_spectrogram import mel_spectrogram
from voiceface.audio.ge2e_features import ge2e_partials, normalise_volume
from voiceface.errors import InputError
from voiceface.nn.voice.ge2e import Ge2e, embed_windows, load_ge2e_weights


@pytest.fixture(scope="module")
def published():
    """The tensors inside the resemblyzer wheel, found and read without importing it."""
    spec = importlib.util.find_spec("resemblyzer")
    path = Path(spec.origin).with_name("pretrained.pt") if spec and spec.origin else None
    if path is None or not path.exists():
        pytest.skip("the resemblyzer wheel is not installed")
    return torch.load(path, map_location="cpu", weights_only=True)["model_state"]


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Ge2e(hidden=16, layers=2, dim=8).eval()


def reference_embedding(wave, tensors):
    """One utterance by numpy and a bare LSTM, a window at a time, in float64."""
    lstm, linear = nn.LSTM(40, 256, 3).double(), nn.Linear(256, 256).double()
    lstm.load_state_dict({k[5:]: v for k, v in tensors.items() if k.startswith("lstm.")})
    linear.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("linear.")})
    level = 10 * math.log10(np.mean(wave.astype(float) ** 2))
    wave = wave * 10 ** (max(0.0, -30 - level) / 20)
    # 77 frames = one 1.3th of a second; the last window stays if 0.75 of its 1.6 s are there.
    starts = [0]
    while starts[-1] + 77 <= math.ceil((len(wave) + 1) / 160) - 160 + 77:
        starts.append(starts[-1] + 77)
    if len(starts) > 1 and len(wave) - 160 * starts[-1] < 0.75 * 25_600:
        starts.pop()
    wave = np.pad(wave, (0, max(0, 160 * (starts[-1] + 160) - len(wave))))
    mel = mel_spectrogram(wave.astype(np.float64), rate=16_000, fft=400, hop=160, bands=40).T
    rows = []
    with torch.no_grad():
        for start in starts:
            outputs, _ = lstm(torch.from_numpy(mel[start : start + 160]).double()[:, None])
            row = linear(outputs[-1, 0]).clamp_min(0)
            rows.append(row / row.norm())
        mean = torch.stack(rows).mean(0)
    return (mean / mean.norm()).numpy()


def made_voice(seconds, seed):
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16_000)) / 16_000
    phase = np.cumsum(rng.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * time))) / 16_000
    buzz = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 25))
    wave = buzz * (1 + 0.8 * np.sin(2 * np.pi * 3 * time)) + 0.1 * rng.standard_normal(len(time))
    return (wave * rng.uniform(0.0005, 0.1)).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.6, 2.05, 2.9, 4.37])
def test_the_whole_chain_is_the_published_one(published, seconds):
    model = load_ge2e_weights(Ge2e(), published).eval()
    wave = made_voice(seconds, seed=int(100 * seconds))
    partials, counts = ge2e_partials(normalise_volume(torch.from_numpy(wave)))
    with torch.no_grad():
        ours = embed_windows(model, partials, counts)[0].numpy()
    np.testing.assert_allclose(ours, reference_embedding(wave, published), atol=2e-6)


def test_many_recordings_in_one_batch_are_each_as_alone(published):
    model = load_ge2e_weights(Ge2e(), published).eval()
    waves = [torch.from_numpy(made_voice(seconds, seed)) for seed, seconds in enumerate([0.5, 5.0, 1.7, 3.2])]
    lengths = torch.tensor([len(wave) for wave in waves])
    batch = nn.utils.rnn.pad_sequence(waves, batch_first=True)
    levelled = normalise_volume(batch, lengths=lengths)
    with torch.no_grad():
        together = embed_windows(model, *ge2e_partials(levelled, lengths=lengths), block=3)
        alone = torch.cat([embed_windows(model, *ge2e_partials(normalise_volume(wave))) for wave in waves])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)
    assert (together.norm(dim=1) - 1).abs().max() < 1e-6
    # Different voices, so that a mix-up of rows would be seen.
    assert (together @ together.T).fill_diagonal_(0).max() < 0.99


def test_a_recording_is_the_mean_of_its_windows_brought_to_length_one(small):
    partials = torch.rand(6, 20, 40, generator=torch.Generator().manual_seed(1))
    counts = [1, 3, 2]
    rows = embed_windows(small, partials, counts, block=4)
    start = 0
    for count, row in zip(counts, rows, strict=True):
        mean = sum(small(partials[i][None])[0] for i in range(start, start + count)) / count
        torch.testing.assert_close(row, mean / mean.norm())
        start += count


def test_rows_are_of_length_one_never_negative_and_carry_gradients_both_ways(small):
    mels = torch.rand(3, 20, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows = small(mels)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    assert (rows >= 0).all()
    (rows * torch.linspace(-1, 1, 8)).sum().backward()
    assert mels.grad.abs().sum() > 0 and small.lstm.weight_hh_l0.grad.abs().sum() > 0


def test_published_names_are_loaded_and_the_losss_own_passed_over(small):
    fresh = Ge2e(hidden=16, layers=2, dim=8)
    given = {**small.state_dict(), "similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    mels = torch.rand(2, 10, 40)
    assert not torch.equal(fresh(mels), small(mels))
    assert load_ge2e_weights(fresh, given) is fresh
    assert torch.equal(fresh(mels), small(mels))


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_tensors_of_another_network_are_refused_and_change_nothing(small, fault):
    fresh = Ge2e(hidden=16, layers=2, dim=8)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    given = dict(small.state_dict())
    if fault == "missing":
        del given["linear.bias"]
    elif fault == "unknown":
        given["conv.weight"] = torch.ones(1)
    else:
        given["linear.bias"] = torch.ones(9)
    name = "conv.weight" if fault == "unknown" else "linear.bias"
    with pytest.raises(InputError, match=f"do not fit the encoder at {name}; give"):
        load_ge2e_weights(fresh, given)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())
