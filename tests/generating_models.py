"""A face generator that has learned nothing, and voices for it."""

import functools
from pathlib import Path

import numpy as np
import torch

from voiceface.errors import InputError
from voiceface.models.face_generator import FaceGenerator
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.weights import Loaded

SIDE = 16


def speech_like_wave(seed, seconds=3.0, rate=16000):
    """Something like speech: syllables of a gliding pitch through changing resonances, hissing between."""
    return _speech_like_wave(seed, seconds, rate).copy()


@functools.cache
def _speech_like_wave(seed, seconds, rate):
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(95, 220)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.15 * np.sin(2 * np.pi * 0.6 * t + seed))) / rate
    syllable = (t * 4).astype(int)
    resonances = random.uniform([300, 900], [800, 2300], size=(syllable.max() + 1, 2))[syllable]
    wave = np.zeros(len(t))
    for k in range(1, 20):
        gain = 0.02 + np.exp(-(((k * pitch - resonances) / 150) ** 2)).sum(axis=1)
        wave += gain * np.sin(k * phase)
    loud = np.clip(1.5 * np.sin(2 * np.pi * 4 * t - np.pi / 2) + 0.3, 0, 1)
    wave = wave * loud + 0.3 * random.normal(size=len(t)) * ((t * 4) % 1 > 0.8)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


class CanvasModel(FaceGenerator):
    """A number of the voice and noise as a picture; it counts its calls and inputs.

    ``people``: it generates from these names instead; ``least``: samples that a voice must have;
    ``variety``: deviation of the noise.
    """

    def __init__(self, *, people=(), least=0, variety=20):
        super().__init__(face_size=SIDE, face_template="dlib", face_embedding_mean=[0.0] * 128)
        self.people, self.least, self.variety = list(people), least, variety
        self.takes_voices, self.uses_names = not people, bool(people)
        self.register_buffer("ramp", torch.linspace(0, 1, SIDE))
        self.calls = []

    def conditions(self, inputs):
        self.calls.append(len(inputs))
        return torch.tensor([self.number(index, one) for index, one in enumerate(inputs)])

    def number(self, index, one):
        if self.people:
            if one.person not in self.people:
                remedy = f"did you mean {self.people[0]!r}?"
                raise InputError(one.person, "is nobody these weights know", remedy)
            return float(self.people.index(one.person))
        if len(one.wave) < self.least:
            raise InputError(f"input {index}", "is too short for these weights", "give more")
        return float(np.abs(one.wave).mean())

    def generate_from(self, conditions, samples, *, seed=0, typical=False):
        pictures = []
        for number, sample in zip(conditions.tolist(), samples, strict=True):
            noise = np.random.default_rng([seed, sample]).normal(size=(SIDE, SIDE, 3))
            shade = 128 + 400 * number * self.ramp.numpy()[:, None, None]
            pictures.append((shade + (0 if typical else self.variety) * noise).clip(0, 255).astype(np.uint8))
        return np.stack(pictures)


def loaded_canvas(**options):
    """`CanvasModel` as its weights folder would hold it."""
    return loaded("canvas", CanvasModel(**options).eval(), {"recipe": "canvas", "arguments": {}})


def fake_imaginer(**options):
    """An Imaginer of `CanvasModel`."""
    return Imaginer(loaded_canvas(**options))


def loaded(name, model, card):
    """A `Loaded` without a run behind it."""
    return Loaded(name, model, card)


def write_imaginer_weights(folder):
    """A weights folder of the recipe ``imaginer``: the shipped face model, its voices' maps random."""
    from voiceface.models.encoder_loading import load_voice_encoder
    from voiceface.recipes import imaginer as recipe
    from voiceface.recipes._face_model import read_face_model
    from voiceface.training.weights import write_weights

    run = recipe.smoke()
    encoder = load_voice_encoder("student")
    tensors, shape = read_face_model("imaginer")
    facts = {
        "voice_width": encoder.dim,
        "voice_fingerprint": encoder.fingerprint,
        "descriptor_mean": [0.0] * 128,
        "face_model": shape,
    }
    model = run.build(facts)
    model.faces.load_weights(tensors)
    make = torch.Generator().manual_seed(3)
    for name in ("direct_map", "residual"):
        buffer = model.get_buffer(name)
        buffer.copy_(0.3 * torch.randn(buffer.shape, generator=make))
    card = {"recipe": "imaginer", "arguments": dict(run.arguments), "facts": facts, "people": {"count": 3}}
    return write_weights(Path(folder) / "made", model.weights(), card)
