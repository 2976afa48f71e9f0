"""Quality: size, sharpness and pose mean what they say, and the surest face is the best one."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from draw_face import draw_face
from voiceface.face import quality as quality_module
from voiceface.face.align import MEAN_FACE, align
from voiceface.face.detect import Detection, detect
from voiceface.face.landmarks import five_points
from voiceface.face.quality import HEAD_POINTS, LEVEL, best_face, blur, pose, quality


def seen(yaw=0.0, pitch=0.0, roll=0.0, scale=100.0):
    """The average head's five points as a far camera sees them, turned by angles in degrees.

    x right, y down, z towards the viewer; the nose first goes down (pitch), then right (yaw), then the
    head tilts clockwise (roll).
    """
    x, y, z = (HEAD_POINTS - HEAD_POINTS.mean(axis=0)).T * [[1], [1], [-1]]
    a, b, c = np.radians([pitch + LEVEL, yaw, roll])
    y, z = y * np.cos(a) + z * np.sin(a), z * np.cos(a) - y * np.sin(a)
    x, z = x * np.cos(b) + z * np.sin(b), z * np.cos(b) - x * np.sin(b)
    x, y = x * np.cos(c) - y * np.sin(c), x * np.sin(c) + y * np.cos(c)
    return np.column_stack([x, y]) * scale + (300, 200)


@pytest.mark.parametrize(
    "angles",
    [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -25, 0), (0, 0, 40), (0, 0, -170), (25, -15, 30)],
)
def test_pose_recovers_the_angles_of_a_turned_head(angles):
    assert np.allclose(pose(seen(*angles)), angles, atol=0.2)
    assert np.allclose(pose(seen(*angles, scale=7.0)), angles, atol=0.2)


def test_pose_mirrors_with_the_picture():
    random = np.random.default_rng(1)
    for _ in range(20):
        points = seen(*random.uniform(-25, 25, 3)) + random.normal(0, 1, (5, 2))
        mirrored = (points * (-1, 1))[[2, 3, 0, 1, 4]]
        yaw, pitch, roll = pose(points)
        assert np.allclose(pose(mirrored), (-yaw, pitch, -roll), atol=0.01)


def test_the_average_head_is_dlibs_mean_face_made_symmetric():
    flat = MEAN_FACE - (0.4901, 0.4194)
    assert np.allclose(flat, HEAD_POINTS[:, :2], atol=0.001)
    assert np.allclose(HEAD_POINTS[[0, 1]] * (-1, 1, 1), HEAD_POINTS[[2, 3]])


def test_pose_is_the_best_fit_that_there_is():
    points = seen(20, -10, 5) + np.random.default_rng(2).normal(0, 2, (5, 2))

    def misfit(angles):
        guess = seen(*angles)
        guess, target = guess - guess.mean(axis=0), points - points.mean(axis=0)
        return ((target - guess * (guess * target).sum() / (guess**2).sum()) ** 2).sum()

    best = np.array(pose(points))
    for change in np.vstack([np.eye(3), -np.eye(3), np.ones((1, 3))]) * 1.5:
        assert misfit(best) < misfit(best + change)


def test_pose_of_a_point_is_no_error():
    assert np.isfinite(pose(np.zeros((5, 2)))).all()


def test_tilting_the_picture_is_roll():
    face = draw_face(1, 300)
    for angle in (-15, 0, 15):
        pixels = np.asarray(face.rotate(-angle, resample=Image.Resampling.BICUBIC, fillcolor=(120,) * 3))
        found = detect(pixels)[0]
        assert abs(quality(pixels, found).roll - angle) < 5


def laplacian_variance(grey):
    values = [
        grey[y - 1][x] + grey[y + 1][x] + grey[y][x - 1] + grey[y][x + 1] - 4 * grey[y][x]
        for y in range(1, len(grey) - 1)
        for x in range(1, len(grey[0]) - 1)
    ]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def test_blur_is_the_variance_of_the_laplacian():
    grey = np.random.default_rng(0).integers(0, 256, (12, 9), dtype=np.uint8)
    chip = np.repeat(grey[:, :, None], 3, axis=2)
    assert blur(chip) == pytest.approx(laplacian_variance(grey.astype(int).tolist()))


def test_a_blurred_face_reads_blurred_and_scores_lower():
    face = draw_face(2, 300)
    found = detect(np.asarray(face))[0]
    last = None
    for radius in (0, 3, 8):
        now = quality(np.asarray(face.filter(ImageFilter.GaussianBlur(radius))), found)
        assert last is None or (now.blur < last.blur and now.score <= last.score)
        last = now
    assert last.score < 0.6


def test_the_score_falls_with_size_certainty_and_turning():
    face = np.asarray(draw_face(4, 300))
    box = detect(face)[0].box
    points = five_points(face, box)
    best = quality(face, Detection(box=box, score=2.0, landmarks=points))
    assert best.score > 0.8
    assert best.size == pytest.approx(box[2] - box[0], rel=0.02)
    left, top, _, _ = box
    small = Detection(box=(left, top, left + 30, top + 30), score=2.0, landmarks=points)
    unsure = Detection(box=box, score=0.1, landmarks=points)
    turned = points.copy()
    turned[4, 0] += 15
    for worse in (small, unsure, Detection(box=box, score=2.0, landmarks=turned)):
        assert quality(face, worse).score < best.score - 0.1


def test_the_surest_face_is_the_sharp_one():
    page = Image.new("RGB", (400, 200))
    page.paste(draw_face(5).filter(ImageFilter.GaussianBlur(4)), (0, 0))
    page.paste(draw_face(6), (200, 0))
    pixels = np.asarray(page)
    found = detect(pixels)
    assert len(found) == 2
    chosen = best_face(pixels, found)
    assert chosen.box[0] > 200
    assert chosen.landmarks.shape == (5, 2)
    assert best_face(pixels, []) is None
    assert best_face(pixels, found[:1]).box == found[0].box


def test_blur_of_a_drawing_does_not_hang_on_its_size():
    values = []
    for size in (200, 800):
        pixels = np.asarray(draw_face(7, 400).resize((size, size), Image.Resampling.LANCZOS))
        values.append(blur(align(pixels, five_points(pixels, detect(pixels)[0].box), size=64)))
    assert 0.6 < values[0] / values[1] < 1.7


def test_steps_by_equations_that_cannot_be_solved_are_those_of_least_squares():
    slopes = np.zeros((10, 4))
    slopes[:, 0] = 1.0
    wanted = np.arange(10.0)
    assert np.allclose(quality_module._least_squares(slopes, wanted), [4.5, 0, 0, 0])
    slopes[:, 1:] = np.random.default_rng(0).normal(size=(10, 3))
    best = np.linalg.lstsq(slopes, wanted, rcond=None)[0]
    assert np.allclose(quality_module._least_squares(slopes, wanted), best)
