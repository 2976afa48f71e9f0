"""What every voice encoder keeps to, and each one's own weights: found, missing, damaged."""

import importlib.util

import numpy as np
import pytest
import torch

from corpus_media import synthetic_voice
from published_weights import ecapa_file, wavlm_folder
from voiceface.audio.ge2e_features import ge2e_partials, normalise_volume
from voiceface.components import component_names, load_component
from voiceface.errors import InputError, MissingPartError
from voiceface.models.encoders import ge2e, student
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.ge2e import Ge2e, load_published
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.training.weights import write_weights

ENCODERS = "voiceface.models.encoders"


@pytest.fixture(scope="module")
def student_weights(tmp_path_factory):
    """A weights folder in the shape that `voice_student` exports, saved as it saves: in fp16."""
    torch.manual_seed(3)
    network = RecurrentVoice(hidden=24, dim=16)
    network.scale.uniform_(1e-4, 1e-2)
    folder = tmp_path_factory.mktemp("student") / "weights"
    tensors = {f"student.{name}": tensor for name, tensor in network.state_dict().items()}
    return write_weights(folder, tensors, {"recipe": "voice_student"}, half=True)


@pytest.fixture(scope="module", params=component_names(ENCODERS))
def encoder(request, student_weights, tmp_path_factory):
    try:
        if request.param == "ecapa":
            path = tmp_path_factory.mktemp("ecapa") / "embedding_model.ckpt"
            ecapa_file(path)
            return load_component(ENCODERS, "ecapa").load(path)
        if request.param == "wavlm":
            pytest.importorskip("transformers")
            folder = tmp_path_factory.mktemp("wavlm")
            wavlm_folder(folder, xvector=True)
            return load_component(ENCODERS, "wavlm").load(folder)
        if request.param == "student":
            return student.load(student_weights)
        return load_component(ENCODERS, request.param).load()
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_it_says_who_it_is(encoder):
    assert encoder.name in component_names(ENCODERS)
    assert encoder.dim > 0 and len(encoder.fingerprint) == 64
    assert not any(p.requires_grad for p in encoder.network.parameters()) and not encoder.network.training


@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.7, 33.0])
def test_short_and_long_recordings_are_rows_of_length_one(encoder, seconds):
    (row,) = encoder.embed([synthetic_voice(1, seconds)])
    assert row.shape == (encoder.dim,) and row.dtype == np.float32
    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-5)


def test_a_recording_is_the_same_alone_and_among_others(encoder):
    waves = [synthetic_voice(seed, seconds) for seed, seconds in enumerate([2.0, 0.4, 5.3, 1.6])]
    together = encoder.embed(waves)
    for wave, row in zip(waves, together, strict=True):
        np.testing.assert_allclose(encoder.embed([wave])[0], row, atol=1e-5)
    assert np.abs(together[0] - together[2]).max() > 1e-3


def test_more_recordings_than_a_block_keep_their_order(encoder):
    waves = [synthetic_voice(seed % 3, 1.7) for seed in range(67)]
    rows = encoder.embed(waves)
    assert rows.shape == (67, encoder.dim)
    for place in (1, 63, 64, 66):
        np.testing.assert_allclose(rows[place], rows[place % 3], atol=1e-5)
    assert np.abs(rows[64] - rows[65]).max() > 1e-3


def test_int16_is_the_float_wave(encoder):
    wave = np.round(synthetic_voice(2) * 32768).astype(np.int16)
    # The level is raised to one loudness for both, so a wrong scale would show in a loud wave only.
    loud = (wave.astype(int) * 2).clip(-32768, 32767).astype(np.int16)
    for samples in (wave, loud):
        as_float = samples.astype(np.float32) / 32768
        np.testing.assert_allclose(encoder.embed([samples]), encoder.embed([as_float]), atol=1e-6)
    np.testing.assert_allclose(
        encoder.embed([loud.astype(np.int32) * 65536]), encoder.embed([loud]), atol=1e-5
    )


def test_silence_is_a_finite_row(encoder):
    assert np.isfinite(encoder.embed([np.zeros(16_000, np.float32)])).all()


def test_nothing_gives_no_rows(encoder):
    assert encoder.embed([]).shape == (0, encoder.dim)


