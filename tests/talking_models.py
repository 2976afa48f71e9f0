"""Talking faces that have learnt nothing: frames as bright as they are loud, and weights of the smallest."""

from pathlib import Path

import numpy as np
import torch

from generating_models import fake_imaginer
from voiceface.models.model import Model
from voiceface.models.talking_face import frames_of
from voiceface.pipelines.talker import Talker
from voiceface.pipelines.weights import Loaded
from voiceface.training.run import Run

SIDE, FPS = 32, 25.0
HOP = 640


class Bright:
    """A frame is as bright as the loudest sample in it, on top of the still's mean."""

    def __init__(self, who):
        self.base = 0.0 if who.face is None else float(who.face.mean()) / 8
        self.kept, self.samples, self.drawn, self.most = np.zeros(0, np.float32), 0, 0, 0

    def _drawn(self, count):
        self.kept = np.pad(self.kept, (0, max(0, count * HOP - len(self.kept))))
        loud = np.abs(self.kept[: count * HOP]).reshape(count, HOP).max(axis=1)
        self.kept, self.drawn = self.kept[count * HOP :], self.drawn + count
        values = np.clip(self.base + 200 * loud, 0, 255).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (count, SIDE, SIDE, 3))

    def feed(self, wave):
        self.samples += len(wave)
        self.kept = np.concatenate([self.kept, wave])
        self.most = max(self.most, len(self.kept))
        return self._drawn(len(self.kept) // HOP)

    def close(self):
        return self._drawn(frames_of(self.samples, FPS) - self.drawn)


class Nothing(Model):
    """Nothing learnt; it remembers who talked."""

    def __init__(self):
        super().__init__()
        self.register_buffer("paint", torch.linspace(0, 1, 4))
        self.talked, self.faces = [], []


def talk(model, who, facts):
    """As `Run.talk`."""
    model.talked.append(who)
    model.faces.append(Bright(who))
    return model.faces[-1]


def fake_talker(*, still=True, template="dlib"):
    """A Talker of `Bright`, whose faces `fake_imaginer` draws."""
    contract = {"size": SIDE, "template": template, "fps": FPS} | ({"face": "still"} if still else {})
    run = Run(
        recipe="bright", arguments={}, split=None, facts=None, build=None, data=None, optimisers={}, steps=0,
        talk=talk, contract=contract,
    )  # fmt: skip
    loaded = Loaded("bright", Nothing().eval(), run, {}, {"recipe": "bright", "arguments": {}})
    return Talker(loaded, imaginer=fake_imaginer())


def write_talker_weights(folder):
    """A weights folder of the recipe ``vougioukas_sda`` in its smallest, untrained."""
    from voiceface.recipes import vougioukas_sda as recipe
    from voiceface.training.weights import write_weights

    run = recipe.smoke()
    facts = run.facts(None)
    torch.manual_seed(0)
    model = run.build(facts)
    card = {
        "recipe": "vougioukas_sda",
        "arguments": dict(run.arguments),
        "facts": facts,
        "people": {"count": 3},
    }
    return write_weights(Path(folder) / "talks", model.weights(), card)
