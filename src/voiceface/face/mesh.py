"""The face mesh: 478 points in MediaPipe's order, found in a picture or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from voiceface.errors import InputError
from voiceface.face.align import align, fit_similarity_transform, template_points

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MESH_POINTS = 478
"""468 of the skin, then five of each iris."""
EYE_CORNERS_AND_NOSE = (263, 362, 33, 133, 2)
"""The points of the mesh that are nearest to dlib's five: corners of the eyes, base of the nose."""
_CORNERS_AND_NOSE = np.array(
    [(0.8648, 0.2097), (0.6393, 0.2261), (0.1157, 0.2124), (0.3415, 0.2257), (0.4905, 0.6069)]
)
"""Where those points and, below, dlib's five lie in dlib's mean face: medians of 471 training faces."""
_FIVE = np.array([(0.8578, 0.2179), (0.6500, 0.2268), (0.1207, 0.2206), (0.3304, 0.2261), (0.4909, 0.6244)])
TEMPLATE = "head"
"""What the mesh network sees."""
LEAST_CONFIDENCE = 0.9
LARGEST_ERROR = 0.1
"""Expected error of a point, in distances between the eyes, above which a mesh is refused."""
LARGEST_DEVIATION = 1.5
"""Deviation from the mean shape above which a mesh is of no face; no unknown face of 883 is above 1.3."""
LARGEST_TILT = 60.0
"""Degrees between the eyes and the horizontal above which a face is not upright: the network knew none."""
REMEDY = "give a sharper picture of a whole upright face from the front"


class MeshNetwork(Protocol):
    """What finds a mesh in a crop: `voiceface.nn.face.landmark_net.LandmarkNet`."""

    size: int
    """Pixels a side of the crop."""

    def find(self, crop: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float, float]:
        """Points (478, 2) in sides of the crop, confidence, expected error and deviation, as in `Mesh`."""
        ...


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Mesh:
    """The points of one face."""

    points: NDArray[np.float32]
    """(478, 2) x, y in pixels of the picture; a face that is cut off has some outside it."""
    confidence: float
    """Probability that an upright face was shown."""
    expected_error: float
    """Mean error of a point that the network expects, in distances between the eyes."""
    deviation: float
    """Root mean square of the shape's coefficients, in standard deviations of turned and shifted training
    faces: half of all upright faces are below 0.3."""

    @property
    def tilt(self) -> float:
        """Degrees from the horizontal to the line from the right eye to the left, clockwise, -180 to 180."""
        right, left = self.points[[33, 133]].mean(axis=0), self.points[[263, 362]].mean(axis=0)
        return float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))

    @property
    def fault(self) -> str:
        """Why the mesh must not be used, in a few words; empty where it may."""
        if not np.isfinite(self.points).all() or not self.deviation <= LARGEST_DEVIATION:
            return f"has a mesh unlike any face's ({self.deviation:.1f} deviations from the mean)"
        if not self.confidence >= LEAST_CONFIDENCE:
            return f"shows no upright face where one was detected (confidence {self.confidence:.2f})"
        if not abs(self.tilt) <= LARGEST_TILT:
            return f"shows a face turned by {abs(self.tilt):.0f} degrees"
        if not self.expected_error <= LARGEST_ERROR:
            return f"shows a face too unclear for a mesh (expected error {self.expected_error:.2f})"
        return ""


def find_mesh(
    image: NDArray[np.uint8], five_points: ArrayLike, network: MeshNetwork, *, passes: int = 2
) -> Mesh:
    """Find the mesh of the face whose five points (`voiceface.face.landmarks`) are known.

    Args:
        image: (height, width, 3) uint8.
        five_points: (5, 2) x, y in pixels, in dlib's order.
        network: what finds points in a crop.
        passes: the second looks again at a window placed by the first's own points.

    Raises:
        InputError: the five points coincide or are not finite.
    """
    window = np.asarray(five_points, dtype=np.float64)
    for _ in range(passes):
        found, confidence, error, deviation = network.find(crop_for_mesh(image, window, network.size))
        mesh = Mesh(
            points=points_in_picture(found, window),
            confidence=confidence,
            expected_error=error,
            deviation=deviation,
        )
        if mesh.fault:
            break  # its points say nothing about where to look again
        window = mesh.points[list(EYE_CORNERS_AND_NOSE)].astype(np.float64)
    return mesh


def find_or_refuse_mesh(
    image: NDArray[np.uint8], five_points: ArrayLike, network: MeshNetwork, *, name: str
) -> Mesh:
    """As `find_mesh`, for a picture called ``name``.

    Raises:
        InputError: as `find_mesh`; the mesh cannot be trusted: a turned, covered or tiny face, or none.
    """
    mesh = find_mesh(image, five_points, network)
    if mesh.fault:
        raise InputError(name, mesh.fault, REMEDY)
    return mesh


def crop_for_mesh(image: NDArray[np.uint8], five_points: ArrayLike, size: int) -> NDArray[np.float32]:
    """Cut a face out upright and grey as the mesh network takes it: (size, size) in [-1, 1]."""
    crop = align(image, five_points, size=size, template=TEMPLATE, border="edge").astype(np.float32)
    grey: NDArray[np.float32] = crop @ np.array([0.299, 0.587, 0.114], np.float32) / 127.5 - 1
    return grey


def points_in_picture(points: NDArray[np.floating], five_points: ArrayLike) -> NDArray[np.float32]:
    """Bring points (n, 2) in sides of a crop of `crop_for_mesh` back into pixels of the picture."""
    matrix = fit_similarity_transform(template_points(TEMPLATE, 1), _from_corner(five_points))
    # Points name pixels by their centre: half a pixel less than the distance from the corner.
    placed: NDArray[np.float32] = (points @ matrix[:, :2].T + matrix[:, 2] - 0.5).astype(np.float32)
    return placed


def points_of_crop(points: NDArray[np.floating], five_points: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `points_in_picture`: pixels of the picture to sides of the crop."""
    matrix = fit_similarity_transform(template_points(TEMPLATE, 1), _from_corner(five_points))
    moved = np.linalg.solve(matrix[:, :2], (_from_corner(points) - matrix[:, 2]).T).T
    return np.asarray(moved, np.float64)


def five_points_of_mesh(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return dlib's five points (5, 2) (`voiceface.face.landmarks`) of a mesh (478, 2), in the same pixels.

    dlib puts the corners of the eyes and the base of the nose a little elsewhere than the mesh does; faces
    aligned by these points lie in the templates as those aligned by dlib's do.
    """
    own = np.asarray(points, np.float64)[list(EYE_CORNERS_AND_NOSE)]
    matrix = fit_similarity_transform(_CORNERS_AND_NOSE, own)
    placed: NDArray[np.float32] = (own + (_FIVE - _CORNERS_AND_NOSE) @ matrix[:, :2].T).astype(np.float32)
    return placed


def _from_corner(points: ArrayLike) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.asarray(points, np.float64) + 0.5
    return found
