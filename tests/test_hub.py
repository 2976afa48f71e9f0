"""Weights from a hub, over HTTP on loopback and through the hub's own cache."""

import builtins
import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from cli_fixtures import shell
from hub_server import TOKEN, WEIGHTS, Repo, altered, files_of, hub, put  # noqa: F401  one is a fixture
from voiceface.components import SHIPPED
from voiceface.errors import InputError, MissingPartError
from voiceface.pipelines.gallery import Gallery
from voiceface.pipelines.hub import as_repository
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.weights import load_model

# ruff: noqa: F811  a fixture has the name of the function that makes it

pytest.importorskip("huggingface_hub")


def refusal(weights):
    with pytest.raises(InputError) as caught:
        load_model(weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_from_the_hub_are_the_weights_that_lie_there(hub, tmp_path):
    _, commit = put(hub, "anna/mine", SHIPPED / "matcher")
    there, here = Matcher.load("anna/mine"), Matcher.load("matcher")
    assert there.name == "anna/mine" and there.fingerprint == here.fingerprint
    assert sorted(hub.fetched()) == ["run.json"]  # the tensors come from where the hub redirects to
    cached = {path.name for path in tmp_path.glob(f"cache/models--anna--mine/snapshots/{commit}/*")}
    assert cached == set(WEIGHTS), "only what is needed"


def test_a_folder_and_a_shipped_name_come_before_the_hub(hub, tmp_path, monkeypatch):
    put(hub, "runs/mine")
    monkeypatch.chdir(tmp_path)
    altered(SHIPPED / "talker", tmp_path / "runs" / "mine", licence="here")
    assert load_model("runs/mine").card["licence"] == "here"
    assert load_model("talker").name == "talker"
    assert hub.asked == []


def test_only_the_form_owner_name_asks_the_hub(hub):
    for weights in (
        "nobody",
        "runs/mine/weights",
        "../mine",
        "/runs/mine",
        "runs/old.pth",
        "runs/x.safetensors",
        "",
    ):
        assert as_repository(weights) is None
        if weights:
            assert "is neither shipped weights nor a folder" in refusal(weights)
    assert hub.asked == []


def test_a_revision_is_what_was_asked_for(hub, tmp_path):
    repo, first = put(hub, "anna/mine")
    newer = files_of(altered(SHIPPED / "talker", tmp_path / "new", licence="MIT"))
    second = repo.commit("main", newer)
    repo.refs["v1"] = first
    for weights, licence in (
        ("anna/mine", "MIT"),
        ("anna/mine@v1", "Apache-2.0"),
        (f"anna/mine@{first}", "Apache-2.0"),
        (f"anna/mine@{second}", "MIT"),
    ):
        loaded = load_model(weights)
        assert (loaded.card["licence"], loaded.name) == (licence, weights)
    assert refusal("anna/mine@v9") == "anna/mine@v9: has no revision v9; take one from its history on the hub"


def test_tensors_are_of_the_commit_of_their_run_json(hub, tmp_path, monkeypatch):
    """Somebody pushes between the two downloads."""
    repo, _ = put(hub, "anna/mine")
    from voiceface.pipelines import download_weights as module

    read = module.read_run

    def push_then_read(folder):
        repo.commit("main", files_of(SHIPPED / "matcher"))
        return read(folder)

    monkeypatch.setattr(module, "read_run", push_then_read)
    assert load_model("anna/mine").card["recipe"] == "talker"


def test_a_commit_in_the_cache_needs_no_hub(hub):
    _, commit = put(hub, "anna/mine")
    load_model("anna/mine")
    hub.asked.clear()
    load_model(f"anna/mine@{commit}")
    assert hub.asked == []
    hub.close()
    assert load_model("anna/mine").card["recipe"] == "talker", "the last that was loaded"


def test_offline_the_cache_serves_and_nothing_is_asked(hub, monkeypatch):
    from huggingface_hub import constants

    put(hub, "anna/mine")
    load_model("anna/mine")
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model("anna/mine").card["recipe"] == "talker"
    told = refusal("anna/other")
    assert "is neither a folder here nor in the hub's cache" in told and "HF_HUB_OFFLINE is set" in told
    assert hub.asked == []


def test_a_cache_that_another_program_laid_out_is_read(hub, monkeypatch, tmp_path):
    from huggingface_hub import constants

    commit = "c" * 40
    root = tmp_path / "cache" / "models--anna--mine"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    (root / "blobs").mkdir()
    (root / "snapshots" / commit).mkdir(parents=True)
    for number, (name, content) in enumerate(files_of(SHIPPED / "talker").items()):
        (root / "blobs" / f"{number}").write_bytes(content)
        try:
            (root / "snapshots" / commit / name).symlink_to(root / "blobs" / f"{number}")
        except OSError:  # Windows without developer mode, where the hub copies too
            (root / "snapshots" / commit / name).write_bytes(content)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = load_model("anna/mine")
    assert (loaded.name, loaded.card["recipe"]) == ("anna/mine", "talker")


def test_private_weights_need_the_token(hub, monkeypatch):
    put(hub, "anna/secret", private=True)
    assert refusal("anna/secret").startswith(
        "anna/secret: is neither a folder here nor a repository of the hub that you may read; check the name"
    )
    assert "HF_TOKEN" in refusal("anna/nothing")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_model("anna/secret").card["recipe"] == "talker"
    put(hub, "anna/gated", gated=True)
    assert "is open to those whom its owner lets in; ask on its page" in refusal("anna/gated")


def test_the_hubs_own_login_serves_too(hub, tmp_path):
    put(hub, "anna/secret", private=True)
    (tmp_path / "token").write_text(TOKEN)
    assert load_model("anna/secret").card["recipe"] == "talker"


def test_what_holds_no_voiceface_weights_is_refused_in_one_line(hub, tmp_path):
    cases = {
        "empty": ({"README.md": b"x"}, "holds no voiceface weights"),
        "other": ({"run.json": b'{"kind": "else"}'}, "its run.json was not written by voiceface"),
        "text": ({"run.json": b"<html>"}, "its run.json is damaged"),
        "newer": (
            {"run.json": json.dumps({"kind": "voiceface-weights", "format": 99, "files": []}).encode()},
            "pip install --upgrade voiceface",
        ),
        "outside": (
            {"run.json": json.dumps({"kind": "voiceface-weights", "format": 1, "files": ["../x"]}).encode()},
            "its run.json names no files",
        ),
        "half": ({"run.json": files_of(SHIPPED / "talker")["run.json"]}, "not all of their files"),
        "damaged": (files_of(SHIPPED / "talker") | {"model.safetensors": b"1234"}, "is truncated or damaged"),
        "large": ({"run.json": b" " * 21_000_001}, "has 21,000,001 bytes"),
    }
    for name, (files, fault) in cases.items():
        hub.repos[f"anna/{name}"] = repo = Repo()
        repo.commit("main", files)
        assert fault in refusal(f"anna/{name}")
    assert "run.json" not in [path.name for path in tmp_path.glob("cache/models--anna--large/snapshots/*/*")]


def test_no_network_is_told_at_once(hub):
    hub.failing = 500
    assert "the hub could not serve it (500); try again later" in refusal("anna/mine")
    hub.close()
    before = time.monotonic()
    told = refusal("runs/typo")
    assert "runs/typo: is no folder here, and http://127.0.0.1" in told and told.endswith("or the network")
    assert time.monotonic() - before < 5


def test_a_gallery_takes_its_matcher_from_the_cache_and_never_has_it_fetched(hub, tmp_path):
    """It may be a stranger's gallery, which names a repository of the stranger's choice."""
    put(hub, "anna/mine", SHIPPED / "matcher")
    Gallery.open(tmp_path / "people", matcher=Matcher.load("anna/mine"), create=True, source="anna/mine")
    hub.asked.clear()
    assert Gallery.open(tmp_path / "people").matcher.name == "anna/mine"
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(InputError, match="anna/mine: is not in the hub's cache; fetch it once by its name"):
        _ = Gallery.open(tmp_path / "people").matcher
    assert hub.asked == []


def test_without_the_extra_the_remedy_is_said(hub, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == "huggingface_hub":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPartError, match=r"check the path, or pip install 'voiceface\[hub\]'"):
        load_model("anna/mine")


def test_nothing_of_the_hub_is_imported_for_local_weights():
    code = "import sys, voiceface as vf; vf.Matcher.load('matcher'); print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_commands_take_a_repository_by_the_environment(hub, tmp_path):
    put(hub, "anna/mine", SHIPPED / "matcher", private=True)
    from voiceface.media.picture import save_png
    from voiceface.media.sound import save_sound

    random = np.random.default_rng(0)
    save_sound(tmp_path / "a.wav", (0.1 * random.standard_normal(32000)).astype(np.float32))
    save_png(tmp_path / "b.png", random.integers(0, 255, (90, 90, 3)).astype(np.uint8))
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
    }
    said = shell("match", "--weights", "anna/mine", tmp_path / "a.wav", tmp_path / "b.png", env=environment)
    # The noise shows no face; that is found by the weights that were fetched.
    said.refused("no face")
    asked = [path for method, path, token in hub.asked if token == TOKEN]
    assert "/anna/mine/resolve/main/run.json" in asked
    assert list((tmp_path / "home" / "hub" / "models--anna--mine" / "snapshots").glob("*/model.safetensors"))
