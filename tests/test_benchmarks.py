"""No benchmark rots: each explains itself, and the pairs of `make bench` run."""

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from voiceface.face.align import template_points
from voiceface.records import Person

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def among_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield
    for name in set(SCRIPTS) & (set(sys.modules) - before):
        del sys.modules[name]  # `app` and `gallery` are names of others' modules too


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_explains_itself(name, monkeypatch, capsys):
    module = importlib.import_module(name)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0 and f"usage: {name}" in capsys.readouterr().out


def test_every_pair_is_measured_and_written(tmp_path, monkeypatch, capsys):
    speed = importlib.import_module("speed")
    names = [name for name in speed.PAIRS if name != "match"]  # seconds, and a command of other tests
    speed.main(["--smoke", "-o", str(tmp_path / "bench.json"), "--only", *names])
    found = json.loads((tmp_path / "bench.json").read_text())
    assert [one["name"] for one in found["figures"]] == names and found["smoke"] is True
    for one in found["figures"]:
        assert one["seconds"] > 0 and one["beside_seconds"] > 0 and one["beside"]
        assert math.isclose(one["ratio"], one["seconds"] / one["beside_seconds"])
    assert found["machine"]["cores"] >= 1 and found["machine"]["torch"]
    assert all(f"| {name} |" in capsys.readouterr().out for name in names[:1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is inherited")
def test_the_memory_of_a_command_is_its_own():
    whole_process = importlib.import_module("whole_process")
    held = np.ones(60_000_000)  # 480 MB, with which a process that this one started itself would begin
    small, large = (
        whole_process.measured([sys.executable, "-S", "-c", code]) for code in ("pass", "b'x' * 200_000_000")
    )
    assert len(held) and small.peak < 100 < large.peak - small.peak < 300 and small.processor > 0
    with pytest.raises(RuntimeError, match="no such thing"):
        whole_process.measured([sys.executable, "-S", "-c", "import sys; sys.exit('no such thing')"])


def test_the_loudest_second_is_the_one_with_the_most_energy():
    robustness = importlib.import_module("matcher_robustness")
    wave = np.random.default_rng(0).normal(size=40_000)
    wave[11_000:27_000] *= 3
    energies = [np.square(wave[start : start + 16_000]).sum() for start in range(24_001)]
    start = int(np.argmax(energies))
    assert np.array_equal(robustness.loudest_second(wave), wave[start : start + 16_000])
    assert len(robustness.loudest_second(wave[:9_000])) == 9_000


def test_false_faces_are_looked_for_beside_faces_alone():
    false_faces = importlib.import_module("false_faces")
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:200, 100:200] = 255  # the face
    cuts = false_faces.squares(pixels, [(100, 100, 200, 200)], np.random.default_rng(0))
    assert len(cuts) == 4 and all(cut.shape == (224, 224, 3) and not cut.any() for cut in cuts)
    assert false_faces.squares(pixels, [(0, 0, 600, 400)], np.random.default_rng(0)) == []


def test_growth_tells_a_line_from_a_square():
    growth = importlib.import_module("growth")

    def found(law, command="prepare"):
        facts = {"command": command, "workers": 1, "wall": 1.0, "peak": 100.0}
        return growth.growth(
            command, [growth.Cost(people=n, processor=law(n), **facts) for n in (8, 32, 128)]
        )

    line, square = found(lambda n: 3 + 0.05 * n), found(lambda n: 3 + n * n / 100, "evaluate")
    assert math.isclose(line.predicted, 1) and math.isclose(line.each, 0.05)
    assert math.isclose(line.voxceleb2_hours, 0.05 * growth.VOXCELEB2 / 3600)
    assert square.predicted > 2
    rows = growth.VOXCELEB2_TEST / 60
    assert math.isclose(square.voxceleb2_hours, rows * rows / 100 / 3600)


def test_faces_are_cut_out_where_the_mean_mesh_lies():
    additions = importlib.import_module("matcher_additions")
    random = np.random.default_rng(0)
    shape, template = random.normal(75, 30, (478, 2)), template_points("dlib", 150)
    scale, turn = random.uniform(0.5, 2, 6), np.radians(random.uniform(-30, 30, 6))
    matrices = [
        np.array([(s * np.cos(a), -s * np.sin(a), 9.0), (s * np.sin(a), s * np.cos(a), 4.0)])
        for s, a in zip(scale, turn, strict=True)
    ]
    meshes, points = (
        np.array([additions.moved(one, placed) for one in matrices]) for placed in (shape, template)
    )
    np.testing.assert_allclose(additions.mesh_points(meshes, points), points)
    trembling = points.copy()
    trembling[0] = additions.crop_points(points[0], 1.0, 6.0)
    steadied = additions.mesh_points(meshes, trembling)
    assert np.abs(steadied[0] - points[0]).max() < 0.4 * np.abs(trembling[0] - points[0]).max()
    meshes[1] = np.nan
    np.testing.assert_allclose(additions.mesh_points(meshes, points)[1], points[1])
    larger = additions.crop_points(points[2], 2.0, 90.0) - points[2].mean(0)
    np.testing.assert_allclose(larger @ [1, 1j], 2j * ((points[2] - points[2].mean(0)) @ [1, 1j]))


def test_groups_of_people_by_what_is_known_of_them():
    by_group = importlib.import_module("matcher_by_group")
    people = [Person(id=str(k), gender="fm"[k % 2], nationality="USA" if k < 10 else "") for k in range(12)]
    people += [Person(id="x", nationality="India"), Person(id="y")]
    found = {name: mask.sum() for name, mask in by_group.groups_of(people).items()}
    assert found == {"women": 6, "men": 6, "USA": 10, "other nationalities": 1}


@pytest.mark.slow
def test_all_commands_grow(tmp_path, capsys):
    growth = importlib.import_module("growth")
    growth.main(["--smoke", "-o", str(tmp_path / "growth.json")])
    found = json.loads((tmp_path / "growth.json").read_text())
    assert [one["command"] for one in found["growth"]] == ["prepare", "embed", "evaluate", "train"]
    assert all(one["peak"] > 50 and one["processor"] > 0 for one in found["costs"]) and found["smoke"]
    assert capsys.readouterr().out.startswith("| processor seconds")
