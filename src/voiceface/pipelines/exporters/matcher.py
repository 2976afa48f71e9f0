"""Voices and faces in one space, and the probability that two of them are one person's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from voiceface.models.model import Model
from voiceface.models.projection_model import ProjectionModel
from voiceface.pipelines.exporters._voices import WAVE, example_waves, voice_network
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.onnx_graph import Graph
from voiceface.pipelines.weights import Loaded

ABOUT = """\
`face.onnx` takes faces that are cut out: {size} pixels a side, RGB, upright in the template `{template}`
(`voiceface.face.align.align`; for `dlib` also `dlib.get_face_chip(picture, points, size=150, padding=0.25)`).
A probability is stated at even odds. A recording longer than a minute is embedded minute by minute, and the
embeddings are averaged, weighted by their length."""
EXAMPLE = """\
voice = run("voice", wave=sound("voice.wav"))[0]
with av.open("face.png") as file:
    picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
face = run("face", faces=picture[None])[0]
print("probability that both are one person's:", run("score", voices=voice, faces=face)[0][0, 0])
"""


def accepts(model: Model) -> bool:
    """Whether these are a matcher's weights."""
    return Matcher.accepts(model)


def graphs(loaded: Loaded) -> list[Graph]:
    """``voice``, ``face`` and ``score``.

    Raises:
        InputError: one of its encoders cannot be exported.
    """
    model = loaded.model
    assert isinstance(model, ProjectionModel)
    faces, calibration, size = model.encoders.face(), Matcher(loaded).calibration, model.face_size
    row = f"(batch, {model.dim}) of length 1"
    return [
        Graph(
            name="voice",
            network=_Projected(voice_network(model.encoders.voice()), model.voices),
            inputs={"wave": (("batch", "samples"), WAVE)},
            outputs={"embedding": row},
            example=lambda number: (example_waves(number),),
        ),
        Graph(
            name="face",
            network=_Projected(_Pixels(faces.embed_pixels), model.faces),
            inputs={"faces": (("batch", size, size, 3), "aligned faces, uint8 RGB")},
            outputs={"embedding": row},
            example=lambda number: (_example_faces(number, size),),
        ),
        Graph(
            name="score",
            network=_Score(calibration.slope, calibration.offset),
            inputs={
                "voices": (("voices", model.dim), "embeddings of voices"),
                "faces": (("faces", model.dim), "embeddings of faces"),
            },
            outputs={"probabilities": "(voices, faces)"},
            example=lambda number: _example_rows(number, model.dim),
        ),
    ]


def about(loaded: Loaded) -> str:
    """What else its README says."""
    return ABOUT.format(size=loaded.model.face_size, template=loaded.model.face_template)


def _example_faces(number: int, size: int) -> Tensor:
    random = torch.Generator().manual_seed(number)
    coarse = torch.randint(0, 256, (number + 2, 3, 8, 8), generator=random).float()
    faces = nn.functional.interpolate(coarse, size=size, mode="bilinear")
    return faces.permute(0, 2, 3, 1).round().to(torch.uint8).contiguous()


def _example_rows(number: int, dim: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(number)
    voices, faces = (torch.randn(number + n, dim, generator=random) for n in (2, 3))
    return nn.functional.normalize(voices, dim=1), nn.functional.normalize(faces, dim=1)


class _Projected(nn.Module):
    """An encoder and what projects its rows."""

    def __init__(self, encoder: nn.Module, project: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encoder, self.project = encoder, project

    def forward(self, given: Tensor) -> Tensor:
        return self.project(self.encoder(given))


class _Pixels(nn.Module):
    """A face encoder's batch of pictures as they lie in memory."""

    def __init__(self, embed: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.embed = embed

    def forward(self, faces: Tensor) -> Tensor:
        return self.embed(faces.permute(0, 3, 1, 2).float())


class _Score(nn.Module):
    """The calibrated probability of every pair."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, voices: Tensor, faces: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * (voices @ faces.T) + self.offset)
