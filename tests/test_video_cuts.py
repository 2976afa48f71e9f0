"""Cuts are found where they are and nowhere else: motion, flicker, flashes, captions, noise and fades."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from draw_face import draw_face
from voiceface.video.cuts import find_cuts, frame_difference, thumbnail

RATE = 25
HEIGHT, WIDTH = 90, 160


@cache
def scene(seed, width=WIDTH):
    """A room of coloured patches with a face before it: (90, width, 3) float."""
    random = np.random.default_rng(seed)
    rough = random.uniform(0, 255, (5, 5 * width // 90, 3)).astype(np.uint8)
    room = Image.fromarray(rough).resize((width, HEIGHT), Image.Resampling.BICUBIC)
    room.paste(draw_face(seed, 70), (width // 2 - 35, 20))
    return np.asarray(room, dtype=float)


def still(seed, frames):
    return [scene(seed)] * frames


def video(*shots, noise=2.0, seed=0):
    """Frames with their times, with grain, of shots one after another."""
    random = np.random.default_rng(seed)
    for number, frame in enumerate(frame for shot in shots for frame in shot):
        grain = random.normal(0, noise, frame.shape)
        yield number / RATE, np.clip(frame + grain, 0, 255).astype(np.uint8)


def pan(seed, frames, step):
    """A camera that turns: ``step`` pixels of 160 a frame."""
    wide = scene(seed, WIDTH + step * frames)
    return [wide[:, step * k : step * k + WIDTH] for k in range(frames)]


def times(*frames):
    return pytest.approx([frame / RATE for frame in frames])


def test_cuts_of_still_shots():
    assert find_cuts(video(still(1, 20), still(2, 30), still(3, 15))) == times(20, 50)


def test_quick_cuts_each_count():
    assert find_cuts(video(*(still(seed, 7) for seed in range(6)))) == times(7, 14, 21, 28, 35)


def test_a_cut_near_either_end():
    assert find_cuts(video(still(1, 1), still(2, 20))) == times(1)
    assert find_cuts(video(still(1, 20), still(2, 1))) == times(20)
    assert find_cuts(video(still(1, 1), still(2, 1))) == times(1)


@pytest.mark.parametrize("step", [2, 6, 12])
def test_a_turning_camera_is_no_cut(step):
    assert find_cuts(video(pan(1, 40, step))) == []


@pytest.mark.parametrize("step", [2, 6])
def test_a_cut_between_two_turning_cameras_is_found(step):
    assert find_cuts(video(pan(1, 30, step), pan(2, 30, step))) == times(30)


@pytest.mark.parametrize("step", [4, 8])
def test_a_frame_lost_in_a_turning_camera_is_no_cut(step):
    frames = pan(3, 40, step)
    assert find_cuts(video(frames[:20], frames[21:])) == []


def test_a_shaken_camera_is_no_cut():
    random = np.random.default_rng(4)
    wide = scene(5, 260)
    shaken = [wide[:, 50 + (x := random.integers(-12, 13)) : 210 + x] for _ in range(80)]
    assert find_cuts(video(shaken)) == []


def test_an_object_that_crosses_the_picture_is_no_cut():
    frames = []
    for k in range(50):
        frame = scene(6).copy()
        frame[10:80, max(0, 8 * k - 60) : max(0, 8 * k)] = (240, 30, 20)
        frames.append(frame)
    assert find_cuts(video(frames)) == []


def test_flicker_is_no_cut_and_a_cut_in_it_is_found():
    random = np.random.default_rng(2)

    def flickering(seed, frames):
        return [scene(seed) * random.uniform(0.45, 1.0) for _ in range(frames)]

    assert find_cuts(video(flickering(1, 60))) == []
    assert find_cuts(video(flickering(1, 30), flickering(2, 30))) == times(30)


def test_a_light_switched_off_is_no_cut():
    dark = [scene(1) * 0.4 + 5] * 20
    assert find_cuts(video(still(1, 20), dark)) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    white = [np.full((HEIGHT, WIDTH, 3), 255.0)] * length
    assert find_cuts(video(still(1, 20), white, still(1, 20))) == []
    dark = [np.zeros((HEIGHT, WIDTH, 3))] * length
    assert find_cuts(video(still(1, 20), dark, still(1, 20))) == []


@pytest.mark.parametrize("rows", [slice(70, 90), slice(0, 15)])
def test_a_caption_that_comes_and_goes_is_no_cut(rows):
    captioned = scene(1).copy()
    captioned[rows] = 255
    assert find_cuts(video(still(1, 20), [captioned] * 20, still(1, 20))) == []


def test_a_fade_through_black_is_no_hard_cut():
    falling = [scene(1) * level for level in np.linspace(1, 0, 20)]
    rising = [scene(2) * level for level in np.linspace(0, 1, 20)]
    assert find_cuts(video(still(1, 10), falling)) == []
    assert len(find_cuts(video(still(1, 10), falling, rising, still(2, 10)))) <= 1


def test_two_people_in_the_same_studio_are_cut():
    def talk(seed):
        room = np.full((HEIGHT, WIDTH, 3), (40, 60, 140), dtype=np.uint8)
        page = Image.fromarray(room)
        page.paste(draw_face(seed, 80).crop((10, 0, 70, 80)), (30 + seed * 12, 10))
        return np.asarray(page, dtype=float)

    assert find_cuts(video([talk(0)] * 20, [talk(3)] * 20)) == times(20)


def test_flat_pictures_of_two_colours_are_cut():
    red, green = (
        np.full((HEIGHT, WIDTH, 3), colour, dtype=float) for colour in ((200, 20, 20), (20, 200, 20))
    )
    assert find_cuts(video([red] * 15, [green] * 15)) == times(15)


@pytest.mark.parametrize("noise", [0.0, 12.0])
def test_noise_is_no_cut_and_hides_none(noise):
    assert find_cuts(video(still(1, 30), noise=noise)) == []
    assert find_cuts(video(still(1, 30), still(2, 30), noise=noise)) == times(30)


def test_black_noise_and_nothing():
    black = [np.zeros((HEIGHT, WIDTH, 3))] * 30
    assert find_cuts(video(black, noise=4.0)) == []
    assert find_cuts([]) == []
    assert find_cuts([(0.0, np.zeros((4, 4, 3), dtype=np.uint8))]) == []
    assert find_cuts((k / 5, np.full((1, 1), k, dtype=np.uint8)) for k in range(9)) == []


def test_frames_are_read_once_and_few_are_held():
    alive = []

    def stream():
        for time, frame in video(still(1, 150)):
            alive.append(1)
            yield time, frame

    assert find_cuts(stream()) == []
    assert len(alive) == 150


def test_change_is_symmetric_blind_to_light_and_about_one_for_another_picture():
    first, second = (thumbnail(scene(seed).astype(np.uint8)) for seed in (1, 2))
    assert first.shape == (24, 32, 3)
    assert frame_difference(first, first) == pytest.approx(0, abs=1e-6)
    assert frame_difference(first, second) == pytest.approx(frame_difference(second, first))
    assert 0.4 < frame_difference(first, second) < 2.0
    assert frame_difference(first, first * 0.5 + 10) < 0.12
    structure = [np.corrcoef(first[:, :, c].ravel(), second[:, :, c].ravel())[0, 1] for c in range(3)]
    assert frame_difference(first, second) < 1 - np.mean(structure) + 0.5 + 1e-6
