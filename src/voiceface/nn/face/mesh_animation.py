"""A photograph that moves with its face mesh: warped piece by piece, with an inside of the mouth.

Nothing of the photograph is generated but what the lips hid. Around the face lies a ring of points that never
move: outside it the photograph stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.nn.face.edge_width import edge_width
from voiceface.nn.face.eyelids import LIDS, LidSkin, close_lids, draw_lashes, lash_line, widen_eyes
from voiceface.nn.face.lip_edges import LOWER_EDGE, LOWER_LIP, UPPER_EDGE, UPPER_LIP
from voiceface.nn.face.lip_gap import lip_gap, part_lips
from voiceface.nn.face.lip_seam import LipSeam
from voiceface.nn.face.mesh_warp import sample_pixels, warp_grid
from voiceface.nn.face.motion_shading import MotionShading, light_ratio
from voiceface.nn.face.mouth_interior import MouthInterior
from voiceface.nn.face.teeth_light import face_light

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]

SKIN_POINTS = 468
"""Points of the mesh without the irises."""
RING = 32
CORNERS = 4
ORIGIN = 168
"""The point between the eyes."""
_EYES = ((33, 133), (263, 362))
_LASHES_WITHIN = 0.025
"""How far from the edge of a lid its lashes are looked for, in distances between the eyes."""
_BROWS = (
    (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
)
"""Of each brow: its upper edge, then its lower."""
_RAISED = 0.05
"""How far a raised brow moves, in distances between the eyes."""
_BROW_FOLD = 0.45
"""How far the fold above the lid follows the brow."""

_FADES_IN = 0.05
_LIP_PIXELS = 1.5
"""Over how many pixels a lip's edge passes into the inside of the mouth."""
_AROUND_LIPS = 0.05
"""How far around the lips' inner edges colours are changed, in distances between the eyes."""
_SEALED, _PARTED = 0.02, 0.04
"""The opening up to which lips stay together, and how much wider it is where they part in full: prediction
of a closed mouth is never quite 0."""
_LARGEST_GRID = 160
"""Pixels a side of the grid of a warp, which is enlarged; the warp is smooth but between the lips."""


def upright_shape(points: Floats) -> tuple[Floats, Floats, float]:
    """Bring a mesh (478 or 468, 2) in pixels upright, into distances between the eyes.

    Returns:
        The points (n, 2) from the one between the eyes, the rotation (2, 2) with ``points = origin + eyes *
        shape @ rotation``, and the distance between the eyes in pixels.
    """
    right, left = (points[list(corners)].mean(axis=0) for corners in _EYES)
    across = left - right
    eyes = float(np.hypot(*across))
    cosine, sine = across / max(eyes, 1e-9)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    return (points - points[ORIGIN]) @ rotation.T / max(eyes, 1e-9), rotation, eyes


def mouth_opening(shapes: Floats) -> Floats:
    """The opening (...) of mouths in upright shapes (..., 468, 2), in the shapes' unit."""
    opened: Floats = np.linalg.norm(shapes[..., LOWER_LIP, :] - shapes[..., UPPER_LIP, :], axis=-1)
    return opened


def still_points(shape: Floats) -> Floats:
    """Points (36, 2) around an upright shape that never move: an ellipse, and four corners far away."""
    turn = np.linspace(0, 2 * math.pi, RING, endpoint=False)
    middle = (shape[10] + shape[152]) / 2
    radius = np.array([1.75, 2.1])
    corners = 8.0 * np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)])
    return np.concatenate([middle + radius * np.stack([np.cos(turn), np.sin(turn)], 1), middle + corners])


