"""Changes of speech, measured by other means than those they are made with (SciPy, plain numpy)."""

import numpy as np
import pytest
import torch
from scipy import signal

from voiceface.audio.augment import (
    add_noise,
    add_reverb,
    band_limit,
    random_equaliser,
    resample_by,
    shift_formants,
)

RATE = 16_000


def tone(hertz, samples=RATE):
    return torch.sin(2 * torch.pi * hertz * torch.arange(samples) / RATE)


def drawn(seed):
    return torch.Generator().manual_seed(seed)


def peak_hertz(wave):
    """Frequency of the largest peak, refined by a parabola through the log spectrum."""
    log = np.log(np.abs(np.fft.rfft(np.asarray(wave) * np.hanning(len(wave)))) + 1e-12)
    top = int(log.argmax())
    left, middle, right = log[top - 1 : top + 2]
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / len(wave)


def vowel(pitch=120.0, formants=((700, 90), (1300, 110), (2600, 160)), seconds=1.0):
    """A pulse train through resonances: a held vowel whose formants are known."""
    pulses = np.zeros(int(seconds * RATE))
    pulses[np.round(np.arange(0, len(pulses), RATE / pitch)).astype(int)[:-1]] = 1.0
    for hertz, width in formants:
        radius = np.exp(-np.pi * width / RATE)
        pulses = signal.lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2], pulses)
    return torch.from_numpy((0.3 * pulses / np.abs(pulses).max()).astype(np.float32))


def formants_of(wave, order=10):
    """Resonances by linear prediction (Burg's method), Hz, those narrower than 400 Hz."""
    forward = backward = np.asarray(wave, dtype=np.float64)[2000:-2000]
    filtered = np.ones(1)
    for _ in range(order):
        ahead, behind = forward[1:], backward[:-1]
        reflection = -2 * (ahead @ behind) / (ahead @ ahead + behind @ behind)
        filtered = np.append(filtered, 0) + reflection * np.append(filtered, 0)[::-1]
        forward, backward = ahead + reflection * behind, behind + reflection * ahead
    roots = np.roots(filtered)
    roots = roots[roots.imag > 0.01]
    widths = -np.log(np.abs(roots)) * RATE / np.pi
    return np.sort(np.angle(roots[widths < 400]) * RATE / (2 * np.pi))


@pytest.mark.parametrize("ratio", [0.7, 0.93, 1.0, 1.31])
def test_a_tone_played_faster_rises_by_the_ratio_and_fits_the_length(ratio):
    played = resample_by(tone(440.0, 40_000), ratio, samples=RATE)
    assert played.shape == (RATE,)
    # The ratio is kept within 128 samples (a multiple of 256 is taken) of 16,000.
    assert peak_hertz(played) == pytest.approx(440 * ratio, rel=128 / (RATE * ratio) + 1e-3)
    assert played[2000:-2000].std() == pytest.approx(0.5**0.5, rel=0.02)


def test_played_faster_is_what_scipys_resampling_gives():
    # Nothing near the new half rate, whose single bin SciPy treats with more care.
    wave = signal.resample(np.random.default_rng(0).normal(size=14_000), 20_480)
    played = resample_by(torch.from_numpy(wave.astype(np.float32)), 20_480 / RATE, samples=RATE)
    np.testing.assert_allclose(played, signal.resample(wave, RATE), atol=1e-5)


def test_what_would_fold_back_is_left_out():
    played = resample_by(tone(7000.0, 40_000), 1.4, samples=RATE)  # 9.8 kHz cannot be held at 16 kHz
    assert played[1000:-1000].abs().max() < 0.01


def test_a_wave_shorter_than_asked_for_is_stretched_whole():
    assert resample_by(tone(300.0, 1000), 1.0, samples=2000).shape == (2000,)


def envelope_ratio(before, after):
    """The factor along frequency that best lays one smooth spectrum (300 Hz wide) over another."""

    def smooth(wave):
        power = signal.welch(np.asarray(wave), RATE, nperseg=1024)[1]
        return np.log(np.convolve(power, np.hanning(39), mode="same") + 1e-12)

    hertz = np.linspace(0, RATE / 2, 513)
    wanted, given = smooth(after), smooth(before)
    inside = (hertz > 300) & (hertz < 5000)
    ratios = np.arange(0.7, 1.4, 0.005)
    return max(
        ratios, key=lambda r: np.corrcoef(wanted[inside], np.interp(hertz / r, hertz, given)[inside])[0, 1]
    )


