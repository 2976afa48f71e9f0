"""Faces for voices nobody has seen: a closed-form answer, blurred but of the right kind, and a painter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.face.align import TEMPLATES
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.matching import solve
from voiceface.models.model import Batch, Model, Shared, Turn
from voiceface.nn.face.refiner import FaceRefiner, PatchDiscriminator

__all__ = ["TEMPLATE", "ImaginerModel", "Weights", "altered", "to_aligned_faces"]

TEMPLATE = "head"
CHIP = 150
_STEEP_EVERY = 8
_LAYERS = (0, 4, 8)
"""The recogniser's blocks whose maps are compared: edges, parts, arrangements."""


class Weights(NamedTuple):
    """What each part of the painter's loss weighs."""

    colour: float = 10.0
    """Absolute difference of pixels, where the face to be painted is known."""
    features: float = 2.0
    """Absolute difference of the recogniser's maps, there too."""
    identity: float = 2.0
    """One less the cosine of the descriptors wanted and seen."""
    judge: float = 1.0
    steep: float = 10.0
    """The judge's slope at photographs (R1's gamma)."""


class ImaginerModel(Model):
    """Voice to descriptor to blurred face, all linear and in closed form; a painter makes it sharp.

    A face is told by a *code* (its recogniser's descriptor, whitened) and a *nuisance* (what else makes
    the picture: light, turn, expression, surroundings). The picture, at half size, is a linear function
    of both; the painter learns the rest against a judge of patches.

    Args:
        voice_width: numbers of the voice encoder's rows.
        face_width: numbers of a descriptor.
        codes: numbers of a code.
        nuisances: numbers of a nuisance.
        size: pixels a side of a face.
        channels: of the painter's stages.
        judge: channels of the judge's layers.
        weights: of the painter's losses.
    """

    def __init__(
        self,
        *,
        voice_width: int = 256,
        face_width: int = 128,
        codes: int = 64,
        nuisances: int = 48,
        size: int = 128,
        channels: Sequence[int] = (160, 96, 40),
        judge: Sequence[int] = (64, 128, 256, 256),
        weights: Weights | None = None,
    ) -> None:
        super().__init__()
        self.size, self.small, self.given = size, size // 2, weights or Weights()
        pixels = 3 * self.small**2
        shapes = {
            "voice_mean": (voice_width,),
            "voice_map": (voice_width, face_width),
            "voice_turn": (voice_width, 16),
            "face_turn": (16, face_width),
            "face_mean": (face_width,),
            "spread": (),
            "code_map": (face_width, codes),
            "code_back": (codes, face_width),
            "unsure": (codes, codes),
            "picture_mean": (pixels,),
            "picture_code": (codes, pixels),
            "picture_nuisance": (nuisances, pixels),
            "nuisance_scale": (nuisances,),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.painter = FaceRefiner(width=codes + nuisances, channels=channels, size=size)
        self.judge = PatchDiscriminator(channels=judge)
        # A third faster on processors.
        for network in (self.painter, self.judge):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    # The closed-form part

    @torch.no_grad()
    def start(self, voices: Tensor, faces: Tensor, *, rows: Tensor, pictures: Tensor) -> None:
        """Compute all that is not learnt.

        Args:
            voices: (n, voice width) rows of the training people's voices.
            faces: (n, face width) descriptors, row i of the same person as voice i.
            rows: (m, face width) descriptors of all training faces, with or without a voice.
            pictures: (m, 3, size/2, size/2) in [-1, 1], the same faces.
        """
        mean, spread = rows.mean(0), (rows - rows.mean(0)).square().sum(1).mean().sqrt()
        put = {"voice_mean": voices.mean(0), "face_mean": mean, "spread": spread}
        put |= self._voice_parts(voices - voices.mean(0), faces - faces.mean(0))
        put |= _code_parts(rows - mean, self.get_buffer("code_map").shape[1])
        for name, value in put.items():
            self._put(name, value)
        left = faces - self.wanted(voices, amplify=0.0)
        # The linear answer misses so much of a face, in the direction and amount that remain unknown.
        missed = (left - self._shrunk(voices, faces)) @ self.get_buffer("code_map")
        values, vectors = torch.linalg.eigh(missed.T @ missed / len(missed))
        self._put("unsure", (vectors * values.clamp_min(0).sqrt()).T)
        self._start_pictures(rows, pictures)

    def _put(self, name: str, value: Tensor) -> None:
        kept = self.get_buffer(name)
        kept.zero_()
        # Fewer people than directions: the rest stay zero.
        kept[tuple(slice(0, n) for n in value.shape)] = value

    def _voice_parts(self, voices: Tensor, faces: Tensor) -> dict[str, Tensor]:
        weights = _ridge(voices, faces, 3.0)
        found = solve(voices, faces, ridge=5.0, dim=16)
        turned = F.normalize(voices @ found.voice_map, dim=-1) @ found.face_map.T
        scale = turned.square().sum(1).mean().sqrt().clamp_min(1e-12)
        return {"voice_map": weights, "voice_turn": found.voice_map, "face_turn": found.face_map.T / scale}

    def _shrunk(self, voices: Tensor, faces: Tensor) -> Tensor:
        """The best prediction in the direction of `wanted`: short, for a voice tells little."""
        ahead = self.wanted(voices, amplify=1.0) - self.get_buffer("face_mean")
        told = faces - self.get_buffer("face_mean")
        return ahead * ((ahead * told).sum() / ahead.square().sum().clamp_min(1e-12))

    def _start_pictures(self, rows: Tensor, pictures: Tensor) -> None:
        flat = pictures.flatten(1)
        self._put("picture_mean", flat.mean(0))
        codes, left = self.codes(rows), flat - flat.mean(0)
        # Codes are white: their covariance is the identity, plus a ridge for the small corpus.
        gram = codes.T @ codes / len(codes) + 0.1 * torch.eye(codes.shape[1])
        told = torch.linalg.solve(gram, codes.T @ left / len(codes))
        self._put("picture_code", told)
        left = left - codes @ told
        values, vectors = torch.linalg.eigh(left @ left.T)
        count = min(len(values), self.get_buffer("picture_nuisance").shape[0])
        values, vectors = values.flip(0)[:count].clamp_min(1e-9), vectors.flip(1)[:, :count]
        # Unit directions over pixels, scaled so that a nuisance has variance 1.
        # Beyond the rank of a small corpus there is nothing to tell apart.
        there = (values > 1e-6 * values[0]).float()
        parts = there[:, None] * (vectors.T @ left)
        self._put("picture_nuisance", parts / len(left) ** 0.5)
        self._put("nuisance_scale", there * len(left) / values)

    # From one to the other

    def wanted(self, voices: Tensor, *, amplify: float | Tensor = 1.0) -> Tensor:
        """The descriptors (n, face width) that voices (n, voice width) ask for.

        The sum of ridge regression's answer and of the canonical directions', both brought to length 1,
        ``amplify`` times as far from the mean face as real faces are on average: the expected face of a
        voice lies so near the mean that all expected faces look alike.
        """
        rows = voices - self.get_buffer("voice_mean")
        near = F.normalize(rows @ self.get_buffer("voice_map"), dim=-1)
        turned = F.normalize(rows @ self.get_buffer("voice_turn"), dim=-1) @ self.get_buffer("face_turn")
        ahead = F.normalize(near + turned, dim=-1)
        placed: Tensor = self.get_buffer("face_mean") + amplify * self.get_buffer("spread") * ahead
        return placed

    def deviations(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """What a voice does not tell of a face, drawn at random: (count, codes), to be added to codes."""
        root = self.get_buffer("unsure")
        return torch.randn(count, len(root), generator=generator).to(root.device) @ root

    def codes(self, descriptors: Tensor) -> Tensor:
        """The codes (n, codes) of descriptors (n, face width): centred and white."""
        placed: Tensor = (descriptors - self.get_buffer("face_mean")) @ self.get_buffer("code_map")
        return placed

    def descriptors(self, codes: Tensor) -> Tensor:
        """The descriptors (n, face width) of codes (n, codes)."""
        placed: Tensor = self.get_buffer("face_mean") + codes @ self.get_buffer("code_back")
        return placed

    def blurred(self, codes: Tensor, nuisances: Tensor) -> Tensor:
        """The linear faces (n, 3, size/2, size/2) of codes and nuisances."""
        flat = (
            self.get_buffer("picture_mean")
            + codes @ self.get_buffer("picture_code")
            + nuisances @ self.get_buffer("picture_nuisance")
        )
        return flat.view(-1, 3, self.small, self.small)

    def nuisances(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """What pictures (n, 3, size/2, size/2) show beside their codes: (n, nuisances)."""
        left = pictures.flatten(1) - self.get_buffer("picture_mean") - codes @ self.get_buffer("picture_code")
        parts = self.get_buffer("picture_nuisance")
        found: Tensor = (left @ parts.T) * self.get_buffer("nuisance_scale")
        return found

    def paint(self, codes: Tensor, nuisances: Tensor, *, noise: Tensor) -> Tensor:
        """The faces (n, 3, size, size), about [-1, 1], of codes, nuisances and (n, 1, size/2, size/2) noise.

        A face is the mean of the painter's answer and of its answer to the mirror image, turned back: what
        a short training finds out about one eye it knows of the other.
        """
        blurred = self.blurred(codes, nuisances)
        mirrored = blurred.flip(3)
        styles = [torch.cat([codes, one], dim=1) for one in (nuisances, self.nuisances(mirrored, codes))]
        both = self.painter(
            torch.cat([blurred, mirrored]), torch.cat(styles), noise=torch.cat([noise, noise.flip(3)])
        )
        straight, turned = both.chunk(2)
        painted: Tensor = (straight + turned.flip(3)) / 2
        return painted

    # Learning

    def turns(self) -> Sequence[Turn]:
        """The judge's turn, then the painter's."""
        return [
            Turn("judge", list(self.judge.parameters()), self.discriminator_loss),
            Turn("paint", list(self.painter.parameters()), self.paint_loss),
        ]

    def shared(self, batch: Batch) -> Shared:
        """Paint the first half of the batch's faces again, and as many that nobody photographed."""
        real = batch["pictures"].float() / 127.5 - 1
        device, count = real.device, len(batch["known"])
        amplify = 0.5 + 0.7 * torch.rand(len(batch["voices"]), 1, device=device)
        heard = self.codes(self.wanted(batch["voices"], amplify=amplify))
        heard = heard + 0.9 * torch.rand_like(amplify) * self.deviations(len(heard))
        codes = torch.cat([self.codes(torch.cat([batch["known"], batch["others"]])), heard])
        nuisances = self.nuisances(F.avg_pool2d(real[:count], 2), codes[:count])
        # Somebody else's surroundings, or any; from typical to as various as photographs.
        borrowed = nuisances.roll(1, 0)[: len(batch["others"])]
        drawn = torch.cat([borrowed, 0.8 * torch.randn(len(heard), nuisances.shape[1], device=device)])
        drawn = drawn * torch.rand(len(drawn), 1, device=device)
        noise = torch.randn(len(codes), 1, self.small, self.small, device=device)
        faces = self.paint(codes, torch.cat([nuisances, drawn]), noise=noise)
        return {"real": real, "faces": faces, "asked": self.descriptors(codes)}

    def discriminator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Log loss of every patch; now and then the steepness at photographs too (R1).

        Goodfellow et al. 2014, equation 1; Mescheder et al. 2018, equation 9, every eighth step or so
        and eight times as strong (Karras et al. 2020).
        """
        steep = bool(torch.rand(()) < 1 / _STEEP_EVERY)
        photographs = altered(shared["real"]).requires_grad_(steep)
        real, fake = self.judge(photographs), self.judge(altered(shared["faces"].detach()))
        loss = _mean([F.softplus(-one) for one in real]) + _mean([F.softplus(one) for one in fake])
        named = {"real": _mean(real), "fake": _mean(fake), "log_loss": loss}
        if steep:
            # Patches count by their mean, so that the weight does not hang on how many there are.
            total = sum(one.mean(dim=1).sum() for one in real) / len(real)
            (slope,) = torch.autograd.grad(total, photographs, create_graph=True)
            loss = loss + _STEEP_EVERY * self.given.steep / 2 * slope.square().sum(dim=(1, 2, 3)).mean()
        return {"loss": loss, **named}

    def paint_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Known faces like their photographs; all like the face asked for, and photographed."""
        faces, real, given = shared["faces"], shared["real"], self.given
        count = len(batch["known"])
        colour = (faces[:count] - real[:count]).abs().mean()
        network = load_dlib_recogniser().to(faces.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        maps = network.maps(to_aligned_faces(faces))
        with torch.no_grad():
            told = network.maps(to_aligned_faces(real[:count]))
        features = torch.stack(
            [(maps[i][:count] - told[i]).abs().mean() / told[i].abs().mean() for i in _LAYERS]
        ).mean()
        seen = network.last(maps[-1].mean(dim=(2, 3)))
        mean = self.get_buffer("face_mean")
        alike = F.cosine_similarity(seen - mean, shared["asked"] - mean, dim=-1)
        away = (seen - shared["asked"]).square().sum(1).mean() / self.get_buffer("spread") ** 2
        judged = _mean([F.softplus(-one) for one in self.judge(altered(faces))])
        loss = (
            given.colour * colour
            + given.features * features
            + given.identity * ((1 - alike).mean() + 0.5 * away)
            + given.judge * judged
        )
        return {
            "loss": loss,
            "colour": colour,
            "features": features,
            "alike": alike[:count].mean(),
            "away": away,
            "alike_unseen": alike[count:].mean(),
            "judged": judged,
        }


def _mean(several: Sequence[Tensor]) -> Tensor:
    """The mean of each, and of these: a size of patch weighs as much as another."""
    return torch.stack([one.mean() for one in several]).mean()


def to_aligned_faces(faces: Tensor, template: str = TEMPLATE) -> Tensor:
    """Faces (n, 3, size, size) in [-1, 1] as the recogniser takes them: (n, 3, 150, 150) in [0, 255]."""
    left, top, side = TEMPLATES[template]
    of_left, of_top, of_side = TEMPLATES["dlib"]
    grid = (torch.arange(CHIP, device=faces.device) + 0.5) / CHIP * of_side
    across, down = (grid + of_left - left) / side * 2 - 1, (grid + of_top - top) / side * 2 - 1
    places = torch.stack([across.expand(CHIP, CHIP), down[:, None].expand(CHIP, CHIP)], dim=-1)
    cut = F.grid_sample(
        faces, places.expand(len(faces), -1, -1, -1), padding_mode="border", align_corners=False
    )
    return ((cut.clamp(-1, 1) + 1) * 127.5).contiguous(memory_format=torch.channels_last)


def altered(pictures: Tensor) -> Tensor:
    """Each picture lighter, more colourful, shifted and with a square missing, at random.

    Zhao et al. 2020 (differentiable augmentation): the judge sees nothing else, so it cannot learn a
    small corpus by heart, and the painter does not learn the alterations.
    """
    count, size = len(pictures), pictures.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, device=pictures.device)

    pictures = pictures + uniform(-0.2, 0.2)
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * uniform(0.5, 1.5)
    level = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = level + (pictures - level) * uniform(0.8, 1.2)
    reach = size // 8
    padded = F.pad(pictures, (reach,) * 4)
    shifts = torch.randint(0, 2 * reach + 1, (count, 2)).tolist()
    pictures = torch.stack(
        [one[:, y : y + size, x : x + size] for one, (y, x) in zip(padded, shifts, strict=True)]
    )
    place = torch.arange(size, device=pictures.device)
    hidden = torch.ones(count, 1, size, size, dtype=torch.bool, device=pictures.device)
    for axis in (2, 3):
        middle = uniform(0, size)
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        hidden = hidden & ((place.view(shape) - middle).abs() < size / 6)
    return pictures.masked_fill(hidden, 0.0)


def _ridge(rows: Tensor, answers: Tensor, share: float) -> Tensor:
    """Ridge regression of centred rows, the ridge in units of the mean variance of a dimension."""
    covariance = rows.T @ rows / len(rows)
    ridge = share * covariance.diagonal().mean() * torch.eye(len(covariance))
    found: Tensor = torch.linalg.solve(covariance + ridge, rows.T @ answers / len(rows))
    return found


def _code_parts(rows: Tensor, count: int) -> dict[str, Tensor]:
    values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    values, vectors = values.flip(0)[:count].clamp_min(1e-9), vectors.flip(1)[:, :count]
    return {"code_map": vectors * values.rsqrt(), "code_back": (vectors * values.sqrt()).T}
