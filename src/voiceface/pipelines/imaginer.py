"""Imaginer: faces that go with a voice, drawn by a model. They are nobody's portrait."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from voiceface.audio.speech_detection import SpeechFacts, speech_facts
from voiceface.audio.steadiness import steadiness
from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import name_of
from voiceface.media.origin import GeneratedImage, Origin
from voiceface.media.sound import SoundSource, stream_sound
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines.weights import Loaded, load_model, load_recipe, shipped
from voiceface.training.run import Pictures, Run

__all__ = [
    "LOW_PLAUSIBILITY",
    "PREFERRED",
    "Heard",
    "Imaginer",
    "NotSpeechError",
    "best_shipped",
    "hear",
    "weights_fingerprint",
]

Picture = npt.NDArray[np.uint8]
OnError = Callable[[int, InputError], None]

PREFERRED = ("imaginer",)
"""The shipped weights that draw faces, better ones first (RESULTS.md)."""
LOW_PLAUSIBILITY = 0.5
"""A plausibility below this is told; where it is 0 nothing is drawn."""
RATE = 16_000

_MIN_SECONDS = 0.2
_BLOCK_SECONDS = 10.0
_MAX_SPEECH_SECONDS = 30.0
"""Of blocks with speech: a speaker's embedding hardly changes after (and memory stays bounded)."""
_BLOCK = 32
_TYPICAL_SAMPLES = 16


class NotSpeechError(InputError):
    """The recording holds no speech that can be told, so that a face drawn for it would mean nothing."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Heard:
    """What of a recording is listened to, and how much of a voice it is."""

    wave: npt.NDArray[np.float32]
    """(samples,) at 16 kHz: up to 30 s, taken from the parts with speech."""
    facts: SpeechFacts
    steadiness: float = 0.0
    """How still its partials stand (`voiceface.audio.steadiness`): music's stand, speech's glide."""
    name: str = "the recording"
    """Its file, for messages."""

    @property
    def plausibility(self) -> float:
        """How surely it is a voice with enough to go by, in [0, 1]: the weakest of five signs of speech.

        Made from seconds of voice activity and of voiced sound, their share, how far the sound's colour
        moves and whether its partials glide, as music's do not; 0 where one is missing. Nearly all
        recordings of people have 1. What music still passes stands in docs/imagine.md.
        """
        facts = self.facts
        if facts.missing:
            return 0.0
        signs = (
            _ramp(facts.active_seconds, 0.2, 1.5),
            _ramp(facts.voiced_seconds, 0.1, 0.6),
            _ramp(facts.voiced_share, 0.03, 0.12),
            _ramp(facts.spread, 4.5, 6.5),
            # 525 recordings of people: one in 200 above 0.45, the highest 0.49. Made music: 0.67 and more.
            1 - _ramp(self.steadiness, 0.46, 0.70),
        )
        return min(signs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a face is drawn from, what of it must be said, and what to call it in an error."""

    cue: GeneratorInput
    note: str = ""
    name: str = ""

    def named(self, error: InputError) -> InputError:
        """A recipe's error with the recording's name: it knows but the cue's number."""
        if not self.name or not error.what.startswith("cue "):
            return error
        return InputError(self.name, error.fault, error.remedy)


