"""What every feature refuses, and how: one parametrised definition for the whole room."""

import numpy as np
import pytest
import torch

from voiceface.audio.ge2e_features import ge2e_mel, ge2e_partials, normalise_volume
from voiceface.audio.kaldi_fbank import kaldi_fbank
from voiceface.audio.log_fbank import log_fbank
from voiceface.audio.logmel_patches import logmel_patches
from voiceface.audio.magnitude_spectrogram import magnitude_spectrogram
from voiceface.audio.preemphasis import preemphasis
from voiceface.audio.speech_detection import speech_facts
from voiceface.audio.vad import keep_speech, speech_flags
from voiceface.audio.voice_statistics import voice_statistics
from voiceface.audio.wave_checks import as_batch, as_lengths
from voiceface.audio.wen_logmel import wen_logmel
from voiceface.errors import InputError

TORCH_FEATURES = {
    "ge2e_mel": ge2e_mel,
    "ge2e_partials": lambda wave: ge2e_partials(wave)[0],
    "normalise_volume": normalise_volume,
    "voice_statistics": voice_statistics,
    "wen_logmel": wen_logmel,
    "logmel_patches": lambda wave: logmel_patches(wave, rate=16_000),
    "magnitude": lambda wave: magnitude_spectrogram(wave, rate=16_000),
    "preemphasis": preemphasis,
}
NUMPY_FEATURES = {
    "speech_flags": lambda wave: speech_flags(wave, rate=16_000),
    "keep_speech": lambda wave: keep_speech(wave, rate=16_000),
}
PADDED = [
    normalise_volume,
    voice_statistics,
    wen_logmel,
    ge2e_partials,
    lambda wave, lengths: logmel_patches(wave, rate=16_000, lengths=lengths),
]


def assert_helpful(error):
    """One line that says what to do."""
    assert ";" in str(error.value) and error.value.remedy and "\n" not in str(error.value)


@pytest.mark.parametrize("feature", TORCH_FEATURES.values(), ids=TORCH_FEATURES)
@pytest.mark.parametrize(
    "wave",
    [
        torch.zeros(0),
        torch.zeros(3, 0),
        torch.zeros(0, 100),
        torch.tensor([0.1] * 999 + [float("nan")]),
        torch.tensor([0.1] * 999 + [float("inf")]),
        torch.zeros(1000, dtype=torch.int16),
        torch.zeros(2, 1, 1000),
    ],
    ids=["empty", "no samples", "no waves", "nan", "infinite", "integers", "3-D"],
)
def test_no_feature_is_computed_from_a_wave_that_is_none(feature, wave):
    with pytest.raises(InputError) as error:
        feature(wave)
    assert_helpful(error)


@pytest.mark.parametrize("feature", TORCH_FEATURES.values(), ids=TORCH_FEATURES)
@pytest.mark.parametrize("samples", [1, 800, 16_000], ids=["one sample", "50 ms", "1 s"])
@pytest.mark.parametrize("level", [0.0, 1e-6, 1.0], ids=["silence", "nearly silence", "full scale"])
def test_every_feature_is_finite_and_keeps_the_waves_shape_convention(feature, samples, level):
    wave = level * torch.empty(samples).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    single, batch = feature(wave), feature(wave[None])
    assert torch.isfinite(single).all()
    assert single.dtype == torch.float32
    # ge2e_partials' first axis counts windows, whatever the batch.
    torch.testing.assert_close(batch if batch.shape == single.shape else batch[0], single)


@pytest.mark.parametrize("feature", NUMPY_FEATURES.values(), ids=NUMPY_FEATURES)
@pytest.mark.parametrize(
    "wave",
    [np.array([0.1, np.nan], np.float32), np.zeros((2, 800), np.float32), np.zeros(800, np.int16)],
    ids=["nan", "stereo", "integers"],
)
def test_voice_activity_refuses_what_it_cannot_judge(feature, wave):
    with pytest.raises(InputError) as error:
        feature(wave)
    assert_helpful(error)


@pytest.mark.parametrize("feature", [ge2e_mel, ge2e_partials, wen_logmel, voice_statistics, speech_facts])
def test_features_made_for_16_khz_refuse_another_rate(feature):
    wave = np.zeros(8000, np.float32) if feature is speech_facts else torch.zeros(8000)
    with pytest.raises(InputError, match=r"got 8000 Hz; resample to 16000 Hz"):
        feature(wave, rate=8000)


@pytest.mark.parametrize("feature", PADDED)
@pytest.mark.parametrize(
    "lengths",
    [torch.tensor([1]), torch.tensor([0, 5]), torch.tensor([5, 1001]), torch.tensor([1.0, 2.0])],
    ids=["too few", "zero", "too long", "floats"],
)
def test_lengths_that_do_not_fit_the_batch_are_refused(feature, lengths):
    with pytest.raises(InputError) as error:
        feature(torch.zeros(2, 1000), lengths=lengths)
    assert_helpful(error)


def test_a_wave_is_a_batch_of_one_and_a_full_batch_has_full_lengths():
    batch = as_batch(torch.ones(5))
    assert batch.shape == (1, 5)
    assert as_lengths(None, torch.zeros(3, 7)).tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    "feature",
    [ge2e_mel, voice_statistics, wen_logmel, TORCH_FEATURES["logmel_patches"], kaldi_fbank, log_fbank],
)
def test_features_keep_their_precision_inside_autocast(feature):
    wave = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    expected = feature(wave)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(feature(wave), expected)


@pytest.mark.parametrize(
    "name", ["ge2e_mel", "voice_statistics", "wen_logmel", "logmel_patches", "magnitude"]
)
def test_half_precision_waves_are_widened_first(name):
    wave = 0.1 * torch.randn(4000, generator=torch.Generator().manual_seed(0))
    rows = TORCH_FEATURES[name](wave.bfloat16())
    assert torch.equal(rows, TORCH_FEATURES[name](wave.bfloat16().float()))
