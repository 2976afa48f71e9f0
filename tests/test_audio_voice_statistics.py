"""The 66 statistics: against SciPy and loops, unmoved by level, pauses' padding and company."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import torch

from voiceface.audio.pitch import frame_samples, pitch
from voiceface.audio.voice_statistics import SIZE, analyse_frames, voice_statistics
from voiceface.audio.wave_checks import as_lengths

PAIRS = Path(__file__).parents[2] / "shared" / "data" / "pairs"


def voice(seconds=1.0, f0=150.0, seed=0, wobble=0.1):
    """A buzz of moving pitch and colour, in syllables, with some breath."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16_000)) / 16_000
    phase = np.cumsum(f0 * np.exp(wobble * np.sin(2 * np.pi * 1.1 * time))) / 16_000
    colour = 1.2 + 0.7 * np.sin(2 * np.pi * 2.3 * time)
    buzz = sum(np.sin(2 * np.pi * k * phase) / k**colour for k in range(1, 16))
    gate = np.clip(3 * np.sin(2 * np.pi * 1.7 * time + 1), 0, 1)
    return torch.from_numpy(0.1 * buzz * gate + 0.0005 * rng.standard_normal(len(time)))


def pitch_by_hand(frame, rate):
    """Correlate the first 32 ms with each lag, one dot product after the other."""
    frame, width = frame - frame.mean(), round(0.032 * rate)
    floor = 1e-4 * (frame**2).sum()
    energy = [max(floor, (frame[lag : lag + width] ** 2).sum()) for lag in range(len(frame) - width + 1)]
    values = [
        (frame[:width] * frame[lag : lag + width]).sum() / np.sqrt(energy[0] * energy[lag])
        for lag in range(len(energy))
    ]
    tops = [
        lag
        for lag in range(int(rate / 400), len(values) - 1)
        if values[lag - 1] < values[lag] >= values[lag + 1]
    ]
    best = max(values[lag] for lag in tops)
    lag = next(lag for lag in tops if values[lag] >= 0.9 * best)
    a, b, c = values[lag - 1 : lag + 2]
    return min(400.0, max(60.0, rate / (lag + (a - c) / (2 * (a - 2 * b + c))))), b


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_pitch_is_that_of_the_slow_loop(rate):
    frames = voice(2.0).unfold(0, frame_samples(rate), 1111)
    frames = torch.cat([frames, 0.1 * torch.randn(5, frames.shape[1]).double()])
    f0, periodicity = pitch(frames, rate=rate)
    by_hand = [pitch_by_hand(frame.numpy(), rate) for frame in frames]
    np.testing.assert_allclose(f0, [hz for hz, _ in by_hand], rtol=1e-9)
    np.testing.assert_allclose(periodicity, [value for _, value in by_hand], atol=1e-9)


@pytest.mark.parametrize("hz", [61.0, 73.3, 110.0, 220.0, 333.0, 399.0])
def test_pitch_of_a_buzz_is_its_own_within_half_a_percent(hz):
    time = torch.arange(frame_samples(16_000)) / 16_000
    frame = sum(torch.sin(2 * torch.pi * hz * k * time + k) / k for k in range(1, 10))
    f0, periodicity = pitch(frame, rate=16_000)
    assert float(f0) == pytest.approx(hz, rel=0.005) and float(periodicity) > 0.98


def test_silence_and_noise_have_no_pitch():
    noise = torch.randn(200, frame_samples(16_000), generator=torch.Generator().manual_seed(0))
    assert (pitch(noise, rate=16_000)[1] < 0.7).all()
    f0, periodicity = pitch(torch.zeros(3, frame_samples(16_000)), rate=16_000)
    assert torch.isfinite(f0).all() and (periodicity < 0.1).all()


