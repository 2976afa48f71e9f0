"""Voices of synthetic people: eSpeak NG in a process of its own, one voice variant a person."""

from __future__ import annotations

import atexit
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.errors import InputError, MissingPartError
from voiceface.records import SAMPLE_RATE
from voiceface.synthetic.espeak_worker import read_message, write_message
from voiceface.synthetic.people import SyntheticPerson
from voiceface.synthetic.sentences import SENTENCES, sentence
from voiceface.synthetic.traits import random_generator

LONGEST_PATH = 120
"""Characters that eSpeak's data path may have: 136 were fine and 186 ended the process, whatever the text."""

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One phoneme event: eSpeak's name (``_:`` and the like are pauses), start and stop in seconds."""

    name: str
    start: float
    stop: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosody:
    """What an emotion does to the voice: factors of pitch, pitch range and rate, level in dB, and so on."""

    pitch: float = 1.0
    span: float = 1.0
    rate: float = 1.0
    level: float = 0.0
    breath: float = 0.0
    roughness: float = 0.0
    flutter: float = 0.0


PROSODIES: Mapping[str, Prosody] = {
    "neutral": Prosody(),
    "happy": Prosody(pitch=1.16, span=1.6, rate=1.08, level=2.0),
    "anger": Prosody(pitch=1.10, span=1.4, rate=1.14, level=5.0, roughness=2.0),
    "sad": Prosody(pitch=0.88, span=0.5, rate=0.80, level=-5.0, breath=4.0),
    "fear": Prosody(pitch=1.30, span=0.9, rate=1.22, level=0.0, breath=3.0, flutter=6.0),
    "disgust": Prosody(pitch=0.92, span=0.8, rate=0.86, level=-1.0, roughness=1.5),
}
"""The six emotions of CREMA-D and their prosody."""


def check_installed() -> None:
    """Raise MissingPartError where eSpeak NG is not installed."""
    if importlib.util.find_spec("espeakng_loader") is None:
        raise MissingPartError(
            "espeakng-loader", "synthetic people speak through it, and it is not installed",
            'run: pip install "voiceface[synthetic]"',
        )  # fmt: skip