class Imaginer:
    """Draws faces for voices; made by `load`.

    >>> Imaginer.load("nobody")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    voiceface.errors.InputError: nobody: is neither shipped weights nor a folder
    """

    def __init__(self, loaded: Loaded, *, device: str = "cpu", precision: str = "auto") -> None:
        if loaded.run.imagine is None:
            fault = f"holds weights of {loaded.card.get('recipe')}, which draws no faces"
            raise InputError(loaded.name, fault, "give weights that `voiceface train imaginer` wrote")
        if precision not in {"auto", "32", "bf16"}:
            raise InputError("precision", f"is {precision!r}", "give auto, 32 or bf16")
        # What `train -o NAME` writes lies in NAME/weights, which names nothing.
        self.name = loaded.name if loaded.name != "weights" else str(loaded.card.get("recipe"))
        self.card, self.device = loaded.card, device
        self._loaded = loaded
        self._bf16 = precision == "bf16"
        self._contract = dict(loaded.run.contract)
        self.fingerprint = weights_fingerprint(loaded)
        """Names the weights, hexadecimal."""

    @classmethod
    def load(
        cls, weights: str | Path | None = None, *, device: str = "cpu", precision: str = "auto"
    ) -> Imaginer:
        """Load weights of any recipe that draws faces.

        Args:
            weights: A weights folder or the name of shipped weights; None takes the best shipped.
            device: ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto`` (float32), ``32`` or ``bf16``.

        Raises:
            InputError: the weights cannot be used, or draw no faces.
            MissingPartError: none are shipped, or a part they need is not installed.
        """
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"device {device}", "cannot be used here", "give cpu, or see doctor") from error
        loaded = load_model(weights if weights is not None else best_shipped(), device=device)
        return cls(loaded, device=device, precision=precision)

    def __repr__(self) -> str:
        """Name and device."""
        return f"Imaginer({self.name!r}, device={self.device!r})"

    @property
    def template(self) -> str:
        """How its faces are cut (`voiceface.face.align.TEMPLATES`); empty where the weights do not tell."""
        return str(self._contract.get("template", ""))

    @property
    def hears(self) -> bool:
        """Whether it draws from voices; False where from names alone."""
        return self._contract.get("cue") != "person"

    def __call__(
        self,
        voice: SoundSource | Heard | None = None,
        *,
        n: int = 1,
        seed: int = 0,
        person: str = "",
        typical: bool = False,
        force: bool = False,
    ) -> list[GeneratedImage]:
        """Draw ``n`` different faces for one voice; the same seed draws the same faces.

        Args:
            voice: A path, a file object, an (array, rate) pair, or what `hear` gave. Of a long recording
                the first 30 s with speech count.
            n: Faces.
            seed: Of what the voice does not tell: expression, light, surroundings.
            person: Somebody the weights know by name, for recipes that draw from names.
            typical: Draw the one face that is typical of such voices instead.
            force: Draw even where no speech is heard.

        Raises:
            NotSpeechError: no speech is heard, and ``force`` is False.
            InputError: the recording cannot be read or is shorter than 0.2 s, the name is unknown, or
                ``n`` is not 1 or more.
        """
        if n < 1 or (typical and n > 1):
            remedy = "give 1 or more" if n < 1 else "leave one of the two out: there is one typical face"
            raise InputError("n", f"is {n}{' with typical' if typical else ''}", remedy)
        asked = self._asked(voice, person, force=force)
        if typical:
            (face,) = self._one_each([asked], seed, typical)
            if isinstance(face, InputError):
                raise face
            return [face]
        try:
            pictures = self._draw(self._run, [asked.cue] * n, seed)
        except InputError as error:
            raise asked.named(error) from error
        return [
            self._as_generated_image(picture, seed, draw, asked.note) for draw, picture in enumerate(pictures)
        ]

    def many(
        self,
        voices: Sequence[SoundSource | Heard],
        *,
        seed: int = 0,
        typical: bool = False,
        force: bool = False,
        on_error: OnError | None = None,
    ) -> list[GeneratedImage | None]:
        """Draw one face for each voice, in batches: what a call with each voice gives, within rounding.

        Args:
            voices: As ``voice`` of a call.
            seed: The same for all: whose voice it is makes the difference.
            typical: As in a call.
            force: As in a call.
            on_error: Called with the place and the error of a voice that cannot be used, whose face is
                then None; without it the error is raised.

        Raises:
            InputError: as a call.
        """
        if isinstance(voices, str | Path):
            raise InputError(voices, "is one file where a list is expected", "give [file]")
        faces: list[GeneratedImage | None] = [None] * len(voices)

        def fail(place: int, error: InputError) -> None:
            if on_error is None:
                raise error
            on_error(place, error)

        for first in range(0, len(voices), _BLOCK):
            asked: dict[int, _Asked] = {}
            for place in range(first, min(first + _BLOCK, len(voices))):
                try:
                    asked[place] = self._asked(voices[place], "", force=force)
                except InputError as error:
                    fail(place, error)
            drawn = self._one_each(list(asked.values()), seed, typical)
            for place, face in zip(asked, drawn, strict=True):
                if isinstance(face, InputError):
                    fail(place, face)
                else:
                    faces[place] = face
        return faces

    def plausibility(self, voice: SoundSource | Heard) -> float:
        """How surely a recording holds a voice to draw from, in [0, 1] (see `Heard.plausibility`).

        Raises:
            InputError: the recording cannot be read or is shorter than 0.2 s.
        """
        return (voice if isinstance(voice, Heard) else hear(voice)).plausibility

    @property
    def _run(self) -> Run:
        return self._loaded.run

    def _asked(self, voice: SoundSource | Heard | None, person: str, *, force: bool) -> _Asked:
        if voice is None:
            if not person or self.hears:
                what = "a voice" if self.hears else "a name (person=)"
                raise InputError(self.name, f"draws from {what}, and none was given", f"give {what}")
            return _Asked(cue=GeneratorInput(person=person), name=person)
        heard = voice if isinstance(voice, Heard) else hear(voice)
        sure = heard.plausibility
        if not force and sure == 0:
            why = heard.facts.missing or ("music" if heard.steadiness >= 0.7 else "too little")
            fault = f"holds no speech that can be told ({why})"
            raise NotSpeechError(heard.name, fault, "give a recording of one person speaking, or force it")
        note = f"hardly a voice: plausibility {sure:.2f}" if sure < LOW_PLAUSIBILITY else ""
        return _Asked(cue=GeneratorInput(wave=heard.wave, person=person), note=note, name=heard.name)

    def _one_each(
        self, asked: Sequence[_Asked], seed: int, typical: bool
    ) -> list[GeneratedImage | InputError]:
        """A face, or what is wrong, for each."""
        run, told = self._run_for_typical() if typical else (self._run, "")
        mean = typical and run is self._run
        pictures = self._each(run, [one.cue for one in asked], seed, mean=mean)
        return [
            one.named(picture)
            if isinstance(picture, InputError)
            else self._as_generated_image(picture, seed, 0, "; ".join(filter(None, (told, one.note))))
            for picture, one in zip(pictures, asked, strict=True)
        ]

    def _each(
        self, run: Run, cues: Sequence[GeneratorInput], seed: int, *, mean: bool
    ) -> list[Picture | InputError]:
        """The first draw for each cue, or the mean of some; all at once where cues may choose their draw."""
        try:
            if not cues:
                return []
            if mean and len(cues) == 1:
                drawn = self._draw(run, [cues[0]] * _TYPICAL_SAMPLES, seed).astype(np.float32)
                return [drawn.mean(axis=0).round().astype(np.uint8)]
            if not mean and (len(cues) == 1 or self._contract.get("draws") == "cue"):
                return list(self._draw(run, [replace(cue, draw=0) for cue in cues], seed))
        except InputError as error:
            if len(cues) == 1:
                return [error]  # else it is found below which one it is about
        return [one for cue in cues for one in self._each(run, [cue], seed, mean=mean)]

    def _run_for_typical(self) -> tuple[Run, str]:
        """The recipe with the arguments that its contract names for the typical face, if it names any."""
        if "typical" not in self._contract:
            return self._run, f"the typical face, a mean of {_TYPICAL_SAMPLES} draws"
        arguments = {**self.card["arguments"], **self._contract["typical"]}
        run: Run = load_recipe(self.card["recipe"]).recipe(**arguments)
        return run, "the typical face"

    def _draw(self, run: Run, cues: Sequence[GeneratorInput], seed: int) -> Pictures:
        """Pictures (cues, side, side, 3) of a run's `imagine`."""
        assert run.imagine is not None
        with torch.no_grad(), self._autocast():
            return run.imagine(self._loaded.model, cues, self._loaded.facts, seed)

    def _as_generated_image(self, picture: Picture, seed: int, draw: int, note: str) -> GeneratedImage:
        fingerprint = self.fingerprint[:16]
        origin = Origin(model=self.name, fingerprint=fingerprint, seed=seed, draw=draw, note=note)
        return GeneratedImage.of(Image.fromarray(np.ascontiguousarray(picture)), origin)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self._bf16)


