"""The motion of a face mesh while somebody says what a recording says."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.audio.motion_mel import motion_mel_beside
from voiceface.models.block_talking_face import HOP, PAD
from voiceface.models.model import Model
from voiceface.models.talker import TalkerModel
from voiceface.nn.face.mesh_animation import SKIN_POINTS
from voiceface.pipelines.exporters._voices import example_waves
from voiceface.pipelines.onnx_graph import Graph
from voiceface.pipelines.weights import Loaded

ABOUT = """\
The level and the mean spectrum of the voice are measured in `speech`: give up to 30 s of the recording. There
are 25 frames a second. Points are in MediaPipe's order, the first 468 of the mesh, and displacements are from
a closed mouth, of an upright face, x to the right and y down. Blinks, head motion and the warping of a
photograph are not in the graph."""
EXAMPLE = """\
wave = sound("voice.wav")
motion = run("motion", wave=wave, speech=wave[:, : 30 * 16000])[0]
print(len(motion), "frames; distance of the lips:", (motion[:, 14, 1] - motion[:, 13, 1]).round(2))
"""


def accepts(model: Model) -> bool:
    """Whether these are a talker's weights."""
    return isinstance(model, TalkerModel)


def graphs(loaded: Loaded) -> list[Graph]:
    """``motion``."""
    assert isinstance(loaded.model, TalkerModel)
    return [
        Graph(
            name="motion",
            network=_Motion(loaded.model),
            inputs={
                "wave": ((1, "samples"), "sound at 16 kHz, mono, in [-1, 1]; one recording"),
                "speech": ((1, "speech_samples"), "sound of the same voice, 0.2 s or more"),
            },
            outputs={"motion": f"(frames, {SKIN_POINTS}, 2) displacements, in distances between the eyes"},
            example=lambda number: (example_waves(number)[:1], example_waves(number + 1)[:1]),
        )
    ]


def about(loaded: Loaded) -> str:
    """What else its README says."""
    return ABOUT


class _Motion(nn.Module):
    """A whole recording between six frames of silence, as the blocks of a `BlockTalkingFace` see it."""

    def __init__(self, model: TalkerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, wave: Tensor, speech: Tensor) -> Tensor:
        samples = wave.shape[1]
        frames: int = torch.sym_max(1, (samples + HOP // 2) // HOP)  # type: ignore[no-untyped-call]
        padded = F.pad(wave[0], (PAD * HOP, (frames + PAD) * HOP - samples))
        return self.model.motion(motion_mel_beside(padded, speech[0]))[PAD : PAD + frames]
