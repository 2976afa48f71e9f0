"""What the loop refuses, and in which words: one line that names the fault and the remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from small_models import CORPUS, Adversaries, Data, Regression, small_run
from voiceface.errors import InputError, MissingPartError
from voiceface.media.writer_lock import writer_lock
from voiceface.training import devices
from voiceface.training.checkpoint import Checkpoints
from voiceface.training.devices import computes_in_bf16, launch_fabric, pick_device, pick_precision
from voiceface.training.loop import train
from voiceface.training.run import Optimiser
from voiceface.training.weights import read_weights


def fit(run, out: Path, **more: Any) -> Path:
    return train(run, CORPUS, out, **({"device": "cpu", "progress": False} | more))


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


class Lossless(Regression):
    def error(self, batch, shared):
        return {"mean": super().error(batch, shared)["loss"]}


class Failing(Adversaries):
    """Its generator's loss is NaN from the 33rd play on."""

    def generating(self, batch, fake):
        named = super().generating(batch, fake)
        return {"loss": named["loss"] * (float("nan") if self.training and self.generated >= 33 else 1.0)}


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    run = small_run("adversaries", build=lambda facts: Failing())
    with pytest.raises(InputError) as error:
        fit(run, tmp_path / "run")
    text = one_line(error)
    assert text.startswith("step 33, turn generator: the loss is nan; lower the learning rate")
    assert "step-000000020.pt" in text
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000020.pt"]
    assert not (tmp_path / "run" / "weights").exists()
    state = Checkpoints(tmp_path / "run" / "checkpoints").load(20)
    assert all(t.isfinite().all() for t in state["model"].values())


