"""Mouths by template, points made steady, landmark distance and mouth opening."""

import numpy as np
import pytest

from draw_face import draw_face
from voiceface.errors import InputError
from voiceface.face.align import align, template_points
from voiceface.face.mouth import (
    crop_aligned_mouths,
    crop_mouths_by_template,
    crop_mouths_from_frames,
    smooth_landmarks,
)
from voiceface.metrics.mouth import landmark_distance, mouth_opening

FACE = np.asarray(draw_face(1, 200))
POINTS = np.array([(140.0, 80), (118, 82), (60, 80), (82, 82), (100, 130)])


def test_three_ways_cut_one_mouth():
    chip = align(FACE, POINTS, size=90, template="dlib", border="edge")
    whole = crop_aligned_mouths(chip[None])
    np.testing.assert_array_equal(crop_mouths_from_frames(FACE[None], POINTS, size=48), whole)
    np.testing.assert_array_equal(crop_mouths_by_template(chip[None], size=48), whole)
    head = align(FACE, POINTS, size=300, template="portrait", border="edge")
    other = crop_mouths_by_template(head[None], size=48, template="portrait")
    assert np.abs(other.astype(float) - whole).mean() < 4


def test_the_window_holds_what_lies_below_the_nose():
    chip = np.zeros((1, 90, 90, 3), np.uint8)
    nose = template_points("dlib", 90)[4]
    x, y = round(nose[0]), round(nose[1])
    chip[0, y : y + 2, x : x + 2] = 255
    found = crop_aligned_mouths(chip)[0]
    at = np.argwhere(found > 128)
    assert (at.mean(axis=0) < [14, 30]).all() and at[:, 1].mean() == pytest.approx(24, abs=2)


def test_mouths_that_cannot_be_cut():
    with pytest.raises(InputError, match="whole mouth"):
        crop_mouths_by_template(np.zeros((1, 112, 112, 3), np.uint8), template="arcface")
    with pytest.raises(InputError, match="shape"):
        crop_aligned_mouths(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="multiple of 16"):
        crop_mouths_from_frames(FACE[None], POINTS, size=50)
    with pytest.raises(InputError, match="2 frames beside 1"):
        crop_mouths_from_frames(FACE[None], np.stack([POINTS, POINTS]))
    with pytest.raises(InputError, match="no frame"):
        crop_mouths_from_frames(FACE[None], np.full((1, 5, 2), np.nan))
    assert crop_mouths_by_template(np.zeros((0, 90, 90, 3), np.uint8)).shape == (0, 48, 48)


def test_points_are_bridged_and_steadied():
    track = POINTS + np.linspace(0, 40, 21)[:, None, None]
    holed = track.copy()
    holed[5:9] = np.nan
    holed[:2] = np.nan
    plain = smooth_landmarks(holed, smooth=0)
    np.testing.assert_allclose(plain[2:], track[2:], atol=1e-9)
    np.testing.assert_allclose(plain[0], track[2])
    trembling = track + np.random.default_rng(0).normal(size=track.shape)
    steady = smooth_landmarks(trembling, smooth=3)
    assert np.abs(steady - track)[5:-5].mean() < 0.5 * np.abs(trembling - track).mean()
    # A slow loop over frames.
    weights = [np.exp(-0.5 * ((10 - t) / 3) ** 2) for t in range(21)]
    slow = sum(w * one for w, one in zip(weights, trembling, strict=True)) / sum(weights)
    np.testing.assert_allclose(steady[10], slow)


def test_landmark_distance_is_a_slow_loops():
    random = np.random.default_rng(1)
    real = POINTS + random.normal(size=(4, 5, 2))
    drawn = real + random.normal(size=(4, 5, 2)) * 3
    drawn[2] = np.nan
    found = landmark_distance(drawn, real)
    for t in (0, 1, 3):
        eyes = np.hypot(*((real[t][0] + real[t][1]) / 2 - (real[t][2] + real[t][3]) / 2))
        apart = [np.hypot(*(drawn[t][k] - real[t][k])) for k in range(5)]
        assert found[t] == pytest.approx(np.mean(apart) / eyes)
    assert np.isnan(found[2])
    # Twice as large a picture is the same distance.
    np.testing.assert_allclose(landmark_distance(2 * drawn, 2 * real), found)
    with pytest.raises(InputError, match="same points"):
        landmark_distance(drawn[:, :4], real)


def test_mouth_opening_rises_with_the_gap_between_the_lips():
    opened = []
    for gap in range(0, 12, 2):
        mouth = np.full((48, 48), 170, np.uint8)
        mouth[30 - gap // 2 : 30 + gap // 2, 14:34] = 30
        opened.append(mouth)
    found = mouth_opening(np.stack(opened))
    assert (np.diff(found) > 0).all() and found[0] == 0
    brighter = np.clip(np.stack(opened) * 1.2, 0, 255)
    np.testing.assert_allclose(mouth_opening(brighter), found, atol=1e-9)
    with pytest.raises(InputError, match="grey values"):
        mouth_opening(np.zeros((2, 4, 4, 3)))
