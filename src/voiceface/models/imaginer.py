"""Faces for unseen voices: a voice predicts the coefficients of a face model in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.corpus_embeddings import as_tensor, voice_embeddings
from voiceface.models.face_generator import BLOCK, FaceGenerator
from voiceface.models.face_model import FaceModel, FaceModelShape
from voiceface.models.generator_input import GeneratorInput, input_waves, sample_indices
from voiceface.models.model import Pictures, Turn
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.random_appearance import chosen_styles, random_appearance
from voiceface.models.ridge import ridge_map
from voiceface.models.step_seed import numpy_generator
from voiceface.nn.face.box_filters import blur, dilate
from voiceface.nn.face.detail_net import DetailNet
from voiceface.nn.face.face_model import SIZE, RenderedFace
from voiceface.nn.face.hair_flow import streaks

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection


_RENDERED, _DETAILED = 16, 4
"""Faces at once: the detail network's maps are large."""
OUTSIDE, _BESIDE_HAIR = 0.15, 0.3
"""Shares of detail that neck and clothes get, and skin beside hair: the network makes stripes of plain skin,
and of a hairline a light rim."""
_BRIGHTEST, _COLOURFUL = 25.0, 0.4
"""Grey levels by which detail lightens at most, and the share of what it adds of colour that is kept."""
_LOOSE = 13
"""Pixels around a person in which detail fades out."""
_SECOND = 0.5
"""Share of the detail of a second pass, which otherwise gives chins stubble and foreheads a border."""
RESIDUALS = 96
"""Directions of what voices do not predict that are sampled."""
_FOLDS = 5
_FARTHEST, _FARTHEST_COLOUR = 2.2, 1.8
"""Standard deviations of real faces that no coefficient reaches, lest faces be caricatures."""
_CLEARER, _CERTAIN = 6.0, 1.5
"""Factor on coefficients where hair styles are concerned, for generated faces lie half as far from the mean
as real ones and the regression is cautious, and power of the styles' probabilities: rare styles look wrong
more often than they are missed."""


class FaceVariation(NamedTuple):
    """How far generated faces are from the mean face, and how much of them is sampled."""

    direct: float = 1.0
    """Length of the coefficients predicted from the voice, in units of the regression's."""
    identity: float = 3.0
    """Length of the coefficients that give the predicted face embedding, in units of the regression's."""
    colours: float = 0.4
    """Factor on both for skin tone and hair colour."""
    variety: float = 0.35
    """Share of what a voice does not predict of shape and texture that is sampled."""
    light: float = 0.35
    """The same of skin tone."""
    hair: float = 0.8
    """The same of hair colour."""
    outline: float = 0.7
    """The same of hairline, outline and length of hair, within its style."""


class PairedFaces(NamedTuple):
    """Voices and faces of the same people, row by row."""

    voices: Tensor
    """(n, voice width) embeddings."""
    coefficients: Tensor
    """(n, width) of the faces."""
    embeddings: Tensor
    """(n, 128) of dlib's recogniser."""
    people: Tensor
    """(n,) numbers of the people, for out-of-fold predictions."""


