"""Faces that could go with a voice: the voice's embedding, coefficients of a face model, pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceface.models.face_model import OUTLINES
from voiceface.models.imaginer import RESIDUALS, ImaginerModel, add_detail
from voiceface.models.model import Model
from voiceface.nn.face.face_model import SIZE
from voiceface.nn.face.torso import Clothing
from voiceface.pipelines.exporters._voices import WAVE, example_waves, voice_network
from voiceface.pipelines.onnx_graph import Graph
from voiceface.pipelines.weights import Loaded

ABOUT = """\
Random numbers are inputs, so that everybody has their own: the faces are those of `voiceface imagine` where
its numbers are given (`voiceface.models.random_appearance`: numpy's, multiplied by the voice). With `noise`
of zeros, the likeliest hair and no `grain` the face is the one that is typical of such voices. **Write into
every picture that a model generated it**; voiceface does that itself, a graph cannot."""
EXAMPLE = """\
random = np.random.default_rng(0)
embedding = run("voice", wave=sound("voice.wav"))[0]
noise = random.standard_normal((1, {residuals}), dtype=np.float32)
coefficients, hair = run("coefficients", embedding=embedding, noise=noise)
style = (hair.cumsum(1)[:, :-1] < random.random((1, 1))).sum(1)
wall = np.full((1, 3, 4, 4), 158, np.float32)
clothes = np.array([[92, 96, 104, 42]], np.float32)
grain = random.standard_normal((1, 1, {size}, {size}), dtype=np.float32)
outline = random.standard_normal((1, {outlines}), dtype=np.float32)
given = {{"coefficients": coefficients, "style": style, "background": wall, "clothes": clothes}}
picture = run("render", **given, outline=outline, grain=grain)[0][0]
av.VideoFrame.from_ndarray(picture, format="rgb24").save("face.png")
"""
EXAMPLE = EXAMPLE.format(residuals=RESIDUALS, size=SIZE, outlines=OUTLINES)


def accepts(model: Model) -> bool:
    """Whether these are an imaginer's weights."""
    return isinstance(model, ImaginerModel)


def graphs(loaded: Loaded) -> list[Graph]:
    """``voice``, ``coefficients`` and ``render``.

    Raises:
        InputError: its voice encoder cannot be exported.
    """
    model = loaded.model
    assert isinstance(model, ImaginerModel)
    encoder, net = model.encoders.voice(), model.faces.net
    styles = len(net.get_buffer("style_hair_colour"))
    return [
        Graph(
            name="voice",
            network=voice_network(encoder),
            inputs={"wave": (("batch", "samples"), WAVE)},
            outputs={"embedding": f"(batch, {encoder.dim}) of length 1"},
            example=lambda number: (example_waves(number),),
        ),
        Graph(
            name="coefficients",
            network=_Coefficients(model),
            inputs={
                "embedding": (("batch", encoder.dim), "embeddings of voices"),
                "noise": (("batch", RESIDUALS), "standard normal numbers: what a voice does not tell"),
            },
            outputs={
                "coefficients": f"(batch, {net.width}) of the face model, in standard deviations",
                "hair": f"(batch, {styles}) probabilities of the hair styles",
            },
            example=lambda number: _example_embeddings(number, encoder.dim),
        ),
        Graph(
            name="render",
            network=_Render(model),
            inputs={
                "coefficients": (("batch", net.width), "of the face model"),
                "style": (("batch",), f"int64, a hair style from 0 to {styles - 1}"),
                "background": (("batch", 3, 4, 4), "RGB from 0 to 255, blended into each other"),
                "clothes": (("batch", 4), "RGB from 0 to 255, and the depth of the collar: 36 to 42 pixels"),
                "outline": (
                    ("batch", net.outlines),
                    "standard normal numbers, or zeros: hairline, outline and length of the hair",
                ),
                "grain": (
                    ("batch", 1, SIZE, SIZE),
                    "standard normal numbers or zeros: skin, hair",
                ),
            },
            outputs={"pictures": f"(batch, {SIZE}, {SIZE}, 3) uint8 RGB"},
            example=lambda number: _example_face(number, model, styles),
        ),
    ]


def about(loaded: Loaded) -> str:
    """What else its README says."""
    return ABOUT


def _example_embeddings(number: int, dim: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(number)
    rows = torch.randn(number + 2, dim, generator=random)
    return nn.functional.normalize(rows, dim=1), torch.randn(number + 2, RESIDUALS, generator=random)


def _example_face(number: int, model: ImaginerModel, styles: int) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(number)
    count = 2 if number < 2 else 1
    voice = model.get_buffer("voice_mean").expand(count, -1)
    with torch.no_grad():
        face = model.vary(model.predict(voice), torch.randn(count, RESIDUALS, generator=random))
    return (
        face,
        torch.randint(0, styles, (count,), generator=random),
        255 * torch.rand(count, 3, 4, 4, generator=random),
        torch.cat([200 * torch.rand(count, 3, generator=random), torch.full((count, 1), 40.0)], 1),
        torch.randn(count, model.faces.net.outlines, generator=random),
        torch.randn(count, 1, SIZE, SIZE, generator=random),
    )


class _Coefficients(nn.Module):
    def __init__(self, model: ImaginerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embedding: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        coefficients = self.model.vary(self.model.predict(embedding), noise)
        shares = self.model.hair_shares(coefficients)
        return coefficients, shares / shares.sum(1, keepdim=True)


class _Render(nn.Module):
    def __init__(self, model: ImaginerModel) -> None:
        super().__init__()
        self.net, self.detail, self.share = model.faces.net, model.detail, model.variation.outline

    def forward(
        self,
        coefficients: Tensor,
        style: Tensor,
        background: Tensor,
        clothes: Tensor,
        outline: Tensor,
        grain: Tensor,
    ) -> Tensor:
        layers = self.net.render_layers(
            coefficients,
            style,
            background,
            grain=grain,
            clothing=Clothing(clothes[:, :3], clothes[:, 3]),
            outline=self.share * outline,
        )
        pictures = add_detail(self.detail, layers, grain)
        return pictures.round().to(torch.uint8).permute(0, 2, 3, 1)
