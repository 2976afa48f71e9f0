"""What imagining costs: one voice as a whole process, and faces a second for a hundred voices.

    python benchmarks/imagine.py [--weights FOLDER] [--voice FILE] [--voices 100] [--device cpu]

Without weights those that come with the package are taken, or, where there are none, untrained ones of the
recipe's usual size, which take the same time. Peak memory is the largest resident size of the process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from whole_process import measured

from voiceface.errors import InputError
from voiceface.media.sound import load_sound, save_sound
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.pipeline import best_shipped
from voiceface.pipelines.voice_recording import read_voice_recording
from voiceface.recipes import imaginer as recipe
from voiceface.training.weights import write_weights

RUNS = 5
SECONDS = 6.0
RATE = 16_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights")
    parser.add_argument("--voice", type=Path)
    parser.add_argument("--voices", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        weights = given.weights or usual(folder)
        voice = given.voice or spoken(folder / "voice.wav")
        print(f"weights: {weights}\n\n| what | wall | processor | peak memory |\n|---|---|---|---|")
        one_process(voice, weights, folder / "face.png", given.device)
        many(voice, weights, given.voices, given.device)


def usual(folder: Path) -> str:
    """The shipped weights, or untrained ones of the same size."""
    try:
        return best_shipped("imaginer")
    except InputError:
        run, encoder = recipe.recipe(), load_voice_encoder("student")
        facts = {"voice_width": encoder.dim, "voice_fingerprint": encoder.fingerprint}
        facts["descriptor_mean"] = [0.0] * 128
        card = {"recipe": "imaginer", "arguments": dict(run.arguments), "facts": facts}
        return str(write_weights(folder / "untrained", run.build(facts).weights(), card, half=True))


def spoken(path: Path) -> Path:
    """Six seconds of a voice, a synthesiser's where it is installed."""
    try:
        from voiceface.synthetic.people import synthetic_person
        from voiceface.synthetic.speech import speak

        wave = speak(synthetic_person(0), seconds=SECONDS)[0]
    except InputError:
        wave = (0.1 * np.random.default_rng(0).normal(size=int(SECONDS * RATE))).astype(np.float32)
    save_sound(path, wave)
    return path


def one_process(voice: Path, weights: str, out: Path, device: str) -> None:
    """The median of some runs of the command."""
    command = [sys.executable, "-m", "voiceface", "imagine", str(voice), "-o", str(out), "--force"]
    command += ["--weights", weights, "--device", device]
    taken = [measured(command) for _ in range(RUNS)]
    wall, processor = (
        statistics.median(getattr(one, name) for one in taken) for name in ("wall", "processor")
    )
    megabytes = max(one.peak for one in taken)
    what = f"`voiceface imagine`, one voice of {SECONDS:.0f} s, whole process (median of {RUNS})"
    print(f"| {what} | {wall:.2f} s | {processor:.2f} s | {megabytes:.0f} MB |", flush=True)


def many(voice: Path, weights: str, count: int, device: str) -> None:
    """A hundred voices in batches, one by one, and many faces of one voice; listening apart."""
    whole = load_sound(voice)
    length = min(len(whole), int(SECONDS * RATE))
    waves = [(np.roll(whole, 997 * k)[:length], RATE) for k in range(count)]
    start = time.perf_counter(), time.process_time()
    recordings = [read_voice_recording(wave) for wave in waves]
    row(f"listening to {count} voices", start, count)
    for precision in ("32", "bf16"):
        imaginer = Imaginer.load(weights, device=device, precision=precision)
        imaginer(recordings[0], force=True)
        start = time.perf_counter(), time.process_time()
        imaginer.many(recordings, force=True)
        row(f"{count} voices in batches, {precision}", start, count)
    imaginer = Imaginer.load(weights, device=device)
    start = time.perf_counter(), time.process_time()
    for one in recordings:
        imaginer(one, force=True)
    row(f"{count} voices one by one", start, count)
    start = time.perf_counter(), time.process_time()
    imaginer(recordings[0], n=count, force=True)
    row(f"{count} faces of one voice", start, count)


def row(what: str, start: tuple[float, float], count: int) -> None:
    """Print one line."""
    wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = size * (1 if sys.platform == "darwin" else 1024) / 1e6
    rates = f"{count / wall:.1f} a second, {count / processor:.1f} a processor second"
    told = f"{what} ({torch.get_num_threads()} threads): {rates}"
    print(f"| {told} | {wall:.2f} s | {processor:.2f} s | {megabytes:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