def test_weights_that_are_not_finite_never_become_a_checkpoint(tmp_path):
    class Exploding(Regression):
        def after_step(self):
            with torch.no_grad():
                self.head.bias.fill_(float("inf"))

    run = small_run("regression", build=lambda facts: Exploding(), steps=1, validate=None)
    with pytest.raises(InputError, match=r"step 1: the weights are no longer finite; .*nothing is saved yet"):
        fit(run, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_other_arguments_are_refused_by_name_and_change_nothing(tmp_path):
    fit(small_run("regression", arguments={"lr": 0.1, "dim": 3}, steps=20), tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    with pytest.raises(InputError) as error:
        fit(small_run("regression", arguments={"lr": 0.2, "dim": 3}, steps=20), tmp_path / "run")
    assert "other arguments: lr (0.1 there, 0.2 here); give the same" in one_line(error)
    with pytest.raises(InputError, match=r"recipe \(regression there, contrast here\)"):
        fit(small_run("contrast", arguments={"lr": 0.1, "dim": 3}, steps=20), tmp_path / "run")
    other: Any = SimpleNamespace(**vars(CORPUS) | {"fingerprint": "another"})
    with pytest.raises(InputError, match=r"corpus \(made there, another here\)"):
        run = small_run("regression", arguments={"lr": 0.1, "dim": 3}, steps=20)
        train(run, other, tmp_path / "run", device="cpu", progress=False)
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


def test_a_start_that_failed_before_its_first_checkpoint_gives_its_folder_to_the_next(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def stop(selection, facts):
        data = Data()
        batch = data.batch
        data.batch = lambda step: batch(step) if step < 15 else 1 / 0
        return data

    with pytest.raises(ZeroDivisionError):
        fit(small_run("regression", arguments={"lr": 0.1}, data=stop), tmp_path / "run")
    assert (tmp_path / "run" / "training.json").is_file()
    fit(small_run("regression", arguments={"lr": 0.2}, steps=20, log_every=20), tmp_path / "run")
    fit(small_run("regression", arguments={"lr": 0.2}, steps=20, log_every=20), tmp_path / "new")
    left, right = ((tmp_path / name / "weights/model.safetensors").read_bytes() for name in ("run", "new"))
    assert left == right
    curves = EventAccumulator(str(tmp_path / "run" / "curves"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("fit/loss")] == [20]


def test_a_folder_that_another_process_trains_in_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    with writer_lock(tmp_path / "run"), pytest.raises(InputError, match="being trained in by another"):
        fit(small_run("regression", steps=20), tmp_path / "run")
    fit(small_run("regression", steps=20), tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*"))


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"precious")
    with pytest.raises(InputError, match="holds other files and no training; give a new folder"):
        fit(small_run("regression"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]
    with pytest.raises(InputError, match="photo.jpg: is a file; give a folder"):
        fit(small_run("regression"), tmp_path / "photo.jpg")
    with pytest.raises(InputError, match="cannot be created"):
        fit(small_run("regression"), tmp_path / "photo.jpg" / "run")


def test_a_damaged_training_json_or_checkpoint_is_named(tmp_path):
    def stop(selection, facts):
        data = Data()
        batch = data.batch
        data.batch = lambda step: batch(step) if step < 45 else 1 / 0
        return data

    with pytest.raises(ZeroDivisionError):
        fit(small_run("regression", data=stop), tmp_path / "run")
    newest = tmp_path / "run/checkpoints/step-000000040.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"step-000000040.pt: is damaged .*; delete it to go on"):
        fit(small_run("regression"), tmp_path / "run")
    newest.unlink()
    fit(small_run("regression"), tmp_path / "run")
    (tmp_path / "run/training.json").write_text('{"recipe":')
    with pytest.raises(InputError, match=r"training.json: is damaged"):
        fit(small_run("regression"), tmp_path / "run")


def test_a_checkpoint_runs_no_code(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path(tmp_path / "exploded").touch, ())

    (tmp_path / "step-000000001.pt").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(InputError, match="is damaged"):
        Checkpoints(tmp_path).load(1)
    torch.save({"step": Bomb()}, tmp_path / "step-000000001.pt")
    with pytest.raises(InputError, match="is damaged"):
        Checkpoints(tmp_path).load(1)
    assert not (tmp_path / "exploded").exists()


def test_a_recipe_that_changed_under_its_checkpoint_is_told(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fit(small_run("regression", calibrate=lambda *_: 1 / 0, steps=20), tmp_path / "run")
    with pytest.raises(InputError, match="does not fit the recipe as it is now; train into a new folder"):
        fit(small_run("regression", build=lambda f: Regression(classes=2), steps=20), tmp_path / "run")


def test_faults_of_a_recipe_are_found_before_training(tmp_path):
    empty = SimpleNamespace(train=SimpleNamespace(people=[]), validation=SimpleNamespace(people=["eve"]))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("leaves nobody to train on", {"split": lambda corpus: empty}),
        ("facts: JSON cannot hold it", {"facts": lambda selection: {"mean": torch.ones(2)}}),
        ("arguments: JSON cannot hold it", {"arguments": {"lr": float("nan")}}),
        (r"has turns \['fit'\], optimisers for \['fitt'\]", {"optimisers": {"fitt": Optimiser()}}),
        ("turn fit: gives no 'loss' but mean", {"build": lambda facts: Lossless(), "steps": 1}),
        (r"selects by 'auc'; validation gives \['loss'\]", {"select": "auc", "steps": 1}),
    ]
    for number, (fault, changes) in enumerate(cases):
        with pytest.raises(InputError, match=fault):
            fit(small_run("regression", **changes), tmp_path / str(number))
    nobody = SimpleNamespace(train=SimpleNamespace(people=["ann"]), validation=SimpleNamespace(people=[]))
    with pytest.raises(InputError, match="leaves nobody to validate on"):
        fit(small_run("regression", split=lambda corpus: nobody), tmp_path / "nobody")


def test_fine_tuning_starts_from_weights_and_only_class_heads_start_afresh(tmp_path):
    first = fit(small_run("regression", steps=20), tmp_path / "first")
    built: list[dict[str, torch.Tensor]] = []

    class Watched(Regression):
        def error(self, batch, shared):
            if not built:
                built.append({name: t.clone() for name, t in self.state_dict().items()})
            return super().error(batch, shared)

    def tuned(**shape: Any):
        built.clear()
        return small_run("regression", build=lambda facts: Watched(**shape), steps=5, seed=9)

    fit(tuned(), tmp_path / "same", init=first)
    tensors, _ = read_weights(first)
    assert all(torch.equal(built[0][name], tensor) for name, tensor in tensors.items())

    weights = fit(tuned(classes=2), tmp_path / "fewer", init=first)
    assert torch.equal(built[0]["body.0.weight"], tensors["body.0.weight"])
    assert built[0]["head.weight"].shape == (2, 16)
    card = read_weights(weights)[1]
    assert card["started_afresh"] == ["head.bias", "head.weight"]
    again = read_weights(fit(tuned(classes=2), tmp_path / "again", init=weights))[1]
    own = {name: read_weights(first)[1][name] for name in ("recipe", "arguments", "people", "corpus")}
    assert card["ancestors"] == [own] and again["ancestors"][0] == own and len(again["ancestors"]) == 2
    assert read_weights(first)[1]["ancestors"] == []
    with pytest.raises(InputError, match="--init: would change nothing"):
        fit(small_run("regression", steps=0), tmp_path / "still", init=first)

    class Wider(Regression):
        def __init__(self) -> None:
            super().__init__()
            self.body[0] = nn.Linear(5, 16)

    with pytest.raises(InputError, match=r"body.0.weight is \(16, 4\), the model needs \(16, 5\)"):
        fit(small_run("regression", build=lambda facts: Wider()), tmp_path / "wider", init=first)
    with pytest.raises(InputError, match="lacks generator.0.bias, .* and 12 more"):
        fit(small_run("adversaries"), tmp_path / "other", init=first)
    with pytest.raises(InputError, match=r"init \(.* there, None here\)"):
        fit(tuned(), tmp_path / "same")
    with pytest.raises(InputError, match="there is no such folder"):
        fit(tuned(), tmp_path / "none", init=tmp_path / "nowhere")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_under_the_log_is_told(tmp_path, monkeypatch):
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda p, *a, **k: real(Path("/dev/full") if p.name == "log.jsonl" else p, *a, **k)
    )
    with pytest.raises(InputError, match=r"log.jsonl: cannot be written \(No space left on device\); free"):
        fit(small_run("regression"), tmp_path / "run")


def test_devices_and_precisions_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == ("cpu", 0)
    for device, fault in (
        ("cuda", "sees no CUDA GPU; give --device cpu"),
        ("mps", "no Apple GPU"),
        ("tpu", "device tpu: is unknown; give auto, cpu, cuda"),
        ("cpu:3", "is unknown"),
    ):
        with pytest.raises(InputError, match=fault):
            pick_device(device)
    with pytest.raises(InputError, match="precision 8: is unknown; give auto, 32 or bf16"):
        pick_precision("8", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == ("cuda", 0)
    assert pick_device("cuda:1") == ("cuda", 1)
    with pytest.raises(InputError, match="there are 2 GPUs"):
        pick_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    assert pick_precision("auto", "cuda") == "bf16-mixed"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert pick_precision("auto", "cuda") == "32-true"
    with pytest.raises(InputError, match="this GPU does not compute in it"):
        pick_precision("bf16", "cuda")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fma avx512f", False), ("avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True)],
)
def test_linux_says_what_a_processor_computes_in(flags, expected, monkeypatch, tmp_path):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "_LINUX_CPUS", listed)
    assert computes_in_bf16("cpu") is expected
    assert not computes_in_bf16("mps")
    listed.unlink()
    assert not computes_in_bf16("cpu")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert computes_in_bf16("cpu")


def test_without_fabric_the_remedy_is_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingPartError, match=r'pip install "voiceface\[train\]"'):
        launch_fabric("cpu")


def test_without_tensorboard_the_remedy_is_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPartError, match=r'pip install "voiceface\[train\]"'):
        fit(small_run("regression"), tmp_path / "run")


def test_importing_the_loop_brings_in_neither_fabric_nor_tensorboard():
    code = (
        "import sys, voiceface.training.loop as loop; "
        "print([n for n in ('lightning_fabric', 'tensorboard', 'torchmetrics', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