class _EspeakProcess:
    """The speaking process of this process: started when first asked, ended with it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        check_installed()
        import espeakng_loader

        self.folder = tempfile.TemporaryDirectory(prefix="vf", ignore_cleanup_errors=True)
        if len(self.folder.name) > LONGEST_PATH:
            raise InputError(
                self.folder.name, "is too long a path for eSpeak NG", "set TMPDIR to a short folder"
            )
        program = Path(__file__).with_name("espeak_worker.py")
        parts = [espeakng_loader.get_library_path(), espeakng_loader.get_data_path(), self.folder.name]
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(program), *parts], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self.process

    def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        with self.lock:
            process = self.process if self.process and self.process.poll() is None else self.start()
            assert process.stdin is not None and process.stdout is not None
            try:
                write_message(process.stdin, json.dumps(request).encode())  # type: ignore[arg-type]
                head = read_message(process.stdout)  # type: ignore[arg-type]
                sound = read_message(process.stdout)  # type: ignore[arg-type]
            except OSError:
                head = sound = None
            if head is None or sound is None:
                self.stop()
                raise InputError(
                    "eSpeak NG", "ended while speaking", "see its message above; try another text"
                )
            answer = json.loads(head)
            if not answer["fresh"]:
                self.stop()
        return answer, sound

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None and self.process.stdout is not None
            with suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process = None
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None


_espeak = _EspeakProcess()
atexit.register(_espeak.stop)


def _clip(value: float, low: float, high: float) -> float:
    return float(min(max(value, low), high))


def variant(person: SyntheticPerson, prosody: Prosody, *, pitch: float = 1.0) -> str:
    """The text of a person's eSpeak voice variant; ``pitch`` is a recording's own factor.

    Sex, register, size and age set the pitch, sex and size the length of the vocal tract (all formants),
    resonance the distance of the lower formants, age their width, roughness the upper formants and the
    jitter, breath and melody what they are called.
    """
    v = person.voice
    sex = _clip(v["sex"], -2, 2)
    hertz = 152 * np.exp(-0.28 * sex + 0.085 * v["register"] - 0.03 * v["size"] - 0.03 * v["age"])
    hertz = _clip(hertz * pitch * prosody.pitch, 62, 360)
    span = _clip(0.17 * np.exp(0.4 * v["melody"]) * prosody.span, 0.03, 0.6)
    tract = np.exp(-0.07 * sex - 0.045 * v["size"])
    shift = np.array([0, 0.05, -0.05, -0.02, 0, 0, 0, 0, 0]) * _clip(v["resonance"], -2.5, 2.5)
    shift += np.array([0, 0, 0.015, 0.035, 0.04, 0, 0, 0, 0]) * _clip(v["timbre"], -2.5, 2.5)
    formants = np.clip(100 * tract * np.exp(shift), 70, 140).round(1)
    harsh, years = _clip(v["roughness"], -2.5, 2.5), _clip(v["age"], -2.5, 2.5)
    heights = 100.0 + 25 * np.eye(9)[0] * _clip(v["nasality"], -2, 2)
    heights += np.array([0, 0, 0, 10, 32, 32, 0, 0, 0]) * harsh
    widths = 100.0 + np.array([0, 22, 16, 10, 0, 0, 0, 0, 0]) * years
    tilt = _clip(v["brightness"], -2, 2)
    breath = _clip(3 + 2.6 * v["breath"] + prosody.breath, 0, 14)
    rough = round(_clip(1.6 + 1.3 * v["roughness"] + 0.4 * v["age"] + prosody.roughness, 0, 7))
    flutter = round(_clip(3 + 2 * v["flutter"] + 1.2 * max(v["age"], 0) + prosody.flutter, 0, 16))
    lines = ["language variant", "name own", f"gender {'male' if sex > 0 else 'female'}"]
    lines.append(f"pitch {round(hertz * (1 - span))} {round(hertz * (1 + span))}")
    lines += [f"formant {i} {formants[i]:.0f} {heights[i]:.0f} {widths[i]:.0f}" for i in range(9)]
    lines.append(f"roughness {rough}")
    lines.append(f"flutter {flutter}")
    lines.append("breath " + " ".join(str(round(breath * f)) for f in (0, 0.5, 1, 1, 1, 1, 0.3, 1.2)))
    lines.append(f"voicing {round(_clip(100 - 2.2 * breath, 55, 110))}")
    high = [round(_clip(level + slope * tilt, 20, 220)) for level, slope in ((140, 12), (115, 18), (105, 24))]
    lines.append(f"tone 600 170 1200 {high[0]} 2000 {high[1]} 3000 {high[2]}")
    stress = _clip(v["stress"], -2, 2)
    lines.append("stressAdd 0 0 0 0 0 0 " + f"{round(20 * stress)} {round(25 * stress)}")
    return "\n".join(lines) + "\n"


def _resample(samples: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """To 16 kHz by cutting the spectrum: it starts and ends in silence, so the wrap is inaudible."""
    if rate == SAMPLE_RATE:
        return samples
    step = rate // np.gcd(rate, SAMPLE_RATE)
    padded = np.pad(samples, (0, -len(samples) % step + step))
    out = len(padded) * SAMPLE_RATE // rate
    spectrum = np.fft.rfft(padded)[: out // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, out) * (out / len(padded)))[
        : round(len(samples) * SAMPLE_RATE / rate)
    ]


def _utter(
    person: SyntheticPerson, text: str, prosody: Prosody, rng: np.random.Generator
) -> tuple[Wave, list[Phoneme]]:
    v = person.voice
    words = (
        165
        * np.exp(0.13 * v["tempo"] - 0.03 * v["age"])
        * prosody.rate
        * np.exp(0.04 * rng.standard_normal())
    )
    request = {
        "text": text,
        "language": person.spoken_accent.voice,
        "variant": variant(person, prosody, pitch=float(np.exp(0.02 * rng.standard_normal()))),
        "rate": round(_clip(words, 90, 320)),
        "volume": 100,
        "seed": int(rng.integers(1, 2**31 - 1)),
    }
    head, sound = _espeak.ask(request)
    if "error" in head:
        raise InputError("eSpeak NG", head["error"], "reinstall espeakng-loader")
    samples = np.frombuffer(sound, dtype="<i2").astype(np.float64) / 32768
    if len(samples) == 0:
        raise InputError(repr(text[:40]), "contains nothing that can be said", "give a text with words")
    seconds = len(samples) / head["rate"]
    names = [name for name, _, _ in head["events"]]
    times = [min(sample / head["rate"], seconds) for _, _, sample in head["events"]]
    stops = [*times[1:], seconds]
    events = [
        Phoneme(name, start, stop)
        for name, start, stop in zip(names, times, stops, strict=True)
        if stop > start
    ]
    return _resample(samples, head["rate"]).astype(np.float32), events


def _room(wave: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A small room and its noise: exponentially dying reflections, coloured noise 24 to 42 dB below."""
    length = int(SAMPLE_RATE * rng.uniform(0.08, 0.3))
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= rng.uniform(0.05, 0.35) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    size = 1 << int(len(wave) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)[: len(wave)]
    noise = np.fft.rfft(rng.standard_normal(len(wave)))
    noise /= np.maximum(np.arange(len(noise)) * SAMPLE_RATE / len(wave), 50) ** 0.5
    hiss = np.fft.irfft(noise, len(wave))
    level = np.sqrt(np.mean(wet**2)) * 10 ** (-rng.uniform(24, 42) / 20)
    return np.asarray(wet + hiss * level / max(np.sqrt(np.mean(hiss**2)), 1e-12))


