"""The rules of the house, over this repository; and that each rule fails where it is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import house
import house_documents
from voiceface.components import SOURCES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "voiceface"
SHARED = ROOT.parent / "shared" / "data"
TEXTS = (".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cff", ".json", ".html", "")


def project_files() -> list[Path]:
    """What is committed, or would be: git's own answer, or every file where there is no git."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        told = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        names = sorted(set(filter(None, told.split("\0"))))
    except (OSError, subprocess.CalledProcessError):
        folders = [ROOT / name for name in ("src", "tests", "docs", "benchmarks")]
        names = [p.relative_to(ROOT).as_posix() for f in folders for p in f.rglob("*") if p.suffix != ".pyc"]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


FILES = project_files()
PYTHON = [path for path in FILES if path.suffix == ".py"]


def plant(folder: Path, texts: dict[str, str]) -> Path:
    """A made package ``voiceface`` below a folder, of files by their names without ``.py``."""
    package = folder / "voiceface"
    for name, text in texts.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def in_new_process(code: str) -> str:
    place = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- over this repository


def test_imports_point_down():
    assert house.floor_violations(PACKAGE) == []


def test_names_mean_something():
    assert house.name_violations(ROOT, FILES) == []


def test_everything_can_be_read_in_one_sitting():
    assert house.size_violations(ROOT, PYTHON) == []


def test_component_folders_register_nothing():
    assert house.init_violations(PACKAGE) == []


def test_no_module_lists_what_it_exports():
    assert house.export_lists(PACKAGE) == []


def test_every_recipe_has_a_card_and_a_smoke():
    assert house.recipe_violations(PACKAGE / "recipes") == []


def test_every_smoke_is_run():
    assert house.unsmoked(PACKAGE / "recipes", ROOT / "tests") == []


@pytest.mark.parametrize("package", SOURCES)
def test_every_source_lists(package):
    assert house.source_violations(PACKAGE.joinpath(*package.split(".")[1:])) == []


def test_nothing_heavy_is_imported_at_the_top():
    assert house.heavy_at_top(PACKAGE) == []


def test_what_is_public_is_documented():
    assert house.undocumented(PACKAGE) == []


def test_no_path_of_one_machine():
    own = tuple({str(ROOT), str(ROOT.parent / "shared"), str(Path.home()) + os.sep})
    texts = [path for path in FILES if path.suffix in TEXTS]
    assert house.machine_paths(ROOT, texts, own) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this checkout")
def test_none_of_the_shared_data_is_committed():
    assert house.copies(FILES, SHARED) == []


@pytest.mark.parametrize("document", [p.relative_to(ROOT).as_posix() for p in FILES if p.suffix == ".md"])
def test_documents_lead_somewhere(document):
    assert house_documents.dead_paths(ROOT / document, ROOT) == []


@pytest.mark.parametrize(
    "door", ["voiceface", "voiceface.cli", "voiceface.demo.__main__", "voiceface.protocols"]
)
def test_the_doors_open_without_torch(door):
    path = PACKAGE.parent / door.replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").is_file()
    heavy = ("torch", "scipy", "sklearn", "pyarrow", "av", *sorted(house.NEVER_AT_TOP))
    code = f"import sys, {door}; print([name for name in {heavy!r} if name in sys.modules])"
    assert in_new_process(code) == "[]"


