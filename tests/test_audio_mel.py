"""The shared filter bank and spectra, against librosa and SciPy."""

import librosa
import numpy as np
import pytest
import scipy.fft
import torch

from reference_spectrogram import spectrogram
from voiceface.audio.mel import cosine_transform, hz_to_mel, mel_bank, mel_to_hz, power_frames


@pytest.mark.parametrize(
    ("bands", "fft", "rate"), [(40, 400, 16_000), (60, 1024, 16_000), (60, 1024, 22_050)]
)
def test_the_bank_is_librosas(bands, fft, rate):
    reference = librosa.filters.mel(sr=rate, n_fft=fft, n_mels=bands, dtype=np.float64)
    np.testing.assert_allclose(mel_bank(bands=bands, fft=fft, rate=rate).numpy().T, reference, atol=1e-12)


def test_the_bank_keeps_to_its_limits():
    reference = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=30, fmin=100, fmax=5000, dtype=np.float64)
    bank = mel_bank(bands=30, fft=512, rate=16_000, low=100.0, high=5000.0)
    np.testing.assert_allclose(bank.numpy().T, reference, atol=1e-12)


def test_mels_and_hertz_are_librosas_and_each_others_inverse():
    hz = torch.tensor([0.0, 60.0, 999.0, 1000.0, 1001.0, 7999.0], dtype=torch.float64)
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz.numpy()), atol=1e-12)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(hz)), hz)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("power", [1.0, 2.0, 1.5])
def test_spectra_are_as_librosa_defines(centre, power):
    wave = np.random.default_rng(0).standard_normal((2, 3000))
    reference = spectrogram(wave, fft=400, hop=160, centre=centre, power=power)
    ours = power_frames(torch.from_numpy(wave), fft=400, hop=160, power=power, centre=centre)
    np.testing.assert_allclose(ours.numpy().transpose(0, 2, 1), reference, atol=1e-9)


def test_the_cosine_transform_is_scipys():
    logs = np.random.default_rng(0).standard_normal((5, 40))
    reference = scipy.fft.dct(logs, type=2, norm="ortho")[:, :20]
    np.testing.assert_allclose(logs @ cosine_transform(bands=40, kept=20).numpy(), reference, atol=1e-12)