class ImaginerModel(FaceGenerator):
    """Predicts shape, texture and colours of a face from a voice embedding by ridge regression.

    Two linear predictions are added: the coefficients themselves, which light and pose of a photograph blur,
    and the coefficients that would give the predicted embedding of a face recogniser, which they hardly do.

    Args:
        shape: sizes of the face model.
        voice_width: dimensions of a voice embedding.
        variation: of generated faces.
        encoders: hold the voice encoder; needed to generate from recordings.
        face_embedding_mean: as in `FaceGenerator`.
        detail: sharpens the rendered faces; None: they stay smooth.
    """

    adds_glasses = True

    def __init__(
        self,
        shape: FaceModelShape,
        *,
        voice_width: int,
        variation: FaceVariation | None = None,
        encoders: PretrainedEncoders | None = None,
        face_embedding_mean: Sequence[float] | None = None,
        detail: DetailNet | None = None,
    ) -> None:
        super().__init__(
            face_size=FaceModel.face_size,
            face_template=FaceModel.face_template,
            face_embedding_mean=face_embedding_mean,
        )
        self.variation, self.encoders = variation or FaceVariation(), encoders or PretrainedEncoders()
        self.faces = FaceModel(shape)
        # A quarter faster on a CPU.
        self.detail = None if detail is None else detail.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        width = self.faces.net.width
        for name, dimensions in {
            "voice_mean": (voice_width,),
            "coefficient_mean": (width,),
            "direct_map": (voice_width, width),
            "identity_map": (voice_width, width),
            "residual": (RESIDUALS, width),
        }.items():
            self.register_buffer(name, torch.zeros(dimensions))

    @torch.no_grad()
    def start(self, pairs: PairedFaces, *, ridge: float = 3.0) -> None:
        """Compute all maps.

        Args:
            pairs: of the training people.
            ridge: of the regressions, in units of a voice dimension's mean variance.
        """
        mean, centre = pairs.voices.mean(0), pairs.coefficients.mean(0)
        voices = pairs.voices - mean
        direct = ridge_map(voices, pairs.coefficients - centre, ridge)
        identity = self._identity_map(voices, pairs.embeddings, ridge)
        for name, value in {
            "voice_mean": mean,
            "coefficient_mean": centre,
            "direct_map": direct,
            "identity_map": identity,
            "residual": self._residual(pairs, ridge),
        }.items():
            self.get_buffer(name).copy_(value)

    def _identity_map(self, voices: Tensor, embeddings: Tensor, ridge: float) -> Tensor:
        """From voices to short coefficients whose pictures have nearly the predicted embedding."""
        predicted = ridge_map(voices, embeddings - embeddings.mean(0), ridge)
        response = self.faces.get_buffer("response")
        gram = response.T @ response
        # A penalty on their length as large as the mean response to a coefficient.
        scale = gram.diagonal().mean().clamp_min(1e-12)
        back: Tensor = torch.linalg.solve(gram + scale * torch.eye(len(gram)), response.T)
        return predicted @ back

    def _residual(self, pairs: PairedFaces, ridge: float) -> Tensor:
        """Directions (residuals, width) of what voices do not predict, as long as their deviations."""
        missed = torch.zeros_like(pairs.coefficients)
        for fold in range(_FOLDS):
            own = pairs.people % _FOLDS == fold
            if not bool(own.any()) or bool(own.all()):
                missed = pairs.coefficients - pairs.coefficients.mean(0)
                break
            voices, target = pairs.voices[~own], pairs.coefficients[~own]
            weights = ridge_map(voices - voices.mean(0), target - target.mean(0), ridge)
            missed[own] = (
                pairs.coefficients[own] - target.mean(0) - (pairs.voices[own] - voices.mean(0)) @ weights
            )
        values, vectors = torch.linalg.eigh(missed.T @ missed / len(missed))
        found = (vectors * values.clamp_min(0).sqrt()).T.flip(0)[:RESIDUALS]
        return F.pad(found, (0, 0, 0, RESIDUALS - len(found)))

    def predict(self, voices: Tensor) -> Tensor:
        """Coefficients (n, width) of voice embeddings (n, voice width), without random variation."""
        away = voices - self.get_buffer("voice_mean")
        given = self.variation
        moved = given.direct * away @ self.get_buffer("direct_map")
        moved = moved + given.identity * away @ self.get_buffer("identity_map")
        moved = moved * self._per_block(1.0, given.colours, given.colours)
        return self.get_buffer("coefficient_mean") + moved

    def vary(self, coefficients: Tensor, noise: Tensor | None = None) -> Tensor:
        """Coefficients (n, width) with what a voice does not tell, kept within reach of real faces.

        Args:
            coefficients: as `predict` gives them.
            noise: (n, 96) standard normal numbers; None: nothing is added.
        """
        if noise is not None:
            given = self.variation
            scale = self._per_block(given.variety, given.light, given.hair)
            coefficients = coefficients + scale * (noise @ self.get_buffer("residual"))
        limits = self._per_block(_FARTHEST, _FARTHEST_COLOUR, _FARTHEST_COLOUR)
        return limits * torch.tanh(coefficients / limits)

    def hair_shares(self, coefficients: Tensor) -> Tensor:
        """Weights (n, styles) with which a hair style is sampled for faces with these coefficients."""
        return self.faces.style_shares(_CLEARER * coefficients) ** _CERTAIN

    def _per_block(self, form: float, tone: float, hair: float) -> Tensor:
        """(width,) one number for shape, luminance and chroma, others for tone and hair."""
        numbers = {"tone": tone, "hair": hair}
        return torch.cat(
            [
                torch.full((count,), numbers.get(name, form))
                for name, count in self.faces.net.components.items()
            ]
        ).to(self.get_buffer("voice_mean"))

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """Voice embeddings (inputs, voice width); those of one wave are computed once."""
        waves = input_waves(inputs)
        unique = {id(wave): wave for wave in waves}
        device = self.get_buffer("voice_mean").device
        rows = as_tensor(self.encoders.voice(device).embed(list(unique.values()))).to(device)
        index = {key: row for row, key in enumerate(unique)}
        return rows[[index[id(wave)] for wave in waves]]

    def corpus_conditions(self, selection: Selection) -> Iterable[Tensor]:
        """The voices' embeddings, from the corpus' cache."""
        device = self.get_buffer("voice_mean").device
        rows = voice_embeddings(selection.corpus, self.encoders.voice())[selection.voices]
        return torch.split(as_tensor(rows).to(device), BLOCK)

    @torch.no_grad()
    def generate(self, inputs: Sequence[GeneratorInput], *, seed: int = 0, typical: bool = False) -> Pictures:
        """As `Model.generate`, with glasses where an input asks for them."""
        if not inputs:
            return np.zeros((0, self.face_size, self.face_size, 3), np.uint8)
        glasses = [one.glasses for one in inputs]
        conditions, samples = self.conditions(inputs), sample_indices(inputs)
        return self.generate_from(conditions, samples, seed=seed, typical=typical, glasses=glasses)

    @torch.no_grad()
    def generate_from(
        self,
        conditions: Tensor,
        samples: Sequence[int],
        *,
        seed: int = 0,
        typical: bool = False,
        glasses: Sequence[bool] = (),
    ) -> Pictures:
        """As `FaceGenerator.generate_from`; the typical face has the likeliest hair and a grey background.

        ``glasses`` says which faces wear some; by default none does.
        """
        made = []
        for layers, grain in self.rendered(conditions, samples, seed=seed, typical=typical, glasses=glasses):
            for first in range(0, len(grain), _DETAILED):
                some = slice(first, first + _DETAILED)
                part = RenderedFace(*(layer[some] for layer in layers))
                with self._detail_precision():
                    pictures = add_detail(self.detail, part, grain[some])
                made.append(pictures.round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
        return torch.cat(made).contiguous().numpy()

    @torch.no_grad()
    def enlarge(self, pictures: Pictures, samples: Sequence[int], *, seed: int = 0) -> Pictures | None:
        """As `Model.enlarge`: half a second pass of the detail network within the face, at twice the size."""
        if self.detail is None:
            return None
        made, net, side = [], self.faces.net, 2 * SIZE
        # All faces are aligned alike: the mean face says well enough where a face is.
        mean = net.placed(net.get_buffer("shape_mean").view(1, -1, 2))
        face = _twice_as_large(net.from_canonical(net.solid(), mean))
        for picture, sample in zip(pictures, samples, strict=True):
            one = torch.from_numpy(picture).to(face).permute(2, 0, 1)[None]
            grain = _grain(side, seed, sample).to(face)[None]
            large = _twice_as_large(one).clamp(0, 255)
            # Hair that is sharpened once more gets bright and dark rims.
            with self._detail_precision():
                fine = 127.5 * (self.detail(large / 127.5 - 1, face, grain) + 1) - large
            made.append(
                (large + _SECOND * face * fine)
                .clamp(0, 255)
                .round()
                .to(torch.uint8)
                .permute(0, 2, 3, 1)
                .cpu()
            )
        return torch.cat(made).contiguous().numpy()

    def _detail_precision(self) -> AbstractContextManager[Any]:
        on_cpu = self.get_buffer("voice_mean").device.type == "cpu"
        return torch.autocast("cpu", torch.bfloat16) if self.detail_in_bf16 and on_cpu else nullcontext()

    @torch.no_grad()
    def rendered(
        self,
        conditions: Tensor,
        samples: Sequence[int],
        *,
        seed: int = 0,
        typical: bool = False,
        glasses: Sequence[bool] = (),
    ) -> Iterator[tuple[RenderedFace, Tensor]]:
        """Faces as the face model renders them, before the detail network, in blocks of 16.

        Yields:
            Faces, and the standard normal numbers (n, 1, 256, 256) of which their detail is sampled; zeros
            for typical faces.
        """
        coefficients = self.predict(conditions.float())
        away = conditions.float() - self.get_buffer("voice_mean")
        for first in range(0, len(conditions), _RENDERED):
            some = slice(first, first + _RENDERED)
            own, wanted, given = list(samples)[some], coefficients[some], None
            grain = torch.zeros(len(wanted), 1, SIZE, SIZE).to(wanted)
            background = torch.full((len(wanted), 3, 4, 4), 158.0).to(wanted)
            if not typical:
                given = random_appearance(
                    away[some], own, seed=seed, residuals=RESIDUALS, outlines=self.faces.net.outlines
                )
                grain = torch.stack([_grain(SIZE, seed, one) for one in own]).to(wanted)
                background = given.background.to(wanted)
            wanted = self.vary(wanted, None if given is None else given.residual.to(wanted))
            # Hair goes with the face that it is on.
            shares = self.hair_shares(wanted)
            added = None
            if any(worn := list(glasses)[some]):
                share = torch.tensor(worn).to(wanted)[:, None]
                added = {name: share * numbers for name, numbers in self.faces.glasses_effect().items()}
            layers = self.faces.net.render_layers(
                wanted,
                shares.argmax(1) if given is None else chosen_styles(shares, given.style),
                background,
                grain=None if given is None else grain,
                added=added,
                clothing=None if given is None else given.clothing.to(wanted),
                outline=None if given is None else self.variation.outline * given.outline.to(wanted),
            )
            yield layers, grain

    def turns(self) -> Sequence[Turn]:
        """None: all is computed in closed form."""
        return []


def _grain(side: int, seed: int, sample: int) -> Tensor:
    """Standard normal numbers (1, side, side), of which skin and strands of hair are made."""
    return torch.from_numpy(numpy_generator(seed, sample, side).standard_normal((1, side, side), np.float32))


def _twice_as_large(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, scale_factor=2, mode="bicubic", align_corners=False)


def add_detail(detail: DetailNet | None, layers: RenderedFace, grain: Tensor) -> Tensor:
    """Rendered faces with detail: (n, 3, h, w) in [0, 255].

    Args:
        detail: the network; None: faces stay as they are.
        layers: the faces.
        grain: (n, 1, h, w) standard normal numbers.
    """
    if detail is None:
        return layers.pictures
    # Strands run with the hair.
    grain = grain + layers.hair * (streaks(grain, layers.flow) - grain)
    sharp = 127.5 * (detail(layers.pictures / 127.5 - 1, layers.face, grain) + 1)
    # A plain wall has none; beyond a person's outline there is room for loose hair.
    person, hair = (blur(dilate(share, _LOOSE), _LOOSE) for share in (layers.person, layers.hair))
    body = (layers.person - layers.hair).clamp(0, 1)
    hair = hair * (1 - (1 - _BESIDE_HAIR) * body)
    share = torch.maximum(torch.maximum(layers.face, hair), OUTSIDE * person)
    added = sharp - layers.pictures
    limited = _within_reach(added)
    changed: Tensor = layers.pictures + share * (limited + layers.face * (added - limited))
    return changed.clamp(0, 255)


def _within_reach(detail: Tensor) -> Tensor:
    """Detail (n, 3, h, w) outside faces, whose brightest strands of hair are not white, blue or purple."""
    light = (detail * torch.tensor([0.299, 0.587, 0.114]).to(detail)[:, None, None]).sum(1, keepdim=True)
    limited = _BRIGHTEST * torch.tanh(light / _BRIGHTEST)
    kept: Tensor = torch.minimum(light, limited) + _COLOURFUL * (detail - light)
    return kept
