"""From a WAV to the log-mels of Wen, Singh, Raj 2019: ours beside their published program's way of doing it.

    python benchmarks/wen_front_end.py [--voices FILES...] [--seconds 4 10] [--repeats 50]

Theirs is written down here anew from what their program does: the standard library reads the file, a ring of
two frames of 20 ms asks WebRTC's detector about both at every step, every stretch of speech is written to a
WAV and read again, and log-mels come frame by frame in float64. Both are timed in turn on the same
recordings, processor time, one thread; the features must agree within 1e-4 of a standard deviation (checked).
The detector's own time, in which no Python can be spared, is printed beside them.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import webrtcvad
from numpy.typing import NDArray

from voiceface.audio.wen_logmel import wen_bank
from voiceface.errors import InputError
from voiceface.media.sound import load_sound, save_sound
from voiceface.models.logmels import logmel

RATE, WINDOW, HOP = 16_000, 400, 160
FRAME = 2 * RATE * 20 // 1000
TOLERANCE = 1e-4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voices", type=Path, nargs="+", default=[])
    parser.add_argument("--seconds", type=float, nargs="+", default=[4.0, 10.0])
    parser.add_argument("--repeats", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| recording | theirs, ms | ours, ms | times as fast | WebRTC's detector alone, ms | difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path in given.voices or [spoken(folder / "voice.wav")]:
            whole = load_sound(path)
            for seconds in given.seconds:
                part = folder / "part.wav"
                save_sound(part, np.resize(whole, round(seconds * RATE)))
                row(f"{path.name}, {seconds:g} s", part, folder, given.repeats)


def spoken(path: Path) -> Path:
    """Ten seconds of a synthesiser's voice with pauses, or of noise that comes and goes."""
    try:
        from voiceface.synthetic.people import synthetic_person
        from voiceface.synthetic.speech import speak

        sound = speak(synthetic_person(0), seconds=10.0)[0]
    except InputError:
        line = np.arange(10 * RATE) / RATE
        loud = 0.3 * (np.sin(2 * np.pi * 1.3 * line) > -0.5) + 1e-3
        sound = (loud * np.random.default_rng(0).normal(size=len(line))).astype(np.float32)
    save_sound(path, sound)
    return path


def row(name: str, path: Path, folder: Path, repeats: int) -> None:
    """Time both ways in turn on one recording; print a line."""
    ways: dict[str, Callable[[], object]] = {
        "theirs": lambda: theirs(path, folder),
        "ours": lambda: logmel(load_sound(path)).numpy(),
        "detector": lambda: detector_alone(path),
    }
    away = np.abs(np.asarray(ways["theirs"]()) - np.asarray(ways["ours"]())).max()
    if not away < TOLERANCE:
        raise SystemExit(f"{name}: features differ by {away:.2g}")
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, function in ways.items():
            start = time.process_time()
            function()
            times[way].append(1000 * (time.process_time() - start))
    theirs_ms, ours_ms, least = (statistics.median(found) for found in times.values())
    ratio = statistics.median(one / other for one, other in zip(times["theirs"], times["ours"], strict=True))
    print(
        f"| {name} | {theirs_ms:.2f} | {ours_ms:.2f} | {ratio:.2f} | {least:.2f} | {away:.1e} |", flush=True
    )


def theirs(path: Path, folder: Path) -> NDArray[np.float32]:
    """Log-mels (frames, 64), each band normalised over the recording."""
    with wave.open(str(path), "rb") as file:
        sound = file.readframes(file.getnframes())
    frames = [sound[at : at + FRAME] for at in range(0, len(sound) - FRAME, FRAME)]
    stretches = []
    for number, stretch in enumerate(speech(frames, webrtcvad.Vad(2))):
        written = folder / f"stretch-{number}.wav"
        with wave.open(str(written), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(stretch)
        with wave.open(str(written), "rb") as file:
            stretches.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
        written.unlink()
    samples = np.concatenate(stretches) if stretches else np.frombuffer(sound, "<i2")
    bank, window, before = wen_bank().numpy(), np.hamming(WINDOW), 0.0
    rows = np.zeros((1 + len(samples) // HOP, 64))
    for index in range(len(rows)):
        frame = np.resize(samples[index * HOP : index * HOP + WINDOW], WINDOW)
        extended = np.insert(frame.astype(float), 0, before)
        before = float(frame[-1])
        spectrum = np.fft.rfft((extended[1:] - 0.97 * extended[:-1]) * window, 1024)
        power = spectrum.real * spectrum.real + spectrum.imag * spectrum.imag
        rows[index] = np.log(np.dot(power, bank).clip(1e-5, np.inf))
    centred = rows.astype(np.float32) - rows.astype(np.float32).mean(0)
    result: NDArray[np.float32] = centred / (centred.std(0) + np.finfo(np.float32).eps)
    return result


def speech(frames: list[bytes], detector: webrtcvad.Vad) -> Iterator[bytes]:
    """Stretches of speech: both of two frames open one, both of two without close it."""
    ring: collections.deque[bytes] = collections.deque(maxlen=2)
    kept: list[bytes] = []
    speaking = False
    for frame in frames:
        ring.append(frame)
        if speaking:
            kept.append(frame)
        changed = len([one for one in ring if detector.is_speech(one, RATE) != speaking])
        if changed <= 0.9 * 2:
            continue
        if speaking:
            yield b"".join(kept)
            kept = []
        else:
            kept = list(ring)
        speaking = not speaking
        ring.clear()
    if kept:
        yield b"".join(kept)


def detector_alone(path: Path) -> None:
    """Ask about every frame twice, as both ways do."""
    with wave.open(str(path), "rb") as file:
        sound = file.readframes(file.getnframes())
    detector = webrtcvad.Vad(2)
    for at in range(0, len(sound) - FRAME, FRAME):
        detector.is_speech(sound[at : at + FRAME], RATE)
        detector.is_speech(sound[at : at + FRAME], RATE)


if __name__ == "__main__":
    main()
