"""Matcher, Imaginer and Talker move to another device with all that lies below them."""

import pytest

import voiceface as vf
from cli_fixtures import matcher_weights
from generating_models import write_imaginer_weights
from talking_models import fake_talker
from voiceface.errors import InputError
from voiceface.models import pretrained
from voiceface.pipelines import pipeline


@pytest.fixture
def elsewhere(monkeypatch):
    """A device that holds no numbers stands for another; its encoders stay where they can compute."""
    loads = []
    monkeypatch.setattr(pipeline, "torch_device", lambda device: device)
    for name in ("load_voice_encoder", "load_face_encoder"):
        load = getattr(pretrained, name)

        def recorded(encoder, *, device, load=load):
            loads.append(device)
            return load(encoder, device="cpu")

        monkeypatch.setattr(pretrained, name, recorded)
    return loads


def tensors(model):
    return [*model.parameters(), *model.buffers()]


def test_a_matcher_moves_with_its_encoders(elsewhere):
    matcher = vf.Matcher.load(matcher_weights(), device="cpu")
    voices, faces = matcher._voices, matcher._faces
    assert matcher.to("meta") is matcher and matcher.device == "meta"
    assert {one.device.type for one in tensors(matcher._model)} == {"meta"}
    assert elsewhere == ["cpu", "cpu", "meta", "meta"]
    assert matcher._voices is not voices and matcher._faces is not faces
    held = matcher._model.encoders._loaded
    assert {device for _, device in held} == {"meta"}, "those of the device before are forgotten"


def test_an_imaginer_moves(elsewhere, tmp_path):
    imaginer = vf.Imaginer.load(write_imaginer_weights(tmp_path), device="cpu").to("meta")
    assert imaginer.device == "meta" and {one.device.type for one in tensors(imaginer._model)} == {"meta"}


def test_a_talker_moves_with_its_imaginer(elsewhere):
    talker = fake_talker().to("meta")
    assert talker.device == talker._imaginer.device == "meta"
    assert {one.device.type for one in tensors(talker._imaginer._model)} == {"meta"}


def test_a_device_that_is_not_there_leaves_it_where_it_was():
    talker = fake_talker()
    with pytest.raises(InputError, match="device gpu: is unknown; give auto, cpu, cuda, cuda:N or mps"):
        talker.to("gpu")
    assert talker.device == talker._imaginer.device == "cpu"
