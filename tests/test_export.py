"""ONNX export: what PyTorch computes, examples that need no torch, folders whole or not at all."""

import errno
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from generating_models import speech_like_wave
from voiceface import cli
from voiceface.audio.motion_mel import motion_mel, speech_spectrum
from voiceface.errors import InputError
from voiceface.media.picture import save_png
from voiceface.media.sound import save_sound
from voiceface.models.block_talking_face import HOP, PAD
from voiceface.models.encoders.campplus import CampplusVoice
from voiceface.models.model import Model
from voiceface.models.stacked_voices import StackedVoices
from voiceface.models.voice_encoder import VoiceEncoder, WindowEncoder
from voiceface.nn.voice.campplus import BlockSizes, Campplus
from voiceface.nn.voice.ge2e import Ge2e
from voiceface.nn.voice.recurrent_voice import RecurrentVoice
from voiceface.pipelines import export_weights as module
from voiceface.pipelines.export_weights import TOLERANCE, export_weights
from voiceface.pipelines.exporters import _voices
from voiceface.pipelines.onnx_graph import Difference, Graph, largest_difference, onnx_bytes, open_graph
from voiceface.pipelines.weights import load_model

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

BLOCKED = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "voiceface"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, NoTorch())
"""


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "talker"
    export_weights("talker", folder)
    return folder


@pytest.fixture
def exported_before(talker, monkeypatch):
    """The talker's graphs are taken from where they lie: each costs seconds to record."""
    monkeypatch.setattr(module, "onnx_bytes", lambda graph, _: (talker / f"{graph.name}.onnx").read_bytes())


def example_of(folder):
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return code


