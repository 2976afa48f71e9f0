"""Silero's detector: the published network against a slow loop, taken where its wheel is installed."""

import importlib.util
import sys
import wave as wavefile

import numpy as np
import pytest

from cli_fixtures import call
from silero_wheel import install, made_tensors
from test_audio_speech_detection import syllables
from voiceface.audio.silero import speech_probabilities
from voiceface.audio.speech_activity import installed_detector, speech_frames
from voiceface.audio.speech_detection import speech_facts
from voiceface.audio.vad import speech_flags
from voiceface.corpus.item_rows import sound_columns
from voiceface.corpus.options import PrepareOptions
from voiceface.errors import InputError, MissingPartError

INSTALLED = importlib.util.find_spec("silero_vad") is not None
ALWAYS = {"final_conv__weight": np.zeros((1, 128, 1), np.float32), "final_conv__bias": np.ones(1, np.float32)}
NEVER = {**ALWAYS, "final_conv__bias": np.full(1, -3, np.float32)}


def conv(x, weight, bias, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding)))
    steps = (x.shape[1] - weight.shape[2]) // stride + 1
    parts = [x[:, at * stride : at * stride + weight.shape[2]] for at in range(steps)]
    return np.stack([np.einsum("oik,ik->o", weight, part) + bias for part in parts], axis=1)


def slowly(wave, tensors):
    """The network frame by frame in double precision."""
    t = {name: value.astype(np.float64) for name, value in tensors.items()}
    padded = np.concatenate([np.zeros(64), wave, np.zeros(-len(wave) % 512)])
    hidden, cell, found = np.zeros(128), np.zeros(128), []
    for start in range(64, len(padded), 512):
        frame = padded[start - 64 : start + 512]
        frame = np.concatenate([frame, frame[-2:-66:-1]])  # mirrored without its last sample
        both = conv(frame[None], t["stft_conv.weight"], 0.0, 128, 0)
        values = np.sqrt(both[:129] ** 2 + both[129:] ** 2)
        for layer, stride in zip("1234", (1, 2, 2, 1), strict=True):
            values = np.maximum(conv(values, t[f"conv{layer}.weight"], t[f"conv{layer}.bias"], stride, 1), 0)
        gates = t["lstm_cell.weight_ih"] @ values[:, 0] + t["lstm_cell.bias_ih"]
        i, f, g, o = np.split(gates + t["lstm_cell.weight_hh"] @ hidden + t["lstm_cell.bias_hh"], 4)
        cell = cell / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        hidden = np.tanh(cell) / (1 + np.exp(-o))
        logit = t["final_conv.weight"][0, :, 0] @ np.maximum(hidden, 0) + t["final_conv.bias"][0]
        found.append(1 / (1 + np.exp(-logit)))
    return np.array(found)


def test_the_network_is_the_published_one(tmp_path, monkeypatch):
    tensors = made_tensors()
    path = install(tmp_path, monkeypatch, tensors)
    wave = (0.3 * np.random.default_rng(1).standard_normal(9_000)).astype(np.float32)
    found = speech_probabilities(wave)
    assert found.shape == (18,) and found.dtype == np.float32 and np.ptp(found) > 0.01
    assert found == pytest.approx(slowly(wave, tensors), abs=1e-5)
    assert (speech_probabilities(wave, weights=path) == found).all()
    assert speech_probabilities(np.zeros(0, np.float32)).shape == (0,)


def test_silero_is_taken_where_its_wheel_is_installed_and_webrtc_is_left_as_it_was(tmp_path, monkeypatch):
    wave = syllables()
    before = speech_flags(wave, rate=16_000, mode=3)
    install(tmp_path, monkeypatch, made_tensors(**ALWAYS))
    assert installed_detector() == installed_detector("silero") == "silero"
    assert speech_frames(wave).seconds == pytest.approx(3.0, abs=0.04) and speech_frames(wave).frame_ms == 32
    assert (speech_frames(wave, detector="webrtc", mode=3).flags == before).all()
    assert installed_detector("webrtc") == "webrtc"


def test_the_speech_check_goes_by_the_detector(tmp_path, monkeypatch):
    wave = syllables()
    assert speech_facts(wave, detector="webrtc").is_speech
    install(tmp_path, monkeypatch, made_tensors(**NEVER))
    assert speech_facts(wave).missing == "no voice activity"
    assert speech_facts(wave, detector="webrtc").is_speech


def test_a_corpus_says_which_detector_measured_it(tmp_path, monkeypatch):
    samples = (syllables() * 32_767).astype(np.int16)
    assert PrepareOptions(speech_detector="webrtc").facts()["speech_detector"] == "webrtc"
    install(tmp_path, monkeypatch, made_tensors(**ALWAYS))
    chosen = PrepareOptions().facts()["speech_detector"]
    assert chosen == "silero"
    assert sound_columns(samples, detector=chosen)["speech"] == pytest.approx(3.0, abs=0.04)
    flags = speech_flags(samples / np.float32(32768), rate=16_000)
    assert sound_columns(samples, detector="webrtc")["speech"] == pytest.approx(flags.sum() * 0.02)


def test_without_the_wheel_webrtc_is_taken_and_silero_says_how_to_get_it(tmp_path):
    assert installed_detector() == "webrtc"
    with pytest.raises(MissingPartError, match="voiceface.silero."):
        installed_detector("silero")
    with pytest.raises(InputError, match="'loud' is unknown"):
        installed_detector("loud")
    wave = tmp_path / "voice.wav"
    soundfile = (syllables() * 32_767).astype("<i2")
    with wavefile.open(str(wave), "wb") as file:
        file.setparams((1, 2, 16_000, len(soundfile), "NONE", ""))
        file.writeframes(soundfile.tobytes())
    call("imagine", wave, "-o", tmp_path / "x.png", "--speech-detector", "silero").refused("silero-vad")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"conv3__bias": None}, r"conv3.bias is missing"),
        ({"conv1__weight": np.zeros((128, 65, 3), np.float32)}, r"conv1.weight is \(128, 65, 3\)"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, monkeypatch, changed, said):
    path = install(tmp_path, monkeypatch, made_tensors(**changed))
    with pytest.raises(InputError, match=said):
        speech_probabilities(np.zeros(1000, np.float32))
    path.with_name("cut.safetensors").write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        speech_probabilities(np.zeros(1000, np.float32), weights=path.with_name("cut.safetensors"))
    with pytest.raises(InputError, match="8000"):
        speech_probabilities(np.zeros(1000, np.float32), rate=8000)


@pytest.mark.skipif(not INSTALLED, reason="needs silero-vad")
def test_the_published_weights_pass_no_noise(monkeypatch):
    monkeypatch.delitem(sys.modules, "silero_vad")
    noise = (0.3 * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)
    assert speech_frames(noise, detector="silero").seconds == 0
