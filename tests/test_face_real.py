"""Real people, where the shared recordings are at hand: faces found, people told apart, time and memory."""

import csv
import random
import subprocess
import sys
import time
from pathlib import Path

import dlib
import numpy as np
import pytest
from PIL import Image

from dlib_reference import dlib_recogniser
from draw_face import draw_face
from voiceface.face.align import align
from voiceface.face.detect import detect, detect_hog
from voiceface.face.dlib_embedding import embed_faces
from voiceface.face.landmarks import five_points
from voiceface.face.quality import pose
from voiceface.video.cuts import find_cuts

DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pairs():
    table = DATA / "pairs" / "pairs.csv"
    if not table.is_file():
        pytest.skip("the shared recordings are not here")
    with table.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def load(clip):
    return np.asarray(Image.open(DATA / "pairs" / "faces" / f"{clip}.jpg").convert("RGB"))


def test_detection_rate_points_and_time(pairs):
    rows = random.Random(0).sample(pairs, 150)
    hog = found = 0
    spent = dict.fromkeys(("hog", "all", "points", "align"), 0.0)
    turns = []
    for row in rows:
        pixels = load(row["clip"])
        clock = time.process_time()
        hog += bool(detect_hog(pixels))
        spent["hog"] += time.process_time() - clock
        clock = time.process_time()
        faces = detect(pixels)
        spent["all"] += time.process_time() - clock
        if not faces:
            continue
        found += 1
        clock = time.process_time()
        points = five_points(pixels, faces[0].box)
        spent["points"] += time.process_time() - clock
        clock = time.process_time()
        align(pixels, points, size=150)
        spent["align"] += time.process_time() - clock
        mirrored = np.ascontiguousarray(pixels[:, ::-1])
        left, top, right, bottom = faces[0].box
        width = pixels.shape[1]
        other = five_points(mirrored, (width - right, top, width - left, bottom))
        turns.append((pose(points)[0], pose(other)[0]))
    print(
        f"\nHOG {hog}/150, with the network {found}/150;",
        {k: round(v / 0.15, 1) for k, v in spent.items()},
        "ms",
    )
    assert hog >= 0.85 * 150
    assert found >= 0.95 * 150
    assert np.corrcoef(np.array(turns).T)[0, 1] < -0.85


def test_one_person_is_nearer_than_two(pairs):
    stars = [row for row in pairs if row["source"].lower().startswith("vox")]
    chips, people, videos = [], [], []
    for row in stars:
        pixels = load(row["clip"])
        if faces := detect(pixels):
            chips.append(align(pixels, five_points(pixels, faces[0].box), size=150))
            people.append(row["person"])
            videos.append(row["video"])
    clock = time.process_time()
    described = embed_faces(np.stack(chips))
    print(
        f"\n{len(chips)} faces, {(time.process_time() - clock) / len(chips) * 1000:.0f} ms each to describe"
    )
    gaps = np.linalg.norm(described[:, None] - described[None], axis=2)
    people, videos = np.array(people), np.array(videos)
    upper = np.triu(np.ones_like(gaps, dtype=bool), 1)
    same = gaps[upper & (people[:, None] == people) & (videos[:, None] != videos)]
    other = gaps[upper & (people[:, None] != people)]
    right = (same[:, None] < other[None]).mean() + (same[:, None] == other[None]).mean() / 2
    print(
        f"same person, other video: {len(same)} pairs, median {np.median(same):.2f},"
        f" 95 % {np.quantile(same, 0.95):.2f}"
    )
    print(
        f"other people: {len(other)} pairs, median {np.median(other):.2f},"
        f" 5 % {np.quantile(other, 0.05):.2f}; AUC {right:.4f}"
    )
    assert np.median(same) < 0.5 < 0.7 < np.median(other)
    assert right > 0.97


def test_descriptors_are_dlibs_own(pairs):
    distances = []
    for row in random.Random(1).sample(pairs, 40):
        pixels = load(row["clip"])
        for face in detect_hog(pixels)[:1]:
            points = five_points(pixels, face.box)
            parts = [dlib.point(int(x), int(y)) for x, y in points]
            shape = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts)
            theirs = np.array(dlib_recogniser().compute_face_descriptor(pixels, shape))
            ours = embed_faces(align(pixels, points, size=150)[None])[0]
            distances.append(np.linalg.norm(ours - theirs))
    print(f"\ndistance to dlib's own: mean {np.mean(distances):.3f}, largest {np.max(distances):.3f}")
    assert max(distances) < 0.1


def test_a_twelve_megapixel_picture_stays_within_bounds():
    if sys.platform == "win32":
        pytest.skip("no peak memory is told here")
    code = (
        "import resource, time, numpy as np\n"
        "from voiceface.face.detect import detect\n"
        "detect(np.zeros((64, 64, 3), dtype=np.uint8))\n"
        "page = np.random.default_rng(0).integers(0, 60, (3000, 4000, 3), dtype=np.uint8)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, clock = peak(), time.process_time()\n"
        "detect(page)\n"
        "print(time.process_time() - clock, peak() - before)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    seconds, mebibytes = float(told[0]), float(told[1]) / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"\n12 megapixels without a face: {seconds:.2f} s, {mebibytes:.0f} MiB more")
    assert mebibytes < 300
    assert seconds < 3  # of the processor, so that other work does not count


def test_no_cut_within_a_clip_and_one_between_two():
    av = pytest.importorskip("av")
    folder = DATA / "videos" / "scenes"
    if not folder.is_dir():
        pytest.skip("the shared recordings are not here")
    clips = []
    for path in sorted(folder.glob("*.mp4")):
        with av.open(str(path)) as container:
            clips.append([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:50])
    assert all(find_cuts((k / 25, frame) for k, frame in enumerate(clip)) == [] for clip in clips)
    for first, second in zip(clips, clips[4:] + clips[:4], strict=True):
        both = first[-20:] + second[:20]
        assert find_cuts((k / 25, frame) for k, frame in enumerate(both)) == pytest.approx([20 / 25])


def test_drawings_are_found_as_often_as_people():
    found = sum(len(detect_hog(np.asarray(draw_face(seed)))) == 1 for seed in range(100))
    print(f"\n{found} of 100 drawings")
    assert found >= 92
