"""ONNX graphs beside PyTorch: how equal they are, and what a whole process costs, on made or real files.

    python benchmarks/export.py [--voices FOLDER] [--faces FOLDER] [--count N]

Exports matcher, imaginer, talker and face-mesh, prints each graph's largest difference from PyTorch on N
recordings and pictures, and then the median of five processes that answer from one recording (and one
aligned face): the README's example with onnxruntime, the same in PyTorch, and the command itself, which also
detects the face, looks for speech and names its files.
"""

from __future__ import annotations

import argparse
import importlib
import re
import statistics
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from doors import RUNS, made
from whole_process import measured

from voiceface.face.align import align
from voiceface.face.find_face import find_face
from voiceface.media.picture import save_png
from voiceface.media.sound import load_sound, save_sound
from voiceface.pipelines.export_weights import export_weights
from voiceface.pipelines.onnx_graph import Difference, Graph, largest_difference, open_graph
from voiceface.pipelines.weights import load_model

WEIGHTS = ("matcher", "imaginer", "talker", "face-mesh")
PYTORCH = {
    "matcher": "m = vf.Matcher.load('matcher'); v = m.embed_voices(['voice.wav']); "
    "f = m._project(m._faces.embed(np.asarray(Image.open('face.png'))[None]), m._model.faces); "
    "print(m.probability(v @ f.T))",
    "imaginer": "vf.Imaginer.load('imaginer')('voice.wav')[0].save('face.png')",
}
HEAD = "import numpy as np; from PIL import Image; import voiceface as vf; "


def differences(
    name: str, folder: Path, waves: list[np.ndarray], faces: list[np.ndarray]
) -> dict[str, Difference]:
    """Each graph's largest difference from PyTorch on these recordings and aligned faces."""
    loaded = load_model(name)
    exporter = importlib.import_module(f"voiceface.pipelines.exporters.{name.replace('-', '_')}")
    found = {}
    for graph in exporter.graphs(loaded):
        run = open_graph(str(folder / f"{graph.name}.onnx"))
        inputs = (_inputs(graph, number, waves, faces) for number in range(len(waves)))
        found[graph.name] = largest_difference(graph, run, inputs)
    return found


def _inputs(
    graph: Graph, number: int, waves: list[np.ndarray], faces: list[np.ndarray]
) -> tuple[torch.Tensor, ...]:
    wave = torch.from_numpy(waves[number][None])
    face = torch.from_numpy(faces[number % len(faces)].copy())
    grey = face.float().mean(2)[None, None, 27:123, 27:123] / 127.5 - 1
    given = {"voice": (wave,), "motion": (wave, wave), "face": (face[None],), "mesh": (grey,)}
    return given.get(graph.name) or graph.example(number)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voices", type=Path)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--count", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        voice, pictures = made(folder)
        voices = sorted(given.voices.iterdir()) if given.voices else [voice]
        pictures = sorted(given.faces.iterdir()) if given.faces else pictures
        voices, pictures = (spread(paths, given.count) for paths in (voices, pictures))
        waves = [load_sound(path, max_seconds=20.0) for path in voices]
        faces = [aligned(path) for path in pictures]
        print(f"\n{len(waves)} recordings, {len(faces)} faces\n\n| weights | graph | largest difference |")
        print("|---|---|---|")
        for name in WEIGHTS:
            export_weights(name, folder / name)
            for graph, away in differences(name, folder / name, waves, faces).items():
                print(f"| {name} | {graph} | {away} |", flush=True)
        for name in ("matcher", "imaginer"):
            save_sound(folder / name / "voice.wav", waves[0])
            save_png(folder / name / "face.png", faces[0])
        print_processes(folder, pictures[0])


def print_processes(folder: Path, picture: Path) -> None:
    """Print the medians of five rounds, in each of which every process runs once."""
    python, there = sys.executable, str(folder / "made.png")
    commands = {
        "`import onnxruntime`": ([python, "-c", "import onnxruntime"], folder),
        "`import torch`": ([python, "-c", "import torch"], folder),
    }
    for name, code in PYTORCH.items():
        readme = (folder / name / "README.md").read_text(encoding="utf-8")
        example = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0]
        commands[f"{name}: onnxruntime"] = ([python, "-c", example], folder / name)
        commands[f"{name}: PyTorch"] = ([python, "-c", HEAD + code], folder / name)
    door, weights = [python, "-m", "voiceface"], ["--weights", "matcher"]
    commands["`voiceface match`, one face"] = (
        [*door, "match", *weights, "voice.wav", str(picture.resolve())],
        folder / "matcher",
    )
    weights[1] = "imaginer"
    commands["`voiceface imagine`"] = (
        [*door, "imagine", *weights, "voice.wav", "-o", there],
        folder / "imaginer",
    )
    found: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(RUNS):
        for what, (command, place) in commands.items():
            found.setdefault(what, []).append(astuple(measured(command, folder=place)))
    print(f"\n| what | wall, median of {RUNS} | processor | peak memory |\n|---|---|---|---|")
    for what, runs in found.items():
        wall, processor, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {what} | {wall:.2f} s | {processor:.2f} s | {memory:.0f} MB |")


def spread(paths: list[Path], count: int) -> list[Path]:
    """So many of the paths, evenly."""
    return paths[:: max(1, len(paths) // count)][:count]


def aligned(path: Path) -> np.ndarray:
    """The face of a picture as the matcher takes it."""
    found = find_face(path)
    return align(found.picture, found.landmarks, size=150, template="dlib")


if __name__ == "__main__":
    main()
