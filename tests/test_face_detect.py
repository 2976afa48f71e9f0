"""Faces are found wherever, however large and however many, and nothing is found where there is none."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face import detect as module
from voiceface.face.detect import Detection, detect, detect_cnn, detect_hog
from voiceface.face.find_face import find_face
from voiceface.face.landmarks import five_points, with_landmarks
from voiceface.face.pixels import as_rgb, shrink


def picture(seed=0, size=200):
    return np.asarray(draw_face(seed, size))


def share(one, two):
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    common = np.prod(np.maximum(np.subtract(high, low), 0))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return common / (sum(areas) - common)


def test_drawn_people_are_found_once_and_differ():
    faces = [picture(seed) for seed in range(12)]
    assert sum(len(detect_hog(face)) == 1 for face in faces) >= 11
    small = [np.asarray(Image.fromarray(face).resize((16, 16)), dtype=float) for face in faces]
    gaps = [np.abs(a - b).mean() for i, a in enumerate(small) for b in small[:i]]
    assert min(gaps) > 5
    assert (picture(3) == picture(3)).all()


def test_a_face_is_where_it_was_put_and_the_box_is_scaled_back():
    for scale in (1, 12):  # 12: far larger than the detector's limit, so looked at reduced
        page = Image.new("RGB", (300 * scale, 260 * scale), (120, 120, 120))
        page.paste(draw_face(1, 200 * scale), (80 * scale, 30 * scale))
        found = detect(np.asarray(page))
        assert len(found) == 1
        eyes = (np.array([67, 90, 132, 92]) + [80, 30, 80, 30]) * scale
        left, top, right, bottom = found[0].box
        assert left < eyes[0] < eyes[2] < right
        assert top < eyes[1] < bottom
        assert 80 * scale < found[0].side < 180 * scale


def test_ten_faces_are_ten_surest_first():
    page = Image.new("RGB", (1000, 400), (128, 128, 128))
    for place in range(10):
        page.paste(draw_face(place + 20), (place % 5 * 200, place // 5 * 200))
    found = detect(np.asarray(page))
    assert len(found) == 10
    assert {(int(f.box[0] // 200), int(f.box[1] // 200)) for f in found} == {
        (x, y) for x in range(5) for y in range(2)
    }
    scores = [face.score for face in found]
    assert scores == sorted(scores, reverse=True)
    assert {face.detector for face in found} == {"hog"}


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (400, 1, 3), (7, 9, 3), (90, 120, 3)])
def test_no_face_is_an_empty_list(shape):
    assert detect(np.full(shape, 77, dtype=np.uint8)) == []


def test_a_tiny_picture_does_not_harm_the_next_ones():
    for side in (8, 9):
        assert detect(np.full((60, side, 3), 77, dtype=np.uint8)) == []
        assert detect_cnn(np.full((64, 64, 3), 99, dtype=np.uint8)) == []


def test_only_a_portrait_is_not_looked_at_enlarged(monkeypatch):
    asked = []

    def watched(image, *, upsample, **options):
        asked.append(upsample)
        return detect_hog(image, upsample=upsample, **options)

    monkeypatch.setattr(module, "detect_hog", watched)
    assert len(detect(picture())) == 1 and asked == [0]
    page = Image.new("RGB", (400, 200), (120, 120, 120))
    page.paste(draw_face(1, 190), (10, 5))
    page.paste(draw_face(3, 90), (300, 60))
    found = detect(np.asarray(page))
    assert len(found) == 2 and asked == [0, 0, 1]
    assert [face.box for face in found] == [face.box for face in detect_hog(page)]


def test_noise_holds_no_face():
    assert detect(np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)) == []


def test_grey_channel_alpha_and_flipped_arrays_are_taken():
    face = draw_face(2)
    grey = np.asarray(face.convert("L"))
    ways = [grey, grey[:, :, None], np.asarray(face.convert("RGBA")), np.asarray(face)[:, ::-1], face]
    for way in ways:
        assert len(detect(way)) == 1


@pytest.mark.parametrize(
    "bad", [np.zeros((9, 9, 3)), np.zeros((9, 9, 2), np.uint8), np.zeros((0, 9, 3), np.uint8), np.uint8(3)]
)
def test_what_is_no_picture_is_refused(bad):
    with pytest.raises(InputError, match="picture"):
        detect(bad)


def test_the_network_is_asked_only_where_hog_finds_nothing(monkeypatch):
    asked = []
    stand_in = Detection(box=(0, 0, 5, 5), score=1.0)
    monkeypatch.setattr(module, "detect_cnn", lambda image, **_: asked.append(image.shape) or [stand_in])
    assert len(detect(picture())) == 1
    assert asked == []
    blank = np.zeros((50, 60, 3), dtype=np.uint8)
    assert detect(blank) == [stand_in]
    assert detect(blank, fallback=False) == []
    assert asked == [(50, 60, 3)]


def test_the_network_finds_what_hog_cannot():
    face = draw_face(1, 200).rotate(60, resample=Image.Resampling.BICUBIC, fillcolor=(120, 120, 120))
    pixels = np.asarray(face)
    assert detect_hog(pixels) == []
    found = detect(pixels)
    assert len(found) == 1
    assert found[0].detector == "cnn"
    left, top, right, bottom = found[0].box
    assert left < 100 < right
    assert top < 100 < bottom


def test_the_networks_boxes_are_scaled_back_too():
    face = draw_face(5, 200)
    small, large = detect_cnn(np.asarray(face)), detect_cnn(np.asarray(face.resize((1000, 1000))))
    assert len(small) == len(large) == 1
    assert share(np.array(small[0].box) * 5, np.array(large[0].box)) > 0.7


def test_a_box_may_reach_outside_the_picture():
    cut = picture(1)[:, 74:, :]
    found = detect(np.ascontiguousarray(cut))
    assert len(found) == 1
    assert found[0].box[0] < 0
    points = five_points(cut, found[0].box)
    assert np.isfinite(points).all()


def test_threads_see_what_one_alone_sees():
    faces = [picture(seed) for seed in range(4)] * 3
    alone = [detect_hog(face)[0] for face in faces]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda face: detect_hog(face)[0], faces))
    assert [face.box for face in alone] == [face.box for face in together]


def test_the_points_lie_on_eyes_and_nose():
    # Where draw_face puts them on a 200-pixel drawing: eyes at y = 90, x = 100 -+ (eyes -+ eye) * 100.
    for seed in range(5):
        face = picture(seed)
        points = five_points(face, detect(face)[0].box)
        assert points.shape == (5, 2)
        assert points.dtype == np.float32
        outer_left, inner_left, outer_right, inner_right, nose = points
        assert outer_right[0] < inner_right[0] < nose[0] < inner_left[0] < outer_left[0]
        assert np.abs(points[:4, 1] - 90).max() < 6
        assert abs(nose[0] - 100) < 4
        assert 112 < nose[1] < 132


def test_points_are_found_only_where_the_detector_gave_none():
    face = picture(4)
    found = detect(face)[0]
    assert found.landmarks is None
    assert (with_landmarks(face, found).landmarks == five_points(face, found.box)).all()
    own = Detection(box=found.box, score=1.0, landmarks=np.ones((5, 2), dtype=np.float32))
    assert with_landmarks(face, own) is own


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 0, 2, 9), (0, 0, float("nan"), 4), (1, 2, 3)])
def test_an_empty_box_has_no_points(box):
    with pytest.raises(InputError, match="face box"):
        five_points(picture(), box)


def test_shrink_keeps_the_proportions_and_averages():
    pixels = np.zeros((900, 1800, 3), dtype=np.uint8)
    pixels[:, ::2] = 200
    smaller, across, down = shrink(pixels, 300)
    assert smaller.shape == (150, 300, 3)
    assert (across, down) == (6.0, 6.0)
    assert abs(int(smaller[75, 150, 0]) - 100) <= 2
    same, *scales = shrink(pixels, 1800)
    assert same is pixels
    assert scales == [1.0, 1.0]
    assert as_rgb(pixels) is pixels


def test_a_twelve_megapixel_picture_is_looked_at_reduced(monkeypatch):
    seen = []
    with module.dlib_models.frontal_detector() as detector:
        real = detector

    class Watched:
        def run(self, pixels, upsample, threshold):
            seen.append(pixels.shape)
            return real.run(pixels, upsample, threshold)

    monkeypatch.setattr(module.dlib_models, "frontal_detector", lambda: nullcontext(Watched()))
    page = Image.new("RGB", (4000, 3000), (90, 110, 130))
    page.paste(draw_face(7, 900), (2500, 1500))
    found = detect(np.asarray(page))
    assert seen == [(180, 240, 3), (960, 1280, 3)]
    assert len(found) == 1
    assert 2500 < found[0].box[0] < found[0].box[2] < 3400


def test_small_faces_in_a_large_photograph_are_found(tmp_path):
    """75 pixels of 4,000 across: too small once the picture is reduced."""
    grain = np.random.default_rng(0).integers(90, 160, (5, 40, 3), dtype=np.uint8)
    photograph = Image.fromarray(grain).resize((4000, 500), Image.Resampling.BICUBIC)
    photograph.paste(draw_face(1, 140), (2500, 200))
    photograph.save(tmp_path / "large.jpg", quality=95)
    found = find_face(tmp_path / "large.jpg")
    assert max(found.picture.shape) == 4000 and found.faces == 1
    assert 55 < found.face.side < 95
    left, top, right, bottom = found.face.box
    assert 2500 <= left < right <= 2640 and 200 <= top < bottom <= 340
    assert [face.box for face in detect(found.picture)] == [found.face.box]
    photograph.paste((120, 120, 120), (2500, 200, 2640, 340))
    photograph.save(tmp_path / "nobody.png")
    with pytest.raises(InputError, match=r"nobody\.png: shows no face, or one that is small.*crop"):
        find_face(tmp_path / "nobody.png")
