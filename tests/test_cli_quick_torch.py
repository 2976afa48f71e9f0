"""A command imports PyTorch without a search for garbage, and all else is as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import voiceface

START = """
import gc, json, sys
from voiceface.cli.quick_torch import import_torch_quickly
"""
END = """
searched = [now["collections"] - one["collections"] for now, one in zip(gc.get_stats(), before)]
print(json.dumps({"searched": searched, "enabled": gc.isenabled(), "frozen": gc.get_freeze_count()}))
"""


def ended(code):
    paths = os.pathsep.join([str(Path(voiceface.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", START + code + END],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return json.loads(done.stdout)


def test_torch_is_imported_without_a_search_and_never_searched_again():
    found = ended(
        "import_torch_quickly(); before = gc.get_stats(); import torch\n"
        "assert torch.ones(2).sum() == 2 and torch.nn.functional.relu\n"
        "import inspect; assert 'def compile' in inspect.getsource(torch)\n"
    )
    assert found["searched"] == [0, 0, 0]
    assert found["enabled"]
    assert found["frozen"] > 100_000


def test_without_it_there_are_searches():
    found = ended("before = gc.get_stats(); import torch\n")
    assert found["searched"][0] > 100
    assert found["frozen"] == 0


def test_other_modules_and_a_loaded_torch_are_left_alone():
    found = ended(
        "import types, importlib.util; before = gc.get_stats()\n"
        "import_torch_quickly(); import_torch_quickly()\n"
        "assert sum(one.__name__ == '_QuickFinder' for one in map(lambda f: f if isinstance(f, type) else"
        " type(f), sys.meta_path)) == 1\n"
        "assert type(importlib.util.find_spec('wave').loader).__name__ == 'SourceFileLoader'\n"
        "sys.meta_path.pop(0); sys.modules['torch'] = types.ModuleType('torch')\n"
        "import_torch_quickly(); assert 'Quick' not in str(sys.meta_path)\n"
    )
    assert found["enabled"]
    assert found["frozen"] == 0


def test_a_search_that_was_off_stays_off_and_a_torch_that_fails_puts_it_on_again(tmp_path):
    found = ended("gc.disable(); before = gc.get_stats(); import_torch_quickly(); import torch\n")
    assert not found["enabled"]
    (tmp_path / "torch.py").write_text("import gc; assert not gc.isenabled(); raise OSError('no library')")
    found = ended(
        f"sys.path.insert(0, {str(tmp_path)!r}); before = gc.get_stats(); import_torch_quickly()\n"
        "try: import torch\n"
        "except OSError as error: assert str(error) == 'no library'\n"
        "else: raise AssertionError\n"
    )
    assert found["enabled"]


def test_commands_use_it():
    found = ended(
        "import contextlib, io; before = gc.get_stats(); from voiceface.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert run(['--version']) == 0\n"
        "assert 'QuickFinder' in str(sys.meta_path[0])\n"
    )
    assert found["enabled"]
