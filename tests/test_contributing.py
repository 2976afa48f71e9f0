"""The examples of CONTRIBUTING.md, in a copy of the package, pass the contract tests of their folders."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import house

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL))
EXAMPLES = {path: text for path, text in BLOCKS.items() if path.startswith("src/")}
TREE = "tests/source_trees.py"
CONTRACTS = {
    "tests/test_models_encoders.py": r"\[plain-",
    "tests/test_source_all.py": r"\[album|-album",
    "tests/test_recipes.py": r"\[voice_gender\]",
    "tests/test_cli_help.py": r"\[train-voice_gender\]|\[prepare-album\]",
    "tests/test_metrics_figure.py": r"\[Youden\]",
    "tests/test_protocol_folder.py": r"test_every_protocol_says",
    "tests/newcomers.py": r"newcomer",
    "src/voiceface/protocols/separation.py": r"separation",
}
"""Tests that walk a component folder, and what names the cases about a newcomer."""
CHOSEN = "plain- or album or voice_gender or Youden or every_protocol_says or newcomer or separation"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its tests with the examples in their places."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("shipped"))
    shutil.copytree(ROOT / "src/voiceface/shipped", root / "src/voiceface/shipped", copy_function=_link)
    shutil.copytree(ROOT / "tests", root / "tests")
    shutil.copy(ROOT / "pyproject.toml", root)
    for path, text in EXAMPLES.items():
        (root / path).write_text(text, encoding="utf-8")
    with (root / TREE).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{BLOCKS[TREE]}")
    return root


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy(source, target)


def run(copy, *words):
    """A Python process in the copy."""
    place = {**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy / 'tests'}", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *words], cwd=copy, env=place, capture_output=True, text=True, check=False
    )


def test_there_is_one_for_each_kind():
    rooms = sorted(Path(path).parent.as_posix().removeprefix("src/voiceface/") for path in EXAMPLES)
    assert rooms == ["corpus/sources", "metrics", "models/encoders", "protocols", "recipes"]
    assert not any((ROOT / path).exists() for path in EXAMPLES)


def test_they_keep_the_house(copy):
    package = copy / "src" / "voiceface"
    assert house.floor_violations(package) == []
    assert house.size_violations(copy, [copy / path for path in EXAMPLES]) == []
    assert house.recipe_violations(package / "recipes") == []
    assert house.source_violations(package / "corpus" / "sources") == []
    assert house.undocumented(package) == []
    for command in (["check"], ["format", "--check"]):
        done = run(copy, "-m", "ruff", *command, "--no-cache", *EXAMPLES)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_tests_of_every_folder_pass(copy):
    """The tests that walk a folder find the newcomer by themselves; each of them must run on it."""
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-rA", "-k", CHOSEN]
    done = run(copy, "-m", "pytest", *options, *CONTRACTS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    passed = re.findall(r"^PASSED (\S+)", done.stdout, re.MULTILINE)
    for file, case in CONTRACTS.items():
        found = [name for name in passed if name.startswith(file) and re.search(case, name)]
        assert found, f"nothing of {file} ran on the newcomer"


# ---- the page itself


def test_the_floors_of_the_page_are_those_of_the_house():
    rows = re.findall(r"^\| (\d+) \| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    shown = {room: int(floor) for floor, rooms in rows for room in re.findall(r"\w+", rooms)}
    package = ROOT / "src" / "voiceface"
    there = {room for room in house.FLOORS if (package / room).is_dir() or (package / f"{room}.py").is_file()}
    assert shown == {room: house.FLOORS[room] for room in there if not room.startswith("__")}


def test_the_glossary_explains_each_word_once():
    table = PAGE[PAGE.index("## Glossary") : PAGE.index("## Add a voice encoder")]
    words = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)[2:]
    assert len(words) >= 40 and sorted(words, key=str.lower) == words
    names = [word.strip() for row in words for word in row.split(",")]
    assert len(names) == len(set(names))
