"""What a user installs: the wheel's contents, and that it matches a voice away from this repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "voiceface"
LARGEST = 30_000_000
CARDS = "voiceface/shipped/model-cards/"

pytestmark = pytest.mark.slow


def build(out, *options, root=ROOT):
    # No isolation: the build's own tools come from this environment, not from a network.
    command = [sys.executable, "-m", "build", *options, "--no-isolation", "--outdir", str(out), str(root)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = out.glob("voiceface-*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    return build(tmp_path_factory.mktemp("dist"), "--wheel")


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An empty environment with the wheel alone, which sees this one's packages as dependencies only."""
    place = tmp_path_factory.mktemp("installed")
    home = place / "venv"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
    ]
    done = subprocess.run([*pip, str(wheel)], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ask = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    # A folder named in a .pth is searched after the environment's own, and the .pth files in it are not
    # read: so an editable install there does not come back in.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place, python, scripts


def run(installed, *command):
    place, _, scripts = installed
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    suffix = ".exe" if os.name == "nt" else ""
    whole = [str(scripts / (command[0] + suffix)), *map(str, command[1:])]
    return subprocess.run(whole, cwd=place, env=clean, capture_output=True, text=True, check=False)


def test_it_holds_the_package_whole_and_nothing_else(names):
    held = {name for name in names if ".dist-info/" not in name and not name.startswith(CARDS)}
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src/voiceface"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if tracked.returncode == 0:
        ours = {name.removeprefix("src/") for name in tracked.stdout.decode().split("\0") if name}
        assert held == {name for name in ours if (ROOT / "src" / name).is_file()}
    assert all(name.startswith("voiceface/") for name in held)
    assert not [
        name for name in names if "test" in Path(name).parts[0] or name.endswith((".pyc", ".ogg", ".jpg"))
    ]


def test_it_holds_the_shipped_weights(names):
    shipped = sorted(path.parent.name for path in PACKAGE.glob("shipped/*/run.json"))
    assert "matcher" in shipped, "no weights are shipped yet"
    for name in shipped:
        assert f"voiceface/shipped/{name}/run.json" in names
        assert f"voiceface/shipped/{name}/model.safetensors" in names


def test_it_holds_what_the_weights_must_not_be_used_for(wheel, names):
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix(CARDS): archive.read(name) for name in names if name.startswith(CARDS)}
    assert held == {path.name: path.read_bytes() for path in (ROOT / "docs" / "model-cards").iterdir()}


def test_the_wheel_of_the_sdist_is_the_same(wheel, tmp_path):
    with zipfile.ZipFile(build(tmp_path)) as through, zipfile.ZipFile(wheel) as direct:
        assert sorted(through.namelist()) == sorted(direct.namelist())
        assert [name for name in direct.namelist() if through.read(name) != direct.read(name)] == []


def test_the_image_copies_what_the_build_reads(wheel, tmp_path):
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for name in " ".join(copied).split():
        assert not {name, name.partition("/")[0]} & set(ignored), name
        target = tmp_path / "image" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    with (
        zipfile.ZipFile(build(tmp_path, "--wheel", root=tmp_path / "image")) as image,
        zipfile.ZipFile(wheel) as whole,
    ):
        assert {name for name in image.namelist() if "__pycache__" not in name} == set(whole.namelist())


def test_it_holds_licence_and_notice(wheel, names):
    licences = {Path(name).name: name for name in names if ".dist-info/licenses/" in name}
    assert set(licences) == {"LICENSE", "NOTICE"}
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licences["LICENSE"]) == (ROOT / "LICENSE").read_bytes()
        assert b"Apache License" in archive.read(licences["LICENSE"])
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        told = archive.read(metadata).decode()
    assert "License-Expression: Apache-2.0" in told and "Requires-Python: >=3.11" in told
    runtime = [
        line for line in told.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    assert not [line for line in runtime if "<" in line or "==" in line], "upper bounds rot"


def test_it_is_small(wheel):
    assert wheel.stat().st_size < LARGEST


def test_it_runs_away_from_the_repository(installed):
    done = run(installed, "python", "-c", "import voiceface; print(voiceface.__file__)")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed[0]), done.stdout
    done = run(installed, "voiceface", "--version")
    assert done.returncode == 0 and done.stdout.strip()[:1].isdigit()


def test_it_matches_a_voice_with_its_own_weights(installed):
    pytest.importorskip("espeakng_loader")
    from voiceface.media.picture import save_png
    from voiceface.media.sound import save_sound
    from voiceface.synthetic.drawing import draw
    from voiceface.synthetic.people import synthetic_person
    from voiceface.synthetic.speech import speak

    place, _, _ = installed
    people = [synthetic_person(seed) for seed in (8, 16)]
    save_sound(place / "voice.wav", speak(people[0], seconds=4.0)[0])
    for number, person in enumerate(people):
        save_png(place / f"face-{number}.png", draw(person, seed=0, size=320))
    own = place / "venv"
    for weights in ([], ["--weights", "matcher"]):
        done = run(
            installed, "voiceface", "match", *weights, "voice.wav", "face-0.png", "face-1.png", "--json"
        )
        assert done.returncode == 0, done.stderr
        told = json.dumps(json.loads(done.stdout))
        assert "face-0.png" in told and "face-1.png" in told
    code = "from voiceface.pipelines.weights import shipped_weights; print(shipped_weights())"
    where = run(installed, "python", "-c", code)
    assert str(own) in where.stdout and str(ROOT) not in where.stdout
