"""What is installed to build and test this is named by version and digest, and CI's actions by commit."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
CHOSEN = {"torch"}
"""Its build (CPU, CUDA) is a choice, so that no file of it is named."""


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    return {canonical(name): version for name, version in PINNED.findall(text)}


def test_actions_are_named_by_commit():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
        assert used, path
        for action in set(used) - {"./.github/workflows/ci.yml"}:
            assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_digests_belong_to_the_pinned_versions():
    constrained, hashed = pins("constraints.txt"), pins("requirements-hashed.txt")
    assert "setuptools" in constrained and "hatchling" in constrained
    assert {name for name in constrained if name not in hashed} == CHOSEN
    assert {name: hashed[name] for name in constrained if name in hashed} == {
        name: version for name, version in constrained.items() if name in hashed
    }
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements-hashed.txt").read_text(encoding="utf-8"))
    assert all("--hash=sha256:" in block for block in blocks[1:]) and len(blocks) > 100


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    installed = [extras[name] for name in ("train", "synthetic", "report", "app", "hub")]
    wanted = sum([project["project"]["dependencies"], *installed, *project["dependency-groups"].values()], [])
    named = {canonical(re.match(r"[A-Za-z0-9._-]+", one)[0]) for one in wanted}
    assert named - set(pins("constraints.txt")) == set()


def test_a_release_has_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[(\d[^\]]*)\]", changes, re.MULTILINE)
    assert project["version"] == cited[1] == newest[1]


def test_notice_says_whose_everything_is_that_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = sum([project["dependencies"], *project["optional-dependencies"].values()], [])
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    named = {canonical(word) for word in re.findall(r"[A-Za-z0-9._-]+", notice)}
    assert {canonical(re.match(r"[A-Za-z0-9._-]+", one)[0]) for one in needed} - named == set()
    assert {f"  {name} " for name in project["optional-dependencies"] if f"  {name} " not in notice} == set()
