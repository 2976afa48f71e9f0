"""A model that draws without having learnt anything, and voices for it."""

from pathlib import Path

import numpy as np
import torch

from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.weights import Loaded
from voiceface.training.run import Run

SIDE = 16


def spoken(seed, seconds=3.0, rate=16000):
    """Something like speech: syllables of a gliding pitch through changing resonances, hissing between."""
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


class Canvas(Model):
    """Two numbers of the voice and noise as a picture; it counts its calls and cues."""

    def __init__(self):
        super().__init__()
        self.register_buffer("paint", torch.linspace(0, 1, SIDE))
        self.calls = []


def draw(model, cues, facts, seed):
    """As `Run.imagine`: the draw of a cue is its own, or that of its place."""
    model.calls.append(len(cues))
    pictures = []
    for place, cue in enumerate(cues):
        if facts.get("people"):
            if cue.person not in facts["people"]:
                raise InputError(
                    cue.person, "is nobody these weights know", f"did you mean {facts['people'][0]!r}?"
                )
            told = facts["people"].index(cue.person)
        elif len(cue.wave) < facts.get("least", 0):
            raise InputError(f"cue {place}", "is too short for these weights", "give more")
        else:
            told = float(np.abs(cue.wave).mean())
        number = place if cue.draw is None or not facts.get("by_cue") else cue.draw
        noise = np.random.default_rng([seed, number]).normal(size=(SIDE, SIDE, 3))
        canvas = 128 + 400 * told * model.paint.numpy()[:, None, None] + facts.get("variety", 20) * noise
        pictures.append(canvas.clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def fake_imaginer(*, contract=None, **facts):
    """An Imaginer of `Canvas`."""
    run = Run(
        recipe="canvas", arguments={}, split=None, facts=None, build=None, data=None, optimisers={}, steps=0,
        imagine=draw, contract={"rate": 16000, "size": SIDE, "template": "dlib", **(contract or {})},
    )  # fmt: skip
    card = {"recipe": "canvas", "arguments": {}}
    return Imaginer(Loaded("canvas", Canvas().eval(), run, facts, card))


def write_imaginer_weights(folder):
    """A weights folder of the recipe ``imaginer`` in its smallest, all tensors drawn at random."""
    from voiceface.recipes import imaginer as recipe
    from voiceface.recipes.matcher import load_encoder
    from voiceface.training.weights import write_weights

    run = recipe.smoke()
    encoder = load_encoder("student")
    facts = {
        "voice_width": encoder.dim,
        "voice_fingerprint": encoder.fingerprint,
        "descriptor_mean": [0.0] * 128,
    }
    model = run.build(facts)
    make = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in model.weights().values():
            if tensor.is_floating_point():
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=make))
    card = {"recipe": "imaginer", "arguments": dict(run.arguments), "facts": facts, "people": {"count": 3}}
    return write_weights(Path(folder) / "made", model.weights(), card)
