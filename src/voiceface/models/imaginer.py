"""Faces for unseen voices: predicted in closed form, blurred but of the right kind, then refined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.models.align_for_dlib import align_for_dlib
from voiceface.models.augment_faces import augment_faces
from voiceface.models.corpus_embeddings import as_tensor, voice_embeddings
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.face_generator import BLOCK, FaceGenerator, to_pictures
from voiceface.models.generator_input import GeneratorInput, input_waves
from voiceface.models.matching import solve
from voiceface.models.model import Batch, Pictures, Shared, Turn
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.models.step_seed import torch_generator
from voiceface.nn.face.refiner import FaceRefiner, PatchDiscriminator

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

__all__ = ["TEMPLATE", "FaceVariation", "ImaginerModel", "ImaginerShape", "LossWeights"]

TEMPLATE = "head"
_R1_EVERY = 8
_LAYERS = (0, 4, 8)
"""The recogniser's blocks whose maps are compared: edges, parts, arrangements."""
_BATCH_SIZE = 32


class LossWeights(NamedTuple):
    """Weights of the terms of the refiner's and the discriminator's losses."""

    colour: float = 10.0
    """Absolute difference of pixels, where the target face is known."""
    features: float = 2.0
    """Absolute difference of the recogniser's maps, where the target face is known."""
    identity: float = 2.0
    """One less the cosine of the requested embedding and that of the generated face."""
    adversarial: float = 1.0
    r1: float = 10.0
    """Squared gradient of the discriminator at photographs (R1's gamma)."""


class FaceVariation(NamedTuple):
    """How far generated faces vary; all but ``amplify`` at random."""

    amplify: float = 0.9
    """A face's distance from the mean face, in units of real faces' mean distance."""
    variety: float = 0.5
    """Share of what a voice does not tell of a face."""
    light: float = 0.5
    """Share of what makes photographs of one face differ: light, pose, expression, surroundings."""
    grain: float = 1.0
    """Strength of the refiner's noise: strands of hair, folds, background."""


class ImaginerShape(NamedTuple):
    """Sizes of the networks."""

    voice_width: int = 256
    """Dimensions of a voice embedding."""
    face_width: int = 128
    """Dimensions of a face embedding."""
    codes: int = 64
    nuisances: int = 48
    size: int = 128
    """Pixels a side of a face."""
    channels: Sequence[int] = (160, 96, 40)
    """Of the refiner's stages."""
    discriminator: Sequence[int] = (64, 128, 256, 256)
    """Channels of its layers."""


