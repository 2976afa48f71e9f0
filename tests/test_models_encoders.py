"""What every voice encoder keeps to, and each one's own weights: found, missing, damaged."""

import importlib.util
import types

import numpy as np
import pytest
import torch

from corpus_media import synthetic_voice
from encoder_contract import VOICE_CHECKS, check_voice_encoder
from published_weights import campplus_file, ecapa_file, lively_campplus, wavlm_folder
from voiceface.audio.ge2e_features import ge2e_partials, normalise_volume
from voiceface.components import component_names, load_component
from voiceface.errors import InputError, MissingPartError
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.encoders import ge2e, student
from voiceface.models.voice_encoder import VoiceEncoder, WindowEncoder, as_wave
from voiceface.nn.voice.campplus import BlockSizes
from voiceface.nn.voice.ge2e import Ge2e, embed_windows, load_ge2e_weights
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
        if request.param == "campplus":
            path = tmp_path_factory.mktemp("campplus") / "campplus_cn_en_common.pt"
            campplus_file(path)
            return load_component(ENCODERS, "campplus").load(path)
        if request.param == "campplus_student":
            blocks = [BlockSizes(1, 4, 8, 10)] * 3
            network = lively_campplus(planes=4, stages=1, channels=12, blocks=blocks, bias=True)
            tensors = {f"student.{name}": tensor for name, tensor in network.state_dict().items()}
            folder = tmp_path_factory.mktemp("campplus_student") / "weights"
            write_weights(folder, tensors, {"recipe": "campplus_student"}, half=True)
            return load_voice_encoder(str(folder))  # by the folder alone
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


@pytest.mark.parametrize("check", VOICE_CHECKS, ids=lambda check: check.__name__)
def test_every_encoder_keeps_the_contract(encoder, check):
    check(encoder)


def test_an_encoder_bears_the_name_of_its_file(encoder):
    assert encoder.name in component_names(ENCODERS)


def test_the_contract_refuses_what_breaks_it():
    """Each fault that a newcomer may make is found by the check that is meant for it."""

    class Plain(VoiceEncoder):
        name, dim, fingerprint = "plain", 2, "plain-1"

        def embed(self, waves):
            rows = np.array([[as_wave(wave).std(), as_wave(wave).mean()] for wave in waves], np.float32)
            return rows.reshape(-1, 2)

    module = types.ModuleType("plain")
    module.load = lambda *, device="cpu": Plain()
    with pytest.raises(AssertionError, match="s$"):
        check_voice_encoder(module)
    with pytest.raises(AssertionError, match="name is the file's name"):
        check_voice_encoder(types.ModuleType("other"), Plain())


def need_wheel():
    try:
        return ge2e.weights_path()
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_the_published_encoders_rows_are_the_networks_own():
    path = need_wheel()
    network = load_ge2e_weights(
        Ge2e(), torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    ).eval()
    waves = [synthetic_voice(5, 3.1), synthetic_voice(6, 0.7)]
    with torch.no_grad():
        wanted = [
            embed_windows(network, *ge2e_partials(normalise_volume(torch.from_numpy(w)))) for w in waves
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
    with pytest.raises(InputError, match="is not a readable weights file"):
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
