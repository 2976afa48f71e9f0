"""Weights folders: exact, small, whole or not there, and refused in one line when something is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from voiceface.errors import InputError
from voiceface.training import weights as module
from voiceface.training.weights import FORMAT, read_run, read_weights, write_weights

RUN = {"recipe": "made", "arguments": {"lr": 0.1}, "facts": {"classes": ["ann", "bob"]}}


def some() -> dict[str, torch.Tensor]:
    make = torch.Generator().manual_seed(0)
    return {
        "layer.weight": torch.randn(8, 4, generator=make),
        "layer.bias": torch.tensor([0.5, -0.25]),
        "norm.running_var": torch.tensor([1e-7, 3.3e3]),
        "norm.count": torch.tensor(7),
        "huge": torch.full((2, 2), 1e6),
    }


def test_what_is_written_is_read_back(tmp_path):
    tensors = some()
    folder = write_weights(tmp_path / "w", tensors, RUN)
    back, run = read_weights(folder)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(back[name], tensor)
        assert back[name].dtype == tensor.dtype
    assert {key: run[key] for key in RUN} == RUN
    assert (run["format"], run["files"]) == (FORMAT, ["model.safetensors"])
    assert sorted(p.name for p in folder.iterdir()) == ["model.safetensors", "run.json"]


def test_fp16_where_nothing_is_lost_and_elsewhere_only_if_asked(tmp_path):
    def stored(half: bool) -> dict[str, torch.dtype]:
        folder = write_weights(tmp_path / str(half), some(), RUN, half=half)
        raw = safetensors.torch.load_file(folder / "model.safetensors")
        return {name: tensor.dtype for name, tensor in raw.items()}

    exact = stored(False)
    assert [name for name, dtype in exact.items() if dtype == torch.float16] == ["layer.bias"]
    rounded = stored(True)
    assert sorted(n for n, d in rounded.items() if d == torch.float16) == ["layer.bias", "layer.weight"]
    back, _ = read_weights(tmp_path / "True")
    torch.testing.assert_close(back["layer.weight"], some()["layer.weight"], rtol=2**-10, atol=1e-7)
    assert torch.equal(back["norm.running_var"], some()["norm.running_var"])
    assert torch.equal(back["huge"], some()["huge"])


def test_large_models_become_several_files_none_over_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 20_000)
    make = torch.Generator().manual_seed(0)
    tensors = {f"t{k}": torch.randn(30, 50, generator=make) for k in range(7)}
    tensors["wide"] = torch.randn(900, 20, generator=make)  # 72 kB, larger than a file
    folder = write_weights(tmp_path / "w", tensors, RUN)
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) >= 6
    assert max(file.stat().st_size for file in files) <= 20_000
    back, run = read_weights(folder)
    assert run["files"] == [file.name for file in files]
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    files[2].unlink()
    with pytest.raises(InputError, match=f"{files[2].name}: is missing"):
        read_weights(folder)
    with pytest.raises(InputError, match="rows over 10000 bytes"):
        write_weights(tmp_path / "x", {"row": torch.randn(1, 6000)}, RUN)


def test_tied_tensors_are_stored_twice_rather_than_refused(tmp_path):
    one = torch.randn(3, 3)
    back, _ = read_weights(write_weights(tmp_path / "w", {"a": one, "b": one.T}, RUN))
    assert torch.equal(back["a"], one)
    assert torch.equal(back["b"], one.T)


def test_a_failed_write_leaves_nothing_new_and_the_old_weights_whole(tmp_path, monkeypatch):
    def broken(part, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", broken)
        with pytest.raises(InputError, match="disk is full"):
            write_weights(tmp_path / "w", some(), RUN)
        assert list(tmp_path.iterdir()) == []
    write_weights(tmp_path / "w", some(), RUN)
    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", broken)
        with pytest.raises(InputError, match="disk is full"):
            write_weights(tmp_path / "w", {"other": torch.ones(2)}, RUN)
    assert read_weights(tmp_path / "w")[0].keys() == some().keys()
    write_weights(tmp_path / "w", {"other": torch.ones(2)}, RUN)  # and a good one replaces it
    assert list(read_weights(tmp_path / "w")[0]) == ["other"]
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_nothing_else_is_overwritten(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is no weights folder"):
        write_weights(tmp_path / "w", some(), RUN)
    with pytest.raises(InputError, match="exists and is no weights folder"):
        write_weights(tmp_path / "w" / "thesis.txt", some(), RUN)
    assert (tmp_path / "w" / "thesis.txt").read_text() == "mine"


def test_bad_folders_are_refused_in_one_line(tmp_path):
    good = write_weights(tmp_path / "w", some(), RUN)
    model, card = good / "model.safetensors", good / "run.json"
    whole, run = model.read_bytes(), json.loads(card.read_text())

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match) as error:
            read_weights(good)
        assert "\n" not in str(error.value)

    for cut in (len(whole) - 1, len(whole) // 2, 9, 3, 0):
        model.write_bytes(whole[:cut])
        refused(r"model.safetensors: is truncated or damaged .*; copy the weights folder again")
    model.unlink()
    refused("model.safetensors: is missing")
    model.write_bytes(whole)
    for text, match in (
        ("", "run.json: is damaged"),
        ("[1, 2]", "was not written by voiceface"),
        (json.dumps({"model_type": "bert"}), "was not written by voiceface"),
        (
            json.dumps(run | {"format": FORMAT + 1, "voiceface": "9.1"}),
            r"newer voiceface \(9.1\); pip install",
        ),
        (json.dumps(run | {"files": ["../secret.safetensors"]}), "names no files"),
        (json.dumps(run | {"files": None}), "run.json: is damaged"),
    ):
        card.write_text(text)
        refused(match)
    card.unlink()
    refused(r"is no weights folder \(no run.json\)")
    with pytest.raises(InputError, match="there is no such folder"):
        read_run(tmp_path / "nowhere")


def test_a_weights_file_of_others_points_to_the_importer(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"w\.pth: is no weights folder but a file; .*import-weights"):
        read_run(tmp_path / "w.pth")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_the_umask_says_who_may_read_weights(tmp_path):
    for mask, mode in ((0o077, 0o600), (0o022, 0o644)):
        before = os.umask(mask)
        try:
            write_weights(tmp_path / f"{mask}", {"a": torch.zeros(3)}, RUN)
        finally:
            os.umask(before)
        for path in (tmp_path / f"{mask}").iterdir():
            assert path.stat().st_mode & 0o777 == mode, path