@pytest.mark.parametrize(
    ("wave", "fault"),
    [
        (np.zeros(0, np.float32), "has shape"),
        (np.zeros((2, 100), np.float32), "has shape"),
        (np.array([0.0, np.nan, 0.1] * 900, np.float32), "NaN"),
        (np.array([0.0, np.inf, 0.1] * 900, np.float32), "NaN or infinite"),
        (np.full(3000, 128, np.uint8), "uint8"),
        (np.zeros(3000, np.complex64), "complex64"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_wave_is_refused_with_its_fault(encoder, wave, fault):
    with pytest.raises(InputError, match=f"wave: .*{fault}"):
        encoder.embed([synthetic_voice(1), wave])


def test_under_bf16_the_rows_are_float32_and_nearly_the_same(encoder):
    wave = synthetic_voice(4, 2.0)
    with torch.autocast("cpu", torch.bfloat16):
        rows = encoder.embed([wave])
    assert rows.dtype == np.float32
    assert float(rows[0] @ encoder.embed([wave])[0]) > 0.99


def need_wheel():
    try:
        return ge2e.weights_path()
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_the_published_encoders_rows_are_the_networks_own():
    path = need_wheel()
    network = load_published(
        Ge2e(), torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    ).eval()
    waves = [synthetic_voice(5, 3.1), synthetic_voice(6, 0.7)]
    with torch.no_grad():
        wanted = [
            network.embed_partials(*ge2e_partials(normalise_volume(torch.from_numpy(w)))) for w in waves
        ]
    np.testing.assert_allclose(ge2e.load().embed(waves), torch.cat(wanted).numpy(), atol=2e-6)


def test_without_the_wheel_it_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "resemblyzer" else real(name, *rest)
    )
    with pytest.raises(MissingPartError, match="ge2e: .*pip install --no-deps resemblyzer"):
        ge2e.load()


@pytest.mark.parametrize("content", [b"", b"no weights at all", None])
def test_a_damaged_wheel_says_how_to_mend_it(monkeypatch, tmp_path, content):
    path = tmp_path / "pretrained.pt"
    if content is None:
        path.write_bytes(need_wheel().read_bytes()[:-1000])
    else:
        path.write_bytes(content)
    monkeypatch.setattr(ge2e, "weights_path", lambda: path)
    with pytest.raises(InputError, match=r"pretrained\.pt: .*; pip install --force-reinstall"):
        ge2e.load()


def test_a_wheel_of_another_shape_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "pretrained.pt"
    torch.save({"model_state": Ge2e(hidden=8).state_dict()}, path)
    monkeypatch.setattr(ge2e, "weights_path", lambda: path)
    with pytest.raises(InputError, match="do not fit the encoder"):
        ge2e.load()
    torch.save({"weights": {}}, path)
    with pytest.raises(InputError, match="is no readable weights file"):
        ge2e.load()


def test_a_student_comes_back_from_its_folder_as_it_was(student_weights):
    found = student.load(student_weights)
    torch.manual_seed(3)
    network = RecurrentVoice(hidden=24, dim=16)
    network.scale.uniform_(1e-4, 1e-2)
    own = WindowEncoder("own", network, fingerprint="")
    rows, wanted = (one.embed([synthetic_voice(7, 2.0)])[0] for one in (found, own))
    assert found.dim == 16 and float(rows @ wanted) > 1 - 1e-4  # fp16 rounds the matrices
    assert torch.equal(found.network.scale, network.scale)


def test_other_weights_have_another_fingerprint(student_weights, tmp_path):
    torch.manual_seed(4)
    tensors = {f"student.{n}": t for n, t in RecurrentVoice(hidden=24, dim=16).state_dict().items()}
    other = write_weights(tmp_path / "other", tensors, {"recipe": "voice_student"})
    assert student.load(other).fingerprint != student.load(student_weights).fingerprint
    assert student.load(student_weights).fingerprint == student.load(student_weights).fingerprint


@pytest.mark.parametrize("fault", ["missing", "truncated", "text", "lacking", "another"])
def test_a_student_that_cannot_be_loaded_names_its_file(student_weights, tmp_path, fault):
    folder = tmp_path / "weights"
    tensors = {f"student.{n}": t for n, t in RecurrentVoice(hidden=8, dim=4).state_dict().items()}
    if fault == "lacking":
        del tensors["student.layers.1.weight_hh_l0"]
    if fault == "another":
        tensors = {"voice_map": torch.zeros(3, 3)}
    if fault != "missing":
        write_weights(folder, tensors, {"recipe": "voice_student"})
        path = folder / "model.safetensors"
        if fault == "truncated":
            path.write_bytes(path.read_bytes()[:-500])
        if fault == "text":
            path.write_text("not weights")
    with pytest.raises(InputError, match=r"model\.safetensors: .*give a weights folder") as caught:
        student.load(folder)
    assert "\n" not in str(caught.value)
