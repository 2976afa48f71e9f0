"""What animating costs: minutes of speech as a whole process, and whether sound and picture end together.

    python benchmarks/animate.py [--weights FOLDER] [--voices FOLDER] [--minutes 5] [--sizes 128 256]

The speech is the folder's recordings one after the other, or a synthesiser's. Drift is looked for twice: in
the lengths of the two streams in the file, and by the offset at which the sync expert finds mouths and sound
to fit, in the first and in the last minute of the largest clip. Peak memory is the largest resident size of
a process of the command.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from whole_process import measured

from voiceface.errors import InputError
from voiceface.evaluation.clip_files import FPS, track_face_points
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.media.movie import frames
from voiceface.media.sound import load_sound
from voiceface.metrics.sync_confidence import sync

RATE = 16_000
JUDGED = 60.0
"""Seconds at either end that the sync expert judges."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights")
    parser.add_argument("--voices", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--sizes", type=int, nargs="*", default=[128, 256])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print("| what | wall | times real time | processor | peak memory | sound − picture |\n|" + "---|" * 6)
        for seconds in (3.0, given.minutes * 60):
            speech = folder / f"{seconds:.0f}.wav"
            write_speech(speech, given.voices, seconds)
            for size in given.sizes:
                one_process(speech, folder / f"{size}.mp4", seconds, size, given.weights)
        ends_in_step(folder / f"{max(given.sizes)}.mp4")


def write_speech(path: Path, voices: Path | None, seconds: float) -> None:
    """So much speech, mono at 16 kHz, 16 bits, written piece by piece: hours need no more memory."""
    if voices is not None:
        suffixes = {".ogg", ".wav", ".flac", ".mp3"}
        made = (load_sound(one) for one in sorted(voices.iterdir()) if one.suffix in suffixes)
    else:
        made = synthesised()
    left = round(seconds * RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        while left and (piece := next(made, None)) is not None:
            samples = (piece[:left] * 32767).round().clip(-32768, 32767).astype("<i2")
            file.writeframes(samples.tobytes())
            left -= len(samples)
    if left:
        fault = f"holds {seconds - left / RATE:.0f} s of sound"
        raise InputError(str(voices), fault, f"give a folder of {seconds:.0f} s")


def synthesised() -> Iterator[np.ndarray]:
    """One synthetic person's speech without end."""
    from voiceface.synthetic.people import synthetic_person
    from voiceface.synthetic.speech import speak

    while True:
        yield speak(synthetic_person(0), seconds=6.0)[0]


def one_process(voice: Path, out: Path, seconds: float, size: int, weights: str | None) -> None:
    """The command once, and what its file holds."""
    command = [sys.executable, "-m", "voiceface", "animate", str(voice), "-o", str(out), "--size", str(size)]
    command += ["--weights", weights] if weights else []
    taken = measured(command)
    picture, sound = stream_seconds(out)
    told = f"{seconds:.0f} s of speech at {size} pixels"
    print(
        f"| {told} | {taken.wall:.1f} s | {seconds / taken.wall:.2f} | {taken.processor:.1f} s "
        f"| {taken.peak:.0f} MB "
        f"| {sound - picture:+.3f} s |",
        flush=True,
    )


def stream_seconds(path: Path) -> tuple[float, float]:
    """Seconds of the picture and of the sound, counted packet by packet."""
    ends = {"video": 0.0, "audio": 0.0}
    with av.open(str(path)) as movie:
        for packet in movie.demux():
            if packet.pts is not None and packet.duration:
                end = float((packet.pts + packet.duration) * packet.time_base)
                ends[packet.stream.type] = max(ends[packet.stream.type], end)
    return ends["video"], ends["audio"]


def ends_in_step(path: Path) -> None:
    """Where the sync expert finds mouths and sound to fit, at the beginning and at the end."""
    expert = find_sync_expert("")
    whole = stream_seconds(path)[0]
    for name, first in (("first", 0.0), ("last", max(0.0, whole - JUDGED))):
        pictures = np.stack([one for _, one in frames(path, fps=FPS, start=first, stop=first + JUDGED)])
        sound = load_sound(path, rate=RATE, start=first, stop=first + JUDGED)
        mouths, sounds = expert.embed(pictures, track_face_points(pictures), sound)
        found = sync(sounds, mouths)
        told = f"offset {found.offset:+d} frames, confidence {found.confidence:.3f}"
        print(f"{name} {JUDGED:.0f} s: {told} ({found.confidence_at_zero:.3f} at offset 0)", flush=True)


if __name__ == "__main__":
    main()
