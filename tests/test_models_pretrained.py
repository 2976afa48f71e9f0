"""A model's pretrained encoders: loaded once, checked against what it was trained on, never saved."""

from copy import deepcopy

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.models import pretrained
from voiceface.models.model import Model
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.voice_encoder import VoiceEncoder


class Plain(VoiceEncoder):
    name, dim, fingerprint = "plain", 2, "plain-1"

    def embed(self, waves):
        return np.ones((len(waves), 2), np.float32)


@pytest.fixture
def loads(monkeypatch):
    calls = []

    def load(name, *, device):
        calls.append((name, device))
        return Plain()

    monkeypatch.setattr(pretrained, "load_voice_encoder", load)
    return calls


def test_it_is_loaded_once_a_device_and_shared_with_copies(loads):
    encoders = PretrainedEncoders(voice="plain", voice_fingerprint="plain-1")
    assert loads == []
    assert encoders.voice() is encoders.voice("cpu") is deepcopy(encoders).voice()
    encoders.voice("cuda")
    assert loads == [("plain", "cpu"), ("plain", "cuda")]


def test_another_encoder_than_the_trained_one_is_refused_by_both_fingerprints(loads):
    encoders = PretrainedEncoders(voice="plain", voice_fingerprint="plain-2")
    with pytest.raises(InputError, match="plain-1.*plain-2"):
        encoders.voice()


def test_an_encoder_is_no_part_of_the_weights():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.encoders = PretrainedEncoders(voice="plain")

    assert Own().weights() == {} and list(Own().modules())[1:] == []


def test_a_model_can_what_it_overrides():
    class Half(Model):
        def embed_voices(self, waves):
            return np.zeros((0, 2))

        def score(self, waves, faces):
            return np.zeros((0, 0))

    assert Half().can("score")
    assert not Half().can("embed") and not Half().can("talk") and not Half().can("generate")
    with pytest.raises(NotImplementedError):
        Half().embed_faces(np.zeros((0, 8, 8, 3), np.uint8))
