"""How light teeth are in photographs, by the light of skin and eyes: the figures of `nn/face/teeth_light.py`.

    python tools/teeth_light.py PICTURES [PICTURES ...]

Each folder has pictures and ``mesh.npz`` (``face``, their names without the ending, and ``points``, as
MediaPipe finds them). Of all mouths that are open by 0.08 distances between the eyes it fits the logarithm of
the lightest quarter's brightness. It prints the weights, the error of mouths that were held out (five folds)
and that of one share of the cheeks' light, the darkest tenth of wide mouths, and the shares of skin and eyes
in the colour of teeth.
"""

import argparse
from pathlib import Path

import numpy as np
from mesh_pictures import mesh_pictures, upright_colours

from voiceface.nn.face.mesh_animation import mouth_opening
from voiceface.nn.face.teeth_light import LUMA, FaceLight, colours_of_mouth, face_light

OPEN, WIDE, FOLDS = 0.08, 0.15, 5
SMALLEST, LARGEST = 20.0, 75.0
"""Brightness below which nothing is measured; pixels between the eyes above which the fit is not made."""


def measure(picture: np.ndarray, points: np.ndarray) -> tuple[FaceLight, float, np.ndarray] | None:
    """Light of the face, opening of the mouth, and colours in it; None where it is closed."""
    shape, _, eyes, colours = upright_colours(picture, points)
    opening = float(mouth_opening(shape[:468]))
    if opening < OPEN:
        return None
    light = face_light(colours, shape, eyes=eyes)
    if min(light.skin, float(light.whites @ LUMA)) < SMALLEST:
        return None
    return light, opening, colours_of_mouth(colours, shape)


def part(colours: np.ndarray, share: float, *, lightest: bool) -> np.ndarray:
    """Mean colour (3,) of the lightest or the darkest share of some colours (n, 3)."""
    order = np.argsort(colours @ LUMA)
    count = max(1, round(share * len(order)))
    return colours[order[-count:] if lightest else order[:count]].mean(axis=0)


def fit(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Constant and weights by least squares."""
    return np.linalg.lstsq(np.c_[np.ones(len(features)), features], target, rcond=None)[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    pictures = mesh_pictures(parser.parse_args().pictures)
    found = [one for picture, points in pictures if (one := measure(picture, points)) is not None]
    dark = [part(one, 0.1, lightest=False) / light.skin for light, opening, one in found if opening > WIDE]
    found = [(light, opening, part(one, 0.25, lightest=True)) for light, opening, one in found]
    some = [one for one in found if one[0].eyes < LARGEST]
    features = np.array([light.features(opening) for light, opening, _ in some])
    target = np.log([max(colour @ LUMA, 1.0) for _, _, colour in some])
    fold = np.random.default_rng(0).integers(FOLDS, size=len(some))
    missed = np.zeros(len(some))
    for k in range(FOLDS):
        weights = fit(features[fold != k], target[fold != k])
        missed[fold == k] = target[fold == k] - weights[0] - features[fold == k] @ weights[1:]
    share = target - features[:, 0]
    print(f"{len(found)} open mouths, {len(some)} of at most {LARGEST:g} pixels between the eyes")
    print(f"constant, cheeks, whites, eyes, opening: {fit(features, target).round(3).tolist()}")
    error = np.sqrt((missed**2).mean())
    print(f"error of the logarithm, held out: {error:.3f}; of one share: {share.std():.3f}")
    print(f"one share of the cheeks' light: {np.exp(share.mean()):.3f}")
    darkest = np.median(dark, 0).round(2).tolist()
    print(f"darkest tenth of {len(dark)} wide mouths, of the cheeks' light: {darkest}")
    sure = [(light, colour) for light, _, colour in found if colour @ LUMA >= light.skin]
    tints = [
        np.array([one / (one @ LUMA) - 1 for one in column]).ravel()
        for column in zip(*[(light.cheeks, light.whites, colour) for light, colour in sure], strict=True)
    ]
    shares = np.linalg.lstsq(np.stack(tints[:2], 1), tints[2], rcond=None)[0]
    print(
        f"shares of skin and whites in the colour of {len(sure)} surely lit teeth: {shares.round(3).tolist()}"
    )


if __name__ == "__main__":
    main()
