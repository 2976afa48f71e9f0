"""Untrained talking faces: frames as bright as their sound is loud, and weights of the smallest size."""

from pathlib import Path

import numpy as np
import torch

from generating_models import fake_imaginer
from voiceface.models.model import Model
from voiceface.models.talking_face import frame_count
from voiceface.pipelines.talker import Talker
from voiceface.pipelines.weights import Loaded

SIDE, FPS = 32, 25.0
HOP = 640


class BrightTalkingFace:
    """A frame is as bright as the loudest sample in it, on top of the still's mean."""

    def __init__(self, speaker):
        self.base = 0.0 if speaker.face is None else float(speaker.face.mean()) / 8
        self.waiting, self.samples, self.returned, self.most = np.zeros(0, np.float32), 0, 0, 0

    def _frames(self, count):
        self.waiting = np.pad(self.waiting, (0, max(0, count * HOP - len(self.waiting))))
        loud = np.abs(self.waiting[: count * HOP]).reshape(count, HOP).max(axis=1)
        self.waiting, self.returned = self.waiting[count * HOP :], self.returned + count
        values = np.clip(self.base + 200 * loud, 0, 255).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (count, SIDE, SIDE, 3))

    def feed(self, wave):
        self.samples += len(wave)
        self.waiting = np.concatenate([self.waiting, wave])
        self.most = max(self.most, len(self.waiting))
        return self._frames(len(self.waiting) // HOP)

    def close(self):
        return self._frames(frame_count(self.samples, FPS) - self.returned)


class TalkingModel(Model):
    """Has learnt nothing, and remembers its speakers."""

    face_size, fps = SIDE, FPS

    def __init__(self, *, animates, template):
        super().__init__()
        self.animates, self.face_template = animates, template
        self.register_buffer("paint", torch.linspace(0, 1, 4))
        self.speakers, self.faces = [], []

    def talk(self, speaker):
        self.speakers.append(speaker)
        self.faces.append(BrightTalkingFace(speaker))
        return self.faces[-1]


def fake_talker(*, still=True, template="dlib"):
    """A Talker of `BrightTalkingFace`, whose stills `fake_imaginer` generates."""
    loaded = Loaded(
        "bright",
        TalkingModel(animates=still, template=template).eval(),
        {"recipe": "bright", "arguments": {}},
    )
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