def speak(
    person: SyntheticPerson,
    *,
    text: str | None = None,
    seed: int = 0,
    emotion: str = "neutral",
    seconds: float | None = None,
    room: bool = True,
) -> tuple[Wave, list[Phoneme]]:
    """Let a person speak: a float32 wave (samples,) at 16 kHz in [-1, 1] and its phoneme events in seconds.

    Without ``text`` one random sentence of the person's language is read, or as many as fill ``seconds``,
    to which the wave is then cut or padded exactly. Rate, pitch, room, noise and level vary with ``seed``;
    the same person, seed and arguments give identical samples. The level depends on the emotion and the seed
    only. Raises MissingPartError without espeakng-loader, InputError for an unknown emotion or an empty
    text.
    """
    if emotion not in PROSODIES:
        raise InputError("emotion", f"{emotion!r} is unknown", "one of " + ", ".join(PROSODIES))
    if text is not None and not text.strip():
        raise InputError("text", "is empty", "give something to say")
    if seconds is not None and not 0.1 <= seconds <= 600:
        raise InputError("seconds", f"is {seconds}", "give 0.1 to 600")
    rng = random_generator(person.seed, seed, 0x50EE)
    prosody = PROSODIES[emotion]
    language = person.spoken_accent.language
    assert language in SENTENCES
    waves: list[Wave] = []
    events: list[Phoneme] = []
    done = 0
    while not waves or (seconds is not None and text is None and done < seconds * SAMPLE_RATE):
        said = text if text is not None else sentence(language, rng)
        wave, spoken = _utter(person, said, prosody, rng)
        start = done / SAMPLE_RATE
        events += [Phoneme(e.name, e.start + start, e.stop + start) for e in spoken]
        waves.append(wave)
        done += len(wave)
    whole = np.concatenate(waves).astype(np.float64)
    if seconds is not None:
        wanted = round(seconds * SAMPLE_RATE)
        whole = np.pad(whole[:wanted], (0, max(0, wanted - len(whole))))
        events = [Phoneme(e.name, e.start, min(e.stop, seconds)) for e in events if e.start < seconds]
    if room:
        whole = _room(whole, rng)
    level = 0.06 * 10 ** ((prosody.level + rng.uniform(-3, 3)) / 20)
    whole *= level / max(float(np.sqrt(np.mean(whole**2))), 1e-9)
    peak = float(np.abs(whole).max())
    return (whole / max(1.0, peak / 0.98)).astype(np.float32), events