def run_example(folder, *, side=150):
    """The README's example in a process without torch, beside a recording and a picture."""
    save_sound(folder / "voice.wav", speech_like_wave(3, 2.5))
    save_png(folder / "face.png", np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))
    command = [sys.executable, "-c", BLOCKED + example_of(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_need_no_torch(talker):
    assert "63 frames" in run_example(talker) or "62 frames" in run_example(talker)


@pytest.mark.parametrize("seconds", [0.3, 1.99, 2.0, 7.123])
def test_motion_is_what_the_talker_moves_the_mesh_by(talker, seconds):
    model, wave = load_model("talker").model, speech_like_wave(5, seconds)
    frames = round(seconds * 25)
    padded = np.pad(wave, (PAD * HOP, (frames + PAD) * HOP - len(wave)))
    with torch.no_grad():
        mels = motion_mel(torch.from_numpy(padded), speech_spectrum(torch.from_numpy(wave)))
        wanted = model.motion(mels)[PAD : PAD + frames].numpy()
    motion = open_graph(str(talker / "motion.onnx"))(wave=wave[None], speech=wave[None])[0]
    assert motion.shape == wanted.shape == (frames, 468, 2)
    assert np.abs(motion - wanted).max() < TOLERANCE and np.abs(wanted).max() > 0.01


class Spread(torch.nn.Module):
    """A network of windows without a state, which takes seconds less to record than 160 frames of LSTM."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(40, 12)

    def forward(self, mels):
        return torch.nn.functional.normalize(self.linear((100 * mels).log1p()).std(1), dim=1)


def small_encoders():
    torch.manual_seed(0)
    network = Campplus(planes=4, channels=8, dim=6, blocks=[BlockSizes(1, 4, 16, 6)] * 3)
    campplus = CampplusVoice(network, fingerprint="c")
    windows = WindowEncoder("student", Spread(), fingerprint="a")
    ge2e = WindowEncoder("ge2e", Ge2e(hidden=16, dim=12), fingerprint="b")
    return [StackedVoices([windows, campplus]), pytest.param(ge2e, marks=pytest.mark.slow)]


@pytest.mark.parametrize("encoder", small_encoders(), ids=lambda encoder: encoder.name)
def test_voices_of_any_length_and_number_are_embedded_as_by_the_encoder(encoder):
    graph = Graph(
        name="voice",
        network=_voices.voice_network(encoder),
        inputs={"wave": (("batch", "samples"), "")},
        outputs={"embedding": ""},
        example=lambda number: (_voices.example_waves(number),),
    )
    run = open_graph(onnx_bytes(graph, {"weights": "small"}))
    made = np.stack([level * speech_like_wave(row, 13.0) for row, level in enumerate((0.03, 1, 0.3))])
    for samples, count in ((3_200, 1), (19_200, 2), (31_519, 1), (31_520, 3), (56_161, 1), (200_001, 1)):
        waves = made[:count, :samples]
        found = run(wave=waves)[0]
        assert np.abs(found - encoder.embed(list(waves))).max() < TOLERANCE, samples


@pytest.mark.parametrize("network", [Ge2e, RecurrentVoice])
def test_recurrent_networks_become_graphs(network):
    torch.manual_seed(0)
    graph = Graph(
        name="windows",
        network=network(hidden=16, layers=2, dim=12),
        inputs={"mels": (("windows", 2, 40), "")},
        outputs={"rows": ""},
        example=lambda number: (torch.rand(2 + number, 2, 40),),
    )
    run, mels = open_graph(onnx_bytes(graph, {"weights": "small"})), torch.rand(5, 2, 40)
    assert np.abs(run(mels=mels.numpy())[0] - graph.run_torch((mels,))[0]).max() < TOLERANCE


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch, exported_before):
    monkeypatch.setattr(module, "largest_difference", lambda *given: Difference(numbers=2e-4))
    with pytest.raises(InputError, match="differs too much .* numbers at most 0.0002 from PyTorch's"):
        export_weights("talker", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def difference_of(wanted, found):
    """What is said of a graph that gives ``found`` where PyTorch gives ``wanted``, and whether it passes."""
    outputs = {f"output {number}": "" for number in range(len(wanted))}
    network = ConstantOutputs([torch.tensor(values) for values in wanted])
    graph = Graph(name="made", network=network, inputs={}, outputs=outputs, example=lambda number: ())
    difference = largest_difference(graph, lambda: [np.asarray(values) for values in found], [(), ()])
    return str(difference), difference.within(TOLERANCE)


class ConstantOutputs(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self):
        return self.outputs


def test_the_difference_is_told_of_numbers_and_of_pictures():
    numbers, picture = np.float32([0.5, 1.0]), np.uint8([[3, 200]])
    off = np.uint8([[4, 200]])
    assert difference_of([picture], [picture]) == ("pictures at most 0 of 255 levels from PyTorch's", True)
    assert difference_of([picture], [off]) == ("pictures at most 1 of 255 levels from PyTorch's", True)
    assert difference_of([picture], [off + 1]) == ("pictures at most 2 of 255 levels from PyTorch's", False)
    both = "numbers at most 3.1e-05 and pictures at most 1 of 255 levels from PyTorch's"
    assert difference_of([numbers, picture], [numbers + np.float32(2**-15), off]) == (both, True)
    assert difference_of([numbers], [numbers + np.float32(0.25)])[1] is False
    assert difference_of([numbers], [numbers * np.float32("nan")]) == (
        "numbers at most nan from PyTorch's",
        False,
    )


def test_bad_input_is_named_in_one_line(tmp_path, capsys, monkeypatch):
    def refusal(*tokens):
        assert cli.main(["export", *map(str, tokens)]) == 1
        [line] = capsys.readouterr().err.splitlines()
        return line

    assert "did you mean 'talker'?" in refusal("talkr", "-o", tmp_path / "a")
    line = refusal("sync-expert", "-o", tmp_path / "a")
    assert "sync_expert, which cannot be exported; those of face-mesh, imaginer, matcher, talker can" in line
    (tmp_path / "there").mkdir()
    assert "exists already" in refusal("talker", "-o", tmp_path / "there")
    assert "does not exist; create the folder first" in refusal("talker", "-o", tmp_path / "no" / "a")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert 'onnxscript is not installed; pip install "voiceface[onnx]"' in refusal(
        "talker", "-o", tmp_path / "a"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_encoder_that_cannot_be_exported_is_named():
    class Other(VoiceEncoder):
        name = "wavlm"

    with pytest.raises(InputError, match="voice encoder wavlm: cannot be exported"):
        _voices.voice_network(Other())


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    monkeypatch.setattr(module, "onnx_bytes", lambda *given: b"graph")
    monkeypatch.setattr(module, "_check", lambda *given: Difference())
    with pytest.raises(InputError, match=r"/out/motion.onnx: the disk is full"):
        export_weights("talker", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="a process is killed by a signal")
def test_a_killed_export_leaves_no_folder_and_the_next_removes_the_rest(tmp_path, exported_before):
    command = [sys.executable, "-m", "voiceface", "export", "talker", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command)
    while process.poll() is None and not list(tmp_path.iterdir()):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".out.partial-")
    export_weights("talker", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matcher", "imaginer", "face-mesh"])
def test_all_shipped_weights_can_be_exported_and_their_examples_run(name, tmp_path):
    exported = export_weights(name, tmp_path / name)
    assert all(one.difference.within(TOLERANCE) and one.path.stat().st_size == one.size for one in exported)
    text = run_example(tmp_path / name, side=96 if name == "face-mesh" else 150)
    if name == "imaginer":
        assert (tmp_path / name / "face.png").stat().st_size > 20_000
    else:
        assert "nan" not in text and text.strip()


def test_only_what_has_an_exporter_is_exported(tmp_path):
    assert not any(
        module.load_component(module.EXPORTERS, name).accepts(Model())
        for name in module.component_names(module.EXPORTERS)
    )
