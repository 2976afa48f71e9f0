"""Tracks: boxes linked over time, gaps bridged, cuts kept, the surest one chosen."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.video.tracks import best_track, box_iou, link_boxes

RATE = 25


def moving(start, speed, frames, size=60):
    """Boxes of a face that moves steadily, a (frames, 4) array."""
    corner = np.array(start) + np.outer(np.arange(frames), speed)
    return np.hstack([corner, corner + size])


def run(*faces, score=1.0, seed=None, **options):
    """Link faces given as {frame: box} dicts; ``seed`` shuffles the boxes within each frame."""
    count = max(max(face) for face in faces) + 1
    order = np.random.default_rng(seed)
    boxes, scores, whose = [], [], []
    for frame in range(count):
        here = [index for index, face in enumerate(faces) if frame in face]
        if seed is not None:
            order.shuffle(here)
        boxes.append([faces[index][frame] for index in here])
        scores.append([score] * len(here))
        whose.append(here)
    tracks = link_boxes(boxes, scores, [frame / RATE for frame in range(count)], **options)
    return tracks, [[whose[frame][row] for frame, row in track.indices] for track in tracks]


def test_overlap_is_what_counting_pixels_gives():
    random = np.random.default_rng(0)
    boxes = np.hstack([low := random.integers(0, 20, (8, 2)), low + random.integers(1, 15, (8, 2))])
    masks = np.zeros((8, 40, 40), dtype=bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    for i in range(8):
        for j in range(8):
            expected = (masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum()
            assert box_iou(boxes[i], boxes[j])[0, 0] == pytest.approx(expected)
    assert box_iou([(3, 3, 3, 3)], [(3, 3, 3, 3)])[0, 0] == 0
    assert box_iou(np.zeros((0, 4)), boxes).shape == (0, 8)


@pytest.mark.parametrize("seed", range(5))
def test_two_faces_stay_apart_whatever_the_order_of_the_boxes(seed):
    one = dict(enumerate(moving((0, 0), (2, 1), 40)))
    two = dict(enumerate(moving((300, 0), (-2, 1), 40)))
    tracks, whose = run(one, two, seed=seed)
    assert len(tracks) == 2
    assert all(len(set(people)) == 1 and len(people) == 40 for people in whose)
    for track in tracks:
        assert (np.diff(track.times) > 0).all()
        assert track.boxes.shape == (40, 4)
        assert track.start == 0.0
        assert track.stop == pytest.approx(39 / RATE)


def test_faces_that_pass_each_other_are_not_exchanged():
    one = dict(enumerate(moving((0, 0), (8, 0), 50)))
    two = dict(enumerate(moving((392, 25), (-8, 0), 50)))
    tracks, whose = run(one, two, seed=1)
    assert len(tracks) == 2
    assert all(len(set(people)) == 1 for people in whose)


def test_a_fast_face_is_followed_through_a_gap_by_its_speed():
    path = moving((0, 0), (12, 0), 30)
    seen = {frame: box for frame, box in enumerate(path) if not 10 <= frame < 18}
    tracks, _ = run(seen)
    assert [len(track.times) for track in tracks] == [22]
    # Without the speed the last box and the next would not even touch: 9 frames of 12 pixels, 60 wide.
    assert box_iou(path[9], path[18])[0, 0] == 0


def test_a_long_gap_ends_a_track():
    path = moving((0, 0), (0, 0), 60)
    seen = {frame: box for frame, box in enumerate(path) if not 20 <= frame < 40}
    assert len(run(seen)[0]) == 2
    assert len(run(seen, gap=1.0)[0]) == 1


def test_a_cut_breaks_every_track_at_its_frame():
    path = dict(enumerate(moving((5, 5), (0, 0), 30)))
    tracks, _ = run(path, cuts=[12 / RATE])
    assert [len(track.times) for track in tracks] == [12, 18]
    assert tracks[1].start == pytest.approx(12 / RATE)
    # Where the frames are sampled, the cut lies between two of those seen.
    assert [len(track.times) for track in run(path, cuts=[11.4 / RATE])[0]] == [12, 18]
    assert len(run(path, cuts=[0.0])[0]) == 1


def test_short_tracks_are_dropped_and_the_rest_keeps_its_places():
    one, ghost = dict(enumerate(moving((0, 0), (1, 0), 20))), {7: (500, 500, 560, 560)}
    tracks, whose = run(ghost, one, shortest=3)
    assert len(tracks) == 1
    assert whose == [[1] * 20]
    assert tracks[0].indices.tolist()[7] == [7, 1]
    assert len(run(ghost, one)[0]) == 2


def test_the_surest_track_is_long_large_and_certain():
    long = {frame: (0, 0, 40, 40) for frame in range(30)}
    large = {frame: (200, 0, 320, 120) for frame in range(5)}
    tracks, whose = run(long, large)
    assert [track.weight for track in tracks] == pytest.approx([30 * 40, 5 * 120])
    assert whose[tracks.index(best_track(tracks))][0] == 0
    # More certain by far, the short one wins.
    boxes = [[long[0]] + ([large[0]] if frame < 5 else []) for frame in range(30)]
    scores = [[0.2] + ([2.0] if frame < 5 else []) for frame in range(30)]
    chosen = best_track(link_boxes(boxes, scores, np.arange(30) / RATE))
    assert chosen.boxes[0][0] == 200
    assert best_track([]) is None


def test_a_negative_score_adds_nothing():
    (track,) = link_boxes([[(0, 0, 10, 10)], [(0, 0, 10, 10)]], [[-3.0], [2.0]], [0, 1 / RATE])
    assert track.weight == pytest.approx(20)


def test_nothing_seen_is_no_track():
    assert link_boxes([], [], []) == []
    assert link_boxes([[], np.zeros((0, 4))], [[], []], [0, 1]) == []


@pytest.mark.parametrize(
    ("boxes", "scores", "times", "what"),
    [
        ([[]], [[]], [0, 1], "boxes, scores and times"),
        ([[], []], [[], []], [1.0, 1.0], "times"),
        ([[(0, 0, 1, 1)]], [[]], [0], "frame"),
        ([[(0, 0, 1, np.nan)]], [[1]], [0], "frame"),
    ],
)
def test_what_does_not_fit_together_is_refused(boxes, scores, times, what):
    with pytest.raises(InputError, match=what):
        link_boxes(boxes, scores, times)