class ImaginerModel(FaceGenerator):
    """Voice embedding to face embedding to blurred face, all linear and in closed form, then a refiner.

    A face is given by a *code* (its whitened dlib embedding) and a *nuisance* (what else makes the picture:
    light, pose, expression, surroundings). The picture, at half size, is a linear function of both; the
    refiner learns the rest against a discriminator of patches.

    Args:
        shape: sizes of the networks.
        weights: of the loss terms.
        variation: of generated faces.
        encoders: hold the voice encoder; needed to generate from recordings.
        face_embedding_mean: as in `FaceGenerator`.
    """

    def __init__(
        self,
        shape: ImaginerShape | None = None,
        *,
        weights: LossWeights | None = None,
        variation: FaceVariation | None = None,
        encoders: PretrainedEncoders | None = None,
        face_embedding_mean: Sequence[float] | None = None,
    ) -> None:
        shape = shape or ImaginerShape()
        super().__init__(
            face_size=shape.size, face_template=TEMPLATE, face_embedding_mean=face_embedding_mean
        )
        self.small, self.loss_weights = shape.size // 2, weights or LossWeights()
        self.variation, self.encoders = variation or FaceVariation(), encoders or PretrainedEncoders()
        pixels = 3 * self.small**2
        shapes = {
            "voice_mean": (shape.voice_width,),
            "voice_map": (shape.voice_width, shape.face_width),
            "voice_turn": (shape.voice_width, 16),
            "face_turn": (16, shape.face_width),
            "face_mean": (shape.face_width,),
            "spread": (),
            "code_map": (shape.face_width, shape.codes),
            "code_back": (shape.codes, shape.face_width),
            "unsure": (shape.codes, shape.codes),
            "picture_mean": (pixels,),
            "picture_code": (shape.codes, pixels),
            "picture_nuisance": (shape.nuisances, pixels),
            "nuisance_scale": (shape.nuisances,),
        }
        for name, dimensions in shapes.items():
            self.register_buffer(name, torch.zeros(dimensions))
        # Saved weights call the refiner `painter` and the discriminator `judge`.
        width = shape.codes + shape.nuisances
        self.painter = FaceRefiner(width=width, channels=shape.channels, size=shape.size)
        self.judge = PatchDiscriminator(channels=shape.discriminator)
        # A third faster on processors.
        for network in (self.painter, self.judge):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def start(self, voices: Tensor, faces: Tensor, *, embeddings: Tensor, pictures: Tensor) -> None:
        """Compute all that is not learned.

        Args:
            voices: (n, voice width) embeddings of the training people's voices.
            faces: (n, face width) embeddings, row i of the same person as voice i.
            embeddings: (m, face width) of all training faces, with or without a voice.
            pictures: (m, 3, size/2, size/2) in [-1, 1], the same faces.
        """
        mean = embeddings.mean(0)
        spread = (embeddings - mean).square().sum(1).mean().sqrt()
        buffers = {"voice_mean": voices.mean(0), "face_mean": mean, "spread": spread}
        buffers |= self._voice_maps(voices - voices.mean(0), faces - faces.mean(0))
        buffers |= _code_maps(embeddings - mean, self.get_buffer("code_map").shape[1])
        for name, value in buffers.items():
            self._fill(name, value)
        # What the linear prediction misses of a face is what stays unknown of it.
        residual = faces - self.predict_embeddings(voices, amplify=0.0) - self._shrunk(voices, faces)
        missed = residual @ self.get_buffer("code_map")
        values, vectors = torch.linalg.eigh(missed.T @ missed / len(missed))
        self._fill("unsure", (vectors * values.clamp_min(0).sqrt()).T)
        self._start_pictures(embeddings, pictures)

    def _fill(self, name: str, value: Tensor) -> None:
        buffer = self.get_buffer(name)
        buffer.zero_()
        # Fewer people than directions: the rest stay zero.
        buffer[tuple(slice(0, n) for n in value.shape)] = value

    def _voice_maps(self, voices: Tensor, faces: Tensor) -> dict[str, Tensor]:
        ridge = _ridge(voices, faces, 3.0)
        canonical = solve(voices, faces, ridge=5.0, dim=16)
        turned = F.normalize(voices @ canonical.voice_map, dim=-1) @ canonical.face_map.T
        scale = turned.square().sum(1).mean().sqrt().clamp_min(1e-12)
        face_turn = canonical.face_map.T / scale
        return {"voice_map": ridge, "voice_turn": canonical.voice_map, "face_turn": face_turn}

    def _shrunk(self, voices: Tensor, faces: Tensor) -> Tensor:
        """The best prediction in the direction of `predict_embeddings`: short, for a voice tells little."""
        mean = self.get_buffer("face_mean")
        direction = self.predict_embeddings(voices) - mean
        return direction * ((direction * (faces - mean)).sum() / direction.square().sum().clamp_min(1e-12))

    def _start_pictures(self, embeddings: Tensor, pictures: Tensor) -> None:
        flat = pictures.flatten(1)
        self._fill("picture_mean", flat.mean(0))
        codes, residual = self.codes(embeddings), flat - flat.mean(0)
        # Codes are white: their covariance is the identity, plus a ridge for small corpora.
        gram = codes.T @ codes / len(codes) + 0.1 * torch.eye(codes.shape[1])
        solution = torch.linalg.solve(gram, codes.T @ residual / len(codes))
        self._fill("picture_code", solution)
        residual = residual - codes @ solution
        values, vectors = torch.linalg.eigh(residual @ residual.T)
        count = min(len(values), self.get_buffer("picture_nuisance").shape[0])
        values, vectors = values.flip(0)[:count].clamp_min(1e-9), vectors.flip(1)[:, :count]
        # Unit directions over pixels, scaled so that a nuisance has variance 1.
        # Beyond the rank of a small corpus the directions are noise.
        within_rank = (values > 1e-6 * values[0]).float()
        directions = within_rank[:, None] * (vectors.T @ residual)
        self._fill("picture_nuisance", directions / len(residual) ** 0.5)
        self._fill("nuisance_scale", within_rank * len(residual) / values)

    def predict_embeddings(self, voices: Tensor, *, amplify: float | Tensor = 1.0) -> Tensor:
        """Face embeddings (n, face width) predicted from voice embeddings (n, voice width).

        The sum of ridge regression's prediction and that of the canonical directions, both scaled to length
        1, ``amplify`` times as far from the mean face as real faces are on average: the expected face of a
        voice lies so near the mean that all expected faces look alike.
        """
        centred = voices - self.get_buffer("voice_mean")
        near = F.normalize(centred @ self.get_buffer("voice_map"), dim=-1)
        turned = F.normalize(centred @ self.get_buffer("voice_turn"), dim=-1) @ self.get_buffer("face_turn")
        direction = F.normalize(near + turned, dim=-1)
        predicted: Tensor = self.get_buffer("face_mean") + amplify * self.get_buffer("spread") * direction
        return predicted

    def deviations(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Random samples (count, codes) of what a voice does not tell of a face, to be added to codes."""
        root = self.get_buffer("unsure")
        return torch.randn(count, len(root), generator=generator).to(root.device) @ root

    def codes(self, embeddings: Tensor) -> Tensor:
        """Codes (n, codes) of face embeddings (n, face width): centred and white."""
        codes: Tensor = (embeddings - self.get_buffer("face_mean")) @ self.get_buffer("code_map")
        return codes

    def embeddings(self, codes: Tensor) -> Tensor:
        """Face embeddings (n, face width) of codes (n, codes)."""
        embeddings: Tensor = self.get_buffer("face_mean") + codes @ self.get_buffer("code_back")
        return embeddings

    def blurred(self, codes: Tensor, nuisances: Tensor) -> Tensor:
        """Linear faces (n, 3, size/2, size/2) of codes and nuisances."""
        flat = (
            self.get_buffer("picture_mean")
            + codes @ self.get_buffer("picture_code")
            + nuisances @ self.get_buffer("picture_nuisance")
        )
        return flat.view(-1, 3, self.small, self.small)

    def nuisances(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """Nuisances (n, nuisances) of pictures (n, 3, size/2, size/2), given their codes."""
        mean, of_code = self.get_buffer("picture_mean"), self.get_buffer("picture_code")
        residual = pictures.flatten(1) - mean - codes @ of_code
        parts: Tensor = residual @ self.get_buffer("picture_nuisance").T
        return parts * self.get_buffer("nuisance_scale")

    def refine(self, codes: Tensor, nuisances: Tensor, *, noise: Tensor) -> Tensor:
        """Faces (n, 3, size, size), about [-1, 1], of codes, nuisances and (n, 1, size/2, size/2) noise.

        A face is the mean of the refiner's output and of its output for the mirror image, mirrored back:
        what a short training learns of one eye holds for the other.
        """
        blurred = self.blurred(codes, nuisances)
        mirrored = blurred.flip(3)
        styles = [torch.cat([codes, one], dim=1) for one in (nuisances, self.nuisances(mirrored, codes))]
        both = self.painter(
            torch.cat([blurred, mirrored]), torch.cat(styles), noise=torch.cat([noise, noise.flip(3)])
        )
        straight, turned = both.chunk(2)
        faces: Tensor = (straight + turned.flip(3)) / 2
        return faces

    # Inference

    def conditions(self, inputs: Sequence[GeneratorInput]) -> Tensor:
        """As `FaceGenerator.conditions`: embeddings of the voices, one for several inputs of one voice."""
        waves = input_waves(inputs)
        single = {id(wave): wave for wave in waves}
        index = {key: k for k, key in enumerate(single)}
        device = self.get_buffer("voice_mean").device
        voices = as_tensor(self.encoders.voice(device).embed(list(single.values())))
        return voices[[index[id(wave)] for wave in waves]].to(device)

    def corpus_conditions(self, selection: Selection) -> Iterable[Tensor]:
        """As `FaceGenerator.corpus_conditions`, from the corpus' cache."""
        device = self.get_buffer("voice_mean").device
        voices = voice_embeddings(selection.corpus, self.encoders.voice(device))[selection.voices]
        return torch.split(as_tensor(voices).to(device), BLOCK)

    @torch.no_grad()
    def generate_from(
        self, conditions: Tensor, samples: Sequence[int], *, seed: int = 0, typical: bool = False
    ) -> Pictures:
        """As `FaceGenerator.generate_from`; a typical face has none of the random variation."""
        variation = FaceVariation(self.variation.amplify, 0.0, 0.0, 0.0) if typical else self.variation
        faces = []
        width = self.get_buffer("nuisance_scale").shape[0]
        for first in range(0, len(conditions), _BATCH_SIZE):
            generators = [torch_generator(seed, k) for k in samples[first : first + _BATCH_SIZE]]
            voices = conditions[first : first + _BATCH_SIZE]
            codes = self.codes(self.predict_embeddings(voices, amplify=variation.amplify))
            deviations = torch.cat([self.deviations(1, generator=one) for one in generators])
            nuisances = torch.stack([torch.randn(width, generator=one) for one in generators]).to(
                codes.device
            )
            noise = [torch.randn(1, self.small, self.small, generator=one) for one in generators]
            grain = torch.stack(noise).to(codes.device) * variation.grain
            codes = codes + variation.variety * deviations
            faces.append(self.refine(codes, variation.light * nuisances, noise=grain))
        return to_pictures(torch.cat(faces))

    # Training

    def turns(self) -> Sequence[Turn]:
        """The discriminator's turn, then the refiner's."""
        return [
            Turn("discriminator", list(self.judge.parameters()), self.discriminator_loss),
            Turn("generator", list(self.painter.parameters()), self.refiner_loss),
        ]

    def shared(self, batch: Batch) -> Shared:
        """Generate the first half of the batch's faces again, and as many that nobody photographed."""
        real = batch["pictures"].float() / 127.5 - 1
        device, count = real.device, len(batch["known"])
        amplify = 0.5 + 0.7 * torch.rand(len(batch["voices"]), 1, device=device)
        predicted = self.codes(self.predict_embeddings(batch["voices"], amplify=amplify))
        predicted = predicted + 0.9 * torch.rand_like(amplify) * self.deviations(len(predicted))
        codes = torch.cat([self.codes(torch.cat([batch["known"], batch["others"]])), predicted])
        nuisances = self.nuisances(F.avg_pool2d(real[:count], 2), codes[:count])
        # Somebody else's surroundings, or any; from typical to as various as photographs.
        borrowed = nuisances.roll(1, 0)[: len(batch["others"])]
        sampled = torch.cat([borrowed, 0.8 * torch.randn(len(predicted), nuisances.shape[1], device=device)])
        sampled = sampled * torch.rand(len(sampled), 1, device=device)
        noise = torch.randn(len(codes), 1, self.small, self.small, device=device)
        faces = self.refine(codes, torch.cat([nuisances, sampled]), noise=noise)
        return {"real": real, "faces": faces, "requested": self.embeddings(codes)}

    def discriminator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Log loss of every patch; in some steps the squared gradient at photographs too (R1).

        Goodfellow et al. 2014, equation 1; Mescheder et al. 2018, equation 9, in every eighth step or so
        and eight times as strong (Karras et al. 2020).
        """
        penalised = bool(torch.rand(()) < 1 / _R1_EVERY)
        photographs = augment_faces(shared["real"]).requires_grad_(penalised)
        real, fake = self.judge(photographs), self.judge(augment_faces(shared["faces"].detach()))
        loss = _mean([F.softplus(-one) for one in real]) + _mean([F.softplus(one) for one in fake])
        figures = {"real": _mean(real), "fake": _mean(fake), "log_loss": loss}
        if penalised:
            # Patches count by their mean, so that the weight does not depend on their number.
            total = sum(one.mean(dim=1).sum() for one in real) / len(real)
            (gradient,) = torch.autograd.grad(total, photographs, create_graph=True)
            penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
            loss = loss + _R1_EVERY * self.loss_weights.r1 / 2 * penalty
        return {"loss": loss, **figures}

    def refiner_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Known faces like their photographs; all like the requested embedding, and photographic."""
        faces, real, weights = shared["faces"], shared["real"], self.loss_weights
        count = len(batch["known"])
        colour = (faces[:count] - real[:count]).abs().mean()
        network = load_dlib_recogniser().to(faces.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        maps = network.maps(align_for_dlib(faces, template=TEMPLATE))
        with torch.no_grad():
            targets = network.maps(align_for_dlib(real[:count], template=TEMPLATE))
        features = torch.stack(
            [(maps[i][:count] - targets[i]).abs().mean() / targets[i].abs().mean() for i in _LAYERS]
        ).mean()
        seen = network.last(maps[-1].mean(dim=(2, 3)))
        mean = self.get_buffer("face_mean")
        alike = F.cosine_similarity(seen - mean, shared["requested"] - mean, dim=-1)
        distance = (seen - shared["requested"]).square().sum(1).mean() / self.get_buffer("spread") ** 2
        adversarial = _mean([F.softplus(-one) for one in self.judge(augment_faces(faces))])
        loss = (
            weights.colour * colour
            + weights.features * features
            + weights.identity * ((1 - alike).mean() + 0.5 * distance)
            + weights.adversarial * adversarial
        )
        return {
            "loss": loss,
            "colour": colour,
            "features": features,
            "alike": alike[:count].mean(),
            "distance": distance,
            "alike_unseen": alike[count:].mean(),
            "adversarial": adversarial,
        }


def _mean(several: Sequence[Tensor]) -> Tensor:
    """The mean of each, and of these: all patch sizes weigh the same."""
    return torch.stack([one.mean() for one in several]).mean()


def _ridge(inputs: Tensor, targets: Tensor, share: float) -> Tensor:
    """Ridge regression of centred inputs, the ridge in units of the mean variance of a dimension."""
    covariance = inputs.T @ inputs / len(inputs)
    ridge = share * covariance.diagonal().mean() * torch.eye(len(covariance))
    weights: Tensor = torch.linalg.solve(covariance + ridge, inputs.T @ targets / len(inputs))
    return weights


def _code_maps(centred: Tensor, count: int) -> dict[str, Tensor]:
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values.flip(0)[:count].clamp_min(1e-9), vectors.flip(1)[:, :count]
    return {"code_map": vectors * values.rsqrt(), "code_back": (vectors * values.sqrt()).T}
