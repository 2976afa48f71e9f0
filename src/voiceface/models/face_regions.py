"""Which pixels around a face are background, skin, hair or clothes: by their colours and where they lie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BACKGROUND, SKIN, HAIR, CLOTHES = range(4)
_ROUNDS, _ITERATIONS = 2, 6
_NOISE = (120.0, 160.0, 160.0)
"""Variance of a colour within a region, in squared grey levels, that is always assumed."""
_FEW = 300
"""Pixels of person below which a face keeps the prior."""

Maps = npt.NDArray[np.float32]


def label_regions(
    colours: Maps, person: Maps, known: npt.NDArray[np.bool_], face: npt.NDArray[np.bool_], *, chin: float
) -> npt.NDArray[np.uint8]:
    """Label the pixels of faces in the canonical frame: a mixture of Gaussians a face, one a region.

    The prior of each pixel is the mean of all faces' labels, which starts from where hair and clothes are
    expected and is estimated again once.

    Args:
        colours: (n, side, side, 3) in [0, 255].
        person: (n, side, side) share of each pixel that is person, in [0, 1].
        known: (n, side, side) whether the picture reached there.
        face: (side, side) pixels inside the face, which are skin.
        chin: height of the chin in pixels.

    Returns:
        (n, side, side) of `BACKGROUND`, `SKIN`, `HAIR` and `CLOTHES`.
    """
    prior = _expected(face, chin)
    shares = np.empty((*person.shape, 3), np.float32)
    solid = person > 0.5
    for _ in range(_ROUNDS):
        for index in range(len(colours)):
            shares[index] = prior
            seen = known[index] & solid[index]
            if seen.sum() >= _FEW:
                shares[index][seen] = _mixture(colours[index][seen], prior[seen], face[seen])
        weight = (known & solid)[..., None]
        counts = weight.sum(0)
        mean = (shares * weight).sum(0) / np.maximum(counts, 20)
        mean = np.where(counts > 20, (mean + mean[:, ::-1]) / 2, prior)
        prior = _normalised(0.5 * prior + 0.5 * mean, face)
    return np.where(solid, shares.argmax(-1) + 1, BACKGROUND).astype(np.uint8)


def _expected(face: npt.NDArray[np.bool_], chin: float) -> Maps:
    side = len(face)
    unit = 64 / side
    y, x = np.mgrid[:side, :side] * unit
    chin, aside = chin * unit, np.abs(x - 32)
    below = _logistic((y - chin - 1) / 2)
    hair = (0.85 * _logistic((36 - y) / 6) + 0.25) * (1 - 0.6 * below)
    clothes = below * (1.2 * _logistic((aside - 7 + 0.6 * (chin + 8 - y)) / 3) + 0.15) + 1e-3
    ears = (y > 24) & (y < 36) & (aside < 20)
    skin = 0.35 + 0.8 * below * _logistic((13 - aside) / 3) + 0.5 * ears
    return _normalised(np.stack([skin, hair, clothes], -1), face)


def _normalised(prior: npt.NDArray[np.floating], face: npt.NDArray[np.bool_]) -> Maps:
    prior = np.where(face[..., None], (0.97, 0.03, 1e-4), prior)
    normalised: Maps = (prior / prior.sum(-1, keepdims=True)).astype(np.float32)
    return normalised


def _mixture(colours: Maps, prior: Maps, face: npt.NDArray[np.bool_]) -> Maps:
    """Shares (pixels, 3) of skin, hair and clothes, by expectation and maximisation."""
    # The face shows most of the skin, and must not decide alone how skin looks.
    trust = np.where(face[:, None], (0.35, 0.2, 0.0), 1.0)
    shares = prior
    for _ in range(_ITERATIONS):
        weights = shares * trust
        likelihood = np.stack(
            [_log_gauss(colours, weights[:, k], noise) for k, noise in enumerate(_NOISE)], axis=1
        )
        # Neighbouring pixels repeat one another: a share of their evidence counts.
        logits = 0.6 * likelihood + np.log(prior + 1e-4)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares = shares / shares.sum(1, keepdims=True)
    return shares.astype(np.float32)


def _log_gauss(colours: Maps, weights: npt.NDArray[np.floating], noise: float) -> npt.NDArray[np.float64]:
    total = weights.sum() + 1e-6
    away = colours - (weights[:, None] * colours).sum(0) / total
    covariance = (weights[:, None] * away).T @ away / total + noise * np.eye(3)
    inverse = np.linalg.inv(covariance)
    found: npt.NDArray[np.float64] = 0.5 * np.linalg.slogdet(inverse)[1] - 0.5 * np.einsum(
        "pi,ij,pj->p", away, inverse, away
    )
    return found


def _logistic(at: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    found: npt.NDArray[np.floating] = 1 / (1 + np.exp(-at))
    return found
