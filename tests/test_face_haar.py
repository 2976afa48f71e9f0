"""The cascade of Haar features against a slow loop, and against OpenCV where that is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from draw_face import draw_face
from voiceface.corpus import item_rows
from voiceface.corpus.item import FaceItem
from voiceface.corpus.item_processing import process_item
from voiceface.corpus.options import PrepareOptions
from voiceface.errors import InputError, MissingPartError
from voiceface.face import detect, haar_cascade
from voiceface.face.detect import Detection
from voiceface.face.haar_cascade import HaarCascade

SIDE = 8
# Bright middle; then brighter above than below, and brighter left than right: x y width height weight.
FEATURES = [
    ["0 0 8 8 -1.", "2 2 4 4 4."],
    ["0 0 8 4 1.", "0 4 8 4 -1."],
    ["0 0 4 8 1.", "4 0 4 8 -1.", "3 3 2 2 0.5"],
]
STAGES = [(0.5, [(0, 0.2, -1.0, 1.0)]), (0.3, [(1, -0.3, -0.5, 0.4), (2, 0.1, 0.25, -0.2)])]


def xml(*, features=FEATURES, stages=STAGES, extra="", nodes="0 -1 {feature} {threshold}", kind="HAAR"):
    """A file as OpenCV writes them."""
    lines = ["<opencv_storage><cascade>", f"<featureType>{kind}</featureType>"]
    lines += [f"<height>{SIDE}</height><width>{SIDE}</width><stages>"]
    for least, trees in stages:
        lines.append(f"<_><stageThreshold>{least}</stageThreshold><weakClassifiers>")
        for feature, threshold, below, above in trees:
            node = nodes.format(feature=feature, threshold=threshold)
            lines.append(
                f"<_><internalNodes>{node}</internalNodes><leafValues>{below} {above}</leafValues></_>"
            )
        lines.append("</weakClassifiers></_>")
    lines.append("</stages><features>")
    for rectangles in features:
        lines += ["<_><rects>", *(f"<_>{one}</_>" for one in rectangles), f"</rects>{extra}</_>"]
    return "\n".join([*lines, "</features></cascade></opencv_storage>"])


@pytest.fixture
def cascade(tmp_path):
    (tmp_path / "cascade.xml").write_text(xml())
    return HaarCascade.read(tmp_path / "cascade.xml")


def accepted(grey, x, y):
    """Stages that accept a window, of two; None where it is flat."""
    window = grey[y : y + SIDE, x : x + SIDE].astype(float)
    inner = window[1:-1, 1:-1]
    by = inner.size * inner.std()
    if inner.std() <= 10:
        return None
    for number, (least, trees) in enumerate(STAGES):
        total = 0.0
        for feature, threshold, below, above in trees:
            value = 0.0
            for rectangle in FEATURES[feature]:
                left, top, width, height, weight = (float(part) for part in rectangle.split())
                rows = slice(int(top), int(top + height))
                value += weight * window[rows, int(left) : int(left + width)].sum()
            total += below if value / by < threshold else above
        if total < least - 1e-5:
            return number
    return len(STAGES)


@pytest.mark.parametrize("step", [1, 2])
def test_windows_are_those_of_a_slow_loop(cascade, step):
    random = np.random.default_rng(0)
    blobs = random.integers(0, 256, size=(10, 14)).astype(np.uint8)
    grey = np.kron(blobs, np.ones((3, 3), np.uint8))
    grey[:12, :12] = 90  # flat
    expected = []
    for y in range(0, grey.shape[0] - SIDE + 1, step):
        x = 0
        while x <= grey.shape[1] - SIDE:
            found = accepted(grey, x, y)
            if found == len(STAGES):
                expected.append([x, y])
            x += step * (2 if found == 0 else 1)
    assert cascade._windows(grey, step=step).tolist() == expected and len(expected) > 5


def test_alike_windows_become_one_face_and_few_of_them_none(cascade):
    alike = [[10 + k, 20 - k, 40] for k in range(5)]
    found = haar_cascade._grouped(np.array([*alike, [100, 100, 40], [101, 100, 40], [100, 99, 40]]))
    assert found == [((12.0, 18.0, 52.0, 58.0), 5)]
    # A face within another that more windows show is a part of it.
    inside = [[20, 25, 15]] * 4
    assert haar_cascade._grouped(np.array([*alike, *inside])) == found
    assert len(haar_cascade._grouped(np.array([*alike, *[[80, 25, 15]] * 4]))) == 2


def test_sizes_grow_to_the_picture_and_begin_at_the_smallest(cascade):
    grey = np.full((60, 60), 30, np.uint8)
    grey[20:40, 20:40] = 250
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    found = cascade.detect(picture)
    assert found and all(0 <= left < right <= 61 and right - left >= SIDE for (left, _, right, _), _ in found)
    large = cascade.detect(picture, smallest=30)
    assert all(right - left >= 30 for (left, _, right, _), _ in large)
    assert cascade.detect(np.zeros((4, 4, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "text",
    [
        "no xml",
        "<opencv_storage/>",
        xml(extra="<tilted>1</tilted>"),
        xml(kind="LBP"),
        xml(nodes="1 0 {feature} {threshold} 0 -1 0 0.5"),
        xml(stages=[(0.5, [(7, 0.2, -1.0, 1.0)])]),
        xml(stages=[]),
    ],
)
def test_files_of_something_else_are_refused(tmp_path, text):
    (tmp_path / "other.xml").write_text(text)
    with pytest.raises(InputError, match="holds no cascade of upright Haar features"):
        HaarCascade.read(tmp_path / "other.xml")


def test_opencvs_file_is_read_and_opencv_is_not_imported(tmp_path, monkeypatch):
    package = tmp_path / "cv2"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    with pytest.raises(MissingPartError, match="pip install opencv-python-headless"):
        PrepareOptions(face_detector="haar")
    (package / "data" / haar_cascade._FILE).write_text(xml())
    assert PrepareOptions(face_detector="haar").facts()["face_detector"] == "haar"
    assert isinstance(detect.detect_haar(np.zeros((50, 50, 3), np.uint8)), list)


def test_a_corpus_keeps_the_most_confident_face_alone(tmp_path, monkeypatch):
    draw_face(0, 200).save(tmp_path / "face.png")
    pixels = np.asarray(draw_face(0, 200))
    box = detect.detect(pixels)[0].box
    seen = [Detection(box=box, score=9.0, detector="haar"), Detection(box=(0, 0, 40, 40), score=5.0)]
    monkeypatch.setattr(item_rows, "detect_haar", lambda pixels: seen)
    monkeypatch.setattr("voiceface.corpus.options.installed_cascade", lambda: None)
    options = PrepareOptions(face_detector="haar")
    made = process_item(FaceItem(key="k", person="p", path="face.png"), tmp_path, options)
    ((row, _),) = made.rows["faces"]
    assert row["others"] == 0 and row["score"] == 9.0
    seen.clear()
    made = process_item(FaceItem(key="k", person="p", path="face.png"), tmp_path, options)
    assert not made.rows and "no detectable face" in made.rejected[0]


def test_boxes_and_confidences_are_opencvs():
    cv2 = pytest.importorskip("cv2")
    path = Path(cv2.data.haarcascades) / haar_cascade._FILE
    ours, theirs = HaarCascade.read(path), cv2.CascadeClassifier(str(path))
    random, faces = np.random.default_rng(0), 0
    for seed in range(6):
        picture = np.asarray(draw_face(seed, 120 + 17 * seed))
        picture = np.pad(picture, ((9, 20), (31, 4), (0, 0)), constant_values=int(random.integers(60, 200)))
        boxes, counts = theirs.detectMultiScale2(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        expected = sorted((x, y, x + w, y + h, n) for (x, y, w, h), n in zip(boxes, counts, strict=True))
        assert sorted((*box, n) for box, n in ours.detect(picture)) == expected
        faces += len(expected)
    assert faces >= 3