def pitch_of(wave):
    """The highest peak of the autocorrelation between 70 and 300 Hz."""
    alike = signal.correlate(wave, wave, mode="full")[len(wave) - 1 :]
    lags = np.arange(RATE // 300, RATE // 70)
    return RATE / lags[alike[lags].argmax()]


@pytest.mark.parametrize("ratio", [0.85, 1.15])
def test_formants_move_and_the_pitch_stays(ratio):
    wave = vowel()
    moved = shift_formants(wave[None], torch.tensor([ratio]))[0]
    assert moved.shape == wave.shape
    before, after = formants_of(wave)[:3], formants_of(moved)[:3]
    np.testing.assert_allclose(before, [700, 1300, 2600], rtol=0.05)
    # The envelope is smooth: narrow low resonances, a few harmonics wide, do not go the whole way.
    share = np.log(after / before) / np.log(ratio)
    assert (share > 0.4).all() and (share < 1.3).all(), share
    assert envelope_ratio(wave, moved) == pytest.approx(ratio, abs=0.03)
    assert envelope_ratio(wave, wave) == pytest.approx(1.0)
    assert pitch_of(moved.numpy()) == pytest.approx(120, rel=0.01)


def test_a_ratio_of_one_changes_nothing_and_rows_do_not_meet():
    waves = torch.stack([vowel(120.0), vowel(190.0)])
    same = shift_formants(waves, torch.tensor([1.0, 1.2]))
    torch.testing.assert_close(same[0], waves[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(same[1], shift_formants(waves[1:], torch.tensor([1.2]))[0])
    assert (same[1] - waves[1]).abs().max() > 0.01


def test_noise_lies_under_each_wave_at_its_ratio_and_silence_stays_silent():
    waves = torch.stack([tone(300.0), 0.01 * tone(900.0), torch.zeros(RATE)])
    noise = 7 * torch.randn(3, RATE, generator=drawn(1))
    wanted = torch.tensor([20.0, 3.0, 10.0])
    mixed = add_noise(waves, noise, wanted)
    for row in (0, 1):
        power = [float(part.square().mean()) for part in (waves[row], mixed[row] - waves[row])]
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(float(wanted[row]), abs=0.01)
        cosine = torch.nn.functional.cosine_similarity(mixed[row] - waves[row], noise[row], dim=0)
        assert cosine == pytest.approx(1.0, abs=1e-4)
    assert not mixed[2].any()
    assert torch.equal(add_noise(waves, torch.zeros(3, RATE), wanted), waves)


def test_colour_is_a_filter_of_smooth_gains_whatever_the_wave():
    noise, other = torch.randn(2, 3, 8192, generator=drawn(2))

    def coloured(waves):
        return random_equaliser(waves, strength_db=6.0, generator=drawn(3))

    torch.testing.assert_close(
        coloured(2 * noise + other), 2 * coloured(noise) + coloured(other), atol=1e-4, rtol=0
    )
    # Shifted sound, shifted answer; and the gains seen through an impulse are those of the noise.
    torch.testing.assert_close(coloured(noise.roll(77, 1)), coloured(noise).roll(77, 1), atol=1e-4, rtol=0)
    impulse = torch.zeros(3, 8192)
    impulse[:, 100] = 1.0
    gains = np.abs(np.fft.rfft(coloured(impulse).numpy()))
    np.testing.assert_allclose(
        np.abs(np.fft.rfft(coloured(noise).numpy())), gains * np.abs(np.fft.rfft(noise.numpy())), atol=2e-2
    )
    told = 20 * np.log10(gains[:, 8:])
    assert np.abs(np.diff(told, axis=1)).max() < 1.0  # smooth from bin to bin (2 Hz)
    assert 1.0 < told.std(axis=1).mean() < 12.0
    assert np.abs(told[0] - told[1]).max() > 1.0  # each wave its own


def test_colour_of_no_strength_is_nothing():
    noise = torch.randn(2, 4000, generator=drawn(4))
    torch.testing.assert_close(
        random_equaliser(noise, strength_db=0.0, generator=drawn(5)), noise, atol=1e-5, rtol=0
    )


def test_an_echo_dies_away_at_the_stated_time_with_the_stated_energy():
    impulse = torch.zeros(64, RATE)
    impulse[:, 0] = 1.0
    tails = add_reverb(impulse, torch.full((64,), 0.4), torch.full((64,), 0.5), rate=RATE, generator=drawn(6))
    tails = tails.double()
    np.testing.assert_allclose(tails[:, 0], 1.0, atol=1e-3)
    np.testing.assert_allclose(tails[:, 1:].square().sum(1), 0.5, rtol=0.02)
    level = 10 * np.log10(tails[:, 1:9409].square().mean(0).reshape(-1, 192).mean(1).numpy())
    fall = np.polyfit((np.arange(len(level)) + 0.5) * 192 / RATE, level, 1)[0]
    assert fall == pytest.approx(-60 / 0.4, rel=0.03)
    assert tails[:, 9700:].abs().max() < 1e-5  # longer tails are cut at 0.6 s


def test_an_echo_comes_after_the_sound_never_before_nor_from_its_end():
    late = torch.zeros(1, RATE)
    late[0, -4000:] = torch.randn(4000, generator=drawn(7))
    heard = add_reverb(late, torch.tensor([0.5]), torch.tensor([1.0]), rate=RATE, generator=drawn(8))
    assert heard[0, :-4000].abs().max() < 1e-4 * heard.abs().max()


def test_a_dry_room_leaves_the_wave_as_it_is():
    waves = torch.randn(2, 5000, generator=drawn(9))
    heard = add_reverb(
        waves, torch.tensor([0.1, 0.8]), torch.tensor([0.0, 0.6]), rate=RATE, generator=drawn(10)
    )
    torch.testing.assert_close(heard[0], waves[0], atol=1e-5, rtol=0)
    assert (heard[1] - waves[1]).abs().max() > 0.1


def test_a_line_keeps_what_is_below_its_cutoff_and_little_above():
    noise = torch.randn(2, RATE, generator=drawn(11))
    heard = band_limit(noise, torch.tensor([3000.0, 6000.0]), torch.tensor([16.0, 16.0]), rate=RATE)
    spectra = np.abs(np.fft.rfft(heard.numpy()))
    given = np.abs(np.fft.rfft(noise.numpy()))
    for row, cutoff in enumerate([3000, 6000]):  # one bin is one Hz
        np.testing.assert_allclose(spectra[row, 10:cutoff], given[row, 10:cutoff], rtol=0.3, atol=1.0)
        above = (spectra[row, cutoff + 300 :] ** 2).mean() / (spectra[row, 10:cutoff] ** 2).mean()
        assert above < 1e-6
        half = (spectra[row, cutoff + 140 : cutoff + 160] / given[row, cutoff + 140 : cutoff + 160]).mean()
        assert half == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("bits", "steps"), [(3.0, 9), (4.0, 17)])
def test_a_line_has_as_many_levels_as_its_bits(bits, steps):
    ramp = 0.5 * tone(1.0)  # slow: every level is met
    heard = band_limit(ramp[None], torch.tensor([8000.0]), torch.tensor([bits]), rate=RATE)[0]
    assert len(np.unique(np.round(heard.numpy(), 6))) == steps
    # μ-law: fine steps near zero, coarse ones at the peak.
    levels = np.unique(np.round(heard.numpy(), 6))
    assert np.diff(levels)[-1] > 3 * np.diff(levels)[len(levels) // 2]
    assert heard.abs().max() == pytest.approx(0.5, abs=1e-3)


def test_silence_stays_silent():
    silence = torch.zeros(1, 4000)
    cutoff, bits = torch.tensor([4000.0]), torch.tensor([8.0])
    assert not band_limit(silence, cutoff, bits, rate=RATE).any()
    assert shift_formants(silence, torch.tensor([1.2])).abs().max() < 1e-5


def test_the_same_generator_gives_the_same_result_and_another_another():
    noise = torch.randn(2, 4000, generator=drawn(12))
    seconds, wet = torch.tensor([0.3, 0.5]), torch.tensor([0.4, 0.4])
    for change in (
        lambda g: random_equaliser(noise, strength_db=5.0, generator=g),
        lambda g: add_reverb(noise, seconds, wet, rate=RATE, generator=g),
    ):
        assert torch.equal(change(drawn(13)), change(drawn(13)))
        assert not torch.allclose(change(drawn(13)), change(drawn(14)), atol=1e-2)