def test_every_module_imports_and_leaves_the_launcher_out():
    names = [
        "voiceface." + relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for relative, _ in house.modules(PACKAGE)
        if relative not in ("__init__.py", "__main__.py")
    ]
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
print([name for name in {sorted(house.NEVER_AT_TOP)!r} if name in sys.modules])
"""
    assert in_new_process(code) == "[]"


# ---- and each rule fails where it is broken

CLEAN = {
    "__init__": "from voiceface.pipelines.matcher import Matcher",
    "errors": "",
    "media/__init__": "",
    "media/sound": "from voiceface.errors import InputError\nfrom . import samples",
    "media/samples": "",
    "audio/__init/": "",
    "audio/mel": "from ..errors import InputError\nfrom voiceface.media.sound import load_sound",
    "pipelines/__init/": "",
    "pipelines/matcher": "def load():\n    from voiceface.audio import mel",
    "cli": "import voiceface\nfrom voiceface import pipelines",
}


def test_a_clean_house_has_no_floor_violation(tmp_path):
    assert house.floor_violations(plant(tmp_path, CLEAN)) == []


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("audio/mel", "from voiceface.face.align import align", "neighbour face"),
        ("audio/mel", "from ..face import align", "neighbour face"),
        ("audio/mel", "from voiceface import face", "neighbour face"),
        ("nn/net", "def f():\n    import voiceface.audio.mel", "neighbour audio"),
        ("corpus/splits", "from voiceface.protocols import verify", "neighbour protocols"),
        ("media/sound", "from voiceface.corpus.item import Item", "above it"),
        ("media/sound", "import voiceface", "__init__ above it"),
        ("media/sound", "from voiceface import Matcher", "__init__ above it"),
        ("records", "from voiceface.media.files import write_json", "above it"),
        ("corpus/c", "if x:\n    from voiceface.training.loop import train", "above it"),
        ("corpus/c", "import importlib\nimportlib.import_module('voiceface.recipes.matcher')", "above it"),
        (
            "training/t",
            "from voiceface.components import l\nl.load_component(f'voiceface.recipes.{n}')",
            "above it",
        ),
        ("cli", "from voiceface.demo import main", "neighbour demo"),
        ("protocols/verify", "from voiceface.nn.voice.net import Net", "know no network"),
        ("drawer/d", "", "has no floor"),
        ("pipelines/p", "from voiceface.drawer import d", "has no floor"),
    ],
)
def test_an_import_that_does_not_point_down_is_found(tmp_path, file, text, told):
    package = plant(tmp_path, CLEAN | {"face/__init__": "", "face/align": "", "recipes/__init__": ""})
    plant(tmp_path, {file: text})
    (found,) = house.floor_violations(package) if file != "pipelines/p" else _with_drawer(tmp_path, package)
    assert told in found


def _with_drawer(tmp_path, package):
    plant(tmp_path, {"drawer/d": ""})
    return [line for line in house.floor_violations(package) if line.startswith("pipelines/p")]


@pytest.mark.parametrize("name", ["utils/a.py", "media/common.py", "audio_helpers.py", "misc.md", "Utils.py"])
def test_a_name_that_means_nothing_is_found(tmp_path, name):
    assert len(house.name_violations(tmp_path, [tmp_path / name])) == 1
    assert house.name_violations(tmp_path, [tmp_path / "commons" / "helped.py"]) == []


def test_sizes(tmp_path):
    arguments = ", ".join(f"a{i}" for i in range(9))
    long = f"def long(self, {arguments[4:]}, *rest):\n" + "    x = 1\n" * 60
    short = f"def short(self, {arguments[4:]}):\n" + "    x = 1\n" * 59
    texts = {"tall": "x = 1\n" * 401, "full": "x = 1\n" * 400, "long": long, "short": short}
    texts["recipes/r"] = f"def recipe(*, {arguments}): ...\ndef smoke({arguments}): ..."
    options = "".join(f"    a{i}: int = 0,\n" for i in range(28))
    told = "".join(f"    a{i}: option\n" for i in range(28))
    texts["recipes/table"] = f'def recipe(\n    *,\n{options}):\n    """Run.\n\n{told}    """'
    texts["corpus/sources/s"] = f"async def listing(root, *, {arguments}): ..."
    package = plant(tmp_path, texts)
    found = house.size_violations(tmp_path, sorted(package.rglob("*.py")))
    assert [line.partition("voiceface/")[2] for line in found] == [
        "long.py:1: long has 61 lines",
        "long.py:1: long takes 9 arguments",
        "recipes/r.py:2: smoke takes 9 arguments",
        "recipes/table.py:1: recipe has 62 lines",
        "tall.py: 401 lines",
    ]


def test_inits(tmp_path):
    texts = {
        "__init__": "x = 1",
        "protocols/__init__": "x = 1",
        "media/__init__": '"""Media."""',
        "nn/net": "",
    }
    found = house.init_violations(plant(tmp_path, texts))
    assert found == ["media/__init__.py: not empty", "nn/__init__.py: missing"]


def test_lists_of_exports(tmp_path):
    texts = {
        "__init__": "__all__ = ['a']",
        "media/sound": "x = 1\n__all__ = ['x']",
        "nn/net": "x = '__all__'",
    }
    assert house.export_lists(plant(tmp_path, texts)) == ["media/sound.py: has an __all__"]


CARD = '"""Title.\n\n' + "".join(f"{word:<10}something\n" for word in house.CARD) + '"""\n'
RECIPE = "def recipe(*, lr: float = 1.0): ...\ndef smoke(): ...\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CARD.replace("Differs   something", "") + RECIPE, "no line 'Differs'"),
        (CARD.replace("Cost      something", "Cost") + RECIPE, "no line 'Cost'"),
        (CARD + "def recipe(): ...", "no smoke()"),
        (CARD + "def smoke(): ...", "no recipe()"),
        (CARD + RECIPE.replace("smoke()", "smoke(steps)"), "smoke() takes arguments"),
        (CARD + RECIPE.replace("*, ", ""), "more than keyword options"),
        (CARD + RECIPE.replace("=", "").replace("1.0", ""), "no type or no default"),
        (CARD + RECIPE.replace(": float", ""), "no type or no default"),
    ],
)
def test_a_recipe_that_is_not_whole_is_found(tmp_path, text, told):
    package = plant(tmp_path, {"recipes/__init__": "", "recipes/good": CARD + RECIPE, "recipes/bad": text})
    (found,) = house.recipe_violations(package / "recipes")
    assert found.startswith("bad.py") and told in found


@pytest.mark.parametrize(
    ("test", "left"),
    [
        ("from voiceface.recipes import a\ntrain(a.smoke(), corpus)", ["b"]),
        ("from voiceface.recipes.b import smoke\ntrain(smoke(), corpus)", ["a"]),
        ("for n in component_names('voiceface.recipes'): train(load_component('x', n).smoke())", []),
        ("R = 'voiceface.recipes'\nfor n in component_names(R): train(load_component(R, n).smoke())", []),
        ("from voiceface.recipes import a, b\na.smoke()", ["a", "b"]),
        ("from voiceface.recipes import a, b\ntrain(a.recipe())", ["a", "b"]),
        ("train(load_component('voiceface.recipes', n).smoke())", ["a", "b"]),
    ],
)
def test_a_smoke_that_nobody_runs_is_found(tmp_path, test, left):
    package = plant(tmp_path, {"recipes/__init__": "", "recipes/a": "", "recipes/b": ""})
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(test)
    found = house.unsmoked(package / "recipes", tmp_path / "tests")
    assert found == [f"{name}: no test trains its smoke()" for name in left]


def test_sources(tmp_path):
    good = '"""A card."""\ndef listing(root, *, split=""): ...'
    bad = '"""A card."""\ndef listing(place): ...'
    made = good.replace("root, ", "") + "\nROOTLESS = True"
    bare, none = good.replace('"""A card."""', ""), '"""A card."""'
    package = plant(tmp_path, {"s/good": good, "s/bad": bad, "s/bare": bare, "s/none": none, "s/made": made})
    told = [line.split(":")[1].strip() for line in house.source_violations(package / "s")]
    assert told == ["listing() takes not the root and keyword options", "no card", "no listing()"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("import scipy.stats", 1),
        ("try:\n    from lightning_fabric import Fabric\nexcept ImportError: ...", 1),
        ("class A:\n    import sklearn", 1),
        ("from torch.utils import tensorboard", 1),
        ("def f():\n    import scipy, torchmetrics", 0),
        ("if TYPE_CHECKING:\n    import scipy", 0),
        ("import torch.distributed\nfrom torch import distributed", 0),
    ],
)
def test_heavy_imports_at_the_top_are_found(tmp_path, text, count):
    assert len(house.heavy_at_top(plant(tmp_path, {"a/b": text}))) == count


def test_undocumented(tmp_path):
    text = 'class A: ...\ndef f():\n    """Does."""\ndef g(): ...\ndef _h(): ...'
    assert [line.split(": ")[1] for line in house.undocumented(plant(tmp_path, {"a": text}))] == [
        "A has no docstring",
        "g has no docstring",
    ]


@pytest.mark.parametrize("name", ["home/ann/x", "Users/bob/x", "root/x", "tmp/x"])
def test_machine_paths(tmp_path, name):
    text = tmp_path / "a.md"
    text.write_text(f"see /{name}\nsee ../{name}\nsee {tmp_path}/x")
    assert [line.split(":")[1] for line in house.machine_paths(tmp_path, [text], (str(tmp_path),))] == [
        "1",
        "3",
    ]


def test_copies_of_private_data_are_found(tmp_path):
    for name, data in {
        "data/a/1.jpg": b"face",
        "data/e.txt": b"",
        "own/2.jpg": b"face",
        "own/e": b"",
        "own/f": b"fact",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (found,) = house.copies(sorted((tmp_path / "own").iterdir()), tmp_path / "data")
    assert "2.jpg" in found and str(Path("a/1.jpg")) in found


def test_dead_paths(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    text = tmp_path / "X.md"
    text.write_text(
        "`src/a.py` `src/b.py` `src/NAME.py` `src/gone/NAME.py` `people/` `voices/CLIP.ogg` "
        "[a](src/a.py#top) [b](src/c.py) [web](https://x.org) `--lr 1`\n```\nsrc/d.py [e](f)\n```"
    )
    told = [line.split()[-5] for line in house_documents.dead_paths(text, tmp_path)]
    assert told == ["src/c.py,", "src/b.py,", "src/gone/NAME.py,"]
