"""The trained files are found without importing their package, and each object is made once."""

import importlib.machinery
import importlib.util
import subprocess
import sys
import threading

import pytest

from voiceface.errors import MissingPartError
from voiceface.face import dlib_models


def test_every_file_named_is_there():
    for name in dlib_models.FILES:
        assert dlib_models.model_file(name).stat().st_size > 100_000


def test_the_package_of_the_files_is_never_imported():
    code = (
        "import sys; from voiceface.face import detect, dlib_embedding, landmarks, dlib_models;"
        "dlib_models.landmark_predictor();"
        "sys.exit('face_recognition_models' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("hidden", ["face_recognition_models", "dlib"])
def test_a_missing_package_is_one_line_with_the_command(monkeypatch, hidden):
    real = importlib.util.find_spec

    def without(name, *rest):
        return None if hidden in name else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(MissingPartError) as caught:
        if hidden == "dlib":
            dlib_models.dlib_module()
        else:
            dlib_models.model_file("dlib_recogniser")
    assert "pip install" in str(caught.value)
    assert hidden in str(caught.value)


def test_dlib_is_found_under_its_other_name(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name[0] == "_" else real(name))
    assert hasattr(dlib_models.dlib_module(), "get_frontal_face_detector")


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    spec = importlib.machinery.ModuleSpec("face_recognition_models", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(MissingPartError, match=r"shape_predictor_5_face_landmarks\.dat: is missing"):
        dlib_models.model_file("five_points")


def test_threads_share_the_landmarks_and_have_a_detector_each():
    seen = []
    together = threading.Barrier(3)

    def ask():
        with dlib_models.frontal_detector() as detector:
            seen.append((dlib_models.landmark_predictor(), detector))
            together.wait(60)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one[0]) for one in seen}) == 1
    assert len({id(one[1]) for one in seen}) == 3
    with dlib_models.frontal_detector() as again:
        assert id(again) in {id(one[1]) for one in seen}
