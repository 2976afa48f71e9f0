"""How far a photograph's lips are apart, by its colours: face-mesh alone is unsure of half-open mouths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voiceface.nn.face.lip_edges import LOWER_EDGE, LOWER_LIP, LUMA, UPPER_EDGE, UPPER_LIP, Photographed

Floats = npt.NDArray[np.float64]

_UPPER_OUTSIDE, _LOWER_OUTSIDE = (39, 37, 0, 267, 269), (181, 84, 17, 314, 405)
"""The middles of the lips' outer edges, from the right to the left."""
_RINGS = (
    ((183, 42, 41, 38, 12, 268, 271, 272, 407), (96, 89, 179, 86, 15, 316, 403, 319, 325), 0.6),
    ((184, 74, 73, 72, 11, 302, 303, 304, 408), (77, 90, 180, 85, 16, 315, 404, 320, 307), 0.3),
)
"""Points on both lips outside their inner edges, and how far they follow these."""
_LEVELS, _FINE = 11, 33
_SURE, _MARGIN = 0.02, 0.05
"""How much wider than the mesh's the gap by colour must be to count, and how much is then added: its error
is 0.07: of teeth no strip may be left where lips close."""
_WIDEST = 0.3
"""The widest opening of a photograph's mouth that is closed before it speaks."""

# tools/lip_gap.py prints these.
_CONSTANT = -0.1044
_WEIGHTS = np.array(
    [
        *(0.0470, -0.1385, 0.0130, 0.0323, 0.0177, -0.0236, -0.0534, -0.0390, -0.0043, 0.0130, 0.1681),
        *(0.0637, -0.0244, -0.0266, 0.0053, 0.0119, -0.0203, -0.0433, -0.0767, 0.0411, -0.0122, 0.0955),
        *(0.5542, 0.2899),
    ]
)


def lip_features(photographed: Photographed, shape: Floats) -> Floats:
    """What separates open lips from closed ones (24,).

    Light and redness at eleven levels from the outer edge of the upper lip to that of the lower one, then the
    mesh's own gap and the height of both lips.

    Args:
        photographed: colours of the photograph.
        shape: (468, 2) its mesh, upright, in distances between the eyes.
    """
    top, bottom = shape[list(_UPPER_OUTSIDE)], shape[list(_LOWER_OUTSIDE)]
    way = np.linspace(0, 1, _FINE)[:, None, None]
    colours = photographed((top + way * (bottom - top)).reshape(-1, 2))
    levels = colours.reshape(_LEVELS, _FINE // _LEVELS, len(_UPPER_OUTSIDE), 3).mean(axis=1)
    light = levels @ LUMA
    red = 3 * (levels[..., 0] - levels[..., 1:].mean(axis=-1)) / (levels.sum(axis=-1) + 1)
    profile = light.mean(axis=1) / (light.mean() + 1), red.mean(axis=1) - red.mean()
    own = shape[LOWER_LIP, 1] - shape[UPPER_LIP, 1]
    return np.concatenate([*profile, [own, shape[17, 1] - shape[0, 1]]])


def lip_gap(photographed: Photographed, shape: Floats) -> float:
    """How far the lips are apart, in distances between the eyes; arguments as in `lip_features`."""
    features = lip_features(photographed, shape)
    own, by_colour = float(features[-2]), float(_CONSTANT + _WEIGHTS @ features)
    found = by_colour + _MARGIN if by_colour > own + _SURE else own
    return float(np.clip(found, 0, _WIDEST))


def part_lips(shape: Floats, gap: float) -> None:
    """Move the lips of a mesh (468, 2) so that they are so far apart in the middle, the corners nowhere."""
    upper, lower = list(UPPER_EDGE[1:-1]), list(LOWER_EDGE[1:-1])
    own = shape[lower, 1] - shape[upper, 1]
    taper = 1 - (np.arange(-4, 5) / 5) ** 2
    wanted = np.maximum(own + (gap - own[len(own) // 2]) * taper, 0)
    # Up and down by half of what is missing; the lips behind their edges follow.
    move = (wanted - own) / 2
    for above, below, share in ((upper, lower, 1.0), *_RINGS):
        shape[list(above), 1] -= share * move
        shape[list(below), 1] += share * move