class MeshAnimation:
    """Moves a photograph by its mesh.

    Args:
        picture: (height, width, 3) uint8.
        points: (478, 2) of its mesh in pixels, the centre of the first being (0, 0).
        triangles: (triangles, 3) of the skin's points, the ring's and the corners'.
        opening: (468, 2) motion that opens an upright mouth by one distance between the eyes. A mouth that is
            open in the photograph is closed by it first; None: motion starts from the photograph.
        shading: how light changes with the coefficients of the motion; None: it does not.
    """

    def __init__(
        self,
        picture: npt.NDArray[np.uint8],
        points: Floats,
        triangles: Tensor,
        *,
        opening: Floats | None = None,
        shading: MotionShading | None = None,
    ) -> None:
        self.picture = picture
        self.height, self.width = picture.shape[:2]
        own = np.asarray(points, np.float64)[:SKIN_POINTS]
        self.shape, self._rotation, self.eyes = upright_shape(own)
        self._origin, self._triangles = own[ORIGIN], triangles
        found = self.shape.copy()
        widen_eyes(self.shape)
        still = still_points(self.shape)
        ring = self._in_picture(still[:RING])
        # The square around the ring is all that changes.
        low, high = np.floor(ring.min(axis=0)).astype(int) - 1, np.ceil(ring.max(axis=0)).astype(int) + 2
        self._corner, self.side = low, int((high - low).max())
        self._square = self._cut_square()
        self._closed, self._seam, gap = self.shape, None, 0.0
        edges = edge_width(self._photographed, found, eyes=self.eyes)
        if opening is not None:
            gap = lip_gap(self._photographed, found)
            part_lips(self.shape, gap)
            self._closed = self.shape - gap * opening
            self._seam = LipSeam(self._photographed, self.shape, eyes=self.eyes, edges=edges)
        self._source = self._in_square(np.concatenate([self.shape, still]))
        self._still = still
        size = self._coarse()
        share = size / self.side
        self._maps = None if shading is None else shading.on_photograph(self._source * share, triangles, size)
        self._own = None if shading is None else gap * shading.opened
        light = face_light(self._photographed, found, eyes=self.eyes)
        self._lashes = [self._darkest(lash_line(found, lids)) for lids in LIDS]
        self._lid_skin = LidSkin(self._photographed, found, eyes=self.eyes)
        shown = self._seam is None or self._seam.teeth_show
        self._mouth = MouthInterior(self.shape, self._closed, light=light, teeth_show=shown, edges=edges)

    def _in_picture(self, shape: Floats) -> Floats:
        placed: Floats = self._origin + self.eyes * shape @ self._rotation
        return placed

    def _in_square(self, shape: Floats) -> Tensor:
        return torch.from_numpy(self._in_picture(shape) - self._corner + 0.5).float()

    def _cut_square(self) -> Tensor:
        x, y = (
            np.clip(np.arange(self.side) + at, 0, most - 1)
            for at, most in zip(self._corner, (self.width, self.height), strict=True)
        )
        return (
            torch.from_numpy(np.ascontiguousarray(self.picture[y[:, None], x])).permute(2, 0, 1)[None].float()
        )

    def frames(
        self,
        motion: Floats,
        *,
        sway: Floats,
        lids: Floats,
        brows: Floats,
        coefficients: Tensor | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Frames (n, height, width, 3).

        Args:
            motion: (n, 468, 2) of the skin's points, in distances between the eyes of an upright face.
            sway: (n, 3) shifts right and down in the same distances, and rotation in radians.
            lids: (n,) how far the eyelids are closed, 0 to 1.
            brows: (n,) how far the brows are raised, 0 to 1.
            coefficients: (n, components) of the motion, by which light changes; None: it does not.
        """
        talking = np.stack([self._talking(*one) for one in zip(motion, lids, brows, strict=True)])
        shapes = np.stack([_sway(*one) for one in zip(talking, sway, strict=True)])
        still = np.broadcast_to(self._still, (len(shapes), *self._still.shape))
        target = torch.stack([self._in_square(shape) for shape in np.concatenate([shapes, still], 1)])
        grid = self._grid(target)
        squares = sample_pixels(self._square.expand(len(shapes), -1, -1, -1), grid)
        if self._maps is not None and self._own is not None and coefficients is not None:
            ratio = light_ratio(self._maps, coefficients - self._own)
            squares = squares * sample_pixels(ratio, grid * (self._maps.shape[-1] / self.side))
        pixels = squares.permute(0, 2, 3, 1).numpy()
        made = np.repeat(self.picture[None], len(shapes), axis=0)
        x, y = self._corner
        rows = slice(max(0, y), min(self.height, y + self.side))
        columns = slice(max(0, x), min(self.width, x + self.side))
        for k, (frame, square) in enumerate(zip(made, pixels, strict=True)):
            self._fill_mouth(square, talking[k], sway[k])
            self._cover_eyes(square, talking[k], sway[k], float(lids[k]))
            self._draw_lashes(square, shapes[k], float(lids[k]))
            inner = square[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
            frame[rows, columns] = np.clip(np.rint(inner), 0, 255)
        return made

    def _coarse(self) -> int:
        """Pixels a side of what is computed once for the whole square and enlarged."""
        return min((self.side + 1) // 2, _LARGEST_GRID)

    def _grid(self, target: Tensor) -> Tensor:
        """Where the pixels of the squares (n, side, side, 2) come from, for target points (n, points, 2)."""
        size = self._coarse()
        share = size / self.side
        coarse = warp_grid(self._source[None] * share, target * share, self._triangles, size)
        # Displacements are enlarged, for they vanish at the border.
        moved = (coarse - _centres(size)).permute(0, 3, 1, 2) / share
        fine = F.interpolate(moved, size=self.side, mode="bilinear", align_corners=False)
        return fine.permute(0, 2, 3, 1) + _centres(self.side)

    def _talking(self, motion: Floats, closed: float, raised: float) -> Floats:
        """The upright shape of a frame, of a head that keeps still."""
        shape = self._closed + motion
        upper, lower = list(UPPER_EDGE[1:-1]), list(LOWER_EDGE[1:-1])
        parted = np.clip((shape[LOWER_LIP, 1] - shape[UPPER_LIP, 1] - _SEALED) / _PARTED, 0, 1)
        gap = parted * np.maximum(shape[lower, 1] - shape[upper, 1], 0)
        meeting = (shape[upper, 1] + shape[lower, 1]) / 2
        shape[upper, 1], shape[lower, 1] = meeting - gap / 2, meeting + gap / 2
        for brow, lids in zip(_BROWS, LIDS, strict=True):
            shape[list(brow), 1] -= _RAISED * raised
            shape[list(lids.fold), 1] -= _BROW_FOLD * _RAISED * raised
        close_lids(shape, closed)
        return shape

    def _fill_mouth(self, square: Pixels, shape: Floats, sway: Floats) -> None:
        """Put teeth, tongue and dark between the lips, as far as they open farther than in the photograph."""
        closed_first = self._seam is not None or self._mouth.shows_own
        hidden = 0.0 if closed_first else float(mouth_opening(self.shape))
        blend = min(1.0, (float(mouth_opening(shape)) - hidden) / _FADES_IN)
        around = shape[list(UPPER_EDGE + LOWER_EDGE)]

        def inside(colours: Floats, spots: Floats) -> Floats:
            if self._seam is not None:
                colours = self._seam.without_strips(colours, spots, shape)
            if blend > 0:
                own = self._photographed(self._mouth.own_places(spots))
                made, within = self._mouth.colours(spots, shape, own)
                share = np.clip(within / max(_LIP_PIXELS / self.eyes, self._mouth.soft) + 0.5, 0, 1) * blend
                colours = colours + share[:, None] * (made - colours)
            return colours if self._seam is None else self._seam.meet(colours, spots, shape)

        if blend > 0 or self._seam is not None:
            reach = np.array([0.0, _AROUND_LIPS])
            box = np.stack([around.min(axis=0) - reach, around.max(axis=0) + reach])
            self._recolour(square, box, sway, inside)

    def _cover_eyes(self, square: Pixels, shape: Floats, sway: Floats, closed: float) -> None:
        """Keep lids that come down skin."""
        for eye in range(len(LIDS) if closed > 0 else 0):
            keep = partial(self._lid_skin.keep_skin, shape=shape, closed=closed, eye=eye)
            self._recolour(square, self._lid_skin.box(shape, eye), sway, keep)

    def _recolour(
        self, square: Pixels, box: Floats, sway: Floats, recoloured: Callable[[Floats, Floats], Floats]
    ) -> None:
        """Change the pixels within a box (2, 2) of the upright head, by their colours and places there."""
        corners = np.stack(np.meshgrid(*box.T), -1).reshape(-1, 2)
        placed = self._in_square(_sway(corners, sway)).numpy()
        left, top = np.clip(np.floor(placed.min(axis=0)).astype(int) - 1, 0, self.side)
        right, bottom = np.clip(np.ceil(placed.max(axis=0)).astype(int) + 2, 0, self.side)
        if left >= right or top >= bottom:
            return
        y, x = np.mgrid[top:bottom, left:right]
        spots = np.stack([x, y], -1).reshape(-1, 2) + self._corner
        spots = _sway((spots - self._origin) @ self._rotation.T / self.eyes, sway, back=True)
        colours = square[top:bottom, left:right].reshape(-1, 3).astype(np.float64)
        square[top:bottom, left:right] = recoloured(colours, spots).reshape(bottom - top, right - left, 3)

    def _draw_lashes(self, square: Pixels, shape: Floats, closed: float) -> None:
        for lids, colours in zip(LIDS, self._lashes, strict=True):
            line = self._in_square(lash_line(shape, lids)).double().numpy()
            draw_lashes(square, line, colours, closed, eyes=self.eyes)

    def _darkest(self, line: Floats) -> Floats:
        """The darkest colours (points, 3) of the photograph across a line of upright points (points, 2)."""
        across = [self._photographed(line + [0, shift]) for shift in (-_LASHES_WITHIN, 0, _LASHES_WITHIN)]
        darkest: Floats = np.min(across, axis=0)
        return darkest

    def _photographed(self, spots: Floats) -> Floats:
        """Colours (n, 3) of the photograph at places (n, 2) of the upright shape."""
        grid = self._in_square(spots).view(1, 1, -1, 2)
        found: Floats = sample_pixels(self._square, grid)[0, :, 0].T.double().numpy()
        return found


def _sway(shape: Floats, sway: Floats, *, back: bool = False) -> Floats:
    """Turn points (n, 2) of an upright shape about the neck, and shift them; ``back`` undoes it."""
    cosine, sine = math.cos(sway[2]), math.sin(sway[2])
    turn, pivot = np.array([[cosine, sine], [-sine, cosine]]), np.array([0.0, 2.0])
    if back:
        moved: Floats = (shape - sway[:2] - pivot) @ turn.T + pivot
        return moved
    turned: Floats = (shape - pivot) @ turn + pivot + sway[:2]
    return turned


def _centres(size: int) -> Tensor:
    """Centres (size, size, 2) of pixels, measured from the picture's corner."""
    line = torch.arange(size) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
