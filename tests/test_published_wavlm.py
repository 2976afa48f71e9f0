"""WavLM from a folder of the Hugging Face hub, through transformers."""

import importlib
import json

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from corpus_media import synthetic_voice
from published_weights import wavlm_folder
from voiceface.errors import InputError, MissingPartError
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.encoders import wavlm


@pytest.mark.parametrize(("xvector", "older"), [(True, False), (True, True), (False, False), (False, True)])
def test_a_row_is_what_the_network_gives(tmp_path, xvector, older):
    network = wavlm_folder(tmp_path / "w", xvector=xvector, older=older)
    encoder = load_voice_encoder(str(tmp_path / "w"))
    wave = synthetic_voice(1, 1.2)
    (row,) = encoder.embed([wave])
    with torch.no_grad():
        found = network(torch.from_numpy(wave)[None])
    wanted = found.embeddings[0] if xvector else found.last_hidden_state[0].mean(0)
    np.testing.assert_allclose(row, (wanted / wanted.norm()).numpy(), atol=1e-5)
    assert (encoder.name, encoder.dim) == ("wavlm", 10 if xvector else 16)


def test_a_body_is_taken_out_of_a_network_with_another_head(tmp_path):
    wavlm_folder(tmp_path / "w", xvector=True)
    config = tmp_path / "w" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": ["WavLMForCTC"]}))
    assert wavlm.load(tmp_path / "w").dim == 16


def test_the_recordings_level_counts_only_where_training_took_it_out(tmp_path):
    wavlm_folder(tmp_path / "w", xvector=True)
    wave = synthetic_voice(1, 1.0)
    plain = wavlm.load(tmp_path / "w").embed([wave, wave / 4])
    assert np.abs(plain[0] - plain[1]).max() > 1e-5
    (tmp_path / "w" / "preprocessor_config.json").write_text('{"do_normalize": true}')
    scaled = wavlm.load(tmp_path / "w").embed([wave, wave / 4])
    np.testing.assert_allclose(scaled[0], scaled[1], atol=1e-5)


def test_a_long_recording_is_the_mean_of_its_parts(tmp_path, monkeypatch):
    wavlm_folder(tmp_path / "w", xvector=True)
    encoder = wavlm.load(tmp_path / "w")
    wave = synthetic_voice(2, 3.0)
    parts = [encoder._embed_part(torch.from_numpy(part)) for part in np.array_split(wave, 3)]
    monkeypatch.setattr(wavlm, "_MAX_SAMPLES", 16_000)
    mean = torch.stack(parts).mean(0)
    np.testing.assert_allclose(encoder.embed([wave])[0], (mean / mean.norm()).numpy(), atol=1e-5)


@pytest.mark.parametrize("fault", ["cut", "lacking", "shape", "another", "json", "nothing", "odd", "code"])
def test_what_is_wrong_with_a_folder_is_told_in_one_line(tmp_path, fault):
    folder = tmp_path / "w"
    wavlm_folder(folder, xvector=True, older=fault in ("lacking", "shape", "code"))
    config, weights = folder / "config.json", folder / "pytorch_model.bin"
    later = "wavlm.encoder.layers.1.attention.k_proj.weight"
    if fault == "cut":
        whole = folder / "model.safetensors"
        whole.write_bytes(whole.read_bytes()[:-100])
        told = r"model\.safetensors: is no whole safetensors file"
    elif fault in ("lacking", "shape"):
        tensors = torch.load(weights, weights_only=True)
        del tensors[later]
        torch.save(tensors if fault == "lacking" else tensors | {later: torch.zeros(2, 2)}, weights)
        told = rf"pytorch_model\.bin: {'lacks the' if fault == 'lacking' else 'its'} tensor {later}"
    elif fault == "code":
        torch.save({later: importlib.import_module}, weights)
        told = r"pytorch_model\.bin: holds code"
    elif fault == "another":
        config.write_text('{"model_type": "hubert"}')
        told = r"config\.json: describes a hubert, not a wavlm"
    elif fault == "json":
        config.write_text("{")
        told = r"config\.json: is no JSON"
    elif fault == "odd":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"num_attention_heads": 3}))
        told = r"config\.json: describes no WavLM network"
    else:
        (folder / "model.safetensors").unlink()
        told = r"w: holds no model\.safetensors and no pytorch_model\.bin"
    with pytest.raises(InputError, match=told) as caught:
        wavlm.load(folder)
    assert "\n" not in str(caught.value)


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    wavlm_folder(tmp_path / "w", xvector=False)
    real = importlib.import_module

    def without(name, *rest):
        if name == "transformers":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        MissingPartError, match=r'wavlm: the library transformers .*pip install "voiceface\[wavlm\]"'
    ):
        wavlm.load(tmp_path / "w")
