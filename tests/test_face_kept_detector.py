"""The HOG detector of the cache is dlib's own, to the bit, and nothing depends on the cache."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from draw_face import draw_face
from voiceface.face import kept_detector
from voiceface.face.dlib_models import dlib_module
from voiceface.face.kept_detector import frontal_face_detector


class Counted:
    """dlib's module; counts how often the detector is unpacked."""

    def __init__(self, version="1.0"):
        self.real, self.__version__, self.unpacked = dlib_module(), version, 0
        self.fhog_object_detector = self.real.fhog_object_detector

    def get_frontal_face_detector(self):
        self.unpacked += 1
        return self.real.get_frontal_face_detector()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICEFACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dlib"


def answers(detector):
    pixels = np.asarray(draw_face(3, 240))
    found = []
    for image in (pixels, np.ascontiguousarray(pixels[:, ::-1]), pixels // 3):
        boxes, scores, kinds = detector.run(image, 1, -0.5)
        found.append(([(b.left(), b.top(), b.right(), b.bottom()) for b in boxes], list(scores), list(kinds)))
    return found


def test_the_second_detector_comes_from_the_cache_and_answers_alike_to_the_bit(cache):
    dlib = Counted()
    first, second = frontal_face_detector(dlib), frontal_face_detector(dlib)
    assert dlib.unpacked == 1
    assert [path.name for path in cache.iterdir()] == ["frontal-face-1.0.detector"]
    assert (
        first.__getstate__() == second.__getstate__() == dlib.real.get_frontal_face_detector().__getstate__()
    )
    wanted = answers(dlib.real.get_frontal_face_detector())
    assert wanted[0][0]
    assert answers(first) == answers(second) == wanted


def test_another_dlib_has_a_file_of_its_own(cache):
    frontal_face_detector(Counted("1.0"))
    other = Counted("2.0")
    frontal_face_detector(other)
    assert other.unpacked == 1
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "turned", "folder", "digest alone"])
def test_a_damaged_file_is_written_anew(cache, damage):
    wanted = frontal_face_detector(Counted()).__getstate__()
    path = cache / "frontal-face-1.0.detector"
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        spoilt = {
            "cut": data[:1000],
            "empty": b"",
            "turned": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
            "digest alone": data[:32],
        }
        path.write_bytes(spoilt[damage])
    dlib = Counted()
    assert frontal_face_detector(dlib).__getstate__() == wanted
    assert dlib.unpacked == 1
    if damage != "folder":
        assert path.read_bytes() == data


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_its_place_is_not_waited_for(cache):
    cache.mkdir(parents=True)
    os.mkfifo(cache / "frontal-face-1.0.detector")
    dlib = Counted()
    frontal_face_detector(dlib)
    assert dlib.unpacked == 1


def test_a_cache_that_cannot_be_made_is_none(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOICEFACE_CACHE", str(tmp_path / "file"))
    dlib = Counted()
    assert answers(frontal_face_detector(dlib))[0][0]
    assert dlib.unpacked == 1


def test_without_a_home_there_is_no_cache(monkeypatch):
    monkeypatch.delenv("VOICEFACE_CACHE", raising=False)

    def nowhere():
        raise RuntimeError("could not determine home directory")

    monkeypatch.setattr(kept_detector, "cache_folder", nowhere)
    dlib = Counted()
    frontal_face_detector(dlib)
    assert dlib.unpacked == 1


def test_processes_that_begin_at_once_agree(cache):
    code = (
        "import hashlib; from voiceface.face import dlib_models\n"
        "with dlib_models.frontal_detector() as one: print(hashlib.sha256(one.__getstate__()[0]).hexdigest())"
    )
    paths = os.pathsep.join([str(Path(kept_detector.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    begun = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    assert len({one.communicate()[0] for one in begun}) == 1
    assert all(one.returncode == 0 for one in begun)
    assert len([path for path in cache.iterdir() if not path.name.startswith(".")]) == 1
