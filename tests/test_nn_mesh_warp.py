"""Warps between triangle meshes, against a slow loop over pixels and triangles."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from voiceface.nn.face.mesh_warp import locate_triangles, sample_pixels, warp_grid

SIDE = 24
LINE = torch.linspace(-2.0, SIDE + 2.0, 4)
GRID = torch.stack([LINE.repeat(4), LINE.repeat_interleave(4)], 1)
CELLS = [4 * y + x for y in range(3) for x in range(3)]
TRIANGLES = torch.tensor([t for c in CELLS for t in ((c, c + 1, c + 4), (c + 1, c + 5, c + 4))])
INNER = [5, 6, 9, 10]


def shapes(count: int, seed: int) -> torch.Tensor:
    """Meshes (count, 16, 2) that cover a picture, their inner points moved."""
    moved = GRID.repeat(count, 1, 1)
    moved[:, INNER] += 3 * torch.rand(count, 4, 2, generator=torch.Generator().manual_seed(seed)) - 1.5
    return moved


def places_by_loop(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where each pixel of the target lies in the source: one linear system a triangle and pixel."""
    places = np.full((SIDE, SIDE, 2), np.nan)
    for y, x in itertools.product(range(SIDE), repeat=2):
        for triangle in TRIANGLES.tolist():
            corners = np.vstack([target[triangle].T, np.ones(3)])
            weights = np.linalg.solve(corners, [x + 0.5, y + 0.5, 1.0])
            if weights.min() >= -1e-6:
                places[y, x] = weights @ source[triangle]
    return places


def colour_by_loop(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Bilinear by hand; the edge is repeated."""
    left, top = (int(np.floor(c - 0.5)) for c in place)
    colour = np.zeros(len(picture))
    for x, y in itertools.product((left, left + 1), (top, top + 1)):
        near = (1 - abs(place[0] - 0.5 - x)) * (1 - abs(place[1] - 0.5 - y))
        colour += near * picture[:, min(max(y, 0), SIDE - 1), min(max(x, 0), SIDE - 1)]
    return colour


def test_a_batch_is_warped_as_a_slow_loop_warps_each_picture() -> None:
    source, target = shapes(3, seed=0), shapes(3, seed=1)
    pictures = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    grid = warp_grid(source, target, TRIANGLES, SIDE)
    warped = sample_pixels(pictures, grid)
    for k in range(3):
        places = places_by_loop(source[k].double().numpy(), target[k].double().numpy())
        assert np.abs(grid[k].numpy() - places).max() < 1e-3
        for y, x in itertools.product(range(SIDE), repeat=2):
            colour = colour_by_loop(pictures[k].numpy(), places[y, x])
            assert np.abs(warped[k, :, y, x].numpy() - colour).max() < 1e-3


def test_one_source_shape_serves_a_batch() -> None:
    source, target = shapes(1, seed=0), shapes(3, seed=1)
    both = [warp_grid(s, target, TRIANGLES, SIDE) for s in (source, source.expand(3, -1, -1))]
    assert torch.equal(*both)


def test_a_mesh_warped_to_itself_changes_nothing() -> None:
    picture, shape = torch.rand(1, 3, SIDE, SIDE), shapes(1, seed=3)
    assert torch.allclose(
        sample_pixels(picture, warp_grid(shape, shape, TRIANGLES, SIDE)), picture, atol=1e-4
    )


def test_a_warp_and_its_inverse_give_a_smooth_picture_back() -> None:
    line = torch.linspace(0, 1, SIDE)
    picture = (torch.sin(4 * line)[:, None] * torch.cos(3 * line))[None, None]
    here, moved = shapes(1, seed=4), shapes(1, seed=5)
    there = sample_pixels(picture, warp_grid(here, moved, TRIANGLES, SIDE))
    back = sample_pixels(there, warp_grid(moved, here, TRIANGLES, SIDE))
    assert (there - picture).abs().max() > 0.05
    assert (back - picture).abs().mean() < 0.01


def test_pixels_outside_the_mesh_are_said_to_be_and_of_overlapping_triangles_the_last_counts() -> None:
    small = torch.tensor([[[2.0, 2], [10, 2], [2, 10], [12, 12]]])
    found = locate_triangles(small, torch.tensor([[0, 1, 2], [1, 2, 3], [0, 1, 2]]), SIDE)[0]
    assert found[20, 20] == found[0, 0] == -1
    assert found[3, 3] == 2
    assert found[9, 9] == 1


def test_points_that_are_no_numbers_cover_nothing() -> None:
    nowhere = torch.full_like(shapes(1, seed=0), float("nan"))
    assert (locate_triangles(nowhere, TRIANGLES, SIDE) == -1).all()


def test_both_shapes_and_the_picture_get_the_gradients_of_finite_differences() -> None:
    triangles = torch.tensor([[0, 1, 2], [1, 3, 2]])
    square = torch.tensor([[[-1.0, -1.2], [5.3, -1.1], [-1.4, 5.2], [5.5, 5.1]]], dtype=torch.float64)
    source, target = (square.clone().requires_grad_(), (square + 0.13).requires_grad_())
    picture = torch.rand(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def warp(picture: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return sample_pixels(picture, warp_grid(source, target, triangles, 4))

    assert torch.autograd.gradcheck(warp, (picture, source, target), eps=1e-7, atol=1e-4)