def statistics_by_hand(wave):
    """The definition with numpy, SciPy and loops; pitch from the function tested above."""
    wave = wave / np.sqrt(np.mean(wave**2))
    span = frame_samples(16_000)
    frames = [wave[at : at + span] for at in range(0, len(wave) - span + 1, 160)]
    # The bank itself is tested against librosa's in test_audio_mel.
    from voiceface.audio.mel import mel_bank

    bank, hann = mel_bank(bands=40, fft=400, rate=16_000).numpy(), np.hanning(401)[:400]
    cepstra, power, tones = [], [], []
    for frame in frames:
        spectrum = np.abs(np.fft.rfft(frame[190:590] * hann)) ** 2
        logs = np.log(np.maximum(spectrum @ bank, 1e-8))
        cepstra.append(scipy.fft.dct(logs, norm="ortho")[:20])
        power.append(np.mean(frame**2))
        tones.append([float(value) for value in pitch(torch.from_numpy(frame), rate=16_000)])
    speech = [p >= np.quantile(power, 0.95) / 1000 and p > 1e-6 for p in power]
    chosen = np.array([c for c, s in zip(cepstra, speech, strict=True) if s])
    changes = [
        np.abs(cepstra[t] - cepstra[t - 1]) for t in range(1, len(frames)) if speech[t] and speech[t - 1]
    ]
    logs = [np.log(hz) for (hz, r), s in zip(tones, speech, strict=True) if s and r >= 0.7]
    points = np.quantile(logs, [0.05, 0.25, 0.5, 0.75, 0.95])
    share = len(logs) / sum(speech)
    assert 0 < share < 1 and sum(speech) < len(frames)
    return np.concatenate([chosen.mean(0), chosen.std(0), np.mean(changes, 0), points, [share]])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_statistics_are_their_definition(seed):
    wave = voice(1.5, f0=120 + 60 * seed, seed=seed)
    np.testing.assert_allclose(voice_statistics(wave).numpy(), statistics_by_hand(wave.numpy()), atol=1e-8)
    np.testing.assert_allclose(
        voice_statistics(wave.float()).numpy(), statistics_by_hand(wave.numpy()), atol=2e-3
    )


def test_recordings_in_a_padded_batch_are_each_as_alone():
    waves = [voice(2.0), voice(0.7, f0=220, seed=1), voice(0.03, f0=300, seed=2), voice(1.234, f0=90, seed=3)]
    lengths = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=0.4)
    rows = voice_statistics(batch, lengths=lengths)
    assert rows.shape == (4, SIZE) == (4, 66)
    for row, wave in zip(rows, waves, strict=True):
        torch.testing.assert_close(row, voice_statistics(wave), atol=1e-9, rtol=0)


def test_long_recordings_are_the_same_in_blocks(monkeypatch):
    wave = voice(3.0)
    whole = voice_statistics(wave)
    monkeypatch.setattr("voiceface.audio.voice_statistics._BLOCK", 17)
    torch.testing.assert_close(voice_statistics(wave), whole, atol=1e-9, rtol=0)


def test_the_level_does_not_count():
    wave = voice(1.0)
    torch.testing.assert_close(voice_statistics(wave * 0.05), voice_statistics(wave), atol=1e-8, rtol=0)


def test_higher_voices_have_higher_points_and_noise_has_none():
    low, high = voice_statistics(voice(2.0, f0=100)), voice_statistics(voice(2.0, f0=200))
    torch.testing.assert_close(
        high[60:65] - low[60:65], torch.full((5,), 2.0).log().double(), atol=0.05, rtol=0
    )
    noise = voice_statistics(torch.randn(32_000, generator=torch.Generator().manual_seed(0)))
    assert noise[65] == 0 and (noise[60:65] - np.log(np.sqrt(60 * 400))).abs().max() < 1e-6


def test_silence_gives_finite_numbers_and_no_speech():
    wave = torch.zeros(2, 16_000)
    assert torch.isfinite(voice_statistics(wave)).all()
    assert not analyse_frames(wave, as_lengths(None, wave)).speech.any()


@pytest.mark.slow
@pytest.mark.skipif(not PAIRS.exists(), reason="the shared recordings are not here")
def test_mens_and_womens_median_pitch_lie_where_theirs_do():
    from voiceface.media.sound import load_sound

    with open(PAIRS / "pairs.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["gender"]][:80]
    medians = {"f": [], "m": []}
    for row in rows:
        wave = torch.from_numpy(load_sound(PAIRS / "voices" / f"{row['clip']}.ogg"))
        medians[row["gender"]].append(float(voice_statistics(wave)[62].exp()))
    assert 90 < np.median(medians["m"]) < 155 and 165 < np.median(medians["f"]) < 250