def hear(voice: SoundSource) -> Heard:
    """Listen to a recording: up to 30 s of its parts with speech, read in bounded memory.

    Raises:
        InputError: it cannot be read or is shorter than 0.2 s.
    """
    name = "the recording" if isinstance(voice, tuple) else name_of(voice)
    kept: list[tuple[npt.NDArray[np.float32], SpeechFacts]] = []
    start: list[tuple[npt.NDArray[np.float32], SpeechFacts]] = []  # for where no part holds speech
    for block in stream_sound(voice, rate=RATE, block_seconds=_BLOCK_SECONDS):
        part = block, speech_facts(block)
        start = start or [part]
        if part[1].is_speech or (kept and part[1].active_seconds > 0.5):
            kept.append(part)
        if len(kept) * _BLOCK_SECONDS >= _MAX_SPEECH_SECONDS:
            break
    parts = kept or start
    wave = np.concatenate([block for block, _ in parts])
    if len(wave) < _MIN_SECONDS * RATE:
        fault = f"is {len(wave) / RATE:.2f} s long"
        raise InputError(name, fault, f"give at least {_MIN_SECONDS} s of speech")
    facts = parts[0][1] if len(parts) == 1 else speech_facts(wave)
    return Heard(wave=wave, facts=facts, steadiness=steadiness(wave), name=name)


def best_shipped() -> str:
    """The name of the best shipped weights that draw faces.

    Raises:
        MissingPartError: none are shipped.
    """
    for name in PREFERRED:
        if name in shipped():
            return name
    fault = "no weights that draw faces came with this package"
    raise MissingPartError("imaginer", fault, "train some with `voiceface train imaginer`, or upgrade")


def _ramp(value: float, none: float, full: float) -> float:
    return min(1.0, max(0.0, (value - none) / (full - none)))


def weights_fingerprint(loaded: Loaded) -> str:
    """Names weights: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(loaded.model.weights().items()):
        digest.update(name.encode() + tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()
